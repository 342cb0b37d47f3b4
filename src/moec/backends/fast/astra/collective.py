"""How long one of the simulator's own collectives takes on an idle network: the coarsest evaluation that is exact."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from moec.backends.fast.astra.closed import phase_ns
from moec.backends.fast.astra.flow import flow_ns
from moec.backends.fast.astra.fold import folded_ns, folds
from moec.backends.fast.astra.network import AstraNetwork, Kind
from moec.backends.fast.astra.plan import Phase, Plan, plan_of
from moec.backends.fast.astra.refusal import Refusal, aborts
from moec.backends.fast.astra.world import Start, simulate


def collective_ns(
    kind: Kind, size: int, network: AstraNetwork, group: tuple[int, ...] | None = None, start_ns: int = 1
) -> int | Refusal:
    """Nanoseconds until the last member is done, when all start at `start_ns`; what the simulator does if it does not end.

    `size`: the trace's `comm_size` (all_gather: a rank's part, else its whole buffer). `group`: ranks in ring order, None
    for the world. `start_ns` matters at 0 only, where an endpoint delay of 0 is an assertion.
    """
    return _collective_ns(kind, size, network, group, min(start_ns, 1))


@lru_cache(maxsize=65536)
def _collective_ns(
    kind: Kind, size: int, network: AstraNetwork, group: tuple[int, ...] | None, start_ns: int
) -> int | Refusal:
    plan = plan_of(kind, size, network, group)
    if isinstance(plan, Refusal):
        return plan
    if start_ns == 0 and plan.delay_ns == 0:
        return aborts("the first event falls into nanosecond 0: an endpoint delay of 0 at the very start")
    known = closed_ns(plan, network)
    if known is not None:
        return known
    if folds(plan, network):
        return folded_ns(plan, network, start_ns)
    return simulated_ns(plan, network, group, start_ns)


def simulated_ns(
    plan: Plan, network: AstraNetwork, group: tuple[int, ...] | None = None, start_ns: int = 1
) -> int | Refusal:
    """The same by the full simulation."""
    ends = simulate(network, (Start(plan, group or tuple(range(network.ranks)), start_ns),))
    return ends if isinstance(ends, Refusal) else max(ends[0].values()) - start_ns


def closed_ns(plan: Plan, network: AstraNetwork) -> int | None:
    """Phases of known length that share nothing but their queues' turns; None where they share links."""
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
