# cython: boundscheck=False, wraparound=False, cdivision=True
"""The messages of custom sets one by one: as they are issued, and as they queue at the ports out of aware switches.

Compiled, this is faster than `switch.py`, which does the same with whole arrays; interpreted, it is much slower.
"""

from __future__ import annotations

import numpy as np

from moec.arrays import Ints

COMPILED = not __file__.endswith(".py")


def count(pairs: Ints, n: int, sent: Ints, received: Ints) -> None:
    """Adds up the messages of each row of sets `[sets · n · n]`, and those to it, in `sent` and `received` `[sets · n]`."""
    for row in range(len(sent)):
        first = row - row % n
        for to in range(n):
            there = pairs[row * n + to] > 0
            sent[row] += there
            received[first + to] += there


def issue(
    pairs: Ints, n: int, rows: int, rate: float, latency: float, sent: Ints, received: Ints,
    first: Ints, orders: Ints, bits: int, keys: Ints, row: Ints, left: Ints, held: Ints, hop: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Numbers messages as moec's files make the simulator issue them, and writes what `queued.Queues` says of each.

    There are `rows` to an exchange. `orders` from `first[nodes]` on: which of so many nodes go first, second …; a row's sends
    are numbered before its receives. Returns when the last message reaches its port, after its row's start, and for how long
    any holds a link at least.
    """
    number, latest, shortest = 0, 0, 1 << 62
    peers = np.zeros(n, dtype=np.int64)
    for place in range(len(sent)):
        member = place % n
        list_peers(pairs, place * n, member, n, peers)
        sends, passed = sent[place], 0
        begin = first[sends + received[place]]
        for at in range(begin, begin + sends + received[place]):
            node = orders[at]
            if node > sends:
                continue
            to = peers[node - 1]
            time = pairs[place * n + to] / rate
            holds, takes = int(time), int(latency + time)
            row[number], left[number], held[number], hop[number] = place % rows, passed, holds, takes
            keys[(place - member + to) * n + member] = ((passed + takes) << bits) | number
            latest, shortest = max(latest, passed + takes), min(shortest, holds)
            passed += holds
            number += 1
    return int(latest), int(shortest)


def list_peers(pairs: Ints, begin: int, member: int, n: int, peers: Ints) -> None:
    """Whom the row that begins at `begin` sends to, from the member after its own and on round."""
    found = 0
    for to in range(member + 1, n):
        peers[found] = to
        found += pairs[begin + to] > 0
    for to in range(member):
        peers[found] = to
        found += pairs[begin + to] > 0


def serve(
    keys: Ints, n: int, bits: int, received: Ints,
    row: Ints, left: Ints, held: Ints, hop: Ints, late: Ints, ends: Ints,
) -> None:  # fmt: skip
    """Passes the messages of one exchange through its ports, whose `keys` are sorted; `late` `[rows]`: the rows' starts.

    Raises `ends` `[rows]` to when each row's last message arrives, sent or received. Those that reach a port in the same
    nanosecond are put in order first, see `ties.py`.
    """
    mask = (1 << bits) - 1
    for port in range(len(received)):
        at, stop, free = port * n, port * n + received[port], 0
        settled = at
        while at < stop:
            reached = keys[at] >> bits
            if at >= settled:
                settled = at + 1
                while settled < stop and keys[settled] >> bits == reached:
                    settled += 1
                if settled > at + 1:
                    settle(keys, at, settled, mask, row, left, late)
            number = keys[at] & mask
            if reached > free:
                free = reached
            arrival = free + hop[number]
            free += held[number]
            if arrival > ends[row[number]]:
                ends[row[number]] = arrival
            if arrival > ends[port]:
                ends[port] = arrival
            at += 1


def settle(keys: Ints, first: int, stop: int, mask: int, row: Ints, left: Ints, late: Ints) -> None:
    """Sorts keys of one time by insertion."""
    for at in range(first + 1, stop):
        key = keys[at]
        place = at
        while place > first and precedes(key & mask, keys[place - 1] & mask, row, left, late):
            keys[place] = keys[place - 1]
            place -= 1
        keys[place] = key


def precedes(a: int, b: int, row: Ints, left: Ints, late: Ints) -> bool:
    """Whether message `a` entered its sender's port before `b`, in the order of events."""
    while True:
        first, second = left[a] + late[row[a]], left[b] + late[row[b]]
        if first != second:
            return bool(first < second)
        if not left[a]:  # a row's first, which enter before others and among themselves by row
            return bool(left[b] or row[a] < row[b])
        if not left[b]:
            return False
        a, b = a - 1, b - 1
