"""A routing trace is read as it is, or every mistake in it is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from moec.compiler.routing.law import routing_law
from moec.diagnostics import Diagnostic
from moec.dsl.schema import RoutingTrace
from support.mixtures import mixture

GOOD = "layer_id,expert_id,count\n" + "".join(f"{layer},{e},{10 * layer + e}\n" for layer in (1, 2) for e in range(4))


def read(text: str, folder: Path, per_layer: str = "same", **shape: int) -> tuple[np.ndarray | None, list[Diagnostic]]:
    (folder / "trace.csv").write_text(text)
    wanted = {"layers": 3, "first_dense": 1} | shape
    trace = RoutingTrace("trace.csv")
    law, found = routing_law(
        mixture(4, 2, 1, popularity=trace, per_layer=per_layer, directory=str(folder), **wanted)  # type: ignore[arg-type]
    )
    return (None if law is None else law.weights), found


def test_counts_are_weights(tmp_path: Path) -> None:
    weights, found = read(GOOD, tmp_path)
    assert not found
    assert weights is not None
    assert weights.tolist() == [[10, 11, 12, 13], [20, 21, 22, 23]]


def test_an_expert_without_a_line_was_never_chosen(tmp_path: Path) -> None:
    weights, _ = read(GOOD.replace("1,2,12\n", ""), tmp_path)
    assert weights is not None
    assert weights[0].tolist() == [10, 11, 0, 13]


def test_shuffled_permutes_each_layer(tmp_path: Path) -> None:
    weights, _ = read(GOOD, tmp_path, "shuffled")
    assert weights is not None
    assert np.sort(weights, axis=1).tolist() == [[10, 11, 12, 13], [20, 21, 22, 23]]


MISTAKES = {
    "": ("M521", "line 1: the header is ``, not `layer_id,expert_id,count`"),
    GOOD.replace("layer_id", "layer"): ("M521", "line 1: the header is `layer,expert_id,count`, not `layer_id,expert_id,count`"),
    GOOD.replace("1,2,12", "1,2"): ("M522", "line 4: 2 fields instead of 3"),
    GOOD.replace("1,2,12", "1,2,many"): ("M522", "line 4: `count` is `many`, not a number"),
    GOOD.replace("1,2,12", "1,2,nan"): ("M522", "line 4: `count` is `nan`, not a number"),
    GOOD.replace("1,2,12", "1,2.5,12"): ("M522", "line 4: `expert_id` is `2.5`, not a whole number from 0"),
    GOOD.replace("1,2,12", "1,2,-12"): ("M522", "line 4: the count is negative: -12"),
    GOOD + "0,1,5\n": ("M523", "line 10: layer 0 is not a mixture of experts"),
    GOOD + "1,4,5\n": ("M523", "line 10: there is no expert 4"),
    GOOD + "1,3,5\n": ("M524", "line 10: layer 1, expert 3 was counted before"),
    GOOD[: GOOD.index("2,0")]: ("M525", "the routing trace `trace.csv` has no counts for MoE layer 2"),
    "layer_id,expert_id,count\n1,0,5\n1,1,5\n2,0,5\n2,1,0\n": (
        "M526", "the routing trace `trace.csv`: layer 2 has too few experts with a count above 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes(text: str, tmp_path: Path) -> None:
    weights, found = read(text, tmp_path)
    assert weights is None
    code, words = MISTAKES[text]
    assert found[0].code == code
    assert found[0].title.endswith(words)


def test_many_mistakes_are_counted(tmp_path: Path) -> None:
    _, found = read("layer_id,expert_id,count\n" + "9,9,9\n" * 50, tmp_path)
    assert [d.code for d in found] == ["M523"] * 8 + ["M525"]
    assert found[7].title.endswith("(and 42 more like it)")


@pytest.mark.parametrize("text", ["0," + "9" * 5000 + ",1", "1,0,1e308", "1,0,1e-320"])
def test_numbers_beyond_reason_are_mistakes(text: str, tmp_path: Path) -> None:
    _, found = read(GOOD.replace("1,0,10", text), tmp_path)
    assert found


def test_missing_layers_are_listed_in_runs(tmp_path: Path) -> None:
    _, found = read("layer_id,expert_id,count\n4,0,5\n4,1,5\n", tmp_path, layers=9, first_dense=0)
    assert found[0].title.endswith("has no counts for MoE layers 0 to 3, 5 to 8")


def test_unreadable_files(tmp_path: Path) -> None:
    for name, words in (("none.csv", "No such file or directory"), (".", "Is a directory")):
        law, found = routing_law(mixture(4, 2, popularity=RoutingTrace(name), directory=str(tmp_path)))
        assert law is None
        assert [(d.code, d.title.endswith(words)) for d in found] == [("M520", True)]
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    _, found = routing_law(mixture(4, 2, popularity=RoutingTrace("binary.csv"), directory=str(tmp_path)))
    assert found[0].title == "the routing trace `binary.csv` cannot be read: it is not UTF-8 text"


def test_a_group_limit_needs_more_recorded_experts(tmp_path: Path) -> None:
    rows = [f"{layer},{e},{5 if e in (0, 1, 2, 3, 4, 5, 8, 9) else 0}" for layer in range(2) for e in range(16)]
    (tmp_path / "trace.csv").write_text("\n".join(["layer_id,expert_id,count", *rows]))
    shape = {"layers": 2, "groups": 4, "group_limit": 2, "directory": str(tmp_path)}
    law, found = routing_law(mixture(16, 5, popularity=RoutingTrace("trace.csv"), **shape))  # type: ignore[arg-type]
    assert law is None
    assert found[0].label == "a token chooses 5, and can find as few as 4 in the 2 groups that a token is limited to"
