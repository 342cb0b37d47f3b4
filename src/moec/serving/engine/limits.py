"""What bounds a scheduling step of one attention-DP rank, with the prompt chunks that it may hold."""

from __future__ import annotations

from dataclasses import dataclass

GONE = 1 << 62
"""The key of a request that does not decode; also a step that never comes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a step of one rank. `window`: the sliding attention window, `GONE` without one."""

    max_sequences: int
    max_batched_tokens: int
    chunked_prefill: bool
    block: int
    window: int = GONE


@dataclass(frozen=True, slots=True)
class Chunk:
    """Prompt tokens (or tokens to recompute) of one request in one step.

    `decode`: the next token of a decoding request whose blocks come back from the host.
    """

    request: int
    new: int
    context: int
    last: bool
    decode: bool = False
