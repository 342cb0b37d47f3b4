"""How decoding advances: by how many tokens a step, and in which steps a request takes another block."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Every decoding request gains `gain` tokens a step, in a cache with `block` tokens to a block.

    `turn`: steps after which the steps that need blocks repeat; `blocks`: those that a request takes in a turn.
    """

    gain: int
    block: int
    turn: int
    blocks: int

    def steps(self, tokens: int) -> int:
        """Steps that it takes to generate `tokens`."""
        return -(-tokens // self.gain)

    def needing(self, key: int) -> list[int]:
        """Steps, modulo the turn, in which a request with `key + gain · step` tokens takes a block, one for each block."""
        return [-((key - 1 - self.block * i) // self.gain) % self.turn for i in range(self.blocks)]


def pace_of(block: int, gain: int = 1) -> Pace:
    """The pace of requests that gain `gain` tokens a step."""
    common = gcd(gain, block)
    return Pace(gain=gain, block=block, turn=block // common, blocks=gain // common)
