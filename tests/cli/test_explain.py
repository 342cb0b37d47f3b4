"""`moec explain`: where memory and time go."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_json_has_parameters_memory_phases_and_the_resolved_specification(moec, tiny):
    found = moec("explain", tiny, "--json").json

    assert found["model"]["total_parameters"] > found["model"]["active_parameters"] > 0
    weights = found["memory"]["weights_bytes"]
    assert weights["per_rank"] == sum(weights["by_kind"].values())
    assert found["memory"]["kv_blocks"] > 0
    assert found["memory"]["kv_bytes_per_token"] > 0
    assert found["spec"]["experiment"]["tiny"]["model"]["layers"] == 16
    assert set(found["phases"]) == {"prefill", "decode", "mixed"}
    for phase in found["phases"].values():
        for op in phase["ops"]:
            assert set(op) == {"name", "count", "flops", "bytes", "time_us", "bound", "source"}


def test_without_overlap_and_exchange_the_ops_add_up_to_the_iteration(moec, tiny):
    for phase in moec("explain", tiny, "--json").json["phases"].values():
        assert sum(op["time_us"] for op in phase["ops"]) == pytest.approx(phase["time_us"])


def test_the_flops_of_a_prefill_are_those_of_the_active_parameters_and_attention(moec, tiny):
    found = moec("explain", tiny, "--json").json
    phase, model = found["phases"]["prefill"], found["model"]["parameters"]
    matrices = found["model"]["active_parameters"] - model["embedding"] - model["head"] - model["norms"]
    by_name = {op["name"]: op["flops"] for op in phase["ops"]}

    assert phase["tokens"] % 64 == 0
    head = 2 * model["head"] * phase["sequences"]
    assert sum(by_name.values()) - by_name["attention"] == pytest.approx(
        2 * matrices * phase["tokens"] + head, rel=1e-9
    )


def test_the_table_has_bars_and_where_each_time_came_from(moec, tiny):
    ran = moec("explain", tiny)

    assert ran.code == 0
    for words in ("memory of one GPU", "prefill", "decode", "mixed", "█", "experts", "modelled"):
        assert words in ran.out


def test_without_a_workload_the_typical_request_is_said_to_be_assumed(moec, tiny):
    tiny.write_text(tiny.read_text().replace(", workload = few", ""))

    assert "this is assumed" in moec("explain", tiny).out
    assert moec("explain", tiny, "--json").json["typical_request"]["assumed"] is True


def test_a_gathered_exchange_waits_for_its_ports_unless_it_is_small(moec):
    phases = moec("explain", EXAMPLES / "quickstart.moe", "--json").json["phases"]
    dispatch = phases["prefill"]["exchanges"][0]

    assert dispatch["bottleneck"] == "scale-up port of each of 2 ranks, 98 % of the exchange"
    (port,) = dispatch["links"]
    assert port["kind"] == "scale-up port"
    assert port["time_us"] + dispatch["fixed_us"] == pytest.approx(dispatch["time_us"])
    assert port["bytes"] == pytest.approx(dispatch["bytes"] / 2), "each of two sends its half"


WIDE = """moe 1
use "std/models"
use "std/hardware" as hw
cluster pod { nodes = 2, node = hw.dgx_h100, network { link = hw.ndr400 } }
parallelism wide { attention { dp = 16 }, exchange { route = two_phase } }
experiment e { model = models.olmoe_1b_7b, cluster = pod, parallelism = wide }
"""


def test_exchanges_and_the_critical_path_are_explained(moec, tmp_path):
    file = tmp_path / "wide.moe"
    file.write_text(WIDE)

    phase = moec("explain", file, "--json").json["phases"]["decode"]
    assert sum(step["share"] for step in phase["critical_path"]) == pytest.approx(1)
    assert sum(step["time_us"] for step in phase["critical_path"]) == pytest.approx(phase["time_us"])
    dispatch, combine = phase["exchanges"]
    assert (dispatch["name"], combine["name"]) == ("dispatch", "combine")
    assert dispatch["way"] == "two-phase"
    assert dispatch["links"][0]["kind"] == "network card"
    assert dispatch["links"][0]["name"] in dispatch["bottleneck"]
    assert {"source", "target", "bytes"} == set(dispatch["pairs"][0])

    out = moec("explain", file).out
    assert "critical path: " in out
    assert "waits for" in out
    assert "network card of the busiest of 16 ranks" in out.replace("\n", " ")
