"""The runs of trace sets that moec did not write (astra-sim/conformance/foreign.csv), as far as their patterns can be made here."""

import csv
from pathlib import Path

import pytest

from support.real_runs import run_ours
from support.traces import COMP, MEM_LOAD, MEM_STORE, coll, node, recv, send, write_set

FIGURES = Path(__file__).parents[4] / "astra-sim" / "conformance" / "foreign.csv"
KINDS = {"all_reduce": 0, "all_gather": 2, "all_to_all": 6, "reduce_scatter": 7}
RINGS = {f"{kind}-implementation": ["ring"] for kind in ("all-reduce", "all-gather", "reduce-scatter", "all-to-all")}
RING = {"topology": ["Ring"], "bandwidth": [50], "latency": [500]}
HGX = {"topology": ["Switch"], "npus_count": [8], "bandwidth": [400], "latency": [936.25]}
CHUNKS = {"roofline-enabled": 0, "peak-perf": 900, "local-mem-bw": 1600, "preferred-dataset-splits": 4}
TWO_ACTIVE = {"active-chunks-per-dimension": 2, "local-mem-bw": 3350, "roofline-enabled": 0}
MEMORY = {"memory-type": "PER_NPU_MEMORY_EXPANSION", "remote-mem-latency": 100, "remote-mem-bw": 50}
GENERATED = {
    "ALL_GATHER": lambda i: [coll(i, size=65536, kind=2)],
    "ALL_REDUCE": lambda i: [coll(i, size=65536, kind=0)],
    "ALL_TO_ALL": lambda i: [coll(i, size=65536, kind=6)],
    "REDUCE_SCATTER": lambda i: [coll(i, size=65536, kind=7)],
    "BROADCAST": lambda i: [coll(i, size=65536, kind=5)],
    "BARRIER": lambda i: [coll(i, size=0, kind=9)],
    "one_comp_node": lambda i: [node(i, COMP, micros=5, is_cpu_op=False)],
    "two_comp_nodes_independent": lambda i: [node(2 * i + k, COMP, micros=5, is_cpu_op=False) for k in (0, 1)],
    "two_comp_nodes_dependent": lambda i: [
        node(2 * i, COMP, micros=5, is_cpu_op=False),
        node(2 * i + 1, COMP, [2 * i], micros=5, is_cpu_op=False),
    ],
    "one_comm_send_node": lambda i: [send(i, None, size=None, tag=None, tensor_size=1024)],
    "one_comm_recv_node": lambda i: [recv(i, None, size=None, tag=None, tensor_size=1024)],
    "one_remote_mem_load_node, pernpu": lambda i: [node(i, MEM_LOAD, is_cpu_op=False, tensor_size=1024)],
    "one_remote_mem_store_node, pernpu": lambda i: [node(i, MEM_STORE, is_cpu_op=False, tensor_size=1024)],
    "one_remote_mem_load_node, pool": lambda i: [node(i, MEM_LOAD, is_cpu_op=False, tensor_size=1024)],
    "one_remote_mem_store_node, pool": lambda i: [node(i, MEM_STORE, is_cpu_op=False, tensor_size=1024)],
}


def figures():
    with FIGURES.open(newline="") as lines:
        return {(row["case"], row["backend"]): row for row in csv.DictReader(lines)}


def agrees(row, outcome):
    assert outcome.how == row["outcome"]
    if outcome.times:
        assert max(finish for finish, _ in outcome.times) == int(row["simulator_makespan_ns"])
        assert len(outcome.times) == int(row["ranks"])


def test_most_recorded_runs_finish_and_none_differs():
    rows = list(figures().values())
    finished = [row for row in rows if row["outcome"] == "finishes"]

    assert len(finished) >= 100
    assert all(row["makespan_ns"] == row["simulator_makespan_ns"] for row in finished)
    assert all(float(row["worst_rank_difference"]) == 0 for row in finished)
    assert all(row["outcome"] == row["simulator_outcome"].partition(",")[0] for row in rows)


@pytest.mark.parametrize("backend", ["aware", "unaware"])
@pytest.mark.parametrize("ranks", [4, 8, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_a_microbenchmark_on_a_ring(kind, ranks, backend, tmp_path):
    prefix = write_set(
        tmp_path / "set",
        [[coll(rank, size=1 << 20, kind=KINDS[kind])] for rank in range(ranks)],
        system={**RINGS, **CHUNKS},
        network={**RING, "npus_count": [ranks]},
    )

    case = f"microbenchmark {kind} {ranks}npus_1MB, Ring_4chunks, Ring_{ranks}npus"
    agrees(figures()[case, backend], run_ours(prefix, backend, {}))


@pytest.mark.parametrize("backend", ["aware", "unaware"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_microbenchmark_with_the_validated_files(kind, backend, tmp_path):
    prefix = write_set(
        tmp_path / "set",
        [[coll(rank, size=1 << 20, kind=KINDS[kind])] for rank in range(8)],
        system={**RINGS, **TWO_ACTIVE},
        network=HGX,
    )

    agrees(figures()[f"microbenchmark {kind} 8npus_1MB, HGX-H100-validated", backend], run_ours(prefix, backend, {}))


@pytest.mark.parametrize("name", GENERATED)
def test_what_chakras_generator_makes(name, tmp_path):
    kind = "MEMORY_POOL" if name.endswith("pool") else MEMORY["memory-type"]
    prefix = write_set(
        tmp_path / "set",
        [GENERATED[name](rank) for rank in range(8)],
        system={**RINGS, **CHUNKS},
        network={**RING, "npus_count": [8]},
        memory={**MEMORY, "memory-type": kind},
    )

    agrees(figures()[f"chakra generator {name}", "aware"], run_ours(prefix, "aware", {}))
