"""Measured collectives in place of the α-β model's, where an experiment's costs have them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from moec.arrays import Array
from moec.backends.base import OpTiming
from moec.backends.network.tiers import Network, network_of
from moec.compiler.ir.estimate import LEVELS
from moec.compiler.ir.graph import AllToAll, Collective, CollectiveKind, Dense, Graph
from moec.dsl.schema import Experiment, SiliconCosts

if TYPE_CHECKING:
    from moec.compiler.costs.silicon.measured_collectives import Collectives, Exchanged


@dataclass(frozen=True, slots=True)
class MeasuredTimes:
    """Measured times of collectives inside a node, as a network asks for them (`tiers.MeasuredCollectives`)."""

    collectives: Collectives

    def collective_ns(self, kind: CollectiveKind, buffer: Array, members: Array, per_node: int) -> Array | None:
        """Nanoseconds of a collective of `buffer` bytes, both `[…, subsets]`, among `members` `[subsets, size]`.

        None for groups that span nodes or have an unmeasured size.
        """
        if _spans(members, per_node):
            return None
        found = self.collectives.time(kind, members.shape[-1], buffer)
        return None if found is None else np.where(buffer > 0, found[0], 0.0)

    def alltoall_ns(self, port: Array, members: Array, per_node: int) -> Array | None:
        """Nanoseconds of an all-to-all with `port` bytes through its busiest port, both `[…, subsets]`.

        Taken from an even exchange in which every port carries as many. None as of `collective_ns`.
        """
        size = members.shape[-1]
        if size == 1 or _spans(members, per_node):
            return None
        found = self.collectives.time("alltoall", size, port * size / (size - 1))
        return None if found is None else np.where(port > 0, found[0], 0.0)

    def level(self, kind: Exchanged, buffer: Array, members: Array, per_node: int) -> str | None:
        """The evidence level of an exchange, the least founded of its subsets; None where the model answers."""
        found = None if _spans(members, per_node) else self.collectives.time(kind, members.shape[-1], buffer)
        return None if found is None else LEVELS[int(np.max(found[1]))]


def sourced(timed: OpTiming, graph: Graph, net: Network) -> OpTiming:
    """An op's timing with where its time comes from, if it is a measured exchange."""
    block = graph.blocks[timed.block]
    work = block.ops[timed.op].work
    if not isinstance(net.measured, MeasuredTimes) or not isinstance(work, Collective | AllToAll):
        return timed
    members = graph.groups[work.group] + block.first_rank
    if isinstance(work, Collective):
        return replace(timed, source=net.measured.level(work.kind, work.bytes, members, net.per_node))
    pairs = work.pairs
    sent = pairs.bytes.sum(axis=-1) if isinstance(pairs, Dense) else pairs.sent
    return replace(timed, source=net.measured.level("alltoall", sent.max(axis=-1), members, net.per_node))


def _spans(members: Array, per_node: int) -> bool:
    node = np.asarray(members) // per_node
    return bool((node != node[..., :1]).any())


def network_with_costs(experiment: Experiment) -> Network:
    """The network of the experiment's cluster; measured collectives stand before the model where its costs have any."""
    net = network_of(experiment)
    if not isinstance(experiment.costs, SiliconCosts):
        return net
    from moec.compiler.costs.silicon.measured_collectives import (  # only for costs that have measured any
        Collectives,
        applies,
    )
    from moec.compiler.costs.silicon.silicon_costs import library_of

    if not applies(experiment):
        return net
    library, _ = library_of(experiment)
    return net if library is None else replace(net, measured=MeasuredTimes(Collectives(library)))
