"""`costs = profile("DIR")` from the file to the manifest: what was read, what it was good for, and what was modelled."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from support.bundles import write_bundle

FILE = """\
moe 1
use "std/hardware" as hw
model small {
  layers = 3, hidden = 1024, vocab = 32000
  attention = gqa { heads = 16, kv_heads = 8, head_dim = 64, qk_norm = true }
  moe { experts = 16, top_k = 4, intermediate = 512 }
}
cluster one { nodes = 1, node = hw.h100_x1 }
workload few {
  requests = lengths(input: 64 tokens, output: 8 tokens, count: 12)
  arrivals = poisson(rate: 50 req/s)
}
experiment tiny { model = small, cluster = one, workload = few, costs = profile("gpu") }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_bundle(tmp_path / "gpu")
    Path("tiny.moe").write_text(FILE)
    return Path("tiny.moe")


def manifest_of(moec, *arguments: str | Path) -> dict:
    ran = moec("simulate", *arguments, "-o", "out", "--force", "-q")
    assert ran.code == 0, ran.err
    return json.loads(Path("out/manifest.json").read_text())


def test_the_manifest_says_which_op_came_from_where_and_how_often(moec, file):
    manifest = manifest_of(moec, file)
    evidence = manifest["evidence"]
    kernels = {op: sum(n for n in e.values() if isinstance(n, int)) for op, e in evidence.items()}

    assert set(evidence) <= set(manifest["costs"])
    assert kernels["attn_norm"] == kernels["attention"] == kernels["qkv_proj"] == 3 * kernels["lm_head"]
    assert set(evidence["router"]) == {"modelled"}
    assert set(evidence["qkv_proj"]) <= {"measured", "interpolated"}
    assert manifest["costs"]["router"] == "modelled"


def test_every_file_of_the_bundle_is_hashed(moec, file):
    inputs = manifest_of(moec, file)["inputs"]

    assert inputs["gpu/tp1/dense.csv"] == hashlib.sha256(Path("gpu/tp1/dense.csv").read_bytes()).hexdigest()
    assert {"gpu/meta.yaml", "gpu/tp1/attention.csv", "gpu/tp1/moe.csv", "gpu/tp2/dense.csv"} <= set(inputs)


def test_a_folder_of_one_degree_is_hashed_with_what_says_what_it_is(moec, file):
    inputs = manifest_of(moec, file, "--set", 'costs=profile("gpu/tp1")')["inputs"]

    assert {"gpu/tp1/../meta.yaml", "gpu/tp1/dense.csv"} <= set(inputs)
    assert not any("tp2" in name for name in inputs)


def test_going_beyond_the_measurements_is_a_warning_that_says_how_far(moec, file):
    beyond = ("--set", "workload.requests.input=4000 tokens")
    ran = moec("simulate", file, *beyond, "--json")
    (warning,) = ran.json["diagnostics"]
    manifest = manifest_of(moec, file, *beyond)
    (bound,) = [b for b in manifest["evidence"]["attention"]["beyond"] if b["axis"] == "prompt tokens"]

    assert warning["code"] == "M451"
    assert "`attention`" in warning["title"]
    assert bound["measured_to"] == 512
    assert bound["used"] > 2000
    assert bound["kernels"] > 0


def test_the_warning_is_the_users_too(moec, file):
    ran = moec("simulate", file, "--set", "workload.requests.input=4000 tokens", "-q")

    assert ran.code == 0
    assert "warning[M451]: times were extrapolated: tokens up to" in ran.err
    assert "prompt tokens up to" in ran.err


def test_compiled_iterations_say_it_too(moec, file):
    ran = moec("compile", file, "-o", "traces")
    assert ran.code == 0, ran.err
    for iteration in json.loads(Path("traces/manifest.json").read_text())["iterations"]:
        costs = iteration["costs"]
        assert costs["router"] == "modelled"
        assert costs["qkv_proj"] in ("measured", "interpolated")


def test_explain_says_where_every_time_comes_from(moec, file):
    ops = {op["name"]: op["source"] for op in moec("explain", file, "--json").json["phases"]["decode"]["ops"]}

    assert ops["router"] == "modelled"
    assert ops["lm_head"] in ("measured", "interpolated")
    assert "interpolated" in moec("explain", file).out


def test_roofline_runs_are_not_counted(moec, file):
    manifest = manifest_of(moec, file, "--set", "costs=roofline()")

    assert manifest["evidence"] == {}
    assert set(manifest["costs"].values()) == {"modelled"}


def test_a_folder_that_is_not_there(moec, file):
    ran = moec("simulate", file, "--set", 'costs=profile("nowhere")')

    assert ran.code == 2
    assert "error[M503]: cannot read `nowhere`: no such folder" in ran.err


def test_a_file_is_not_a_folder(moec, file):
    ran = moec("simulate", file, "--set", 'costs=profile("tiny.moe")')

    assert ran.code == 2
    assert "error[M503]: cannot read `tiny.moe`: it is a file, not a folder" in ran.err


def test_a_name_that_cannot_be_a_folder(moec, file):
    ran = moec("simulate", file, "--set", f'costs=profile("{"x" * 5000}")')

    assert ran.code == 2
    assert "error[M503]: cannot read `xxx" in ran.err
    assert "file name too long" in ran.err


def test_a_mistake_in_the_bundle_points_at_the_profile(moec, file):
    path = Path("gpu/tp1/dense.csv")
    path.write_text(path.read_text().replace("qkv_proj,2,20.5", "qkv_proj,2,fast"))
    ran = moec("check", file)

    assert ran.code == 1
    assert "error[M562]: the profile `gpu/tp1/dense.csv`, line 47: `time_us` is `fast`, not a number" in ran.err
    assert 'costs = profile("gpu")' in ran.err


def test_a_resolved_specification_reads_back(moec, file):
    spec = moec("explain", file, "--json").json["spec"]

    assert spec["experiment"]["tiny"]["costs"] == {"=": "profile", "folder": "gpu", "gap": "1.4 us"}
    Path("again.json").write_text(json.dumps(spec))
    assert (
        moec("simulate", "again.json", "--json").json["mean_ttft_ms"]
        == moec("simulate", file, "--json").json["mean_ttft_ms"]
    )
