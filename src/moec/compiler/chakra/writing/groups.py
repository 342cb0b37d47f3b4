"""Communicator groups of a trace set: small dense numbers for sets of ranks, from 1 on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from moec.arrays import Ints


@dataclass(slots=True)
class Communicators:
    """Numbers handed out so far, with their members. The set of all ranks has no number: it is the default."""

    world: int
    members: dict[int, list[int]] = field(default_factory=dict)
    known: dict[tuple[str, int], Ints | None] = field(default_factory=dict)

    def of(self, name: str, partition: Ints, first_rank: int) -> Ints | None:
        """The number of each rank's group, `[ranks of the block]`; None for all ranks. `partition`: `[subsets, size]`."""
        key = (name, first_rank)
        if key not in self.known:
            self.known[key] = (
                None if partition.size == self.world and len(partition) == 1 else self.fresh(partition, first_rank)
            )
        return self.known[key]

    def fresh(self, partition: Ints, first_rank: int) -> Ints:
        """New numbers for every subset, `[ranks of the block]`: a group that nobody else uses."""
        numbers = np.empty(partition.size, dtype=np.int64)
        for subset in partition:
            number = len(self.members) + 1
            self.members[number] = (subset + first_rank).tolist()
            numbers[subset] = number
        return numbers

    def json(self) -> dict[str, list[int]]:
        """The content of comm_groups.json."""
        return {str(number): ranks for number, ranks in self.members.items()}
