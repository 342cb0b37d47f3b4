"""How long a collective takes on idle links whose members all begin at once."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from moec.backends.astra.network.closed import phase_ns
from moec.backends.astra.network.flow import flow_ns
from moec.backends.astra.network.plan import Phase, Plan
from moec.backends.astra.network.refusal import Refusal
from moec.backends.astra.network.topology import AstraNetwork


@lru_cache(maxsize=65536)
def together_ns(plan: Plan, network: AstraNetwork) -> int | Refusal | None:
    """How long every member takes when all begin at once; None if they may not all take as long."""
    known = closed_ns(plan, network)
    if known is not None:
        return None if any(phase.algorithm == "doubleBinaryTree" for phase in plan.phases) else known
    from moec.backends.astra.network.fold import folded_ns, folds  # what simulates; few plans have no closed form

    return folded_ns(plan, network, 1) if folds(plan, network) else None


def closed_ns(plan: Plan, network: AstraNetwork) -> int | None:
    """Phases of known length that share nothing but their queues' turns; None where they share links."""
    if network.bus is not None:
        return None
    if network.congestion == "aware" and plan.pieces > 1 and (network.concurrent > 1 or network.queues > 1):
        return None
    if plan.pieces * len(plan.phases) > 1 and any(p.algorithm == "doubleBinaryTree" for p in plan.phases):
        return None  # members leave a tree at different times
    known = [_phase_ns(phase, network, plan.delay_ns) for phase in plan.phases]
    if None in known:
        return None
    return flow_ns(plan, tuple(time for time in known if time is not None), network)


def _phase_ns(phase: Phase, network: AstraNetwork, delay_ns: int) -> int | None:
    """Where the ring's members are all positions of one dimension, or no two pairs of ranks differ."""
    dim = network.dimensions[phase.level]
    if phase.group is None and phase.size != dim.npus:  # a flat ring through several dimensions
        return None
    if phase.group is not None and (len(network.dimensions) > 1 or dim.topology == "Ring"):
        return None
    return phase_ns(phase, replace(dim, npus=phase.size), network, delay_ns)
