"""A small specification that every verb takes, and a way to run `moec` without a process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from moec.cli.main import run

TINY = """\
moe 1
use "std/models"
use "std/hardware" as hw
model olmoe = models.olmoe_1b_7b
cluster one { nodes = 1, node = hw.h100_x1 }
workload few {
  requests = lengths(input: 64 tokens, output: 8 tokens, count: 12)
  arrivals = poisson(rate: 50 req/s)
  goal     { ttft_p99 = 1 s }
}
experiment tiny { model = olmoe, cluster = one, workload = few }
"""


@dataclass(frozen=True, slots=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@pytest.fixture
def moec(capsys):
    def command(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Ran(code, *capsys.readouterr())

    return command


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """`tiny.moe` in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.moe").write_text(TINY)
    return Path("tiny.moe")
