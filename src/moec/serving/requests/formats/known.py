"""The formats of recorded requests that are known, for messages."""

from __future__ import annotations

from moec.diagnostics import Diagnostic

FORMATS = (
    "a CSV with `input_tokens,output_tokens` and maybe `arrival_s` or `request_id`; LLMServingSim's JSONL or TSV "
    "(`input_toks`, `output_toks`, `arrival_time_ns`); Azure's (`TIMESTAMP,ContextTokens,GeneratedTokens`) or BurstGPT's "
    "CSV; Mooncake's JSONL (`timestamp`, `input_length`, `output_length`)"
)


def unknown(name: str, names: list[str]) -> Diagnostic:
    """The file has none of the known sets of columns."""
    shown = ", ".join(f"`{n}`" for n in names[:8])
    return Diagnostic("M511", f"`{name}` has none of the known columns; it has {shown}", help=f"a trace is {FORMATS}")
