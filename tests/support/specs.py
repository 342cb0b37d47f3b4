"""Small specifications that the tests of the language share."""

from __future__ import annotations

WHOLE = """moe 1
use "std/models"
use "std/hardware" as hw

model small = models.mixtral_8x7b { dtype { weights = fp8 } }

cluster pod {
  nodes = 2
  node  = hw.dgx_h100
  network { link = hw.ndr400, latency = 2 us, topology = rail_optimized }
}

parallelism wide {
  attention { tp = 1, dp = 16 }
  experts   { ep = attention.dp, redundant = 2 * 8, placement = eplb() }
  exchange  { method = alltoall, dispatch = fp8, combine = bf16 }
  overlap   = two_batch
}

routing hot { popularity = zipf(exponent: 0.8), per_layer = shuffled, seed = 7 }

serving chunked {
  scheduler { max_sequences = 256, max_batched_tokens = 8192, chunked_prefill = true }
  kv_cache  { memory = 0.9, block = 16 tokens }
}

workload chat {
  requests = lengths(input: lognormal(mean: 1024, std: 512), output: uniform(low: 16, high: 512), count: 2_000)
  arrivals = poisson(rate: 10 req/s)
  goal     { ttft_p99 = 2 s, tpot_p99 = 50 ms }
}

experiment serve {
  model = small, cluster = pod, parallelism = wide, routing = hot, serving = chunked, workload = chat
  costs = roofline()
  backend = fast()
}
"""
