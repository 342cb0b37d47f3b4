"""Messages in the singular where a count is 1."""

import pytest

from moec.diagnostics import Diagnostic, Label, Span
from moec.diagnostics.counts import counted
from moec.dsl.units import TOKENS, exact, shown

HERE = Span("x.moe", 1, 1, 1, 2)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("1 tokens per iteration cannot serve 1 running requests", "1 token per iteration cannot serve 1 running request"),
        ("8 heads / 1 ranks is 1 key/value heads", "8 heads / 1 rank is 1 key/value head"),
        ("`1 tokens` is the least", "`1 token` is the least"),
        ("length 2 of 1 topologies, 1 entries", "length 2 of 1 topology, 1 entry"),
        ("11 tokens, 0.1 tokens, 2.1 blocks, 1/1 ranks", "11 tokens, 0.1 tokens, 2.1 blocks, 1/1 ranks"),
        ("1 tokens/s, 1,1 ranks, layer-1 experts", "1 tokens/s, 1,1 ranks, layer-1 experts"),
    ],
)  # fmt: skip
def test_one_of_a_thing(written, said):
    assert counted(written) == said


def test_a_diagnostic_says_so_everywhere():
    found = Diagnostic("M314", "1 tokens", HERE, "1 requests", (Label(HERE, "1 blocks"),), "1 ranks")

    assert (found.title, found.label, found.labels[0].text, found.help) == ("1 token", "1 request", "1 block", "1 rank")


def test_quantities():
    assert (shown(1, TOKENS), shown(2, TOKENS), exact(1, TOKENS), exact(3, TOKENS)) == (
        "1 token",
        "2 tokens",
        "1 token",
        "3 tokens",
    )
