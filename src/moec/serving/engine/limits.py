"""What bounds a scheduling step of one attention-DP rank, with the tokens that it may compute of a request."""

from __future__ import annotations

from dataclasses import dataclass

NO_WINDOW = 1 << 62
"""A sliding window that no context outgrows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a step of one rank; `block`: tokens of a KV block, `window`: of the sliding attention window."""

    max_sequences: int
    max_batched_tokens: int
    chunked_prefill: bool
    block: int
    window: int = NO_WINDOW


@dataclass(frozen=True, slots=True)
class Chunk:
    """`new` tokens of one request in one step, after `context` tokens in the cache.

    `last`: nothing known of the request is left to compute, so a token comes out. `decode`: the request is past its prompt.
    """

    request: int
    new: int
    context: int
    last: bool
    decode: bool = False
