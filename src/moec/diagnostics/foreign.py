"""Files of other programs that are handed over where moec reads another kind: what they look like, and what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = 8192
"""Characters from the beginning that are looked at."""
REQUESTS = "a trace of requests"
QUOTED_MOST = 80
"""Characters of a user's file that a message quotes."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """A kind of file by the keys at its beginning: `looks` completes "looks like …", `advice` is what to do with it."""

    looks: str
    pattern: re.Pattern[str]
    advice: str


def _keys(*names: str) -> re.Pattern[str]:
    return re.compile(r'^\s*[\[{].*"(?:' + "|".join(names) + r')"\s*:', re.DOTALL)


_KNOWN = (
    Foreign(
        "a Hugging Face model config",
        _keys("architectures", "model_type", "hidden_size", "num_hidden_layers"),
        "write its dimensions as a `model` block: `hidden_size` is `hidden`, `num_hidden_layers` is `layers`, "
        "`num_experts_per_tok` is `top_k` (docs/language.md, model)",
    ),
    Foreign(
        "a ShareGPT file of conversations",
        _keys("conversations"),
        "moec counts tokens and has no tokenizer: write a CSV with `input_tokens,output_tokens`, one line a request",
    ),
    Foreign(
        "a dump of expert counts",
        _keys("logical_count", "physical_count", "expert_counts"),
        "write it as CSV with the header `layer_id,expert_id,count` and name it in `routing { popularity = trace(…) }`",
    ),
    Foreign(
        "a map of experts to devices",
        _keys("device_list", "layer_list", "moe_layer_count", "physical_to_logical_map", "device_expert"),
        "write it as CSV with the header `layer,slot,expert` and name it in `placement = explicit(…)`",
    ),
    Foreign(
        "a trace of sessions",
        _keys("sub_requests", "session_id", "turns"),
        "this version has no notion of sessions: write one line a request, with its arrival and its tokens",
    ),
    Foreign(
        "a trace in Chakra's JSON form",
        _keys("ctrl_deps", "data_deps", "schema_version", "schema"),
        "traces are read with `moec trace lint`, `moec trace stats` and `moec trace time`",
    ),
    Foreign(
        "a set of prompts as text",
        _keys("prompt"),
        "moec counts tokens and has no tokenizer: write a CSV with `input_tokens,output_tokens`, one line a request",
    ),
    Foreign(
        REQUESTS,
        _keys("hash_ids", "input_length", "output_length", "timestamp"),
        "name it in a workload: `workload w { requests = trace(…) }`",
    ),
    Foreign("JSON", re.compile(r"^\s*[\[{]\s*[\[{\"\d]"), ""),
)


def recognised(text: str) -> Foreign | None:
    """What a text looks like by its beginning, if it is one of the files that people have beside specifications."""
    head = text[:_HEAD]
    return next((kind for kind in _KNOWN if kind.pattern.search(head)), None)


def excerpt(text: str, most: int = QUOTED_MOST) -> str:
    """The beginning of something from a user's file, short enough for a sentence."""
    return text if len(text) <= most else f"{text[:most]}…"
