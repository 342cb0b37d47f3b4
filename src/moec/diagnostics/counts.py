"""One of a thing is not several: messages that are written for any count, put right where the count is 1."""

from __future__ import annotations

import re

_THINGS = (
    "blocks", "bytes", "devices", "entries", "experts", "files", "GPUs", "groups", "heads", "iterations", "layers", "nodes",
    "NPUs", "pieces", "ranks", "replicas", "requests", "sequences", "slots", "stages", "tokens", "topologies",
)  # fmt: skip
_KINDS = (
    "equal", "expert", "expert-parallel", "generated", "key/value", "open", "pipeline", "prompt", "running", "shared",
)  # fmt: skip
_ONE = re.compile(rf"(?<![\w.,/-])1 ((?:{'|'.join(_KINDS)}) )?({'|'.join(_THINGS)})\b(?!/)")


def counted(text: str) -> str:
    """The text with `1 tokens` as `1 token`, and so on."""
    return _ONE.sub(_singular, text) if "1 " in text else text


def _singular(found: re.Match[str]) -> str:
    kind, things = found[1] or "", found[2]
    return f"1 {kind}{things[:-3]}y" if things.endswith("ies") else f"1 {kind}{things[:-1]}"
