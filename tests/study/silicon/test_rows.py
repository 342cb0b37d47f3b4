"""Which measured rows are compared: rules that look at the measurements alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from moec.study.silicon.recipes import recipe_of, unclear
from moec.study.silicon.rows import Row, read_rows, suspicions
from moec.study.silicon.specs import is_mixture, obstacle
from support.silicon_rows import ROW
from support.silicon_tables import Stand, measurement


def rows(*changes: dict) -> list[Row]:
    return [replace(ROW, id=str(i), **change) for i, change in enumerate(changes)]


def test_rows_are_read_with_their_concurrency(tmp_path):
    stand = Stand(tmp_path)
    stand.measurements([
        measurement(concurrency=16), measurement(id="b", mode="disagg"),
        measurement(id="c", attention_dp_size="", moe_tp_size="", silicon_data_source="elsewhere"),
    ])  # fmt: skip
    first, second = read_rows(stand.systems)

    assert (first.id, first.concurrency, first.tp, first.expert_tp, first.measured) == (
        "gptoss_c4", 16, 2, 2, "2026-03-27",
    )  # fmt: skip
    assert (second.id, second.dp, second.expert_tp, second.concurrency) == ("c", 1, 0, 4)


def test_clean_rows_are_not_suspicious():
    assert not suspicions(rows({}, {"concurrency": 8, "tpot_ms": 6.0}, {"concurrency": 16, "tpot_ms": 5.9}))


@pytest.mark.parametrize("times", [{"tpot_ms": 0.0}, {"ttft_ms": -1.0}, {"tpot_ms": float("nan")}])
def test_times_that_cannot_be_are_impossible(times):
    assert suspicions(rows(times))["0"].startswith("impossible")


def test_the_same_figures_again_are_a_duplicate_to_two_decimals():
    found = suspicions(rows({"tpot_ms": 5.1234}, {"tpot_ms": 5.12}, {"tpot_ms": 5.2}))

    assert found == {"1": "duplicate: the same figures again"}


def test_one_architecture_under_two_names_is_one_run():
    found = suspicions(rows({"model": "deepseek-ai/DeepSeek-R1"}, {"model": "deepseek-ai/DeepSeek-V3"}))

    assert list(found) == ["1"]


def test_repeats_that_lie_apart_disagree_with_their_median():
    found = suspicions(rows({"tpot_ms": 5.0}, {"tpot_ms": 5.1}, {"tpot_ms": 6.0}))

    assert list(found) == ["2"]
    assert found["2"].startswith("disagrees")


def test_a_faster_run_with_more_requests_in_flight_dips():
    found = suspicions(rows({"tpot_ms": 5.0}, {"concurrency": 8, "tpot_ms": 6.0}, {"concurrency": 16, "tpot_ms": 5.0}))

    assert list(found) == ["2"]
    assert found["2"].startswith("dips")


def test_curves_of_other_settings_do_not_meet():
    assert not suspicions(rows({"tpot_ms": 9.0}, {"tp": 8, "concurrency": 8, "tpot_ms": 5.0}))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "zhipuai/GLM-5"}, "model: sparse attention"),
        ({"model": "someone/else"}, "model: not in"),
        ({"gpu": "gb300"}, "device: gb300"),
        ({"precision": "bf16"}, "model: no such weights"),
        ({"expert_tp": 0, "ep": 0}, "plan: that of the experts"),
        ({"dp": 2, "expert_tp": 1, "ep": 4}, "plan: ambiguous"),
        ({"expert_tp": 4}, "plan: labels that contradict"),
        ({"tp": 16, "expert_tp": 16}, "plan: 16 GPUs"),
        ({"tp": 4, "expert_tp": 2, "ep": 2}, "plan: experts split both ways"),
        ({"pp": 2}, "plan: pipeline"),
    ],
)
def test_what_cannot_be_replayed_says_why(change, why):
    assert obstacle(replace(ROW, **change)).startswith(why)


def test_what_can_be_replayed_has_no_obstacle():
    assert obstacle(ROW) is None
    assert unclear(ROW) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"source": "source_file=somewhere.csv"}, "settings: the source"),
        ({"source": ROW.source.replace("2026-03-27", "2025-11-02")}, "settings: measured before"),
        ({"engine": "trtllm", "version": "1.2.0rc6.post3", "model": "deepseek-ai/DeepSeek-R1"}, "speculative"),
        (
            {"engine": "sglang", "version": "0.5.9", "gpu": "b200_sxm", "precision": "fp8", "model": "deepseek-ai/DeepSeek-V3"},
            "speculative",
        ),
        ({"model": "MiniMaxAI/MiniMax-M2.5", "gpu": "b200_sxm", "precision": "fp8", "version": "0.17.0"}, "kernel"),
    ],
)  # fmt: skip
def test_what_was_started_in_an_unknown_way_says_so(change, why):
    assert unclear(replace(ROW, **change)).startswith(why)


def test_dense_models_are_not_mixtures():
    assert is_mixture(ROW)
    assert not is_mixture(replace(ROW, model="meta-llama/Llama-3.1-70B"))


def test_recipes_follow_the_scripts():
    b200 = replace(ROW, model="MiniMaxAI/MiniMax-M2.5", gpu="b200_sxm", precision="fp8", isl=8192)

    assert (recipe_of(b200).budget, recipe_of(b200).block, recipe_of(b200).kv_cache) == (16384, 32, "fp8")
    assert recipe_of(replace(ROW, concurrency=32)).sequences == 32
