"""Files of recorded requests: what each format says, and what is said of lines that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from moec.dsl.schema import TraceRequests
from moec.serving.requests.formats import Trace, read_trace

WORKLOADS = Path(__file__).parents[3].parent / "shared" / "validation" / "workloads"


def read(tmp_path: Path, text: str, *, count: int | None = None, with_ids: bool = False) -> Trace:
    trace, found = refused_or_read(tmp_path, text, count=count, with_ids=with_ids)
    assert trace is not None, found
    assert not found
    return trace


def refused_or_read(tmp_path, text, *, count=None, with_ids=False, timed=True, **given):
    file = tmp_path / "trace.x"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    trace, found = read_trace(TraceRequests(str(file), count, **given), timed=timed, with_ids=with_ids)
    return trace, [f"{d.code}: {d.title}" for d in found]


def rows(trace: Trace) -> list[tuple[int, ...]]:
    columns = (trace.input_tokens, trace.output_tokens, trace.arrival_ns)
    return list(zip(*(c.tolist() for c in columns if c is not None), strict=True))


def lines(*records: object) -> str:
    return "\n".join(json.dumps(r) for r in records)


def simple(**changes: object) -> dict[str, object]:
    return {"input_toks": 3, "output_toks": 2, "arrival_time_ns": 5, **changes}


GOOD = {
    "our CSV": ("input_tokens,output_tokens,arrival_s,request_id\n10,2,0.5,a\n11,0,1e-9,b\n", [(10, 2, 500_000_000), (11, 0, 1)]),
    "our CSV without times": ("output_tokens,input_tokens\n2,10\n", [(10, 2)]),
    "columns nobody asked for": ("note,input_tokens,output_tokens\n\"a,b\",10,2\n", [(10, 2)]),
    "TSV of LLMServingSim": ("input_toks\toutput_toks\tarrival_time_ns\n10\t70\t46926808\n", [(10, 70, 46926808)]),
    "JSONL of LLMServingSim": (lines(simple(input_tok_ids=[1, 2, 3])), [(3, 2, 5)]),
    "JSONL without times": (lines({"input_toks": 3, "output_toks": 2}), [(3, 2)]),
    "Azure": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,374,44\n2023-11-16 18:17:05,396,109\n",
        [(374, 44, 0), (396, 109, 1_020_040_000)],
    ),
    "Azure of 2024": (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:00.017335+00:00,2399,6\n",
        [(2162, 5, 0), (2399, 6, 7_405_000)],
    ),
    "BurstGPT": (
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,472,18,490,Conversation log\n",
        [(472, 18, 0)],
    ),
    "Mooncake": (lines({"timestamp": 27482.5, "input_length": 600, "output_length": 52, "hash_ids": [46, 47]}), [(600, 52, 27_482_500_000)]),
    "byte order mark, CRLF, blank lines": ("\ufeff\r\ninput_tokens,output_tokens\r\n\r\n1,1\r\n\r\n", [(1, 1)]),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_every_format_is_told_by_its_content(name: str, tmp_path: Path) -> None:
    text, expected = GOOD[name]

    assert rows(read(tmp_path, text)) == expected


def test_the_first_lines_only(tmp_path: Path) -> None:
    csv = "input_tokens,output_tokens\n1,1\n\n2,2\nnot,read\n"

    assert rows(read(tmp_path, csv, count=2)) == [(1, 1), (2, 2)]
    assert rows(read(tmp_path, lines(simple(), simple(input_toks=4), "not read"), count=2)) == [(3, 2, 5), (4, 2, 5)]


def test_request_ids_are_kept(tmp_path: Path) -> None:
    trace = read(tmp_path, "request_id,input_tokens,output_tokens\nx-1,1,1\ny,2,2\n")

    assert trace.request_id == ("x-1", "y")


def test_token_ids_are_read_when_asked_for(tmp_path: Path) -> None:
    text = lines(simple(output_tok_ids=[9, 9], input_tok_ids=[7, 8, 7], note="see [1, 2]"))

    assert read(tmp_path, text).token_ids is None
    ids = read(tmp_path, text, with_ids=True).token_ids
    assert ids is not None
    assert [i.tolist() for i in ids] == [[7, 8, 7]]


def test_mooncake_names_blocks_of_512_tokens(tmp_path: Path) -> None:
    record = {"timestamp": 0, "input_length": 513, "output_length": 1, "hash_ids": [0, 9]}

    trace = read(tmp_path, lines(record), with_ids=True)

    assert trace.tokens_per_id == 512
    assert trace.token_ids is not None
    assert trace.token_ids[0].tolist() == [0, 9]


def test_ids_that_some_lines_lack_are_not_used(tmp_path: Path) -> None:
    assert read(tmp_path, lines(simple(input_tok_ids=[1, 2, 3]), simple()), with_ids=True).token_ids is None


BAD = {
    "a word": ("input_tokens,output_tokens\n1,1\nten,1\n", "line 3 of `trace.x` has `ten` for `input_tokens`"),
    "a fraction": ("input_tokens,output_tokens\n1.5,1\n", "line 2 of `trace.x` has `1.5` for `input_tokens`"),
    "no prompt": ("input_tokens,output_tokens\n0,1\n", "line 2 of `trace.x` has 0 for `input_tokens`, at least 1 is needed"),
    "less than nothing": ("input_tokens,output_tokens\n1,-1\n", "line 2 of `trace.x` has -1 for `output_tokens`, at least 0 is needed"),
    "astronomical": ("input_tokens,output_tokens\n99999999999999999999,1\n", "line 2 of `trace.x` has 99999999999999999999 for `input_tokens`, which is too large"),
    "no time": ("input_tokens,output_tokens,arrival_s\n1,1,nan\n", "line 2 of `trace.x` has `nan` for `arrival_s`"),
    "before the start": ("input_tokens,output_tokens,arrival_s\n1,1,-0.5\n", "line 2 of `trace.x` has -0.5 for `arrival_s`, at least 0 is needed"),
    "after the end": ("input_tokens,output_tokens,arrival_s\n1,1,1e20\n", "line 2 of `trace.x` has 1e20 for `arrival_s`, which is too large"),
    "no date": ("TIMESTAMP,ContextTokens,GeneratedTokens\nyesterday,1,1\n", "line 2 of `trace.x` has `yesterday` for `TIMESTAMP`"),
    "a cell too few": ("input_tokens,output_tokens\n1\n", "line 2 of `trace.x` has 1 cells, the header has 2"),
    "after a cell of two lines": ('n,input_tokens,output_tokens\n"a\nb",1,1\n,x,1\n', "line 4 of `trace.x` has `x` for `input_tokens`"),
    "not JSON": (lines(simple()) + "\n{oops", "line 2 of `trace.x` is not JSON: expecting property name enclosed in double quotes"),
    "not JSON at once": ("\n{oops", "line 2 of `trace.x` is not JSON: expecting property name enclosed in double quotes"),
    "not an object": (lines(simple()) + "\n7", "line 2 of `trace.x` is not a JSON object"),
    "a key too few": (lines(simple(), {"input_toks": 1, "output_toks": 1}), "line 2 of `trace.x` has no `arrival_time_ns`"),
    "a word in JSON": (lines(simple(input_toks="many")), 'line 1 of `trace.x` has "many" for `input_toks`'),
    "truth is no number": (lines(simple(input_toks=True)), "line 1 of `trace.x` has true for `input_toks`"),
    "not a number": ('{"input_toks": NaN, "output_toks": 1, "arrival_time_ns": 0}', "line 1 of `trace.x` has NaN for `input_toks`"),
    "no end": ('{"input_toks": 1, "output_toks": 1, "arrival_time_ns": Infinity}', "line 1 of `trace.x` has Infinity for `arrival_time_ns`"),
    "half a token": (lines(simple(output_toks=1.5)), "line 1 of `trace.x` has 1.5 for `output_toks`, a whole number is needed"),
    "no prompt in JSON": (lines(simple(input_toks=0)), "line 1 of `trace.x` has 0 for `input_toks`, at least 1 is needed"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_told_exactly(name: str, tmp_path: Path) -> None:
    text, message = BAD[name]

    assert refused_or_read(tmp_path, text) == (None, [f"M512: {message}"])


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2], "has 2 entries in `input_tok_ids`, 3 are needed for 3 tokens"),
        ([1, 2, "x"], "has something else than whole numbers in `input_tok_ids`"),
        ([1, 2, 1 << 70], "has something else than whole numbers in `input_tok_ids`"),
    ],
)
def test_bad_ids_are_told_exactly(ids: list[object], message: str, tmp_path: Path) -> None:
    text = lines(simple(input_tok_ids=ids))

    assert refused_or_read(tmp_path, text, with_ids=True) == (None, [f"M512: line 1 of `trace.x` {message}"])


def test_a_list_with_holes_is_not_read_over(tmp_path: Path) -> None:
    text = '{"input_toks": 3, "output_toks": 2, "arrival_time_ns": 5, "input_tok_ids": [1,,2]}'

    _, found = refused_or_read(tmp_path, text, with_ids=True)
    assert found == ["M512: line 1 of `trace.x` has something else than whole numbers in `input_tok_ids`"]


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    _, found = refused_or_read(tmp_path, "input_tokens,output_tokens\n" + "x,1\n" * 8)

    assert len(found) == 6
    assert found[-1] == "M512: 3 more lines of `trace.x` cannot be read"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "M517: `trace.x` has no requests"),
        (" \n\n", "M517: `trace.x` has no requests"),
        ("input_tokens,output_tokens\n", "M517: `trace.x` has a header and no requests"),
        ("a,b\n1,2\n", "M511: `trace.x` has none of the known columns; it has `a`, `b`"),
        ("input_tokens,output_tokens,a,a\n1,2,3,4\n", "M511: `trace.x` has the column `a` twice"),
        ('{"a": 1}', "M511: `trace.x` has none of the known columns; it has `a`"),
        (b"\xff\xfe\x00", "M510: `trace.x` is not UTF-8 text: line 1 has a byte that is no part of a character"),
    ],
)
def test_files_that_are_no_trace(text: str, message: str, tmp_path: Path) -> None:
    assert refused_or_read(tmp_path, text) == (None, [message])


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    trace, found = read_trace(TraceRequests(str(tmp_path / "none.csv")), timed=True, with_ids=False)

    assert trace is None
    assert [(d.code, d.title) for d in found] == [("M510", "cannot read `none.csv`: no such file or directory")]


@pytest.mark.skipif(not WORKLOADS.exists(), reason="the validation data is not checked out beside the repository")
@pytest.mark.parametrize("name", ["sharegpt-qwen3-30b-a3b-300-sps10", "sharegpt-llama-3.1-8b-300-sps10"])
def test_the_sharegpt_traces_are_read_as_they_are(name: str) -> None:
    file = WORKLOADS / f"{name}.jsonl"
    trace, found = read_trace(TraceRequests(str(file)), timed=True, with_ids=True)
    plain = [json.loads(line) for line in file.read_text().splitlines()]

    assert trace is not None
    assert not found
    assert rows(trace) == [(r["input_toks"], r["output_toks"], r["arrival_time_ns"]) for r in plain]
    assert trace.token_ids is not None
    assert all(np.array_equal(ids, r["input_tok_ids"]) for ids, r in zip(trace.token_ids, plain, strict=True))


@pytest.mark.skipif(not WORKLOADS.exists(), reason="the validation data is not checked out beside the repository")
def test_the_tsv_trace_is_read_as_it_is() -> None:
    trace, _ = read_trace(TraceRequests(str(WORKLOADS / "share-gpt-req100-rate10.tsv")), timed=True, with_ids=False)

    assert trace is not None
    assert len(trace.input_tokens) == 100
    assert rows(trace)[0] == (10, 70, 46926808)


BAILIAN = [
    {"chat_id": 1, "parent_chat_id": -1, "timestamp": 0.5, "input_length": 33, "output_length": 20, "turn": 1, "hash_ids": [1, 2, 3]},
    {"chat_id": 2, "parent_chat_id": 1, "timestamp": 61.25, "input_length": 16, "output_length": 20, "turn": 2, "hash_ids": [9]},
]  # fmt: skip


def test_the_keys_decide_the_unit_and_the_size_of_a_block(tmp_path: Path) -> None:
    trace, found = refused_or_read(tmp_path, lines(*BAILIAN), with_ids=True)

    assert rows(trace) == [(33, 20, 500_000_000), (16, 20, 61_250_000_000)]
    assert trace.tokens_per_id == 16
    assert ["sessions" in note for note in found] == [True]


@pytest.mark.parametrize(
    "header",
    ["prompt_len,gen_len,arrival_s", "Input_Tokens;Output_Tokens;arrived_at_ms", "num_prefill_tokens,num_decode_tokens,timestamp_us"],
)  # fmt: skip
def test_columns_are_known_by_their_usual_names(tmp_path: Path, header: str) -> None:
    unit = {"_s": 1e9, "ms": 1e6, "us": 1e3}[header[-2:]]
    separator = ";" if ";" in header else ","

    trace = read(tmp_path, f"{header}\n{separator.join(['5.0', '2', '3'])}\n")

    assert rows(trace) == [(5, 2, round(3 * unit))]


def test_columns_of_any_name_can_be_given(tmp_path: Path) -> None:
    text = "p,g,when,who\n5,2,3,a\n"

    trace, found = refused_or_read(tmp_path, text, input="p", output="g", arrival="when", id="who", unit="ms")

    assert not found
    assert rows(trace) == [(5, 2, 3_000_000)]
    assert trace.request_id == ("a",)


def test_a_unit_that_nothing_says_is_asked_for(tmp_path: Path) -> None:
    text = "input_tokens,output_tokens,arrival_time\n5,2,3\n"

    assert refused_or_read(tmp_path, text)[1] == ["M511: nothing says in which unit the times in `arrival_time` are"]
    assert refused_or_read(tmp_path, text, timed=False)[0] is not None
    assert rows(refused_or_read(tmp_path, text, unit="us")[0]) == [(5, 2, 3000)]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    text = "input_tokens,output_tokens\n5,2\n"

    assert refused_or_read(tmp_path, text, input="prompt")[1] == ["M511: the file has no column `prompt`"]


@pytest.mark.parametrize(
    ("step", "said"), [(2, []), (0.1, ["M513: the 20 requests of `trace.x` all arrive within 1.9 ms"])]
)
def test_arrivals_too_close_to_be_true_are_warned_of(tmp_path: Path, step: float, said: list[str]) -> None:
    text = lines(*({"timestamp": step * i, "input_length": 9, "output_length": 1} for i in range(20)))

    assert refused_or_read(tmp_path, text)[1] == said


def test_failed_requests_of_burstgpt_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "Timestamp,Session ID,Request tokens,Response tokens\n5,1,7,3\n6,1,8,0\n9,2,9,4\n"

    trace, found = refused_or_read(tmp_path, text)

    assert rows(trace) == [(7, 3, 0), (9, 4, 4_000_000_000)]
    assert found == [
        "M511: `trace.x` has sessions (`Session ID`), which this version does not use",
        "M511: a failed request is left out of `trace.x`: 0 response tokens",
    ]


def test_images_are_not_passed_over_in_silence(tmp_path: Path) -> None:
    text = "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n2024-10-15 00:00:00.034,3,1203,41\n"

    assert refused_or_read(tmp_path, text)[1] == [
        "M511: `trace.x` has images (`NumImages`), which this version does not use"
    ]


def test_an_array_of_objects_is_read_as_lines_of_them(tmp_path: Path) -> None:
    assert rows(read(tmp_path, json.dumps([simple(), simple(input_toks=4)]))) == [(3, 2, 5), (4, 2, 5)]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (json.dumps([{"id": "q", "conversations": [{"from": "human", "value": "x" * 50_000}]}]), "ShareGPT"),
        (json.dumps({"session_id": "s", "arrival_time_ns": 0, "sub_requests": [{"input_toks": 1}]}), "sessions"),
        (json.dumps({"prompt": "What?", "output_tokens": 40}), "prompts as text"),
        (json.dumps({"hidden_size": 2048, "num_hidden_layers": 48}), "Hugging Face"),
    ],
)  # fmt: skip
def test_what_other_programs_write_is_recognised_and_not_shown(tmp_path: Path, text: str, word: str) -> None:
    trace, found = refused_or_read(tmp_path, text)

    assert trace is None
    assert word in found[0]
    assert len(found[0]) < 300


@pytest.mark.parametrize(
    "text",
    [
        "arrival_time,input_tokens,output_tokens\n2024-05-10T00:00:00Z,1,1\n2024-05-10 02:00:01.5+02:00,2,1\n",
        lines(
            {"timestamp": "2024-05-10T00:00:00", "input_tokens": 1, "output_tokens": 1},
            {"timestamp": "2024-05-09T19:00:01.500-05:00", "input_tokens": 2, "output_tokens": 1},
        ),
    ],
)
def test_a_date_needs_no_unit_and_its_offset_counts(tmp_path: Path, text: str) -> None:
    assert rows(read(tmp_path, text)) == [(1, 1, 0), (2, 1, 1_500_000_000)]


@pytest.mark.parametrize("column", ["arrivals", "timestamps", "times"])
def test_the_plural_of_a_word_is_no_unit(tmp_path: Path, column: str) -> None:
    text = f"{column},input_tokens,output_tokens\n3,1,1\n"

    assert refused_or_read(tmp_path, text)[0] is None


@pytest.mark.parametrize("column", ["arrival (ms)", "Arrival_Time_ms", "arrivalMs", "arrived-at.ms"])
def test_a_unit_ends_the_name_of_its_column(tmp_path: Path, column: str) -> None:
    assert rows(read(tmp_path, f"{column},input_tokens,output_tokens\n3,1,1\n")) == [(1, 1, 3_000_000)]


def test_times_that_nobody_asks_for_may_be_of_any_kind(tmp_path: Path) -> None:
    text = lines({"timestamp": "yesterday", "input_tokens": 1, "output_tokens": 1})

    trace, found = refused_or_read(tmp_path, text, timed=False)

    assert (trace.arrival_ns, found) == (None, [])


def test_a_clock_that_began_long_ago_is_warned_of(tmp_path: Path) -> None:
    text = "input_tokens,output_tokens,arrival_s\n1,1,1715299200.5\n1,1,1715299201\n"

    assert ["arrives 1,715,299,200 s after the run begins" in said for said in refused_or_read(tmp_path, text)[1]] == [
        True
    ]
