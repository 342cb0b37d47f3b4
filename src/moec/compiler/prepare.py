"""From a loaded experiment to everything that lowering and serving need, with every mistake found on the way."""

from __future__ import annotations

from dataclasses import dataclass

from moec.compiler.check.memory import MemoryReport, check_memory, memory_of
from moec.compiler.check.plan import check_plan
from moec.compiler.costs import cost_model
from moec.compiler.lower import Context, context_of
from moec.compiler.routing.law import routing_law
from moec.compiler.sizes.kv_blocks import KvCacheSizes, kv_cache_sizes
from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import Experiment


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A feasible experiment: its lowering context (tensor-parallel ranks written out), its memory and its KV cache."""

    context: Context
    memory: MemoryReport
    kv_cache: KvCacheSizes


def prepare(experiment: Experiment) -> tuple[Prepared | None, list[Diagnostic]]:
    """Check plan, memory, routing and costs; None when one of them has an error. Warnings come with a result."""
    found = check_plan(experiment)
    if has_errors(found):
        return None, found
    found = [*found, *check_memory(experiment)]
    law, about_routing = routing_law(experiment)
    found += about_routing
    if has_errors(found):
        return None, found
    costs, about_costs = cost_model(experiment)
    found += about_costs
    if costs is None or has_errors(found):
        return None, found
    memory = memory_of(experiment)
    return Prepared(context_of(experiment, costs, law), memory, kv_cache_sizes(experiment, memory.kv_blocks)), found
