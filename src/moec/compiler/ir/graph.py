"""The IR: one iteration as operations on ranks, folded over layers that are alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from moec.arrays import Array
from moec.compiler.ir.estimate import Estimate
from moec.compiler.ir.kernels import Kernel
from moec.diagnostics import Span

Engine = Literal["compute", "pim", "cpu", "comm", "back", "memory", "disk"]
"""What runs ops on a rank, each in order: its kernels, those in memory and on the host, messages out and back (the two
directions of a full-duplex port), host transfers and disk transfers.
"""

ENGINES: tuple[Engine, ...] = get_args(Engine)

CollectiveKind = Literal["all_reduce", "all_gather", "reduce_scatter"]


LONGEST_NS = 2**44
"""Five hours. Longer ops are cut to it, so that sums over layers and leaps of iterations fit in 64 bits; a run refuses them."""


@dataclass(frozen=True, slots=True, eq=False)
class Compute:
    """A kernel on every rank of the block. Times are whole nanoseconds, `[…, repeat, ranks]`.

    `straggler` is the slowest rank's shape where `kernel` holds means (expected routing): it made the time.
    `replicas` is how many ranks do the same work over again (1: the work is split).
    """

    kernel: Kernel
    cost: Estimate
    straggler: Kernel | None = None
    replicas: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Collective:
    """A collective of every subset of `group`; `bytes` `[…, repeat, subsets]` is the full buffer.

    Full buffer: what all_reduce reduces, what all_gather produces, what reduce_scatter consumes, on each rank.
    """

    kind: CollectiveKind
    group: str
    bytes: Array


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Bytes from member to member of each subset: `[…, repeat, subsets, size, size]`; the diagonal stays at home."""

    bytes: Array


@dataclass(frozen=True, slots=True, eq=False)
class Outer:
    """Bytes from member s to member d are `sent[s] · share[d]`, s ≠ d; both `[…, repeat, subsets, size]`.

    `straggle` `[…, repeat]` multiplies the bytes through the busiest of the `share` side's ports: expected maximum over
    mean. It is 1 for a known matrix; what is sent in all does not change with it. `reverse`: the same bytes travel back,
    from d to s (a combine); ports are as fast in both directions.
    """

    sent: Array
    share: Array
    straggle: Array
    reverse: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Relay:
    """What crosses the network when an exchange goes to the peer at the same place of the receiver's node first.

    `entering`: bytes from member s into node n of its subset (nodes in the order of their ranks), `Dense` of
    `[…, repeat, subsets, size, nodes]` or `Outer` with a `share` of `[…, repeat, subsets, nodes]`; what a member sends
    into its own node does not count. `reverse`: the way back, out of node n to member s.
    """

    entering: Dense | Outer
    reverse: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class AllToAll:
    """A personalised exchange inside every subset of `group`; with a `relay`, `pairs` is what it comes to in the end."""

    group: str
    pairs: Dense | Outer
    relay: Relay | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SendRecv:
    """Every rank r of the block sends `bytes` `[…, repeat, ranks]` to global rank r + `shift`."""

    bytes: Array
    shift: int


@dataclass(frozen=True, slots=True, eq=False)
class Transfer:
    """Bytes between device memory and a slower home (host, disk), `[…, repeat, ranks]`."""

    direction: Literal["load", "store"]
    home: Literal["host", "disk"]
    bytes: Array


Work = Compute | Collective | AllToAll | SendRecv | Transfer


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operation. It starts when its `deps` (indices of earlier ops of the block), the lanes it `enters` (the exits
    of the previous layer, see Block) and its stream are done. Ops of one stream run in the order they stand in.

    `on`: the ranks of the block that run it, from the first to before the second; all when absent. Its quantities are as
    wide. Elsewhere it leaves its stream alone, and nobody waits for it.
    """

    name: str
    work: Work
    stream: Engine
    deps: tuple[int, ...] = ()
    enters: tuple[int, ...] = ()
    span: Span | None = None
    on: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """A run of `repeat` like layers (or of like groups of layers), on `ranks` ranks from `first_rank` on.

    A lane is one micro-batch. `exits[lane]` is the op that ends it in this block; an op that `enters` a lane waits for
    the lane's exit in the previous repeat or, in the first one, in the previous block.
    """

    name: str
    repeat: int
    ops: tuple[Op, ...]
    exits: tuple[int, ...]
    first_rank: int
    ranks: int


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """One iteration on `world` ranks.

    `groups` are partitions of a block's ranks: name -> `[subsets, size]` of rank numbers relative to the block's
    first rank, ascending. Quantities broadcast to `[…, repeat, ranks]`; leading axes, if any, are several iterations
    evaluated at once.
    """

    world: int
    groups: Mapping[str, Array]
    blocks: tuple[Block, ...]
    lanes: int = 1
