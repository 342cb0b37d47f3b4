"""Whether a run of the simulator was one: every rank finished once, nothing critical, exit code 0. Nothing else counts."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from moec.arrays import Array
from moec.backends.astra.simulator.causes import cause_of
from moec.backends.astra.simulator.failure import BROKE, SILENT, quoting
from moec.backends.astra.simulator.output import Output, parse
from moec.diagnostics import Diagnostic

Names = Callable[[int, int], str | None]
"""The name of a node, by rank and id; None if unknown."""
MOST_NS = 2**62
"""No run is as long: the simulator counts in 64 bits, and a kernel of no operations takes it to their end."""
SHOWN = 4
TAIL = 12


@dataclass(frozen=True, slots=True, eq=False)
class AstraRun:
    """A run that every rank finished.

    `finish_ns`, `exposed_ns`: int64 `[ranks]`; the latter is the finish less the time of the rank's kernels. `wall_s`:
    seconds that the simulator took. `tail`: its last lines. `without_statistics`: ranks whose statistics it lost, which
    is what memory nodes do to it.
    """

    finish_ns: Array
    exposed_ns: Array
    wall_s: float
    tail: tuple[str, ...]
    without_statistics: int


def verdict(text: str, code: int, ranks: int, wall_s: float, names: Names | None) -> AstraRun | Diagnostic:
    """What to make of the output `text` and exit code (negative: the signal) of a run on `ranks` ranks."""
    output, lines = parse(text), text.splitlines()
    cause, fix = cause_of(text) or ("", "")
    because = f": {cause}" if cause else ""
    unfinished = [rank for rank in range(ranks) if rank not in output.finish_ns]
    if code != 0:
        left = f"was ended by {_signal(code)}" if code < 0 else f"left with exit code {code}"
        where = _where(output, unfinished, names) if output.stuck else ""  # a crash says nothing of what waits for what
        return quoting(BROKE, f"the simulator {left}{because}", lines, fix or where)
    if unfinished:
        title = f"the simulator ended, but {_ranks(unfinished)} of {ranks} never finished{because}"
        return quoting(SILENT, title, lines, "; ".join(x for x in (_where(output, unfinished, names), fix) if x))
    if wrong := _wrong(output, ranks):
        return quoting(SILENT, f"the simulator's run cannot be believed: {wrong}{because}", _telling(lines), fix)
    finish, exposed = (
        np.array([values[rank] for rank in range(ranks)], dtype=np.int64)
        for values in (output.finish_ns, output.exposed_ns)
    )
    return AstraRun(finish, exposed, wall_s, tuple(lines[-TAIL:]), output.without_statistics)


def _wrong(output: Output, ranks: int) -> str:
    """Why a run on which all ranks finished is none all the same."""
    strangers = sorted(rank for rank in output.finish_ns if rank >= ranks)
    if strangers:
        return f"it has a rank {strangers[0]} where there are {ranks} ranks"
    late = sorted(rank for rank, end in output.finish_ns.items() if end > MOST_NS)
    if late:
        return f"rank {late[0]} finished at {output.finish_ns[late[0]]} ns"
    if output.repeated:
        return f"rank {output.repeated[0]} finished more than once"
    if output.critical:
        return f"it says `{output.critical[0]}`"
    if output.stuck:
        return f"node {output.stuck[0][1]} of rank {output.stuck[0][0]} never ended"
    if output.without_statistics > ranks:
        return "it lost more statistics than there are ranks"
    return ""


def _where(output: Output, unfinished: list[int], names: Names | None) -> str:
    """In which nodes the unfinished ranks stand."""
    if not unfinished:
        return ""
    standing = [(rank, node) for rank, node in output.stuck if rank in set(unfinished)][:SHOWN]
    if not standing:
        return f"rank {unfinished[0]} holds nothing: it waits for a message that nobody sends, or lost a node"
    return ", ".join(f"rank {rank} stands in {_node(rank, node, names)}" for rank, node in standing)


def _node(rank: int, node: int, names: Names | None) -> str:
    name = names(rank, node) if names is not None else None
    return f"node {node} `{name}`" if name else f"node {node}"


def _ranks(ranks: list[int]) -> str:
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    more = ", …" if len(ranks) > SHOWN else ""
    return f"{len(ranks)} ranks ({', '.join(str(rank) for rank in ranks[:SHOWN])}{more})"


def _signal(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _telling(lines: list[str]) -> list[str]:
    """The critical lines if there are any: statistics stand after them."""
    return [line for line in lines if "[critical]" in line] or lines
