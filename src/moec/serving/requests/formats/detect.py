"""Which format a file of requests is in."""

from __future__ import annotations

from pathlib import Path

from moec.diagnostics import Diagnostic
from moec.dsl.schema import TraceRequests
from moec.regular_file import DATA_MOST, read_regular, reason_of
from moec.serving.requests.formats.delimited import read_table
from moec.serving.requests.formats.json_lines import read_array, read_lines
from moec.serving.requests.formats.known import FORMATS
from moec.serving.requests.formats.request_trace import Trace


def read_trace(source: TraceRequests, *, timed: bool, with_ids: bool) -> tuple[Trace | None, list[Diagnostic]]:
    """The requests in the file of `source`, and warnings; token ids only if asked for. None with every bad line otherwise.

    `timed`: its times are asked for, so that nothing about them may be unclear.
    """
    path = Path(source.file)
    try:
        text = read_regular(path, DATA_MOST).decode("utf-8")
    except OSError as error:
        return None, [
            Diagnostic("M510", f"cannot read `{path.name}`: {reason_of(error)}", help="check its permissions")
        ]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        title = f"`{path.name}` is not UTF-8 text: line {line} has a byte that is no part of a character"
        return None, [Diagnostic("M510", title, help="save it as UTF-8")]
    # JSON strings may hold the rarer characters at which `splitlines` splits
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    first = next((line for line in lines if line.strip()), "")
    if not first:
        return None, [Diagnostic("M517", f"`{path.name}` has no requests", help=f"a trace is {FORMATS}")]
    if first.lstrip().startswith("{"):
        return read_lines(path.name, lines, source, timed=timed, with_ids=with_ids)
    if first.lstrip().startswith("["):
        return read_array(path.name, text, source, timed=timed, with_ids=with_ids)
    return read_table(path.name, lines, source, timed=timed)
