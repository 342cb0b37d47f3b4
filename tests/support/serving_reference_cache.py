"""The reference's requests and its paged cache: vLLM 0.19.0's block pool, one list element per block."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(eq=False)
class Request:
    """`tokens`: the prompt and what was generated, or will have been; `awaited`: tokens of it that are being computed;
    `emitted`: those that came out.
    """

    index: int
    arrival: int
    tokens: list[Hashable]
    prompt: int
    output: int
    computed: int = 0
    table: list[int] = field(default_factory=list)
    decoding: bool = False
    awaited: int = 0
    emitted: int = 0
    instance: int = -1
    rank: int = -1
    scheduled: int = -1
    first: int = -1
    latest: int = -1
    finish: int = -1
    cached: int = 0
    preemptions: int = 0
    swaps: int = 0


class Pool:
    """Blocks of one cache: the free queue in the order of eviction, and which blocks are found under which tokens."""

    def __init__(self, blocks: int, size: int, caching: bool) -> None:
        self.size, self.caching = size, caching
        self.free = list(range(blocks))
        self.holders = [0] * blocks
        self.name: list[Hashable] = [None] * blocks
        self.found: dict[Hashable, list[int]] = {}

    def hits(self, request: Request) -> list[int]:
        """Blocks that hold the longest prefix; the last token is always computed."""
        blocks: list[int] = []
        while self.caching and (len(blocks) + 1) * self.size < len(request.tokens):
            same = self.found.get(tuple(request.tokens[: (len(blocks) + 1) * self.size]))
            if not same:
                break
            blocks.append(same[0])
        return blocks

    def fits(self, request: Request, tokens: int, hits: list[int]) -> bool:
        new = -(-tokens // self.size) - len(request.table) - len(hits)
        return max(new, 0) + sum(not self.holders[block] for block in hits) <= len(self.free)

    def allocate(self, request: Request, tokens: int, hits: list[int]) -> None:
        for block in hits:
            if not self.holders[block]:
                self.free.remove(block)
            self.holders[block] += 1
            request.table.append(block)
        while len(request.table) * self.size < tokens:
            block = self.free.pop(0)
            if self.name[block] is not None:
                self.found[self.name[block]].remove(block)
                self.name[block] = None
            self.holders[block] = 1
            request.table.append(block)
        for i, block in enumerate(request.table[: tokens // self.size] if self.caching else []):
            if self.name[block] is None:
                self.name[block] = tuple(request.tokens[: (i + 1) * self.size])
                self.found.setdefault(self.name[block], []).append(block)

    def release(self, request: Request) -> None:
        for block in reversed(request.table):
            self.holders[block] -= 1
            if not self.holders[block]:
                self.free.append(block)
        request.table.clear()
