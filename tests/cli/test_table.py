"""`costs = table("FILE.csv")` from the file to the manifest."""

from __future__ import annotations

import json
from pathlib import Path

FILE = """\
moe 1
use "std/hardware" as hw
model small {
  layers = 3, hidden = 1024, vocab = 32000
  attention = gqa { heads = 16, kv_heads = 8, head_dim = 64 }
  moe { experts = 16, top_k = 4, intermediate = 512 }
}
cluster one { nodes = 1, node = hw.h100_x1 }
workload few {
  requests = lengths(input: 64 tokens, output: 8 tokens, count: 12)
  arrivals = poisson(rate: 50 req/s)
}
experiment tiny { model = small, cluster = one, workload = few, costs = table("gpu.csv") }
"""
ROWS = """\
hardware,model,layer_name,input,kv_cache,latency(ns)
gpu,m,attention/qkv,1,0,80000
gpu,m,attention/qkv,64,0,90000
gpu,m,moe/experts,1,0,400000
gpu,m,moe/experts,64,0,500000
"""


def test_a_run_by_a_table(moec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.moe").write_text(FILE)
    Path("gpu.csv").write_text(ROWS)
    ran = moec("simulate", "tiny.moe", "-o", "out", "-q")
    manifest = json.loads(Path("out/manifest.json").read_text())

    assert ran.code == 0
    assert "warning[M576]: the table `gpu.csv` has no times for `embedding`" in ran.err
    assert "gpu.csv" in manifest["inputs"]
    assert set(manifest["evidence"]["qkv_proj"]) >= {"interpolated"}
    assert set(manifest["evidence"]["attention"]) == {"modelled"}
