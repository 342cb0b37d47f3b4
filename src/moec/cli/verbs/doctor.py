"""`moec doctor`: what is installed, what was found, and what it can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from moec.cli.console import FINE, OUTSIDE_TOOL_FAILED, diagnostics_json, note_report, say, say_json
from moec.cli.options import Json
from moec.diagnostics import Report

if TYPE_CHECKING:
    from moec.backends.astra.simulator.doctor import Examination, Tried
    from moec.compiled import State

SIMULATION: dict[State, str] = {
    "compiled": "compiled",
    "plain Python": "plain Python, several times slower than compiled (install moec again where there is a C compiler)",
    "out of date": "compiled from other sources than those installed: install moec again",
}


def doctor(
    astra_sim: Annotated[
        str | None,
        typer.Option("--astra-sim", metavar="PATH", help="An ASTRA-sim binary, or its folder.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> int:
    """Say what moec has to work with.

    Versions, ASTRA-sim's binaries and whether they run, and the chakra tools. ASTRA-sim may be missing: only the
    `astra_sim` backend needs it.
    """
    from os import environ

    from moec.backends.astra.simulator.doctor import examine
    from moec.backends.astra.simulator.find import VARIABLE

    found = examine(astra_sim)
    named = astra_sim is not None or bool(environ.get(VARIABLE))
    code = _code(found, named=named)
    if as_json:
        say_json({"ok": code == FINE, **_json(found)})
        return code
    say("\n".join(_lines(found, named=named)))
    if found.binaries or named:
        note_report(Report(found.diagnostics))
    return code


def _code(found: Examination, *, named: bool) -> int:
    """Wrong are a missing dependency, a binary that does not run, and a path that names none."""
    broken = any(one.error is not None for one in found.binaries) or (named and not found.binaries)
    return OUTSIDE_TOOL_FAILED if broken or None in found.dependencies.values() else FINE


def _lines(found: Examination, *, named: bool) -> list[str]:
    lines = [f"moec {found.moec}, Python {found.python}"]
    lines += [f"  {name} {version or 'is missing'}" for name, version in found.dependencies.items()]
    lines.append(f"  event simulation: {SIMULATION[found.simulation]}")
    lines.append("ASTRA-sim")
    for one in found.binaries:
        lines += _binary(one)
    if not found.binaries:
        about = [text for d in found.diagnostics for text in (d.title, d.help)]
        lines += ["  not usable: see below"] if named else [f"  {text}" for text in about]
    lines.append("chakra tools (not needed; they read moec's traces)")
    lines += [f"  {name}: {path or 'not on PATH'}" for name, path in found.chakra_tools.items()]
    return lines


def _binary(one: Tried) -> list[str]:
    from moec.backends.astra.simulator.doctor import ABILITIES

    binary = one.binary
    lines = [
        f"  congestion-{binary.congestion}: {binary.path} ({binary.found_by})",
        f"    {ABILITIES[binary.congestion]}",
    ]
    if one.finish_ns is None:
        return [*lines, "    does not run: see below"]
    lines.append(f"    ran two ranks in {one.wall_s * 1e3:.0f} ms: {one.finish_ns} ns simulated")
    if not one.as_checked:
        lines.append(f"    the release that moec was checked against says {one.expected_ns} ns")
    return lines


def _json(found: Examination) -> dict[str, Any]:
    return {
        "moec": found.moec,
        "python": found.python,
        "event_simulation": found.simulation,
        "dependencies": found.dependencies,
        "astra_sim": [
            {
                "path": str(one.binary.path),
                "congestion": one.binary.congestion,
                "found_by": one.binary.found_by,
                "runs": one.finish_ns is not None,
                "finish_ns": one.finish_ns,
                "expected_ns": one.expected_ns,
                "as_checked": one.as_checked,
                "wall_s": one.wall_s,
            }
            for one in found.binaries
        ],
        "chakra_tools": found.chakra_tools,
        "diagnostics": diagnostics_json(found.diagnostics),
    }
