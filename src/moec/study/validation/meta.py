"""What a recorded run's `meta.json` says of the run: how many requests there were, and the engine's settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from moec.diagnostics import Diagnostic, Span

WHOLE, NUMBER, SWITCH = "a whole number", "a number", "true or false"
KINDS: Mapping[str, str] = {
    "max_num_seqs": WHOLE,
    "max_num_batched_tokens": WHOLE,
    "gpu_memory_utilization": NUMBER,
    "tensor_parallel_size": WHOLE,
    "data_parallel_size": WHOLE,
    "pipeline_parallel_size": WHOLE,
    "block_size": WHOLE,
    "enable_prefix_caching": SWITCH,
    "async_scheduling": SWITCH,
}
"""Keys of `engine_kwargs` that are compared with a specification; null is the engine's default, and compared with nothing."""


def read_meta(name: str, text: str) -> tuple[Mapping[str, Any], list[Diagnostic]]:
    """The object in the text of the file `name`, with what is wrong with those of its values that are looked at."""
    try:
        meta = json.loads(text)
    except json.JSONDecodeError as error:
        span = Span(name, error.lineno, error.colno, error.lineno, error.colno + 1)
        return {}, [Diagnostic("M542", f"`{name}` is not JSON", span, error.msg.lower())]
    except RecursionError:
        return {}, [Diagnostic("M542", f"`{name}` is nested too deeply to be read")]
    if not isinstance(meta, dict):
        return {}, [Diagnostic("M542", f"`{name}` holds no JSON object")]
    return meta, list(_odd(name, text, meta))


def _odd(name: str, text: str, meta: Mapping[str, Any]) -> Iterator[Diagnostic]:
    count = meta.get("num_requests")
    if count is not None and not _is(count, WHOLE):
        yield _wrong(name, text, "num_requests", count, WHOLE)
    given = meta.get("engine_kwargs")
    if given is not None and not isinstance(given, dict):
        yield _wrong(name, text, "engine_kwargs", given, "an object with the engine's settings")
    for key, value in given.items() if isinstance(given, dict) else ():
        if key in KINDS and value is not None and not _is(value, KINDS[key]):
            yield _wrong(name, text, key, value, KINDS[key])


def _is(value: Any, kind: str) -> bool:
    if kind == SWITCH or isinstance(value, bool):
        return kind == SWITCH and isinstance(value, bool)
    return isinstance(value, int) or (kind == NUMBER and isinstance(value, float))


def _wrong(name: str, text: str, key: str, value: Any, kind: str) -> Diagnostic:
    written = json.dumps(value, ensure_ascii=False)
    shown = written if len(written) <= 40 else f"{written[:37]}…"
    return Diagnostic("M542", f"`{key}` in `{name}` is {shown}, not {kind}", _place(name, text, key), "this key")


def _place(name: str, text: str, key: str) -> Span | None:
    """Where the key stands, if it is written plainly."""
    quoted = f'"{key}"'
    at = text.find(quoted)
    if at < 0:
        return None
    line, column = text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1
    return Span(name, line, column, line, column + len(quoted))
