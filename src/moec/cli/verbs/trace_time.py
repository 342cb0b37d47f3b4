"""`moec trace time`: when each rank of a trace set finishes under ASTRA-sim, without ASTRA-sim."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moec.cli.console import FINE, WRONG_COMMAND, WRONG_SPECIFICATION, fail, note, say, say_json
from moec.cli.options import Json
from moec.diagnostics import Diagnostic, Report

if TYPE_CHECKING:
    from moec.backends.astra.replay.timing import Timing

REFUSED = "M607"
"""ASTRA-sim would not finish."""
SHOWN = 3
"""Prefixes that are named at once."""
Prefix = Annotated[
    str, typer.Argument(metavar="PREFIX", help="The files are PREFIX.0.et, PREFIX.1.et …", show_default=False)
]
File = Path | None


def _file(name: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(name, metavar="FILE", help=what, show_default=False)  # type: ignore[no-any-return]


def time(
    prefix: Prefix,
    system: Annotated[File, _file("--system", "ASTRA-sim's system file.")] = None,
    network: Annotated[File, _file("--network", "Its network file.")] = None,
    memory: Annotated[File, _file("--memory", "Its remote-memory file.")] = None,
    comm_groups: Annotated[File, _file("--comm-groups", "Its communicator groups.")] = None,
    backend: Annotated[
        Literal["aware", "unaware"], typer.Option("--backend", help="The network model: with congestion, or without.")
    ] = "aware",
    queues: Annotated[int, typer.Option("--num-queues-per-dim", min=1, help="As the simulator's option.")] = 1,
    injection: Annotated[
        float, typer.Option("--injection-scale", min=0, max=1e9, help="As the simulator's option.")
    ] = 1.0,
    rendezvous: Annotated[bool, typer.Option("--rendezvous-protocol", help="As the simulator's option.")] = False,
    nodes: Annotated[bool, typer.Option("--nodes", help="Times of every node, too (with --json).")] = False,
    as_json: Json = False,
) -> int:
    """Say when each rank finishes under ASTRA-sim, to the nanosecond.

    Configuration files that are not given are taken from the folder of the traces, where they have the names that moec
    gives them: system.json, network.yml, comm_groups.json, memory.json.
    """
    from moec.backends.astra.files.reading import Unreadable
    from moec.backends.astra.lint.settings import Settings, beside
    from moec.backends.astra.replay.run import replay_files
    from moec.backends.astra.replay.setup import Files, Options
    from moec.backends.astra.replay.timing import Refused
    from moec.compiler.chakra.trace_set import find

    if not Path(f"{prefix}.0.et").is_file() and not find(prefix):  # mostly no need to look at a thousand names
        return _wrong(*no_trace(prefix), as_json=as_json)
    found = beside(prefix, Settings(system, network, comm_groups, memory))
    if found.system is None or found.network is None:
        lacking = "system" if found.system is None else "network"
        return _wrong(f"no {lacking} file", f"name one with `--{lacking}`", as_json=as_json)
    files = Files(prefix, found.system, found.network, found.memory, found.groups)
    try:
        timing = replay_files(files, Options(backend, queues, injection, rendezvous), nodes=nodes)
    except Unreadable as error:
        return _wrong(str(error), "", as_json=as_json)
    except Refused as refused:
        help = f"`moec trace lint {prefix}` may say what to change"
        fail(Report((Diagnostic(REFUSED, str(refused), help=help),)), as_json=as_json)
        return WRONG_SPECIFICATION
    _tell(timing, prefix, backend, as_json=as_json)
    return FINE


def no_trace(prefix: str, rank: int = 0) -> tuple[str, str]:
    """What to say where there is no trace, and what helps."""
    from moec.compiler.chakra.trace_set import nearby

    near = [f"`{name}`" for name in nearby(prefix)]
    more = f" and {len(near) - SHOWN} more" if len(near) > SHOWN else ""
    meant = f"; here: {', '.join(near[:SHOWN])}{more}" if near else ""
    return f"there is no trace `{prefix}.{rank}.et`", f"a prefix is what stands before `.0.et`{meant}"


def _tell(timing: Timing, prefix: str, backend: str, *, as_json: bool) -> None:
    from moec.report.trace_timing import timing_json, timing_text

    if as_json:
        say_json({"ok": True, "prefix": prefix, "backend": backend, **timing_json(timing)})
        return
    for sentence in timing.notes:
        note(f"warning: {sentence}")
    say(timing_text(timing))


def _wrong(title: str, help: str, *, as_json: bool) -> int:
    return fail(Report((Diagnostic("M501", title, help=help),)), as_json=as_json) or WRONG_COMMAND
