"""`moec trace`: any Chakra trace set, ours or foreign: what is wrong with it, what it amounts to, what sets two apart."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from moec.cli.console import (
    FINE,
    WRONG_COMMAND,
    WRONG_SPECIFICATION,
    diagnostics_json,
    fail,
    note,
    note_report,
    say,
    say_json,
)
from moec.cli.options import Json
from moec.cli.verbs.trace_time import no_trace, time
from moec.diagnostics import Diagnostic, Report

if TYPE_CHECKING:
    from moec.backends.astra.lint.subject import Subject
    from moec.compiler.chakra.trace_set import TraceSet

trace = typer.Typer(help="Check, time, summarise, compare or draw Chakra traces.", rich_markup_mode=None)
trace.command()(time)

Prefix = Annotated[
    str, typer.Argument(metavar="PREFIX", help="The files are PREFIX.0.et, PREFIX.1.et …", show_default=False)
]
System = Annotated[
    Path | None, typer.Option("--system", metavar="FILE.json", help="ASTRA-sim's system file.", show_default=False)
]
Network = Annotated[
    Path | None, typer.Option("--network", metavar="FILE.yml", help="Its network file.", show_default=False)
]
Groups = Annotated[
    Path | None, typer.Option("--comm-groups", metavar="FILE.json", help="Its communicator groups.", show_default=False)
]
Memory = Annotated[
    Path | None, typer.Option("--memory", metavar="FILE.json", help="Its remote-memory file.", show_default=False)
]
Binary = Annotated[
    Literal["aware", "unaware"] | None,
    typer.Option(
        "--binary", help="The network model it is to run on: with congestion, or without.", show_default=False
    ),
]


@trace.command()
def lint(
    prefix: Prefix,
    system: System = None,
    network: Network = None,
    comm_groups: Groups = None,
    memory: Memory = None,
    binary: Binary = None,
    as_json: Json = False,
) -> int:
    """Say what would hang, crash or mislead ASTRA-sim.

    Configuration files that are not given are taken from the folder of the traces, where they have the names that moec
    gives them: system.json, network.yml, comm_groups.json, memory.json.
    """
    from moec.backends.astra.files.reading import Unreadable
    from moec.backends.astra.lint.all_rules import lint as all_findings
    from moec.backends.astra.lint.settings import Settings, beside, subject
    from moec.report.trace_findings import findings_json, findings_text

    settings = beside(prefix, Settings(system, network, comm_groups, memory, binary))
    with _no_search_for_cycles():
        try:
            subjected = subject(prefix, settings)
        except Unreadable as error:
            return _wrong(str(error), as_json=as_json)
        if not subjected.traces.ranks:
            return _none(prefix, as_json=as_json)
        findings = all_findings(subjected)
    code = WRONG_SPECIFICATION if any(f.rule.severity == "error" for f in findings) else FINE
    if as_json:
        say_json({"ok": code == FINE, **_counted(subjected), "findings": findings_json(findings)})
    else:
        say(findings_text(findings, subjected))
    return code


@trace.command()
def stats(prefix: Prefix, system: System = None, as_json: Json = False) -> int:
    """Count nodes, operations and bytes, and find the longest chain of kernels."""
    from moec.backends.astra.files.reading import Unreadable
    from moec.backends.astra.lint.settings import Settings, beside, subject
    from moec.compiler.chakra.stats import stats as all_stats
    from moec.report.trace_stats import stats_json, stats_report

    try:
        subjected = subject(prefix, Settings(system=beside(prefix, Settings(system)).system))
    except Unreadable as error:
        return _wrong(str(error), as_json=as_json)
    if not subjected.traces.members:
        return _none(prefix, as_json=as_json)
    _note_troubles(subjected.traces)
    found = all_stats(subjected.traces, subjected.system)
    lost = _lost(subjected.traces)
    if as_json:
        say_json({"ok": not lost, "prefix": prefix, **stats_json(found), **_of_the_rest(lost)})
    else:
        from moec.report.style import as_text

        say(as_text(stats_report(found)))
        note_report(Report(lost))
    return WRONG_SPECIFICATION if lost else FINE


@trace.command()
def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A prefix.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="Another one.", show_default=False)],
    as_json: Json = False,
) -> int:
    """Compare two trace sets node by node; exit code 1 if they differ."""
    from moec.compiler.chakra.diff import diff as differences
    from moec.compiler.chakra.trace_set import read_set
    from moec.report.trace_diff import diff_json, diff_text

    sets = [read_set(prefix) for prefix in (a, b)]
    for prefix, traces in zip((a, b), sets, strict=True):
        if not traces.members:
            return _none(prefix, as_json=as_json)
        _note_troubles(traces)
    found = differences(*sets)
    lost = tuple(diagnostic for traces in sets for diagnostic in _lost(traces))
    if as_json:
        say_json({"ok": not found and not lost, "a": a, "b": b, "differences": diff_json(found), **_of_the_rest(lost)})
    else:
        say(diff_text(found))
        note_report(Report(lost))
    return WRONG_SPECIFICATION if found or lost else FINE


@trace.command()
def dot(
    prefix: Prefix,
    rank: Annotated[int, typer.Option("--rank", metavar="N", min=0, help="Whose graph.")] = 0,
    as_json: Json = False,
) -> int:
    """Draw the graph of one rank as Graphviz text."""
    from moec.compiler.chakra.dot import dot as drawn
    from moec.compiler.chakra.trace_set import read_set

    traces = read_set(prefix)
    member = next((m for m in traces.members if rank in m.ranks), None)
    if member is None:
        return _none(f"{prefix}", as_json=as_json, rank=rank)
    _note_troubles(traces)
    text = drawn(member.content.trace, member.ranks)
    lost = _lost(replace(traces, members=(member,), unreadable={}))
    if as_json:
        say_json({"ok": not lost, "prefix": prefix, "ranks": list(member.ranks), "dot": text, **_of_the_rest(lost)})
    else:
        say(text)
        note_report(Report(lost))
    return WRONG_SPECIFICATION if lost else FINE


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Many ranks make millions of small objects without a cycle among them; to look for some takes a third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _counted(subject: Subject) -> dict[str, object]:
    members = subject.traces.members
    nodes = sum(len(m.content.trace) * len(m.ranks) for m in members)
    return {"prefix": subject.traces.prefix, "ranks": len(subject.traces.ranks), "nodes": nodes}


def _note_troubles(traces: TraceSet) -> None:
    """What is odd about files that were read whole, on stderr."""
    from moec.compiler.chakra.trace_set import folded

    for sentence, ranks in _troubles(traces, lossy=False).items():
        note(f"warning: {folded(tuple(sorted(ranks)))}: {sentence}")


def _lost(traces: TraceSet) -> tuple[Diagnostic, ...]:
    """Files that could not be read to their end; what was printed is of the rest."""
    from moec.compiler.chakra.trace_set import folded

    help = f"what is printed is of the rest; `moec trace lint {traces.prefix}` says what ASTRA-sim would do"
    found = _troubles(traces, lossy=True)
    return tuple(
        Diagnostic("M503", f"`{traces.prefix}`, {folded(tuple(sorted(ranks)))}: {sentence}", help=help)
        for sentence, ranks in found.items()
    )


def _troubles(traces: TraceSet, *, lossy: bool) -> dict[str, list[int]]:
    """Sentences with the ranks whose files they are true of, of those that cost nodes or of the others."""
    from moec.compiler.chakra.reading.read import LOSSY

    alike: dict[str, list[int]] = {}
    for member in traces.members:
        for trouble in member.content.troubles:
            if (trouble.fault in LOSSY) == lossy:
                alike.setdefault(trouble.sentence, []).extend(member.ranks)
    for rank, reason in traces.unreadable.items() if lossy else ():
        alike.setdefault(f"the file cannot be read: {reason}", []).append(rank)
    return alike


def _of_the_rest(lost: tuple[Diagnostic, ...]) -> dict[str, object]:
    return {"diagnostics": diagnostics_json(lost)} if lost else {}


def _none(prefix: str, *, as_json: bool, rank: int | None = None) -> int:
    return _wrong(*no_trace(prefix, rank or 0), as_json=as_json)


def _wrong(title: str, help: str = "", *, as_json: bool) -> int:
    return fail(Report((Diagnostic("M501", title, help=help),)), as_json=as_json) or WRONG_COMMAND
