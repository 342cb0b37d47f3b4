"""The paged KV cache of one attention-DP rank: who holds how many blocks, and which blocks hold which prefix."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from moec.arrays import Ints

Buckets = Sequence[Sequence[int]]
"""Decoding requests by the step, modulo the number of buckets, in which they take a block; oldest first."""


class Blocks(Protocol):
    """A pool of blocks. Callers check `free` first: no method fails for want of blocks."""

    free: int

    def match(self, request: int, known: int) -> list[int]:
        """Blocks that already hold the longest prefix of the request's `known` tokens, the last token excepted."""
        ...

    def idle(self, hits: Sequence[int]) -> int:
        """How many of `hits` nobody holds: taking them makes them no longer free."""
        ...

    def take(self, request: int, hits: Sequence[int]) -> None:
        """The request's table begins with `hits`."""
        ...

    def extend(self, request: int, before: int, after: int) -> None:
        """The request's cache grows from `before` to `after` tokens."""
        ...

    def advance(self, buckets: Buckets, first: int, last: int) -> None:
        """One decode step after the other, `first` to `last` (exclusive)."""
        ...

    def grow(self, request: int) -> None:
        """One more block for the request."""
        ...

    def release(self, request: int, tokens: int) -> None:
        """The request gives its blocks back, last first; it has `tokens` in the cache."""
        ...


@dataclass(slots=True)
class CountedBlocks:
    """Blocks without identity: enough when no prefix can be shared."""

    free: int
    block: int

    def match(self, request: int, known: int) -> list[int]:
        """Nothing is ever shared."""
        return []

    def idle(self, hits: Sequence[int]) -> int:
        """Nothing is ever shared."""
        return 0

    def take(self, request: int, hits: Sequence[int]) -> None:
        """An empty table needs no record."""

    def extend(self, request: int, before: int, after: int) -> None:
        """See `Blocks`."""
        self.free -= -(-after // self.block) + (-before // self.block)

    def advance(self, buckets: Buckets, first: int, last: int) -> None:
        """See `Blocks`; whole turns of the buckets cost what they hold."""
        turns, rest = divmod(last - first, len(buckets))
        if turns:
            self.free -= turns * sum(map(len, buckets))
        for step in range(last - rest, last):
            self.free -= len(buckets[step % len(buckets)])

    def grow(self, request: int) -> None:
        """See `Blocks`."""
        self.free -= 1

    def release(self, request: int, tokens: int) -> None:
        """See `Blocks`."""
        self.free += -(-tokens // self.block)


@dataclass(slots=True)
class HashedBlocks:
    """Blocks with identity: full ones are found by the chain of their contents until they are used for something else.

    The free queue is vLLM's: unused blocks first, then freed ones, least recently freed first; a freed block stays in
    the cache until it is taken. Equal blocks are not merged; a look-up returns the oldest. `keys[request]` names the
    request's full prompt blocks so that equal names mean equal prefixes (`block_keys`); generated blocks are unique.
    """

    free: int
    block: int
    keys: Sequence[Sequence[int]]
    unused: int = 0
    capacity: int = 0
    queue: OrderedDict[int, None] = field(default_factory=OrderedDict)
    holders: dict[int, int] = field(default_factory=dict)
    key_of: dict[int, int] = field(default_factory=dict)
    found: dict[int, dict[int, None]] = field(default_factory=dict)
    tables: dict[int, list[int]] = field(default_factory=dict)
    named: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """All blocks are unused."""
        self.capacity = self.free

    def match(self, request: int, known: int) -> list[int]:
        """See `Blocks`. The last token is always computed: its logits are what is wanted."""
        hits: list[int] = []
        for index in range((known - 1) // self.block):
            same = self.found.get(self._key(request, index))
            if same is None:
                break
            hits.append(next(iter(same)))
        return hits

    def idle(self, hits: Sequence[int]) -> int:
        """See `Blocks`."""
        return sum(1 for block in hits if not self.holders.get(block))

    def take(self, request: int, hits: Sequence[int]) -> None:
        """See `Blocks`."""
        for block in hits:
            holders = self.holders.get(block, 0)
            if not holders:
                del self.queue[block]
                self.free -= 1
            self.holders[block] = holders + 1
        self.tables[request] = list(hits)
        self.named[request] = len(hits)

    def extend(self, request: int, before: int, after: int) -> None:
        """See `Blocks`; blocks that get full can be found at once, as in vLLM, before they are computed."""
        for _ in range(-(-after // self.block) - len(self.tables[request])):
            self.grow(request)
        self._name(request, after)

    def advance(self, buckets: Buckets, first: int, last: int) -> None:
        """See `Blocks`."""
        for step in range(first, last):
            for request in buckets[step % len(buckets)]:
                self.grow(request)

    def grow(self, request: int) -> None:
        """See `Blocks`: the block that has been free for longest, which is then no longer found."""
        if self.unused < self.capacity:
            block = self.unused
            self.unused += 1
        else:
            block, _ = self.queue.popitem(last=False)
            self._forget(block)
        self.free -= 1
        self.holders[block] = 1
        self.tables[request].append(block)

    def release(self, request: int, tokens: int) -> None:
        """See `Blocks`. Generated full blocks are named now: only the request itself could ask for them, later."""
        self._name(request, tokens)
        for block in reversed(self.tables.pop(request)):
            self.holders[block] -= 1
            if not self.holders[block]:
                self.queue[block] = None
                self.free += 1
        del self.named[request]

    def _name(self, request: int, tokens: int) -> None:
        named, full = self.named[request], tokens // self.block
        for index, block in enumerate(islice(self.tables[request], named, full), named):
            key = self._key(request, index)
            self.key_of[block] = key
            self.found.setdefault(key, {})[block] = None
        self.named[request] = max(named, full)

    def _forget(self, block: int) -> None:
        key = self.key_of.pop(block, None)
        if key is None:
            return
        same = self.found[key]
        del same[block]
        if not same:
            del self.found[key]

    def _key(self, request: int, index: int) -> int:
        keys = self.keys[request]
        return keys[index] if index < len(keys) else -1 - (request << 32 | index)


def block_keys(token_ids: Sequence[Ints], input_tokens: Sequence[int], block: int, span: int) -> list[list[int]]:
    """Names of every request's full prompt blocks: equal names if and only if the prompts are equal up to there.

    `token_ids[i]`: one id per `span` prompt tokens of request i. Names are handed out per (name of the block before,
    contents), which is vLLM's hash chain without its collisions.
    """
    names: dict[tuple[int, bytes], int] = {}
    keys: list[list[int]] = []
    for ids, tokens in zip(token_ids, input_tokens, strict=True):
        raw, width = ids.tobytes(), ids.itemsize
        chain: list[int] = []
        name = -1
        for start in range(0, tokens - block + 1, block):
            content = raw[start // span * width : -(-(start + block) // span) * width]
            name = names.setdefault((name, content), len(names))
            chain.append(name)
        keys.append(chain)
    return keys
