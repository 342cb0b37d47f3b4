"""The LALR tables of `moe.lark`, made once per user and read back."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import lark

from moec.cache import cache_directory
from moec.dsl.text.tree import AstBuilder

_GRAMMAR = Path(__file__).with_name("moe.lark")
_STARTS = ["file", "setting", "value"]


@cache
def grammar() -> lark.Lark:
    """The parser of all three start symbols: `file`, `setting` (one `--set`) and `value` (a JSON string)."""
    text = _GRAMMAR.read_text(encoding="utf-8")
    options = {"parser": "lalr", "lexer": "basic", "start": _STARTS, "maybe_placeholders": False}
    table = _table_file(text)
    if table is not None:
        with _quiet_lark():
            return lark.Lark(text, transformer=AstBuilder(), cache=str(table), **options)
    return lark.Lark(text, transformer=AstBuilder(), **options)


@contextlib.contextmanager
def _quiet_lark() -> Iterator[None]:
    """Lark logs a traceback when its cache is damaged or full, then goes on without it; so do we, in silence."""
    before = lark.logger.level
    lark.logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        lark.logger.setLevel(before)


def _table_file(text: str) -> Path | None:
    directory = cache_directory()
    if directory is None:
        return None
    key = hashlib.sha256(f"{lark.__version__}\n{text}".encode()).hexdigest()[:16]
    return directory / f"grammar-{key}.pickle"
