"""YAML as yaml-cpp gives it: nodes, and what scalars are as numbers (figures from yaml-cpp 0.9)."""

import random

import pytest

from moec.backends.astra.files import yaml_cpp
from moec.backends.astra.files.yaml_cpp import NotYaml, as_double, as_int, decoded, int_table, load, value_of


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("", None),
        ("# only this\n", None),
        ("a: ~\nb: null\nc:\nd: 'null'\n", (("a", None), ("b", None), ("c", None), ("d", "null"))),
        ("[a, 'b, c', \"\\x64\"]", ["a", "b, c", "d"]),
        ("a: &x [1]\nb: *x\n", (("a", ["1"]), ("b", ["1"]))),
        ("a: |\n  b\n  c\nd: >-\n  e\n  f\n", (("a", "b\nc\n"), ("d", "e f"))),
        ("one: 1\n---\ntwo: 2\n", (("one", "1"),)),
        ("1: /a/b#c  # d\n", (("1", "/a/b#c"),)),
        ("x: a\x01\x85b\n", (("x", "a\ufffd\ufffdb"),)),
    ],
)
def test_the_nodes_of_a_text(text, node):
    assert load(text) == node


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1", "line 2, column 1"),
        ("a: 1\nb: 2\na: 3\n", "line 3: the key `a` is there twice"),
        ("a: &x [*x]", "a collection holds itself"),
        ("a: *x", "undefined alias"),
        ("a: 1\n]", "line 2"),
        ("[" * 100_000, "."),
    ],
)
def test_a_text_that_is_no_yaml_says_where(text, says):
    with pytest.raises(NotYaml, match=says):
        load(text)


@pytest.mark.parametrize(
    ("written", "whole", "decimal"),
    [
        ("8", 8, 8.0), ("+8", 8, 8.0), ("-8", -8, -8.0), ("8 ", 8, 8.0), (" 8", None, None), ("8.0", None, 8.0),
        ("010", 8, 10.0), ("0o14", 12, 14.0), ("08", None, 8.0), ("0x1F", 31, None), ("-0x10", -16, None), ("0x", None, None),
        ("1e3", None, 1000.0), (".5", None, 0.5), ("5.", None, 5.0), (".", None, None), ("5e", None, None), ("1_0", None, None),
        ("inf", None, None), (".inf", None, float("inf")), ("-.INF", None, float("-inf")), ("1e400", None, None),
        ("2147483647", 2147483647, 2147483647.0), ("2147483648", None, 2147483648.0), ("", None, None), ("x", None, None),
    ],
)  # fmt: skip
def test_scalars_as_numbers(written, whole, decimal):
    assert as_int(written) == whole
    assert as_double(written) == decimal


def test_what_is_no_scalar_is_no_number():
    assert as_int(None) is None
    assert as_double(["1"]) is None
    assert str(as_double(".nan")) == "nan"


def test_the_value_of_a_key():
    assert value_of(load("a: 1\nb: [2]\n"), "b") == ["2"]
    assert value_of(load("a: 1\n"), "b") is None
    assert value_of(["a"], "a") is None


def test_a_table_from_nodes_to_paths():
    assert int_table("1: a/b\n0x10: 'c d'\n-3: ../e\n") == {1: "a/b", 16: "c d", -3: "../e"}


@pytest.mark.parametrize("text", ["- a\n", "", "x: a\n", "1: [a]\n", "1:\n", "1.0: a\n"])
def test_no_such_table(text):
    with pytest.raises(NotYaml):
        int_table(text)


def test_encodings_are_told_by_their_marks():
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        assert decoded("a: µ\n".encode(encoding)) == "a: µ\n"
    assert decoded(b"# \xb5s\n") == "# \ufffds\n"


PIECES = (
    "a",
    "b7",
    "12",
    ".5",
    "/x/y",
    "-3",
    "null",
    "~",
    "'q'",
    ": ",
    ":",
    "[",
    "]",
    "[ ",
    " ]",
    ", ",
    ",",
    " ",
    "\n",
    "\n",
    " # c",
    "#",
)


@pytest.mark.parametrize("seed", range(60))
def test_what_is_read_line_by_line_is_as_parsed(seed):
    draw = random.Random(seed)
    for _ in range(200):
        text = draw.choice(("", "a: [b, c]\n", "7: /x/y  # c\n")) + "".join(draw.choices(PIECES, k=draw.randint(1, 9)))
        found = yaml_cpp._plain(text)
        if found is not None:
            assert found == yaml_cpp._parsed(text), text


def test_a_plain_file_needs_no_parser():
    text = "topology: [ Switch ]\nnpus_count: [4]  # NPUs\n\n# GB/s\nbandwidth: [ 50.0 ]\nlatency: [5e2]\n"

    assert yaml_cpp._plain(text) == yaml_cpp._parsed(text) is not None
    assert yaml_cpp._plain("1: set/a\n2: ../b\n") == (("1", "set/a"), ("2", "../b"))
