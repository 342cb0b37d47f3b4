"""All-to-alls of unequal messages: custom sets, whose messages are all in flight, and sends one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.astra.flights import flights
from moec.backends.fast.astra.link import serialization_ns
from moec.backends.fast.astra.network import AstraNetwork
from moec.backends.fast.astra.refusal import Refusal, Stopped, aborts, hangs
from moec.backends.fast.astra.sends import as_written, by_destination, rotating
from moec.backends.fast.astra.switch import switch_arrivals
from moec.backends.fast.astra.wires import wires_of

Ints = NDArray[np.int64]


def custom_alltoall_ns(
    matrix: Ints,
    network: AstraNetwork,
    *,
    members: tuple[int, ...] | None = None,
    starts: Ints | None = None,
    order: Ints | None = None,
) -> Ints | Refusal:
    """When each member has sent and received everything, absolute nanoseconds, `[n]`; all messages are in flight at once.

    `matrix` `[n, n]` whole bytes, the diagonal ignored. `members`: global ranks (0 … n − 1 when absent); `starts` `[n]`:
    when each begins (0). `order`: destinations as issued, `[n, k]`, −1 for none (default: `as_written`, moec's files).
    A member with no message at all is done 1 ns after its start: its idle kernel.
    """
    pairs = _without_diagonal(matrix)
    begin = np.zeros(len(pairs), dtype=np.int64) if starts is None else np.asarray(starts, dtype=np.int64)
    refused = network.refusal() or _refused(pairs, begin, network)
    if refused is not None:
        return refused
    if order is not None or not _queues(network):
        to = _present(rotating(len(pairs)) if order is None else order, pairs)
    else:
        to = as_written(pairs)
    arrivals = _arrivals(pairs, to, begin, members or tuple(range(len(pairs))), network)
    done: Ints = np.where(to >= 0, arrivals, begin[:, None] + 1).max(axis=1)
    row, column = np.nonzero(to >= 0)
    np.maximum.at(done, to[row, column], arrivals[row, column])
    return done


def sendrecv_alltoall_ns(
    matrix: Ints, network: AstraNetwork, *, members: tuple[int, ...] | None = None, order: Ints | None = None
) -> int | Refusal:
    """The same by send and receive nodes of the trace, from nanosecond 0: a rank's next send waits for its last to arrive.

    `order` defaults to ascending destinations. The result is the last arrival.
    """
    pairs = _without_diagonal(matrix)
    refused = network.refusal() or _refused(pairs, np.zeros(len(pairs), dtype=np.int64), network)
    if refused is not None:
        return refused
    ranks = members or tuple(range(len(pairs)))
    to = by_destination(pairs) if order is None else _present(order, pairs)
    clock = Clock()
    wires = wires_of(network, clock)
    left = [[peer for peer in reversed(row) if peer >= 0] for row in to.tolist()]

    def following(row: int) -> None:
        if left[row]:
            peer = left[row].pop()
            wires.send(ranks[row], ranks[peer], int(pairs[row, peer]), following, row)

    try:
        for row in range(len(pairs)):
            following(row)
        clock.run()
    except Stopped as stopped:
        return stopped.refusal
    return clock.now


def _without_diagonal(matrix: Ints) -> Ints:
    pairs = np.array(matrix, dtype=np.int64)
    np.fill_diagonal(pairs, 0)
    return pairs


def _present(order: Ints, pairs: Ints) -> Ints:
    rows = np.arange(len(pairs))[:, None]
    present: Ints = np.where((order >= 0) & (pairs[rows, order] > 0), order, -1)
    return present


def _refused(pairs: Ints, starts: Ints, network: AstraNetwork) -> Refusal | None:
    """What stops a set of sends; in more than one piece the simulator waits for pieces that it never starts."""
    if network.splits > 1:
        return hangs("a custom set in several pieces never ends: only one of them is started")
    if network.congestion == "unaware" or (starts > 0).all():
        return None
    smallest = pairs[(pairs > 0) & (starts == 0)[:, None]].min(initial=np.iinfo(np.int64).max)
    if serialization_ns(int(smallest), network.dimensions[0]) == 0:
        return aborts("a message that holds its link for less than a nanosecond, at the very start")
    return None


def _queues(network: AstraNetwork) -> bool:
    """Whether a rank's messages can wait for each other, so that their order counts."""
    return network.congestion == "aware" and network.dimensions[0].topology != "FullyConnected"


def _arrivals(pairs: Ints, to: Ints, starts: Ints, members: tuple[int, ...], network: AstraNetwork) -> Ints:
    sizes = np.where(to >= 0, pairs[np.arange(len(pairs))[:, None], to], 0)
    dim = network.dimensions[0]
    held = (sizes[to >= 0] >= dim.rate).all()  # else several messages pass a port within one nanosecond
    if not _queues(network):
        return starts[:, None] + flights(sizes, np.asarray(members), to, network)
    if dim.topology == "Switch" and held:
        return switch_arrivals(sizes, to, starts, dim)
    return _simulated(sizes, to, starts, members, network)


def _simulated(sizes: Ints, to: Ints, starts: Ints, members: tuple[int, ...], network: AstraNetwork) -> Ints:
    """Message by message and link by link."""
    clock = Clock()
    wires = wires_of(network, clock)
    result = np.zeros(to.shape, dtype=np.int64)

    def arrived(where: tuple[int, int]) -> None:
        result[where] = clock.now

    def issue(row: int) -> None:
        for column, peer in enumerate(to[row].tolist()):
            if peer >= 0:
                wires.send(members[row], members[peer], int(sizes[row, column]), arrived, (row, column))

    for row in range(len(to)):
        if starts[row] == 0:
            issue(row)
        else:
            clock.at(int(starts[row]), issue, row)
    clock.run()
    return result
