"""The same specification as JSON, in and out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moec.dsl.export import to_json
from moec.dsl.load import check_text, load_text
from moec.dsl.schema import Experiment
from support.specs import WHOLE


def _bare(experiment: Experiment | None) -> Experiment:
    """Without what JSON does not keep: spans, names of definitions, hashes."""
    assert experiment is not None
    return replace(experiment, spans={}, names={}, files={})


OVERRIDES = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["models.deepseek_v3", "models.gpt_oss_120b", "models.llama_3_1_8b"]),
        "parallelism.attention.dp": st.integers(1, 512).map(str),
        "parallelism.experts.placement": st.sampled_from(["linear", "lpt()", "eplb(mode: global)"]),
        "parallelism.overlap": st.sampled_from(["none", "shared_expert"]),
        "routing.popularity": st.floats(0, 8).map(lambda x: f"zipf(exponent: {x!r})") | st.just("uniform()"),
        "cluster.network.latency": st.floats(1e-9, 1.0).map(lambda x: f"{x!r} s"),
        "cluster.node.device.memory": st.floats(1.0, 1e15).map(lambda x: f"{x!r} B"),
        "serving.overhead.step": st.floats(0, 1).map(lambda x: f"{x!r} ms"),
        "workload.requests.output": st.integers(1, 10**6).map(str) | st.just("lognormal(mean: 10, std: 3)"),
        "workload.arrivals": st.sampled_from(["burst()", "closed_loop(8)", "gamma(rate: 2 req/s, cv: 2)"]),
        "seed": st.integers(0, 10**18).map(str),
    },
)


@pytest.mark.slow
@given(OVERRIDES)
@settings(max_examples=20, deadline=None)
def test_what_is_exported_reads_back_the_same(overrides: dict[str, str]) -> None:
    experiment, report = load_text(WHOLE, overrides=[f"{path}={value}" for path, value in overrides.items()])
    assert report.diagnostics == ()
    again, found = load_text(json.dumps(to_json(_bare(experiment))), "again.json")
    assert found.diagnostics == ()
    assert _bare(again) == _bare(experiment)


def test_json_says_all_that_the_language_does() -> None:
    text = json.dumps(
        {
            "moe": 1,
            "use": {"models": "std/models", "hw": "std/hardware"},
            "parallelism": {
                "wide": {"attention": {"dp": 16}, "experts": {"ep": "attention.dp", "placement": "eplb()"}}
            },
            "experiment": {
                "serve": {
                    "model": {"=": "models.mixtral_8x7b", "dtype": {"weights": "fp8"}},
                    "cluster": {"nodes": 2, "node": "hw.dgx_h100", "network": {"link": "hw.ndr400"}},
                    "parallelism": "wide",
                    "workload": None,
                }
            },
        }
    )
    experiment, report = load_text(text, "spec.json", overrides=["parallelism.attention.dp=8"])
    assert report.diagnostics == ()
    assert experiment is not None
    assert (experiment.parallelism.experts.ep, experiment.model.dtype.weights) == (8, "fp8")


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "M505", 1),
        ("[1]", "M505", 1),
        ("{\n", "M505", 2),
        ('{"moe": 1,\n "experiment": {"e": 3}}', "M505", 2),
        ('{"moe": 1,\n "use": ["std/models"]}', "M505", 2),
        ('{"moe": 1,\n "use": {"m": 3}}', "M505", 2),
        ('{"moe": 1,\n "routing": {"r": {"popularity": {"=": 3}}}}', "M505", 2),
        ('{"moe": "1"}', "M009", 1),
        ('{"routing": {}}', "M004", 1),
        ('{"moe": 1,\n "rooting": {"r": {}}}', "M102", 2),
        ('{"moe": 1,\n "routing": {"r": {"popularity": {"=": "zipf",\n "exponent": "2 us"}}}}', "M202", 3),
        ('{"moe": 1,\n "routing": {"r": {"seed": true}}}', "M201", 2),
        ('{"moe": 1,\n "routing": {"r": {"seed": 1, "seed": 2}}}', "M106", 2),
        ('{"moe": 1,\n "link": {"r": {"bandwidth": -1e3}}}', "M203", 2),
        ('{"moe": 1,\n "link": {"r": {"bandwidth": "not a value"}}}', "M201", 2),
        ('{"moe": 1,\n "link": {"1x": {"bandwidth": "1 GB/s"}}}', "M505", 2),
        ("[" * 100, "M505", 1),
        ('"\\x"', "M505", 1),
    ],
)
def test_mistakes_in_json_have_their_place(text: str, code: str, line: int) -> None:
    report = check_text(text, "spec.json")[1]
    assert [(d.code, d.span.line) for d in report.diagnostics if d.span] == [(code, line)]
