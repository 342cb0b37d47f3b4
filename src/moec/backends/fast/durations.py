"""How long each op of a graph takes on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

import numpy as np

from moec.arrays import Array
from moec.backends.network.alpha_beta import Network, alltoall_ns, collective_ns, send_costs, transfer_ns
from moec.compiler.ir.graph import (
    LONGEST_NS,
    AllToAll,
    Collective,
    Compute,
    Dense,
    Graph,
    SendRecv,
    Transfer,
    Work,
)
from moec.dsl.schema import Device

GroupMembers = Callable[[str], Array]
"""From a group's name to the global ranks of its subsets `[subsets, size]`, on the ranks of one block."""


def members_of(groups: Mapping[str, Array], first_rank: int) -> GroupMembers:
    """The members of `groups` of a block that begins at global rank `first_rank`."""
    return lambda group: groups[group] + first_rank


def durations(graph: Graph, net: Network, device: Device) -> list[list[Array]]:
    """Whole nanoseconds of every op of every block: `[…, repeat, ranks]`, or `[…, repeat, subsets]` for exchanges."""
    found = []
    for block in graph.blocks:
        members = members_of(graph.groups, block.first_rank)
        found.append([work_ns(op.work, members, net, device) for op in block.ops])
    return found


def work_ns(work: Work, members: GroupMembers, net: Network, device: Device, *, folded: bool = False) -> Array:
    """The duration of one op's work in whole nanoseconds: `[…, repeat, ranks]`, or `[…, repeat, subsets]` of an exchange.

    `folded`: one rank stands for a tensor-parallel group, so that sends have one time for each, too. Nothing to move takes
    no time.
    """
    match work:
        case Compute():
            return work.cost.time_ns
        case Collective():
            return whole(collective_ns(work.kind, work.bytes, members(work.group), net), work.bytes)
        case AllToAll():
            return alltoall_whole(work, members(work.group), net)
        case SendRecv():
            return _send_whole(work, members("tp"), net, folded=folded)
        case Transfer():
            return whole(transfer_ns(work.bytes, device), work.bytes)
        case other:
            assert_never(other)


def alltoall_whole(work: AllToAll, members: Array, net: Network) -> Array:
    """The duration of an all-to-all, `[…, repeat, subsets]`."""
    pairs = work.pairs
    moved = (
        pairs.bytes.sum(axis=(-1, -2))
        if isinstance(pairs, Dense)
        else pairs.sent.sum(axis=-1) * pairs.share.any(axis=-1)
    )
    return whole(alltoall_ns(pairs, members, net, work.relay), moved)


def _send_whole(work: SendRecv, members: Array, net: Network, *, folded: bool) -> Array:
    """The duration of sends from `members` `[tp groups, tp]`, `[…, repeat, ranks]` (`folded`: tp groups).

    Tensor-parallel ranks send slices of the same tokens and the receivers gather them, so the slowest slice decides.
    """
    senders = members.reshape(-1)
    shift = work.shift * (members.shape[-1] if folded else 1)
    fixed, per_byte = (x.reshape(members.shape).max(axis=-1) for x in send_costs(senders, senders + shift, net))
    if not folded:
        fixed, per_byte = (np.repeat(x, members.shape[-1]) for x in (fixed, per_byte))
    return whole(fixed + per_byte * np.asarray(work.bytes, dtype=float), work.bytes)


def whole(time_ns: Array, size: Array) -> Array:
    """`time_ns` in whole nanoseconds, from 1 to `LONGEST_NS`, and 0 where `size` is: element by element."""
    return np.where(size > 0, np.clip(np.rint(time_ns), 1, LONGEST_NS), 0).astype(np.int64)
