"""What a replay of a trace set yields: when each rank, and on request each node, was done; or why there is no time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints
from moec.backends.astra.network.refusal import Refusal


@dataclass(frozen=True, slots=True, eq=False)
class NodeTimes:
    """The nodes of one rank by ascending id, `[nodes]` each: from issue to completion. −1: never reached."""

    id: NDArray[np.uint64]
    name: tuple[str, ...]
    start_ns: Ints
    end_ns: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """One integer per rank: `finish_ns`, and `exposed_ns`, the finish less the time of its kernels, as ASTRA-sim counts.

    `nodes`: per rank, where asked for. `events`: whether the network was simulated message by message. `notes`: what
    ASTRA-sim would say or leave out beside these times.
    """

    finish_ns: tuple[int, ...]
    exposed_ns: tuple[int, ...]
    nodes: tuple[NodeTimes, ...] = ()
    events: bool = False
    notes: tuple[str, ...] = ()


class Refused(Exception):
    """There is no time: `refusal` says what ASTRA-sim would have done instead of finishing."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(told(refusal))
        self.refusal = refusal


def told(refusal: Refusal) -> str:
    """`ASTRA-sim hangs (exit code 0, no finish line): …`."""
    how = {
        "hangs": "hangs (exit code 0, not every rank finishes)",
        "loops": "never returns",
        "aborts": "aborts",
        "crashes": "crashes",
        "exits": f"leaves with exit code {refusal.status}",
        "unsupported": "could run this, moec does not replay it",
    }[refusal.outcome]
    return f"ASTRA-sim {how}: {refusal.reason}"
