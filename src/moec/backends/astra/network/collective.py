"""How long one of the simulator's own collectives takes on an idle network: the coarsest evaluation that is exact."""

from __future__ import annotations

from functools import lru_cache

from moec.backends.astra.network.events.world import Start, simulate
from moec.backends.astra.network.fold import folded_ns, folds
from moec.backends.astra.network.plan import Plan, plan_of
from moec.backends.astra.network.refusal import Refusal, aborts
from moec.backends.astra.network.started_together import closed_ns
from moec.backends.astra.network.topology import AstraNetwork, Kind


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
