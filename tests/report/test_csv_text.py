"""Columns as CSV text."""

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moec.report.csv_text import csv_bytes, decimals, integers, texts

COUNTS = st.integers(-1, 10**18)


@given(st.lists(st.tuples(COUNTS, COUNTS, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))))
def test_a_csv_reader_gets_back_what_was_written(rows):
    whole = np.array([row[0] for row in rows], dtype=np.int64)
    fixed = np.array([row[1] for row in rows], dtype=np.int64)

    text = csv_bytes({"id": texts([r[2] for r in rows]), "whole": integers(whole), "fixed": decimals(fixed, 6)})
    read = list(csv.reader(io.StringIO(text.decode(), newline="")))

    assert read[0] == ["id", "whole", "fixed"]
    assert [row[0] for row in read[1:]] == [row[2] for row in rows]
    assert [row[1] for row in read[1:]] == ["" if w < 0 else str(w) for w in whole]
    assert [row[2] for row in read[1:]] == ["" if f < 0 else f"{f // 10**6}.{f % 10**6:06d}" for f in fixed]


def test_no_rows_leave_the_header():
    empty = np.zeros(0, dtype=np.int64)

    assert csv_bytes({"id": texts([]), "n": integers(empty), "t_ms": decimals(empty, 6)}) == b"id,n,t_ms\n"
