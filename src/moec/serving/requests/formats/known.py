"""The formats of recorded requests that are known, for messages."""

from __future__ import annotations

from collections.abc import Sequence

from moec.diagnostics import Diagnostic
from moec.diagnostics.foreign import REQUESTS, excerpt, recognised

FORMATS = (
    "a CSV with `input_tokens,output_tokens` and maybe `arrival_s` or `request_id`; LLMServingSim's JSONL or TSV "
    "(`input_toks`, `output_toks`, `arrival_time_ns`); Azure's (`TIMESTAMP,ContextTokens,GeneratedTokens`) or BurstGPT's "
    "CSV; Mooncake's JSONL (`timestamp`, `input_length`, `output_length`)"
)


def unknown(name: str, names: Sequence[str], head: str) -> Diagnostic:
    """The file has none of the known sets of columns; `head` is its beginning."""
    foreign = recognised(head)
    if foreign is not None and foreign.advice and foreign.looks != REQUESTS:
        return Diagnostic("M511", f"`{name}` looks like {foreign.looks}, not a trace of requests", help=foreign.advice)
    shown = ", ".join(f"`{excerpt(n)}`" for n in names[:8])
    title = f"`{name}` has none of the known columns; it has {shown}"
    help = f'a trace is {FORMATS}; other names can be given: `trace("{name}", input: "…", output: "…")`'
    return Diagnostic("M511", title, help=help)
