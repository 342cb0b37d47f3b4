"""Pieces that pass through queues: phases of known length, each queue with room for some at once."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

from moec.backends.astra.network.events.turns import Turns
from moec.backends.astra.network.plan import Plan
from moec.backends.astra.network.topology import AstraNetwork


def flow_ns(plan: Plan, times: tuple[int, ...], network: AstraNetwork) -> int:
    """When the last piece has left its last phase; phase i takes `times[i]` and holds a place of its queue meanwhile."""
    if len(times) == 1 and network.queues == 1:
        return -(-plan.pieces // network.concurrent) * times[0]
    turns = [Turns(level * network.queues, network.queues) for level in range(len(network.dimensions))]
    routes = [[turns[p.level].take(p.part)[0] for p in plan.phases] for _ in range(plan.pieces)]
    waiting: list[deque[tuple[int, int]]] = [deque() for _ in range(network.queues * len(network.dimensions))]
    room = [network.concurrent] * len(waiting)
    running: list[tuple[int, int, int, int]] = []
    order = now = 0

    def admit(queue: int) -> None:
        nonlocal order
        while room[queue] and waiting[queue]:
            piece, phase = waiting[queue].popleft()
            room[queue] -= 1
            order += 1
            heappush(running, (now + times[phase], order, piece, phase))

    for piece, route in enumerate(routes):
        waiting[route[0]].append((piece, 0))
        admit(route[0])
    while running:
        now, _, piece, phase = heappop(running)
        queue = routes[piece][phase]
        room[queue] += 1
        if phase + 1 < len(times):
            waiting[routes[piece][phase + 1]].append((piece, phase + 1))
        admit(queue)
        if phase + 1 < len(times):
            admit(routes[piece][phase + 1])
    return now
