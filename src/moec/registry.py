"""What can be added to moec from outside, and where each built-in one lives.

A package adds a cost model, a placement, a router, a reader of requests or a backend by an entry point whose object is a
`Plugin`. The entry point's name is then written in a `.moe` file like a built-in one, its options in parentheses.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from moec.diagnostics import Diagnostic, Refused, has_errors

NOT_USABLE, WRONG_RESULT = "M196", "M197"
"""A plug-in that cannot be loaded or does not keep to its contract; one whose result cannot be used."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """What an entry point names.

    `options`: a frozen dataclass whose fields are declared by `moec.spec`; a `.moe` file gives them in parentheses.
    `make`: what makes the thing, with the arguments that the group says. `makes_replicas`: of a placement, whether it
    fills redundant slots.
    """

    options: type
    make: Callable[..., Any]
    makes_replicas: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of thing that can be added: what `make` takes and gives, and the built-in ones, name -> `module:function`."""

    what: str
    takes: tuple[str, ...]
    gives: str
    built_in: dict[str, str] = field(default_factory=dict)


COST_MODELS, PLACEMENTS, ROUTERS = "moec.cost_models", "moec.placements", "moec.routers"
REQUEST_READERS, BACKENDS = "moec.request_readers", "moec.backends"

GROUPS = MappingProxyType(
    {
        COST_MODELS: Group(
            "cost model",
            ("experiment",),
            "(CostModel or None, diagnostics), see moec.compiler.costs.base",
            {
                "roofline": "moec.compiler.costs.roofline:make",
                "profile": "moec.compiler.costs.profile.profile_costs:make",
                "silicon": "moec.compiler.costs.silicon.silicon_costs:make",
                "table": "moec.compiler.costs.table.table_costs:make",
            },
        ),
        PLACEMENTS: Group(
            "placement",
            ("experiment", "load"),
            "(the expert in each slot [layers, slots] or None, diagnostics), see moec.compiler.placement.registry",
            {
                "linear": "moec.compiler.placement.linear:place",
                "round_robin": "moec.compiler.placement.round_robin:place",
                "lpt": "moec.compiler.placement.lpt:place",
                "eplb": "moec.compiler.placement.eplb:place",
                "explicit": "moec.compiler.placement.explicit:place",
            },
        ),
        ROUTERS: Group(
            "router",
            ("experiment",),
            "a callable queues -> target, see moec.serving.router",
            {
                "least_loaded": "moec.serving.router:least_loaded",
                "round_robin": "moec.serving.router:round_robin",
            },
        ),
        REQUEST_READERS: Group(
            "reader of requests",
            ("experiment",),
            "(Trace or None, diagnostics), see moec.serving.requests.formats",
        ),
        BACKENDS: Group(
            "backend",
            ("experiment",),
            "a Backend, see moec.backends.base",
            {
                "fast": "moec.backends.registry:fast",
                "astra_sim": "moec.backends.registry:astra_sim",
            },
        ),
    }
)

_LOADED: dict[tuple[str, str], Plugin] = {}
_NAMES: dict[type, tuple[str, str]] = {}


def names(group: str) -> list[str]:
    """The names of a group that can be written: built-in ones, then installed ones."""
    installed = sorted({entry.name for entry in entry_points(group=group)} - set(GROUPS[group].built_in))
    return [*GROUPS[group].built_in, *installed]


def installed(group: str, name: str) -> bool:
    """Whether a package adds something of that name to the group."""
    return name not in GROUPS[group].built_in and bool(entry_points(group=group, name=name))


def find(group: str, name: str) -> Plugin | None:
    """The plug-in of that name, loaded now; None when no package has one. Refused when it does not keep to its contract."""
    if (group, name) not in _LOADED:
        entries = [*entry_points(group=group, name=name)]
        if not entries or name in GROUPS[group].built_in:
            return None
        if len(entries) > 1:
            packages = " and ".join(f"`{_package(entry)}`" for entry in entries)
            raise _refused(f"{packages} both add a {GROUPS[group].what} `{name}`", "uninstall one of them")
        plugin = _loaded(group, entries[0])
        _LOADED[group, name] = plugin
        _NAMES[plugin.options] = (group, name)
    return _LOADED[group, name]


def named(options: type) -> tuple[str, str] | None:
    """Group and name of the plug-in whose options these are; None for a class of moec's own."""
    return _NAMES.get(options)


def maker(group: str, name: str) -> Callable[..., Any]:
    """What makes the thing of that name, ours or an installed package's; Refused when there is none."""
    known = GROUPS[group].built_in
    if name in known:
        module, _, function = known[name].partition(":")
        ours: Callable[..., Any] = getattr(import_module(module), function)
        return ours
    plugin = find(group, name)
    if plugin is None:
        raise _refused(f"there is no {GROUPS[group].what} `{name}`", f"known: {_listed(names(group))}")
    return guarded(group, name, plugin.make)


def guarded(group: str, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """`call` of a plug-in, its own exceptions turned into a diagnostic that names it."""

    def checked(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except Refused:
            raise
        except Exception as error:
            raise wrong(group, name, f"raised {type(error).__name__}: {error}") from error

    return checked


def wrong(group: str, name: str, what: str) -> Refused:
    """The refusal of what a plug-in gave: `what` completes "the cost model `x` of package `y` …"."""
    help = f"it must give {GROUPS[group].gives}"
    return Refused((Diagnostic(WRONG_RESULT, f"{_this(group, name)} {what}", help=help),))


def _loaded(group: str, entry: EntryPoint) -> Plugin:
    kind = GROUPS[group]
    this = _this(group, entry.name)
    try:
        plugin = entry.load()
    except Exception as error:
        title = f"{this} cannot be loaded: {type(error).__name__}: {error}"
        raise _refused(title, f"its entry point is `{entry.value}`") from error
    wanted = f"its entry point `{entry.value}` must name a `moec.Plugin(options, make)`"
    if not isinstance(plugin, Plugin):
        raise _refused(f"{this} is {_article(plugin)}, not a `moec.Plugin`", wanted)
    if not (isinstance(plugin.options, type) and dataclasses.is_dataclass(plugin.options)):
        raise _refused(f"{this} has options that are no dataclass", wanted)
    # Options are told apart by their class: by a shared one, an experiment would get the other thing without a word.
    owner = named(plugin.options)
    if owner is not None or plugin.options.__module__.partition(".")[0] == "moec":
        other = f"`{owner[1]}`" if owner is not None else "moec's own"
        raise _refused(f"{this} has the same class of options as {other}", "give it a dataclass of its own")
    plain = [f.name for f in dataclasses.fields(plugin.options) if "doc" not in f.metadata]
    if plain:
        raise _refused(f"{this} has the option `{plain[0]}`, which is not declared by `moec.spec(…)`", wanted)
    try:
        inspect.signature(plugin.make).bind(*kind.takes)
    except (TypeError, ValueError) as error:
        form = f"make({', '.join(kind.takes)})"
        raise _refused(f"{this} cannot be made by `{form}`: {error}", f"{form} gives {kind.gives}") from error
    return plugin


def unusable(group: str, name: str, what: str) -> Refused:
    """The refusal of a plug-in's contract: `what` completes "the cost model `x` of package `y` …"."""
    return _refused(f"{_this(group, name)} {what}", "mend the package, or use another")


def told(group: str, name: str, made: object, kind: type | tuple[type, ...] = object) -> tuple[Any, list[Diagnostic]]:
    """What a plug-in's `make` gave, a thing of a `kind` and diagnostics; a thing that is missing has an error that says why."""
    if not (isinstance(made, tuple) and len(made) == 2 and isinstance(made[1], list | tuple)):
        raise wrong(group, name, f"gave {type(made).__name__}, not a {GROUPS[group].what} and diagnostics")
    thing, found = made
    if thing is None and not has_errors(found):
        raise wrong(group, name, "gave nothing, and no error that says why")
    if thing is not None and not isinstance(thing, kind):
        raise wrong(group, name, f"gave {type(thing).__name__}, not a {GROUPS[group].what}")
    return thing, list(found)


def _this(group: str, name: str) -> str:
    entries = [*entry_points(group=group, name=name)]
    package = f" of package `{_package(entries[0])}`" if entries else ""
    return f"the {GROUPS[group].what} `{name}`{package}"


def _article(value: object) -> str:
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def _refused(title: str, help: str) -> Refused:
    return Refused((Diagnostic(NOT_USABLE, title, help=help),))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value.partition(":")[0]


def _listed(known: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in known)
