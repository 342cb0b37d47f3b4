"""Which columns or keys of a file of requests hold what, and the unit of its times: told by their names or given, never guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from moec.diagnostics import Diagnostic
from moec.diagnostics.foreign import excerpt
from moec.dsl.schema import TraceRequests

Unit = Literal["s", "ms", "us", "ns", "date"]
NANOSECONDS: dict[Unit, int] = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of columns or keys; empty: the file has none.

    `unit` of the times, None when nothing says it. `block`: how many tokens one of `ids` stands for. `from_zero`: the
    clock of the recording means nothing, the first request comes at 0. `failures`: a request without output has failed.
    """

    input: str
    output: str
    arrival: str = ""
    request_id: str = ""
    ids: str = ""
    unit: Unit | None = None
    block: int = 1
    from_zero: bool = False
    failures: bool = False
    marks: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """The names by which the format is known."""
        return (self.input, self.output, *self.marks)


KNOWN = (
    Columns(input="input_tokens", output="output_tokens", arrival="arrival_s", request_id="request_id", unit="s"),
    # LLMServingSim's request traces
    Columns(input="input_toks", output="output_toks", arrival="arrival_time_ns", ids="input_tok_ids", unit="ns"),
    # Azure LLM inference traces (Azure/AzurePublicDataset): context and generated tokens with a wall-clock time
    Columns(input="ContextTokens", output="GeneratedTokens", arrival="TIMESTAMP", unit="date", from_zero=True),
    # BurstGPT (arXiv 2401.17644): seconds; a response of 0 tokens is a failure, as its authors say
    Columns(
        input="Request tokens", output="Response tokens", arrival="Timestamp", unit="s", from_zero=True, failures=True
    ),
    # Alibaba's Bailian traces (alibaba-edu/qwen-bailian-usagetraces-anon): Mooncake's keys with seconds and blocks of 16
    Columns(
        input="input_length", output="output_length", arrival="timestamp", ids="hash_ids", unit="s", block=16,
        marks=("chat_id", "turn"),
    ),
    # Mooncake (kvcache-ai/Mooncake, trace format): milliseconds, and a hash per 512-token block
    Columns(input="input_length", output="output_length", arrival="timestamp", ids="hash_ids", unit="ms", block=512),
)  # fmt: skip

_INPUT = [
    "inputtokens",
    "inputtoks",
    "inputlen",
    "inputlength",
    "prompttokens",
    "prompttoks",
    "promptlen",
    "promptlength",
    "contexttokens",
    "requesttokens",
    "prefilltokens",
    "prefilllen",
    "numprefilltokens",
    "numinputtokens",
    "numprompttokens",
    "isl",
]
_OUTPUT = [
    "outputtokens",
    "outputtoks",
    "outputlen",
    "outputlength",
    "generatedtokens",
    "gentokens",
    "genlen",
    "genlength",
    "generationlen",
    "generationlength",
    "responsetokens",
    "responselen",
    "completiontokens",
    "decodetokens",
    "decodelen",
    "numdecodetokens",
    "numoutputtokens",
    "osl",
]
_ARRIVAL = [
    "arrival",
    "arrivaltime",
    "arrivedat",
    "arrivaltimestamp",
    "timestamp",
    "time",
    "starttime",
    "requesttime",
    "arrivals",
    "arrivaltimes",
    "timestamps",
    "times",
]
_IDS = ["requestid", "reqid", "id"]
_UNIT = re.compile(r"[^a-z0-9]+(s|sec|seconds|ms|us|ns)[^a-z0-9]*$|(sec|seconds|ms|us|ns)$")
_SUFFIXES: dict[str, Unit] = {"seconds": "s", "sec": "s", "s": "s", "ms": "ms", "us": "us", "ns": "ns"}

UNUSED = {
    "images": ("numimages", "imageurl", "images", "imagecount"),
    "sessions": ("sessionid", "chatid", "parentchatid", "turn", "conversationid", "subrequests"),
    "elapsed times": ("elapsedtime", "latency", "e2elatency"),
    "priorities": ("priority",),
    "adapters": ("lora", "loraid", "adapter"),
}
"""Columns that change what a server does and that this version has no notion of."""


def columns_of(
    names: Sequence[str], sample: Mapping[str, object], source: TraceRequests, *, timed: bool
) -> Columns | Diagnostic | None:
    """The columns of a file that has `names`, as `source` says, else as they are known, else by their usual names.

    `sample`: the first request, by column; a date needs no unit. `timed`: the times are asked for; else those of no known unit
    are left out. None when the file has nothing that could be lengths.
    """
    found = _given(source, _known(names) or _usual(names))
    missing = [c for c in (source.input, source.output, source.arrival, source.id) if c is not None and c not in names]
    if missing:
        return Diagnostic("M511", f"the file has no column `{missing[0]}`", help=f"it has {_listed(names)}")
    if not found.input or not found.output:
        return None
    if found.arrival and found.unit is None and _calendar_like(sample.get(found.arrival)):
        found = replace(found, unit="date", from_zero=True)
    if found.arrival and found.unit is None:
        return _no_unit(found.arrival) if timed else replace(found, arrival="")
    return found


def _calendar_like(value: object) -> bool:
    return isinstance(value, str) and re.match(r"\s*\d{4}-\d\d-\d\d", value) is not None


def _no_unit(column: str) -> Diagnostic:
    title = f"nothing says in which unit the times in `{column}` are"
    return Diagnostic("M511", title, help='write it: `trace("…", unit: s)`, or `ms`, `us` or `ns`')


def unused_columns(names: Sequence[str]) -> list[str]:
    """For each column that would change the answer and is not used, `what it is (its name)`."""
    folded = {_fold(name): name for name in names}
    found = ((what, [folded[k] for k in known if k in folded]) for what, known in UNUSED.items())
    return [f"{what} ({', '.join(f'`{n}`' for n in columns)})" for what, columns in found if columns]


def _known(names: Sequence[str]) -> Columns | None:
    known = next((k for k in KNOWN if all(n in names for n in k.needed)), None)
    if known is None:
        return None
    usual = _usual(names)
    by_name = known.arrival in names
    return replace(
        known,
        arrival=known.arrival if by_name else usual.arrival,
        unit=known.unit if by_name else usual.unit,
        request_id=known.request_id if known.request_id in names else "",
        ids=known.ids if known.ids in names else "",
    )


def _usual(names: Sequence[str]) -> Columns:
    folded = {_fold(name): name for name in reversed(names)}

    def first(known: Sequence[str]) -> str:
        return next((folded[k] for k in known if k in folded), "")

    arrival, unit = _arrival(names)
    return Columns(
        input=first(_INPUT), output=first(_OUTPUT), arrival=arrival, request_id=first(_IDS), ids="", unit=unit
    )


def _arrival(names: Sequence[str]) -> tuple[str, Unit | None]:
    """The column of arrival times and the unit that its name ends with; the plural of a word says nothing of seconds."""
    stems: dict[str, tuple[str, Unit | None]] = {}
    for name in names:
        ends = _UNIT.search(name.lower())
        unit = _SUFFIXES[next(filter(None, ends.groups()))] if ends else None
        stems.setdefault(_fold(name[: ends.start()] if ends else name), (name, unit))
    return next((stems[stem] for stem in _ARRIVAL if stem in stems), ("", None))


def _given(source: TraceRequests, found: Columns) -> Columns:
    changed = replace(
        found,
        input=source.input or found.input,
        output=source.output or found.output,
        arrival=source.arrival or found.arrival,
        request_id=source.id or found.request_id,
    )
    if source.arrival is not None:
        changed = replace(changed, unit=_arrival([source.arrival])[1])
    if source.unit is not None:
        changed = replace(changed, unit=source.unit)
    return replace(changed, block=source.block) if source.block is not None else changed


def _fold(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(f"`{excerpt(name)}`" for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
