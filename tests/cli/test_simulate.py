"""`moec simulate`: results on stdout, files whole or not at all."""

import csv
import json
from pathlib import Path


def read_csv(path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_the_table_says_what_users_see_and_what_bounded_the_run(moec, tiny):
    ran = moec("simulate", tiny)

    assert ran.code == 0
    assert ran.err == ""
    for words in ("tiny", "time to first token", "output tokens/s", "KV cache", "met"):
        assert words in ran.out


def test_json_is_one_object_with_the_keys_of_vllm_bench_serve(moec, tiny):
    ran = moec("simulate", tiny, "--json")

    assert ran.code == 0
    assert ran.err == ""
    assert ran.json["completed"] == 12
    assert ran.json["total_output_tokens"] == 96
    assert ran.json["median_ttft_ms"] > 0
    assert ran.json["backend"] == "fast"
    assert ran.json["diagnostics"] == []


def test_quiet_prints_nothing(moec, tiny):
    ran = moec("simulate", tiny, "--quiet")

    assert (ran.code, ran.out, ran.err) == (0, "", "")


def test_overrides_and_seed_change_the_run(moec, tiny):
    base = moec("simulate", tiny, "--json").json
    fewer = moec("simulate", tiny, "--json", "--set", "workload.requests.count=5").json
    other = moec("simulate", tiny, "--json", "--seed", "3").json

    assert fewer["completed"] == 5
    assert other["seed"] == 3
    assert other["mean_ttft_ms"] != base["mean_ttft_ms"]


def test_the_folder_has_four_files_that_agree(moec, tiny):
    ran = moec("simulate", tiny, "-o", "out", "--json", "--set", "workload.requests.count=5")

    assert ran.code == 0
    assert {p.name for p in Path("out").iterdir()} == {
        "summary.json",
        "requests.csv",
        "iterations.csv",
        "manifest.json",
    }
    summary = json.loads(Path("out/summary.json").read_text())
    assert {key: value for key, value in ran.json.items() if key != "diagnostics"} == summary
    rows = read_csv("out/requests.csv")
    assert len(rows) == summary["completed"] == 5
    assert sum(int(row["output_tokens"]) for row in rows) == summary["total_output_tokens"]
    ttft = [float(row["ttft_ms"]) for row in rows]
    assert abs(sum(ttft) / len(ttft) - summary["mean_ttft_ms"]) < 1e-6
    assert len(read_csv("out/iterations.csv")) == summary["iterations"]


def test_the_manifest_says_what_the_results_rest_on(moec, tiny):
    moec("simulate", tiny, "-o", "out", "--quiet", "--seed", "4", "--set", "workload.requests.count=5")

    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["seed"] == 4
    assert manifest["overrides"] == ["workload.requests.count=5"]
    assert set(manifest["inputs"]) >= {"tiny.moe", "std/models.moe", "std/hardware.moe"}
    assert all(len(digest) == 64 for digest in manifest["inputs"].values())
    assert set(manifest["costs"].values()) <= {"measured", "interpolated", "extrapolated", "modelled"}
    assert "experts" in manifest["costs"]
    assert not any("time" in key or "date" in key or key == "wall_s" for key in manifest)


def test_the_same_seed_leaves_the_same_bytes(moec, tiny):
    for folder in ("a", "b"):
        moec("simulate", tiny, "-o", folder, "--quiet")

    for name in ("requests.csv", "iterations.csv", "manifest.json"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()
    first, second = (json.loads(Path(folder, "summary.json").read_text()) for folder in ("a", "b"))
    assert {**first, "wall_s": 0} == {**second, "wall_s": 0}


def test_results_are_replaced_only_with_force(moec, tiny):
    moec("simulate", tiny, "-o", "out", "--quiet")
    before = Path("out/requests.csv").read_bytes()

    refused = moec("simulate", tiny, "-o", "out", "--quiet", "--seed", "9")
    assert refused.code == 2
    assert "--force" in refused.err
    assert Path("out/requests.csv").read_bytes() == before

    assert moec("simulate", tiny, "-o", "out", "--quiet", "--seed", "9", "--force").code == 0
    assert Path("out/requests.csv").read_bytes() != before


def test_a_failed_run_leaves_no_folder(moec, tiny):
    ran = moec("simulate", tiny, "-o", "out", "--set", "model.layers=0")

    assert ran.code == 2
    assert not Path("out").exists()


def test_an_interruption_is_no_traceback_and_leaves_no_folder(moec, tiny, monkeypatch):
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("moec.run.session.simulate", interrupted)
    ran = moec("simulate", tiny, "-o", "out")

    assert ran.code == 130
    assert ran.err == "interrupted: nothing was written\n"
    assert [p.name for p in Path().iterdir()] == ["tiny.moe"]


def test_an_experiment_without_a_workload_cannot_be_simulated(moec, tiny):
    tiny.write_text(tiny.read_text().replace(", workload = few", ""))

    ran = moec("simulate", tiny)

    assert ran.code == 1
    assert "has no workload" in ran.err


def test_one_of_several_experiments_is_chosen_by_name(moec, tiny):
    tiny.write_text(tiny.read_text() + "experiment other = tiny { workload { requests { count = 3 } } }\n")

    undecided = moec("simulate", tiny)
    chosen = moec("simulate", tiny, "--experiment", "other", "--json")
    unknown = moec("simulate", tiny, "--experiment", "othr")

    assert undecided.code == 1
    assert "`tiny`" in undecided.err and "`other`" in undecided.err
    assert chosen.json["completed"] == 3
    assert unknown.code == 2
    assert "other" in unknown.err
