"""From a file to its experiments, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from moec.diagnostics import Diagnostic, Label, Report, Span
from moec.diagnostics.nearest import did_you_mean, listed
from moec.dsl.meaning.build import Building
from moec.dsl.meaning.later import sweep_cannot_run
from moec.dsl.meaning.resolve import Resolution
from moec.dsl.meaning.values import FAILED, Record, Unit
from moec.dsl.overrides import amend
from moec.dsl.schema import Experiment
from moec.dsl.sources import Sources
from moec.dsl.text import ast


def load(
    path: str | Path, *, experiment: str | None = None, overrides: Sequence[str] = (), seed: int | None = None
) -> tuple[Experiment | None, Report]:
    """One experiment of a file: the one named, or the only one. None when the report has an error.

    `overrides` are `path=value` amendments rooted at the experiment's fields, `seed` one more of them. In the result
    quantities are in SI, paths of files absolute. Raises nothing for a user's mistake.
    """
    sources = Sources()
    unit = sources.read(Path(path), str(path))
    return _load(sources, unit, str(Path(path).parent), experiment, overrides, seed)


def load_text(
    text: str,
    file: str = "<text>",
    *,
    directory: str | Path = ".",
    experiment: str | None = None,
    overrides: Sequence[str] = (),
    seed: int | None = None,
) -> tuple[Experiment | None, Report]:
    """As `load`, of a text called `file` whose relative paths start at `directory`."""
    sources = Sources()
    unit = sources.add(text, file, Path(directory) / "text.moe")
    return _load(sources, unit, str(directory), experiment, overrides, seed)


def check_file(path: str | Path, *, overrides: Sequence[str] = ()) -> tuple[tuple[Experiment, ...], Report]:
    """Every experiment of a file that has no mistake, and the mistakes of all of it, unused definitions included."""
    sources = Sources()
    unit = sources.read(Path(path), str(path))
    return _check(sources, unit, str(Path(path).parent), overrides)


def check_text(
    text: str, file: str = "<text>", *, directory: str | Path = ".", overrides: Sequence[str] = ()
) -> tuple[tuple[Experiment, ...], Report]:
    """As `check_file`, of a text."""
    sources = Sources()
    unit = sources.add(text, file, Path(directory) / "text.moe")
    return _check(sources, unit, str(directory), overrides)


def _load(
    sources: Sources,
    unit: Unit | None,
    directory: str,
    chosen: str | None,
    overrides: Sequence[str],
    seed: int | None,
) -> tuple[Experiment | None, Report]:
    resolution = Resolution()
    result = None
    if unit is not None:
        _warn_of_sweeps(unit, resolution)
        name = _choose(unit, chosen, resolution)
        if name is not None:
            settings = [*overrides, *([f"seed={seed}"] if seed is not None else [])]
            result = _experiment(sources, unit, name, directory, settings, resolution)
    report = _report(sources, resolution)
    return (None if report.failed else result), report


def _check(
    sources: Sources, unit: Unit | None, directory: str, overrides: Sequence[str]
) -> tuple[tuple[Experiment, ...], Report]:
    resolution = Resolution()
    built = []
    if unit is not None:
        names = [d.name.text for d in _experiments(unit)]
        found = [_experiment(sources, unit, name, directory, overrides, resolution) for name in names]
        built = [experiment for experiment in found if experiment is not None]
        _check_unused(unit, resolution)
        _warn_of_sweeps(unit, resolution)
    report = _report(sources, resolution)
    return tuple(built), report


def _experiments(unit: Unit) -> list[ast.Definition]:
    return [d for d in unit.definitions.values() if d.kind.text == "experiment"]


def _choose(unit: Unit, chosen: str | None, resolution: Resolution) -> str | None:
    """The name of the experiment that is meant."""
    known = _experiments(unit)
    names = [d.name.text for d in known]
    if chosen is not None and chosen not in names:
        help = did_you_mean(chosen, names, listing="it has")
        resolution.note(Diagnostic("M112", f"`{unit.named}` has no experiment `{chosen}`", None, help=help))
        return None
    if chosen is None and not names and not unit.tree.damaged:
        help = "add `experiment name { model = …, cluster = … }`"
        at = unit.tree.span if unit.tree.span.file else Span(unit.named, 1, 1, 1, 1)
        here = Span(unit.named, at.line, at.column, at.line, at.column + 1)
        resolution.note(Diagnostic("M113", "the file has no experiment", here, help=help))
    if chosen is None and len(names) > 1:
        labels = tuple(Label(d.name.span, "and this") for d in known[1:])
        title = f"the file has {len(names)} experiments"
        help = f"choose one: {listed(names)}"
        resolution.note(Diagnostic("M114", title, known[0].name.span, "this", labels, help))
        return None
    return chosen or next(iter(names), None)


def _experiment(
    sources: Sources, unit: Unit, name: str, directory: str, overrides: Sequence[str], resolution: Resolution
) -> Experiment | None:
    definition = unit.definitions["experiment", name]
    record = resolution.definition(unit, definition, definition.name.span)
    if not isinstance(record, Record):
        return None
    record = amend(record, overrides, unit, sources)
    building = Building(resolution)
    built = building.record(record)
    if built is FAILED or building.damaged:
        return None
    assert isinstance(built, Experiment)
    return replace(
        built,
        name=name,
        names=building.names,
        spans=building.spans,
        directory=directory,
        files={**sources.hashes, **building.files},
    )


def _check_unused(unit: Unit, resolution: Resolution) -> None:
    """Build the definitions that no experiment has asked for, to say what is wrong with them."""
    for (kind, name), definition in unit.definitions.items():
        if (id(unit), kind, name) not in resolution.records:
            record = resolution.definition(unit, definition, definition.name.span)
            if isinstance(record, Record):
                Building(resolution).record(record)


def _warn_of_sweeps(unit: Unit, resolution: Resolution) -> None:
    names = [d.name.text for d in _experiments(unit)]
    for sweep in unit.tree.sweeps:
        if sweep.of.text not in names:
            help = did_you_mean(sweep.of.text, names, listing="the file has")
            resolution.report("M103", f"unknown experiment `{sweep.of.text}`", sweep.of.span, help=help)
        resolution.note(sweep_cannot_run(sweep.name))


def _report(sources: Sources, resolution: Resolution) -> Report:
    """Every diagnostic once, the asked-for file's first, each file's in source order."""
    order = {named: i for i, named in enumerate(sources.texts)}
    unique = _once([*sources.diagnostics, *resolution.diagnostics])

    def place(diagnostic: Diagnostic) -> tuple[int, int, int]:
        span = diagnostic.span
        return (order.get(span.file, len(order)), span.line, span.column) if span is not None else (-1, 0, 0)

    return Report(tuple(sorted(unique, key=place)), dict(sources.texts))


def _once(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """One diagnostic for each code, title and place, the first."""
    kept: dict[tuple[str, str, Span | None], Diagnostic] = {}
    for diagnostic in diagnostics:
        kept.setdefault((diagnostic.code, diagnostic.title, diagnostic.span), diagnostic)
    return list(kept.values())
