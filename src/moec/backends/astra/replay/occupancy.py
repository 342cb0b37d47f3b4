"""Who uses the links of whom until when: whether a collective has its members' links to itself (aware networks)."""

from __future__ import annotations

from moec.backends.astra.network.topology import AstraNetwork


class Unsure(Exception):
    """The quick replay cannot tell; message by message one can."""


class Occupancy:
    """Of every rank's links: what is open that uses them, and until when what has ended may have. Unaware networks share nothing.

    Collectives that are taken as wholes tolerate nobody beside them. On a ring every link may be on anybody's way. `ordered`: whether what several ranks do in one nanosecond is known to
    happen in the order in which it is heard of.
    """

    __slots__ = ("_everybody", "_free", "_open", "_ring", "_until", "ordered")

    def __init__(self, network: AstraNetwork) -> None:
        self.ordered = True
        self._free = network.congestion == "unaware"
        ring = network.dimensions[0].topology == "Ring"
        self._everybody = range(network.ranks) if ring else None
        self._open = [0] * network.ranks
        self._until = [0] * network.ranks
        self._ring: list[tuple[int, ...] | None] = [None] * network.ranks

    def enter(self, members: tuple[int, ...], now: int, *, ring: bool = False) -> None:
        """The first member of a collective taken as a whole begins. Raises Unsure if it meets another.

        `ring`: it keeps to the links of a ring, and may follow on the heels of others on the same one.
        """
        if self._free:
            return
        for rank in self._everybody or members:
            if (self._open[rank] or self._until[rank] > now) and not (ring and self._ring[rank] == members):
                raise Unsure
            self._open[rank] += 1
            self._ring[rank] = members if ring else None

    def settle(self, members: tuple[int, ...], until: int) -> None:
        """A collective taken as a whole is known to have ended at `until`."""
        if self._free:
            return
        for rank in self._everybody or members:
            self._open[rank] -= 1
            self._until[rank] = max(self._until[rank], until)
