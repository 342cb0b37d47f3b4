"""An instance without pipeline stages: one iteration at a time, all ranks together, stretches of decodes in one leap."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from moec.compiler.batch import Load
from moec.serving.agenda import END, START
from moec.serving.instance import Floor
from moec.serving.loads import LEAP, LoadSums
from moec.serving.records import NEVER
from moec.serving.results import Ints
from moec.serving.scheduler import GONE, Chunk, Rank

FIRST_GUESS = 16
"""Steps of a leap towards an arrival while no iteration has been timed yet."""


@dataclass(slots=True)
class Leap:
    """Iterations under way: `steps` of the timed ones will run; `arrivals`: requests that came meanwhile, in vain."""

    start: int
    load: Load
    ends: Ints
    device: Ints
    steps: int
    chunks: list[tuple[int, Chunk]]
    decodes: int
    sequences: int
    waiting: int
    arrivals: list[int]


class Lockstep:
    """See `Instance`. `step` counts the iterations of the instance; a leap that an arrival interrupts is cut short."""

    def __init__(self, index: int, floor: Floor) -> None:
        self.index, self.floor, self.first = index, floor, index * floor.dp
        count, dp = len(floor.requests.input), floor.dp
        self.key, self.last_step, self.order = [GONE] * count, [NEVER] * count, [0] * count
        self.needs = [0] * floor.limits.block
        columns = (self.key, self.last_step, self.order, self.needs)
        self.ranks = [Rank(floor.requests, floor.limits, floor.blocks(), *columns) for _ in range(dp)]
        self.sums = LoadSums(dp, floor.limits.window, dummy=floor.dummy and dp > 1)
        self.shortage = [GONE] * dp
        self.busy: set[int] = set()
        self.finishing: list[tuple[int, int, int, int]] = []
        self.crossing: list[tuple[int, int, int, int]] = []
        self.step, self.used, self.version, self.pace = 0, 0, 0, 0
        self.leap: Leap | None = None
        self.due = False

    def arrive(self, request: int, rank: int, now: int) -> None:
        """See `Instance`."""
        place, leap = self.ranks[rank], self.leap
        cut = place.open
        place.waiting.append(request)
        self.busy.add(rank)
        self.floor.waiting[self.first + rank] += 1
        if leap is None:
            if not self.due:
                self.due = True
                self.floor.agenda.post(now, START, self.index, 0)
            return
        leap.arrivals.append(now)
        if cut and leap.steps > 1:
            steps = int(np.searchsorted(leap.ends[: leap.steps], now)) + 1
            if steps < leap.steps:
                leap.steps = steps
                self._post_end(leap)

    def start(self, now: int, horizon: int | None) -> None:
        """See `Instance`."""
        self.due = False
        chunks, calm = self._schedule(now)
        if chunks:
            load, steps = self.sums.mixed(self.step, chunks), 1
        else:
            steps = self._reach(now, horizon) if calm else 1
            load = self.sums.decodes(self.step, steps)
        device = self.floor.timer.times(load).latency_ns
        own = slice(self.first, self.first + len(self.ranks))
        running = self.floor.running[own]
        spent = device + self.floor.overhead_ns(max(running))
        ends = now + spent.cumsum()
        self.pace = int(spent[-1])
        sequences, waiting = sum(running), sum(self.floor.waiting[own])
        decodes = sum(rank.decodes for rank in self.ranks)
        self.leap = Leap(now, load, ends, device, steps, chunks, decodes, sequences, waiting, [])
        self._post_end(self.leap)

    def _post_end(self, leap: Leap) -> None:
        self.version += 1
        self.floor.agenda.post(int(leap.ends[leap.steps - 1]), END, self.index, self.version)

    def _schedule(self, now: int) -> tuple[list[tuple[int, Chunk]], bool]:
        """Schedule the ranks on which more can happen than decoding: their chunks, and whether nobody was preempted."""
        step, calm = self.step, True
        chunks: list[tuple[int, Chunk]] = []
        todo = self.busy
        if min(self.shortage) <= step:
            todo = todo.union(r for r, short in enumerate(self.shortage) if short <= step)
        for r in sorted(todo):
            rank = self.ranks[r]
            rank.settle(step)
            free, preempted = rank.blocks.free, rank.preempted
            got = rank.schedule(step, now)
            calm = calm and preempted == rank.preempted
            if got or preempted != rank.preempted:
                chunks.extend((r, chunk) for chunk in got)
                # the decodes' own blocks of this step are booked for all ranks together, when the step ends
                self.used += free - rank.blocks.free - len(rank.buckets[step % rank.limits.block])
                self._refresh(r)
        return chunks, calm

    def _refresh(self, r: int) -> None:
        rank, queue = self.ranks[r], self.first + r
        self.sums.refresh(r, rank)
        self.shortage[r] = rank.shortage()
        self.floor.waiting[queue] = len(rank.waiting)
        self.floor.running[queue] = len(rank.running)
        if rank.waiting or rank.partial >= 0:
            self.busy.add(r)
        else:
            self.busy.discard(r)

    def _reach(self, now: int, horizon: int | None) -> int:
        """How many steps may run before the batch changes, as far as is known now."""
        step = self.step
        while self.last_step[self.finishing[0][3]] != self.finishing[0][0]:
            heappop(self.finishing)
        last = min(self.finishing[0][0], min(self.shortage) - 1, step + LEAP - 1)
        while self.crossing and self.key[self.crossing[0][2]] != self.crossing[0][3]:
            heappop(self.crossing)
        if self.crossing:
            last = min(last, self.crossing[0][0])
        steps = last - step + 1
        if horizon is not None and any(rank.open for rank in self.ranks):
            # a guess that spares the timer steps which the arrival would cut off; with several instances it may go elsewhere
            ahead = (horizon - now) * self.floor.instances
            steps = min(steps, ahead // self.pace + 2 if self.pace else FIRST_GUESS)
        return steps

    def end(self, now: int, token: int) -> int:
        """See `Instance`; an outdated token is the end of a leap that was cut."""
        leap = self.leap
        if leap is None or token != self.version:
            return 0
        self.leap = None
        self._record(leap)
        last = self.step + leap.steps - 1
        touched: set[int] = set()
        finished = self._finish(last, now, touched)
        self._cross(last, touched)
        self.step = last + 1
        finished += self._complete(leap.chunks, now, touched)
        for r in touched:
            self._refresh(r)
        if any(rank.running or rank.waiting for rank in self.ranks):
            self.due = True
            self.floor.agenda.post(now, START, self.index, 0)
        return finished

    def _record(self, leap: Leap) -> None:
        steps, block = leap.steps, self.floor.limits.block
        ends, device = leap.ends[:steps], leap.device[:steps]
        start = np.concatenate(([leap.start], ends[:-1])) if steps > 1 else np.array([leap.start])
        if self.floor.watch is not None:
            self.floor.watch(self.index, start, leap.load)
        prompt = sum(chunk.new for _, chunk in leap.chunks)
        if steps == 1:
            self.used += self.needs[self.step % block]
            self.floor.iterations.add(
                self.index, leap.start, int(ends[0]), int(device[0]), prompt, leap.decodes, leap.sequences,
                leap.waiting, self.used,
            )  # fmt: skip
            return
        waiting = leap.waiting + np.searchsorted(np.array(leap.arrivals, dtype=np.int64), start, side="right")
        turn = (self.step + np.arange(steps)) % block
        used = self.used + np.array(self.needs, dtype=np.int64)[turn].cumsum()
        self.used = int(used[-1])
        self.floor.iterations.extend(
            steps, self.index, start, ends, device, prompt, leap.decodes, leap.sequences, waiting, used
        )

    def _finish(self, last: int, now: int, touched: set[int]) -> int:
        finished = 0
        while self.finishing and self.finishing[0][0] <= last:
            step, r, _, request = heappop(self.finishing)
            if self.last_step[request] != step:
                continue
            rank = self.ranks[r]
            rank.settle(last + 1)
            free = rank.blocks.free
            rank.finish(request, last)
            self.used -= rank.blocks.free - free
            self.floor.requests.finish_ns[request] = now
            touched.add(r)
            finished += 1
        return finished

    def _cross(self, last: int, touched: set[int]) -> None:
        while self.crossing and self.crossing[0][0] <= last:
            _, r, request, key = heappop(self.crossing)
            if self.key[request] == key:
                self.ranks[r].outgrow(request)
                touched.add(r)

    def _complete(self, chunks: list[tuple[int, Chunk]], now: int, touched: set[int]) -> int:
        """Prompts computed to the end give a token; the requests decode from the next step on, or are done."""
        finished = 0
        for r, chunk in chunks:
            if chunk.last:
                touched.add(r)
                finished += self._emit(r, chunk.request, now)
        return finished

    def _emit(self, r: int, request: int, now: int) -> int:
        columns, rank = self.floor.requests, self.ranks[r]
        cached, output = columns.known[request], columns.output[request]
        if output:
            columns.known[request] += 1
            if columns.first_ns[request] < 0:
                columns.first_ns[request] = now
            else:
                self.floor.gaps[now - columns.last_ns[request]] += 1
        rest = output - (columns.known[request] - columns.input[request])
        if not rest:
            free = rank.blocks.free
            rank.drop(request, cached)
            self.used -= rank.blocks.free - free
            columns.finish_ns[request] = now
            return 1
        last = self.step + rest - 1
        self.last_step[request] = last
        heappush(self.finishing, (last, r, rank.order[request], request))
        cross = rank.join(request, self.step)
        if self.floor.limits.window < GONE and cross >= 0:
            heappush(self.crossing, (cross, r, request, self.key[request]))
        return 0
