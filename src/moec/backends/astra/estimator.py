"""Iterations as ASTRA-sim's analytical backends would time them, without traces and without running them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import assert_never

import numpy as np

from moec.arrays import Array, Ints
from moec.backends.astra.files.network_of_settings import of_settings
from moec.backends.astra.files.settings import AstraSettings, Congestion
from moec.backends.astra.network import AstraNetwork, Refusal, point_to_point_ns
from moec.backends.astra.network.custom.ends import CustomSets
from moec.backends.astra.network.members import Collectives, Exchange, SendsInTurn
from moec.backends.astra.simulator.failure import SimulatorError, unusable
from moec.backends.astra.simulator.inputs import settings_for
from moec.backends.base import StepTimer, Timing
from moec.backends.fast.schedule import OpInstance, evaluate
from moec.backends.fast.timing import timing
from moec.backends.probe import probe
from moec.backends.whole_graphs import GraphSteps
from moec.compiler.chakra.writing.ending import ended
from moec.compiler.chakra.writing.exchange import (
    alltoall_size,
    collective_size,
    repeats,
    spelled_as_sets,
    whole_matrix,
)
from moec.compiler.ir.graph import AllToAll, Block, Collective, Compute, Graph, SendRecv, Transfer, Work
from moec.compiler.lower import Context, program_of
from moec.diagnostics import Diagnostic, has_errors
from moec.dsl.schema import AstraSystem, Experiment


@dataclass(frozen=True, slots=True, eq=False)
class AstraEstimator:
    """Estimates on the network that ASTRA-sim would be given for `experiment`'s cluster."""

    experiment: Experiment
    options: AstraSystem

    @property
    def congestion(self) -> Congestion:
        """Which of the two simulators is estimated."""
        return "aware" if self.options.congestion == "auto" else self.options.congestion

    def run(self, graph: Graph, *, detail: bool = True) -> Timing:
        """The timing of one graph; SimulatorError where the simulator would not end it, or end it wrongly."""
        settings, found = settings_for(graph, self.experiment, self.options, self.congestion, warns=False)
        if has_errors(found):
            raise SimulatorError(found)
        network = of_settings(settings)
        flat = _one_slot(ended(graph))
        times = [[_duration(op.work, block, network, settings) for op in block.ops] for block in flat.blocks]
        return timing(flat, evaluate(flat, times, detail=detail, rendezvous=_Places(network, self.options)))

    def run_many(self, graphs: Iterable[Graph]) -> list[Timing]:
        """The timings of several graphs, without per-op times."""
        return [self.run(graph, detail=False) for graph in graphs]

    def notes(self, context: Context) -> list[Diagnostic]:
        """What the simulator's network cannot express, and what it would not survive."""
        return settings_for(probe(context), self.experiment, self.options, self.congestion)[1]

    def steps(self, context: Context) -> StepTimer:
        """A timer of iterations for the serving loop: every graph is evaluated once."""
        return GraphSteps(program_of(context), self.run_many)


def _one_slot(graph: Graph) -> Graph:
    """Memory moves share the simulator's slot for communication: here, that stream."""
    blocks = [
        replace(
            block, ops=tuple(replace(op, stream="comm") if isinstance(op.work, Transfer) else op for op in block.ops)
        )
        for block in graph.blocks
    ]
    return replace(graph, blocks=tuple(blocks))


def _duration(work: Work, block: Block, network: AstraNetwork, settings: AstraSettings) -> Array:
    """Nanoseconds `[repeat, ranks]` of what a rank does on its own; of exchanges only whether repeats differ."""
    match work:
        case Compute():
            return np.maximum(work.cost.time_ns, 1)
        case SendRecv():
            sizes = np.broadcast_to(np.maximum(np.ceil(work.bytes), 1), (*np.shape(work.bytes)[:-1], block.ranks))
            return np.array([[_send_ns(r, int(s), work, block, network) for r, s in enumerate(row)] for row in sizes])
        case Transfer():
            if settings.memory_rate is None:
                raise SimulatorError([unusable("memory moves on a device without a link to its host")])
            return np.floor(np.rint(work.bytes) / settings.memory_rate).astype(np.int64)
        case Collective():
            return np.zeros((len(work.bytes), 1), dtype=np.int64)
        case AllToAll():
            return np.zeros((repeats(work), 1), dtype=np.int64)
        case other:
            assert_never(other)


def _send_ns(rank: int, size: int, work: SendRecv, block: Block, network: AstraNetwork) -> int:
    sender = block.first_rank + rank
    return point_to_point_ns(sender, sender + work.shift, size, network)


@dataclass(frozen=True, slots=True, eq=False)
class _Places:
    """See `schedule.Rendezvous`: each member starts when it is ready and ends when the simulator would let it go on."""

    network: AstraNetwork
    options: AstraSystem
    known: dict[tuple[int, int], Exchange] = field(default_factory=dict)

    def __call__(self, instance: OpInstance, work: Collective | AllToAll, ready: Array) -> tuple[Array, Array]:
        block, members = instance.graph.blocks[instance.block], instance.graph.groups[work.group]
        key = (instance.block, instance.op)
        if key not in self.known:
            self.known[key] = self._exchange(work, members + block.first_rank)
        begun = np.maximum(ready, 1)  # at 0 itself the simulator trips over delays of 0 ns, which moec never writes
        done = self.known[key].ends(instance.repeat, begun[members])
        if isinstance(done, Refusal):
            name = f"{block.name}.{block.ops[instance.op].name}"
            raise SimulatorError([unusable(f"the simulator {done.outcome} at `{name}`: {done.reason}")])
        ends = np.empty_like(ready)
        ends[members] = done
        return ready, ends

    def _exchange(self, work: Collective | AllToAll, members: Ints) -> Exchange:
        """How an exchange of `members` `[subsets, n]` is put to the simulator."""
        if isinstance(work, Collective):
            sizes = collective_size(work, members.shape[-1], self.network.splits)
            return Collectives(work.kind, sizes, self.network, members)
        pairs = whole_matrix(work)
        if self.options.encoding == "sendrecv":
            return SendsInTurn(np.maximum(pairs, 1), self.network, members)
        if spelled_as_sets(pairs, self.options.encoding):
            return CustomSets(pairs, self.network, members)
        return Collectives("all_to_all", alltoall_size(pairs, self.network.splits), self.network, members)
