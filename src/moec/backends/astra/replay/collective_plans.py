"""What the collectives of ranks become: plans or custom sets, and stream numbers, as the simulator looks them up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from moec.backends.astra.files.system import key_of
from moec.backends.astra.network.conversions import wrapped
from moec.backends.astra.network.events.post import TAGS
from moec.backends.astra.network.plan import Plan, plan_of
from moec.backends.astra.network.refusal import Refusal, Stopped, aborts, hangs
from moec.backends.astra.network.topology import SPANNED, AstraNetwork, Kind
from moec.backends.astra.replay.npu import Npu
from moec.backends.astra.replay.programs.actions import Gathers
from moec.backends.astra.replay.setup import Setup

if TYPE_CHECKING:
    from moec.backends.astra.replay.custom_collective import Score
    from moec.backends.astra.replay.custom_sets import CustomSets, Exchange

_GROUP_STREAMS = 1_000_000
"""A group counts its streams from its number times this (CommunicatorGroup.cc)."""


class Calls:
    """What a collective of a rank becomes: its stream number, its plan or custom set, as the simulator looks them up."""

    __slots__ = ("_chosen", "_everybody", "_plans", "_sets", "_setup", "_streams")

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._chosen: dict[tuple[int, int, Kind], str | None] = {}
        self._everybody = tuple(range(setup.world))
        self._plans: dict[tuple[Kind, int, int, tuple[bool, ...] | None], Plan | Refusal] = {}
        self._sets: CustomSets | None = None
        self._streams: dict[tuple[int, int], int] = {}

    def members(self, npu: Npu, action: Gathers) -> tuple[int, ...]:
        """Ranks in ring order. Raises Stopped where the group is not sound."""
        if not action.group:
            return self._everybody
        members = self._setup.groups.get(action.group)
        if members is None:
            raise Stopped(Refusal("exits", 1, f"rank {npu.rank}: `communicator group {action.group} not found`"))
        if any(not 0 <= member < self._setup.world for member in members):
            raise Stopped(aborts(f"group {action.group} names a rank beyond the {self._setup.world} of the network"))
        if npu.rank not in members:
            raise Stopped(aborts(f"`Assertion index_in_ring >= 0`: rank {npu.rank} is not in group {action.group}"))
        return members

    def custom(self, npu: Npu, action: Gathers) -> str | None:
        """The prefix of the custom set, None for none. A group keeps what its first collective of a kind was."""
        if not action.group:
            return self._lookup(npu, action)
        key = (npu.rank, action.group, action.kind)
        if key not in self._chosen:
            self._chosen[key] = self._lookup(npu, action)
        return self._chosen[key]

    def _lookup(self, npu: Npu, action: Gathers) -> str | None:
        setup = self._setup
        prefix = setup.per_node.get(wrapped(action.node), setup.system.custom.get(action.kind))
        if prefix is None and not setup.network.algorithms(action.kind):
            raise npu.fault(f"`No collective implementation found`: `{key_of(action.kind)}` is missing")
        return prefix

    def plan(self, npu: Npu, action: Gathers, members: tuple[int, ...]) -> Plan:
        """The streams of a native collective. Raises Stopped where it never ends or stops the simulator."""
        key = action[:4]  # all but the node's number
        if key not in self._plans:
            self._plans[key] = self._planned(action, members)
        plan = self._plans[key]
        if isinstance(plan, Refusal):
            raise Stopped(Refusal(plan.outcome, plan.status, f"rank {npu.rank}: {plan.reason}"))
        return plan

    def _planned(self, action: Gathers, members: tuple[int, ...]) -> Plan | Refusal:
        network, dims = self._setup.network, len(self._setup.network.dimensions)
        refused = _uncut(network)
        if refused is not None:
            return refused
        if len(set(members)) < len(members):
            return hangs(f"group {action.group} names a rank twice")
        if action.involved is None and not action.group and dims > SPANNED:
            return hangs(
                f"a collective without a group says of {SPANNED} dimensions whether they take part, of the other "
                f"{dims - SPANNED} the simulator reads what lies behind in memory, and its ranks do not agree"
            )
        if action.involved == () and not action.group:
            return Refusal("crashes", -11, "`involved_dim` is an empty list")
        if action.involved is not None and not action.group and len(action.involved) < dims:
            return hangs("`involved_dim` has fewer entries than the network has dimensions")
        if not self._setup.system.optimized and dims > 1 and action.kind == "all_reduce":
            return hangs("without `collective-optimization` an all-reduce over several dimensions was seen to hang")
        involved = action.involved if not action.group else None
        return plan_of(action.kind, action.size, network, members if action.group else None, involved)

    def position(self, npu: Npu, members: tuple[int, ...]) -> int:
        """Which file of a custom set is the rank's: its place among the members' ranks in ascending order."""
        return npu.rank if members is self._everybody else sorted(members).index(npu.rank)

    def score(self, prefix: str, action: Gathers, position: int) -> Score:
        """One member's part of a custom set."""
        self._splits(action)
        return self._custom_sets().score(prefix, position)

    def exchange(self, prefix: str, action: Gathers, members: tuple[int, ...]) -> Exchange | None:
        """A custom set as plain messages between members in ascending order, if it is that."""
        self._splits(action)
        ascending = members is self._everybody or list(members) == sorted(set(members))
        return self._custom_sets().exchange(prefix, len(members)) if ascending else None

    def _custom_sets(self) -> CustomSets:
        from moec.backends.astra.replay.custom_sets import CustomSets  # most sets of traces have none

        if self._sets is None:
            self._sets = CustomSets(self._setup.beside, self._setup.per_node.values())
        return self._sets

    def _splits(self, action: Gathers) -> None:
        network = self._setup.network
        refused = _uncut(network)
        if refused is not None:
            raise Stopped(refused)
        if network.splits > 1 or (action.kind == "all_gather" and not action.size):
            raise Stopped(hangs("a custom set in several pieces never ends: only one of them is started"))

    def number(self, npu: Npu, group: int, count: int) -> int:
        """The number of the first of `count` streams. A rank counts all its streams, a group its own besides."""
        own = self._streams.get((npu.rank, 0), 0)
        self._streams[npu.rank, 0] = own + count
        if not group:
            return own
        first = self._streams.get((npu.rank, group), wrapped(group * _GROUP_STREAMS))
        self._streams[npu.rank, group] = first + count
        return first


def _uncut(network: AstraNetwork) -> Refusal | None:
    """Why no collective is cut into pieces that begin."""
    if network.splits == 0:
        return Refusal("crashes", -8, "a collective is divided by `preferred-dataset-splits`, which is missing or 0")
    if network.splits < 0:
        return Refusal("loops", None, "`preferred-dataset-splits` below 0 makes pieces without end")
    if network.active <= 0 or network.queues <= 0:
        return hangs("`active-chunks-per-dimension` or the queues per dimension let no chunk of a collective begin")
    return None


def numbered_apart(groups: Iterable[int]) -> bool:
    """Whether streams of different groups, and of all ranks, never have one tag (in the first million of each)."""
    starts = [wrapped(group * _GROUP_STREAMS) % TAGS for group in groups]
    return len({0, *starts}) == len(starts) + 1
