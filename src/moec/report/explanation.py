"""A specification explained: parameters, memory and the phases' op tables, as one JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from moec.backends.critical_path import PathShare
from moec.backends.network.report import ExchangeReport
from moec.backends.op_rows import OpRow
from moec.compiler.check.memory import MemoryReport
from moec.compiler.sizes.parameters import KINDS, parameters
from moec.dsl.schema import Experiment, Model
from moec.run.phases import Phase, Typical


def explanation(
    experiment: Experiment,
    memory: MemoryReport,
    phases: tuple[Phase, ...],
    typical: Typical,
    spec: Mapping[str, Any],
    backend: str = "fast",
) -> dict[str, Any]:
    """What `moec explain --json` prints. Sizes in bytes, times in microseconds; `spec` is the resolved specification.

    `backend`: whose the phases' `compared_us` are; operations are always the fast estimator's.
    """
    return {
        "experiment": experiment.name,
        "model": model_json(experiment.model),
        "memory": memory_json(memory),
        "typical_request": {
            "input_tokens": typical.input_tokens,
            "output_tokens": typical.output_tokens,
            "assumed": typical.assumed,
        },
        "backend": backend,
        "phases": {phase.name: phase_json(phase) for phase in phases},
        "spec": dict(spec),
    }


def model_json(model: Model) -> dict[str, Any]:
    """Parameters in all, on one token's path, and by kind."""
    counts = parameters(model)
    return {
        "total_parameters": counts.total,
        "active_parameters": counts.active,
        "parameters": {kind: counts.of(kind) for kind in KINDS},
    }


def memory_json(memory: MemoryReport) -> dict[str, Any]:
    """One GPU's memory (of the pipeline stage with the fewest KV blocks)."""
    return {
        "device_bytes": memory.device,
        "budget_bytes": memory.budget,
        "weights_bytes": {"per_rank": memory.weights_bytes, "by_kind": _weights_by_kind(memory)},
        "activations_bytes": memory.activations,
        "runtime_bytes": memory.runtime,
        "kv_blocks": memory.kv_blocks,
        "kv_block_tokens": memory.block,
        "kv_block_bytes": memory.block_bytes,
        "kv_bytes_per_token": memory.kv_bytes_per_token,
        "kv_tokens": memory.kv_tokens,
        "kv_blocks_given": memory.given,
    }


def _weights_by_kind(memory: MemoryReport) -> dict[str, int]:
    """They sum up to the rank's weights; `unpacked` is what is kept of some a second time, see `StageMemory`."""
    weights: dict[str, int] = {str(kind): size for kind, size in memory.weights.items()}
    return weights | ({"unpacked": memory.stage.unpacked} if memory.stage.unpacked else {})


def phase_json(phase: Phase) -> dict[str, Any]:
    """One phase with its ops."""
    return {
        "sequences": phase.sequences,
        "tokens": phase.tokens,
        "time_us": phase.time_us,
        **({} if phase.compared_us is None else {"compared_us": phase.compared_us}),
        "communication_us": phase.communication_us,
        "exposed_us": phase.exposed_us,
        "ops": [op_json(op) for op in phase.ops],
        "critical_path": [path_json(step) for step in phase.path],
        "exchanges": [exchange_json(exchange) for exchange in phase.exchanges],
    }


def path_json(step: PathShare) -> dict[str, Any]:
    """One op's part of the critical path."""
    return {"name": step.name, "count": step.count, "time_us": step.time_ns / 1e3, "share": step.share}


def exchange_json(exchange: ExchangeReport) -> dict[str, Any]:
    """What an exchange waits for."""
    return {
        "name": exchange.op,
        "way": exchange.way,
        "time_us": exchange.time_us,
        "fixed_us": exchange.fixed_us,
        "bytes": exchange.bytes,
        "bottleneck": exchange.bottleneck(),
        "links": [asdict(link) for link in exchange.links],
        "pairs": [asdict(pair) for pair in exchange.pairs],
        "other_ways": [{"way": way, "time_us": time} for way, time in exchange.others],
    }


def op_json(op: OpRow) -> dict[str, Any]:
    """One row of the op table."""
    return {
        "name": op.name,
        "count": op.count,
        "flops": op.flops,
        "bytes": op.bytes,
        "time_us": op.time_us,
        "bound": op.bound,
        "source": op.source,
    }
