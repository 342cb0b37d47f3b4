"""The recorded run of a real engine: a folder with `requests.jsonl`, and maybe `meta.json` and `timeseries.csv`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from moec.arrays import Floats, Ints
from moec.diagnostics import Diagnostic, has_errors
from moec.study.validation.lines import COLUMNS, QUEUED, SCHEDULED, Rows, read_lines
from moec.study.validation.meta import read_meta
from moec.study.validation.series import Series, read_series

REQUESTS, META, SERIES = "requests.jsonl", "meta.json", "timeseries.csv"

SAME_CLOCK_S = 60.0
"""No engine takes longer to queue a request; clocks that differ by more have different zeros."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One row per request in file order, in seconds from the first arrival, all on the engine's clock.

    `queued` is None when the file has no such stamps, `scheduled` likewise; `shift` was added to the recorded arrivals.
    `lines` are line numbers, `hashes` the sha256 of every file read.
    """

    request_id: tuple[str, ...]
    lines: tuple[int, ...]
    input_tokens: Ints
    output_tokens: Ints
    arrival: Floats
    first: Floats
    last: Floats
    queued: Floats | None
    scheduled: Floats | None
    shift: float
    meta: Mapping[str, Any]
    series: Series | None
    requests_file: str
    hashes: Mapping[str, str]


Texts = dict[str, str]
"""File -> text, for the report of what is wrong with it."""


def read_run(folder: Path) -> tuple[Recorded | None, list[Diagnostic], Texts]:
    """The run in `folder`; None, with every mistake by file and line, when it cannot be compared with."""
    texts: Texts = {}
    name = str(folder / REQUESTS)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        help = f"`--against` names the folder that holds `{REQUESTS}`"
        return None, [Diagnostic("M540", f"the recorded run `{folder}` {what}", help=help)], texts
    found = _read(folder / REQUESTS, texts)
    if found:
        return None, found, texts
    rows, found = read_lines(name, texts[name])
    meta, more = _meta(folder, texts)
    found += more
    series, more = _series(folder, texts)
    found += more
    if rows is None or has_errors(found):
        return None, found, texts
    expected = meta.get("num_requests")
    if isinstance(expected, int) and expected != len(rows.request_id):
        title = f"`{name}` has {len(rows.request_id)} requests, `{META}` says that there were {expected}"
        return None, [Diagnostic("M545", title, help="take the whole file of the run")], texts
    hashes = {file: sha256(text.encode()).hexdigest() for file, text in sorted(texts.items())}
    return _aligned(rows, meta, series, name, hashes), found, texts


def _aligned(
    rows: Rows, meta: Mapping[str, Any], series: Series | None, name: str, hashes: Mapping[str, str]
) -> Recorded:
    """Arrivals are wall-clock time where the other stamps are the engine's own, which begins anywhere.

    The request that was queued soonest after its arrival is taken to have been queued at once: what that leaves out of
    every latency is the least admission delay of the run, about a millisecond.
    """
    stamps = {column: np.array(rows.stamps[column]) for column in rows.stamps}
    least = float((stamps.get(QUEUED, stamps["first_token_ts"]) - stamps["arrival_time"]).min())
    shift = 0.0 if 0 <= least < SAME_CLOCK_S else least
    arrival = stamps["arrival_time"] + shift
    zero = float(arrival.min())
    queued, scheduled = (stamps[c] - zero if c in stamps else None for c in (QUEUED, SCHEDULED))
    return Recorded(
        rows.request_id, rows.lines, np.array(rows.input_tokens), np.array(rows.output_tokens), arrival - zero,
        stamps["first_token_ts"] - zero, stamps["last_token_ts"] - zero, queued, scheduled, shift, meta, series, name, hashes,
    )  # fmt: skip


def _read(path: Path, texts: Texts) -> list[Diagnostic]:
    """Puts the file's text into `texts`, or says why not."""
    name = str(path)
    try:
        texts[name] = path.read_bytes().decode("utf-8")
    except OSError as error:
        why = (error.strerror or "unreadable").lower()
        help = f"a recorded run has `{REQUESTS}` with the keys {', '.join(f'`{c}`' for c in COLUMNS)}"
        return [Diagnostic("M540", f"cannot read `{name}`: {why}", help=help)]
    except UnicodeDecodeError as error:
        return [Diagnostic("M540", f"`{name}` is not UTF-8 text: byte {error.start} is no part of it")]
    return []


def _meta(folder: Path, texts: Texts) -> tuple[Mapping[str, Any], list[Diagnostic]]:
    path = folder / META
    if not path.exists():
        return {}, []
    if found := _read(path, texts):
        return {}, found
    return read_meta(str(path), texts[str(path)])


def _series(folder: Path, texts: Texts) -> tuple[Series | None, list[Diagnostic]]:
    path = folder / SERIES
    if not path.exists():
        return None, []
    if found := _read(path, texts):
        return None, found
    return read_series(str(path), texts[str(path)])
