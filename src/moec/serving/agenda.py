"""What happens when: the order of events."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush

END, ARRIVAL, START = 0, 1, 2
"""At equal times iterations end first, then requests arrive, then iterations start: they see all that arrived."""


@dataclass(slots=True)
class Agenda:
    """Starts and ends of iterations by (time, kind, sequence). Arrivals are in order already and need no heap."""

    heap: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    sequence: int = 0

    def post(self, time: int, kind: int, instance: int, token: int) -> None:
        """Note an event; `token` tells the instance which of its events it is."""
        self.sequence += 1
        heappush(self.heap, (time, kind, self.sequence, instance, token))

    def before(self, time: int) -> bool:
        """Whether an event comes before an arrival at `time`."""
        return bool(self.heap) and self.heap[0][:2] < (time, ARRIVAL)

    def next(self) -> tuple[int, int, int, int, int]:
        """Take the next event."""
        return heappop(self.heap)
