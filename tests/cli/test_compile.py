"""`moec compile`: whole trace folders of the iterations that were asked for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

SPEC = """\
moe 1
use "std/models"
use "std/hardware" as hw
model olmoe = models.olmoe_1b_7b
cluster node { nodes = 1, node = hw.dgx_h100 }
parallelism spread { attention { dp = 4 } }
routing hot { popularity = zipf(exponent: 0.8), per_layer = shuffled }
workload few {
  requests = lengths(input: 64 tokens, output: 6 tokens, count: 16)
  arrivals = poisson(rate: 4000 req/s)
}
experiment tiny { model = olmoe, cluster = node, parallelism = spread, routing = hot, workload = few }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "spread.moe"
    path.write_text(SPEC)
    return path


def files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_one_iteration_of_each_phase_and_a_manifest_that_vouches_for_all(moec, spec, tmp_path):
    out = tmp_path / "out"
    ran = moec("compile", spec, "-o", out, "--json")

    assert ran.code == 0
    rows = ran.json["iterations"]
    assert {row["phase"] for row in rows} == {"prefill", "mixed", "decode"}
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["iterations"] == rows
    written = files(out)
    for row in rows:
        assert row["ranks"] == 4
        assert row["bytes"]["all_to_all"] > 0
        own = {
            name.removeprefix(row["folder"] + "/"): h for name, h in written.items() if name.startswith(row["folder"])
        }
        assert own == row["sha256"]
        assert {"moec.0.et", "moec.3.et", "system.json", "network.yml", "memory.json", "command.txt"} <= set(own)
    assert set(written) == {*manifest["files"], "manifest.json"}


def test_the_same_specification_gives_the_same_bytes(moec, spec, tmp_path):
    for name in ("a", "b"):
        assert moec("compile", spec, "-o", tmp_path / name, "--iterations", "0,2..3").code == 0

    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert sorted(p.name for p in (tmp_path / "a").iterdir() if p.is_dir()) == [
        "iteration_000000",
        "iteration_000002",
        "iteration_000003",
    ]


@pytest.mark.parametrize("encoding", ["custom", "sendrecv", "padded"])
def test_every_encoding_passes_our_own_lint(moec, spec, tmp_path, encoding):
    out = tmp_path / "out"
    assert moec("compile", spec, "-o", out, "--iterations", "1", "--encoding", encoding).code == 0

    assert (out / "iteration_000001" / "custom").exists() == (encoding == "custom")
    ran = moec("trace", "lint", out / "iteration_000001" / "moec")
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (("--iterations", "3..1"), "neither a number nor a range"),
        (("--iterations", "x"), "neither a number nor a range"),
        (("--iterations", "100000"), "there is no iteration 100000"),
        (("--encoding", "fancy"), "`--encoding fancy` is unknown"),
        (("--congestion", "maybe"), "`--congestion maybe` is unknown"),
    ],
)
def test_a_wrong_command_line_writes_nothing(moec, spec, tmp_path, arguments, title):
    ran = moec("compile", spec, "-o", tmp_path / "out", *arguments)

    assert ran.code == 2
    assert title in ran.err
    assert not (tmp_path / "out").exists()


def test_what_moec_wrote_is_replaced_only_with_force_and_nothing_else_ever(moec, spec, tmp_path):
    out = tmp_path / "out"
    again = ("compile", spec, "-o", out, "--iterations", "0")
    assert moec(*again).code == 0
    assert moec(*again).code == 2
    assert moec(*again, "--force").code == 0
    (out / "mine.txt").write_text("precious")
    assert moec(*again, "--force").code == 2
    assert (out / "mine.txt").read_text() == "precious"


def test_without_a_workload_there_is_nothing_to_schedule(moec, spec, tmp_path):
    spec.write_text(SPEC.replace(", workload = few }", " }"))
    ran = moec("compile", spec, "-o", tmp_path / "out")

    assert ran.code == 1
    assert "no workload" in ran.err
