"""From a session to the trace folders of chosen iterations."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.files.settings import Congestion
from moec.backends.astra.simulator.inputs import Inputs, inputs_of
from moec.compiler.chakra.writing.exchange import DISTORTS
from moec.compiler.evidence import levels_of
from moec.compiler.ir.batch import Load
from moec.compiler.ir.graph import Graph
from moec.compiler.lower import lower, program_of
from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import AstraOptions
from moec.run.session import Session, simulate
from moec.serving.results import IterationTable


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """An iteration of a serving run: its number as in iterations.csv, its phase, and what it computes."""

    number: int
    phase: str
    load: Load

    @property
    def folder(self) -> str:
        """Where its traces go."""
        return f"iteration_{self.number:06d}"


def choose(session: Session, numbers: Sequence[int] | None) -> tuple[list[Chosen], list[Diagnostic]]:
    """Serve the workload on the fast estimator and take the iterations asked for.

    By default one of each phase that occurs: the most prompt tokens without a decode, the most tokens of both kinds, and
    the most decodes without a prompt; the earliest where several are alike.
    """
    results, found = simulate(session)
    if results is None:
        return [], found
    table = results.iterations
    wanted = _one_of_each(table) if numbers is None else list(dict.fromkeys(numbers))
    beyond = [n for n in wanted if n >= len(table.start_ns)]
    if beyond:
        title = f"there is no iteration {beyond[0]}: the run has iterations 0 to {len(table.start_ns) - 1}"
        return [], [*found, Diagnostic("M095", title, help="`moec simulate … -o DIR` lists them in iterations.csv")]
    loads = _loads(session, table, wanted)
    return [Chosen(n, _phase(table, n), loads[n]) for n in wanted], found


def _one_of_each(table: IterationTable) -> list[int]:
    prompt, decode = table.prefill_tokens, table.decode_tokens
    cases = (
        (prompt * (decode == 0), prompt > 0),
        ((prompt + decode) * (prompt > 0) * (decode > 0), prompt > 0),
        (decode * (prompt == 0), decode > 0),
    )
    return list(dict.fromkeys(int(weight.argmax()) for weight, _ in cases if weight.any()))


def _phase(table: IterationTable, number: int) -> str:
    if table.prefill_tokens[number] == 0:
        return "decode"
    return "prefill" if table.decode_tokens[number] == 0 else "mixed"


def _loads(session: Session, table: IterationTable, wanted: Iterable[int]) -> dict[int, Load]:
    """The loads of some iterations, caught in a second, equal run."""
    asked = {(int(table.instance[n]), int(table.start_ns[n])): n for n in wanted}
    found: dict[int, Load] = {}

    def watch(instance: int, start_ns: Ints, load: Load) -> None:
        for step, start in enumerate(start_ns.tolist()):
            number = asked.get((instance, start))
            if number is not None:
                found[number] = _step(load, step)

    simulate(session, watch=watch)
    return found


def _step(load: Load, step: int) -> Load:
    """One iteration of a load whose fields broadcast to `[steps, dp]`."""
    return load.map(lambda x: np.asarray(x)[min(step, len(x) - 1)] if np.ndim(x) > 1 else x)


def compile_into(
    folder: Path, session: Session, chosen: Sequence[Chosen], options: AstraOptions
) -> tuple[list[dict[str, Any]], list[Diagnostic]]:
    """Write a trace folder per iteration into `folder`; returns what the manifest says of each.

    Configurations are for the binary that `options.congestion` names; `auto` is the aware one.
    """
    congestion: Congestion = "unaware" if options.congestion == "unaware" else "aware"
    program = program_of(session.prepared.context)
    rows: list[dict[str, Any]] = []
    notes: dict[Diagnostic, None] = {}
    for one in chosen:
        graph = lower(program, one.load, "drawn", one.number)
        inputs, found = inputs_of(graph, session.experiment, options, congestion)
        notes.update(dict.fromkeys(found))
        if has_errors(found):
            break
        place = folder / one.folder
        place.mkdir()
        rows.append(_write(place, one, graph, inputs, options, congestion))
    return rows, list(notes)


def _write(
    place: Path, one: Chosen, graph: Graph, inputs: Inputs, options: AstraOptions, congestion: Congestion
) -> dict[str, Any]:
    traces = inputs.write(place)
    arguments = shlex.join(traces.arguments())
    binary = f"AstraSim_Analytical_Congestion_{congestion.title()}"
    (place / "command.txt").write_text(f"{binary} {arguments}\n", encoding="utf-8")
    custom = len(inputs.traces.custom)
    approximated = [f"{custom} skewed all-to-alls as sets of sends: distorts {DISTORTS['custom']}"] if custom else []
    if options.encoding != "custom" and inputs.traces.carried["all_to_all"]:
        approximated.append(f"all-to-all as {options.encoding}: {DISTORTS[options.encoding]}")
    return {
        "iteration": one.number,
        "phase": one.phase,
        "folder": one.folder,
        "congestion": congestion,
        "command": f"{binary} {arguments}",
        "ranks": graph.world,
        "nodes": inputs.traces.nodes,
        "set_nodes": inputs.traces.set_nodes,
        "bytes": dict(sorted(inputs.traces.carried.items())),
        "costs": levels_of(graph),
        "splits": inputs.settings.splits,
        "approximated": approximated,
        "sha256": _hashes(place),
    }


def _hashes(place: Path) -> dict[str, str]:
    """Of every file below `place`, by its name there."""
    files = sorted(p for p in place.rglob("*") if p.is_file())
    return {p.relative_to(place).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
