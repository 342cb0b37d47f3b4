"""All-to-alls of unequal messages: custom sets, whose messages are all in flight, and sends one after the other."""

from __future__ import annotations

import numpy as np

from moec.arrays import Ints
from moec.backends.astra.network.custom.ends import early, prepared, refusal
from moec.backends.astra.network.custom.issue_order import as_listed, by_destination
from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.wires import wires_of
from moec.backends.astra.network.refusal import Refusal, Stopped
from moec.backends.astra.network.topology import AstraNetwork


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
    begin = np.zeros(len(matrix), dtype=np.int64) if starts is None else np.asarray(starts, dtype=np.int64)
    refused = refusal(network) or early(pairs, begin, network)
    if refused is not None:
        return refused
    ranks = np.arange(len(matrix)) if members is None else np.asarray(members)
    sends = None if order is None else as_listed(_present(order, pairs))
    [ready] = prepared(pairs[None, None], network, ranks[None], sends)
    ends: Ints = ready.ends(begin[None])[0]
    return ends


def sendrecv_alltoall_ns(
    matrix: Ints, network: AstraNetwork, *, members: tuple[int, ...] | None = None, order: Ints | None = None
) -> int | Refusal:
    """The same by send and receive nodes of the trace, from nanosecond 0: a rank's next send waits for its last to arrive.

    `order` defaults to ascending destinations. The result is the last arrival.
    """
    pairs = _without_diagonal(matrix)
    refused = refusal(network) or early(pairs, np.zeros(len(pairs), dtype=np.int64), network)
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
