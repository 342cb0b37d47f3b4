"""Who holds an exchange up: what its busiest ports, links and pairs carry, and which of them it waits for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from moec.arrays import Array
from moec.backends.network.alpha_beta import (
    CollectiveAlgorithm,
    Network,
    PortLoad,
    alltoall_ns,
    collective_ways,
    exchange_loads,
)
from moec.backends.network.naming import name_of
from moec.backends.network.spread import Spread
from moec.compiler.ir.graph import AllToAll, Block, Collective, Dense, Graph, Op, Outer, Relay


@dataclass(frozen=True, slots=True)
class LinkLoad:
    """One port or link: what it is called, which way its traffic goes, how much and how long that takes.

    Of a collective: the busiest of its kind. `share` of the time of the exchange; `alike`: how many of its kind carry as much, itself counted.
    """

    kind: str
    name: str
    way: str
    bytes: float
    time_us: float
    share: float
    alike: int

    def sentence(self) -> str:
        """`network card of rank 12, receive, 83 % of the exchange`."""
        way = f", {self.way}" if self.way else ""
        others = f" (and {self.alike - 1} more like it)" if self.alike > 1 else ""
        return f"{self.name}{others}{way}, {self.share:.0%} of the exchange".replace("%", " %")


@dataclass(frozen=True, slots=True)
class PairLoad:
    """Bytes from one rank to another."""

    source: int
    target: int
    bytes: float


@dataclass(frozen=True, slots=True)
class ExchangeReport:
    """An exchange of a graph, in the layer and the subset in which it takes longest.

    `fixed_us` of its time go to starting and to latency. `links` has the busiest of each kind and way, the busiest first.
    Of an all-to-all `pairs` are the heaviest pairs; of a collective `way` is the algorithm, `others` what the others
    would have taken.
    """

    op: str
    time_us: float
    fixed_us: float
    bytes: float
    way: str
    links: tuple[LinkLoad, ...] = ()
    pairs: tuple[PairLoad, ...] = ()
    others: tuple[tuple[str, float], ...] = ()

    def bottleneck(self) -> str:
        """What it waits for, in words: its busiest port or link, or latency where that takes longer."""
        if not self.links or self.fixed_us >= self.links[0].time_us:
            return f"latency, {self.fixed_us / self.time_us:.0%} of the exchange".replace("%", " %")
        return self.links[0].sentence()


@runtime_checkable
class ExplainsExchanges(Protocol):
    """A backend that knows what its exchanges wait for."""

    def exchanges(self, graph: Graph) -> tuple[ExchangeReport, ...]:
        """One report for each exchange of an iteration, in the order of its ops."""
        ...


def exchange_reports(graph: Graph, net: Network, *, most: int = 8) -> tuple[ExchangeReport, ...]:
    """One report per name of an exchange: of the block where it takes longest; `most` ports of a kind, `most` pairs.

    For a graph of one iteration.
    """
    found: dict[str, ExchangeReport] = {}
    for block in graph.blocks:
        for op in block.ops:
            if isinstance(op.work, Collective | AllToAll):
                report = report_of(op, op.work, graph, block, net, most)
                if op.name not in found or report.time_us > found[op.name].time_us:
                    found[op.name] = report
    return tuple(found.values())


def report_of(
    op: Op, work: Collective | AllToAll, graph: Graph, block: Block, net: Network, most: int
) -> ExchangeReport:
    """The report of one op of a block."""
    members = graph.groups[work.group] + block.first_rank
    if isinstance(work, Collective):
        return _collective(op, work, members, net)
    time = alltoall_ns(work.pairs, members, net, work.relay)
    repeat, subset = np.unravel_index(int(time.argmax()), time.shape)
    single = _one_repeat(work, int(repeat))
    loads, spread = exchange_loads(single.pairs, members, net, single.relay)
    whole = float(time[repeat, subset])
    links = _links(loads, int(subset), spread, net, whole, most)
    if isinstance(single.pairs, Outer) and float(np.max(single.pairs.straggle)) > 1:
        links = tuple(_unnamed(link, "send" if single.pairs.reverse else "receive") for link in links)
    busiest = max((link.time_us for link in links), default=0.0)
    pairs, moved = _pairs(single.pairs, int(subset), members, most)
    way = "direct" if work.relay is None else "two-phase"
    return ExchangeReport(op.name, whole / 1e3, whole / 1e3 - busiest, moved, way, links, pairs)


def _collective(op: Op, work: Collective, members: Array, net: Network) -> ExchangeReport:
    """Which algorithm was chosen, in the subset that takes longest."""
    buffer = np.broadcast_to(work.bytes, (*np.shape(work.bytes)[:-1], len(members))).astype(float)
    ways = collective_ways(work.kind, members, net)
    times = np.stack([way.fixed + way.per_byte * buffer for way in ways])
    place = np.unravel_index(int(times.min(axis=0).argmax()), buffer.shape)
    taken = [float(t[place]) for t in times]
    best = int(np.argmin(taken))
    others = tuple((w.name, t / 1e3) for i, (w, t) in enumerate(zip(ways, taken, strict=True)) if i != best)
    fixed, size = float(ways[best].fixed[place[-1]]) / 1e3, float(buffer[place])
    links = _ring_links(ways[best], int(place[-1]), size, taken[best])
    return ExchangeReport(op.name, taken[best] / 1e3, fixed, size, ways[best].name, links, others=others)


def _ring_links(way: CollectiveAlgorithm, subset: int, size: float, whole: float) -> tuple[LinkLoad, ...]:
    """The busiest link of every kind in a collective of `size` bytes that takes `whole` nanoseconds, the busiest first."""
    busy = ((link, float(link.cost[subset]) * size) for link in way.links)
    found = [LinkLoad(link.kind, link.name, "", t * link.rate, t / 1e3, t / whole, 1) for link, t in busy if t > 0]
    return tuple(sorted(found, key=lambda link: -link.time_us))


def _one_repeat(work: AllToAll, repeat: int) -> AllToAll:
    def pick(pairs: Dense | Outer) -> Dense | Outer:
        if isinstance(pairs, Dense):
            return Dense(_nth(pairs.bytes, -4, repeat))
        sent, share = (_nth(x, -3, repeat) for x in (pairs.sent, pairs.share))
        return Outer(sent, share, _nth(pairs.straggle, -1, repeat), pairs.reverse)

    relay = work.relay
    if relay is None:
        return AllToAll(work.group, pick(work.pairs))
    return AllToAll(work.group, pick(work.pairs), Relay(pick(relay.entering), relay.reverse))


def _nth(values: Array, axis: int, repeat: int) -> Array:
    array = np.asarray(values)
    index = repeat if array.shape[axis] > 1 else 0
    return np.take(array, [index], axis=axis)


def _links(
    loads: list[PortLoad], subset: int, spread: Spread, net: Network, whole: float, most: int
) -> tuple[LinkLoad, ...]:
    """The busiest links of every kind and way, the busiest first."""
    found = []
    for load in loads:
        carried = load.bytes[0, subset]
        for link in np.argsort(-carried, kind="stable")[:most]:
            size = float(carried[link])
            if size <= 0:
                break
            alike = int(np.isclose(carried, size, rtol=1e-9).sum())
            name, took = name_of(load, subset, int(link), spread, net), size * load.cost
            found.append(LinkLoad(load.kind, name, load.way, size, took / 1e3, took / whole, alike))
    return tuple(sorted(found, key=lambda link: -link.time_us))


def _unnamed(link: LinkLoad, hot: str) -> LinkLoad:
    """Expected routing knows how busy the busiest of like ranks is, not which one it is."""
    if link.way != hot or link.alike == 1 or " of rank " not in link.name:
        return link
    return replace(link, name=f"{link.kind} of the busiest of {link.alike} ranks", alike=1)


def _pairs(pairs: Dense | Outer, subset: int, members: Array, most: int) -> tuple[tuple[PairLoad, ...], float]:
    """The heaviest pairs, and what leaves a rank in all; of an outer product in the mean."""
    ranks = members[subset]
    if isinstance(pairs, Dense):
        matrix = np.asarray(pairs.bytes, dtype=float)[0, subset] * ~np.eye(len(ranks), dtype=bool)
        sources, targets, total = np.arange(len(ranks)), np.arange(len(ranks)), float(matrix.sum())
    else:
        sent, share = (np.asarray(x, dtype=float)[0, subset] for x in (pairs.sent, pairs.share))
        total = float(sent.sum() * share.sum() - (sent * share).sum())
        sources, targets = (np.argsort(-x, kind="stable")[: most + 1] for x in (sent, share))
        matrix = sent[sources, None] * share[targets] * (sources[:, None] != targets)
        if pairs.reverse:
            matrix, sources, targets = matrix.T, targets, sources
    found = []
    for flat in np.argsort(-matrix, axis=None, kind="stable")[:most]:
        i, j = np.unravel_index(int(flat), matrix.shape)
        found.append(PairLoad(int(ranks[sources[i]]), int(ranks[targets[j]]), float(matrix[i, j])))
    return tuple(p for p in found if p.bytes > 0), total
