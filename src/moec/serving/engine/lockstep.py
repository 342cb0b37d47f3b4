"""An instance without pipeline stages: one iteration at a time, all ranks together, stretches of decodes in one leap."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush

import numpy as np

from moec.serving.agenda import END, START
from moec.serving.engine.config import EngineConfig
from moec.serving.engine.decodes import NO_STEP, NOT_DECODING
from moec.serving.engine.leap import Leap
from moec.serving.engine.limits import NO_WINDOW, Chunk
from moec.serving.engine.loads import LEAP, LoadSums, with_swaps
from moec.serving.engine.pace import pace_of
from moec.serving.engine.rank_queue import NO_REQUEST
from moec.serving.shared import Shared

FIRST_GUESS = 16
"""Steps of a leap towards an arrival while no iteration has been timed yet."""


class Lockstep:
    """See `Instance`. A leap that an arrival interrupts is cut short.

    `step`: iterations that can no longer change; `done`: those whose tokens are out; `lag`: how many may be under way when another
    is scheduled. `tail`: when the last iteration before `step` ends; `host`: when the host is done with it.
    `shortage`: per rank, the first step whose decodes need more blocks than are free; `busy`: ranks with more to schedule than
    decodes; `used`: blocks in use over all ranks.

    `finishing` and `crossing`: heaps of (step, rank, admission, request): when decoding requests compute their last token, and
    when they fit in the window for the last time; entries of requests that were preempted since do not count. `ending`: (step,
    rank, request) of last tokens that are under way. `version`: of the one event that counts; earlier ones are outdated.
    """

    def __init__(self, index: int, config: EngineConfig, shared: Shared) -> None:
        self.index, self.config, self.shared = index, config, shared
        self.swaps = config.swaps
        self.queues, self.first = shared.queues, shared.queues.firsts[index]
        dp, window = config.layout.dp, config.limits.window
        self.pace = pace_of(config.limits.block)
        self.needs = [0] * self.pace.turn
        key = [NOT_DECODING] * len(shared.requests.input)
        self.ranks = [config.rank_queue(shared, self.pace, key, self.needs) for _ in range(dp)]
        self.sums = LoadSums(dp, window, dummy=config.dummy and dp > 1)
        self.shortage = [NO_STEP] * dp
        self.busy: set[int] = set()
        self.finishing: list[tuple[int, int, int, int]] = []
        self.crossing: list[tuple[int, int, int, int]] = []
        self.ending: deque[tuple[int, int, int]] = deque()
        self.chunks: list[tuple[int, Chunk]] = []
        self.step, self.done, self.used, self.version, self.latest_ns = 0, 0, 0, 0, 0
        self.tail, self.host, self.lag = 0, 0, int(config.host.asynchronous)
        self.leap: Leap | None = None
        self.idle = True

    @property
    def swapped(self) -> int:
        """See `Instance`."""
        return sum(rank.host.swapped for rank in self.ranks)

    def arrive(self, request: int, rank: int, now: int) -> None:
        """See `Instance`."""
        place, leap = self.ranks[rank], self.leap
        cut = place.open
        place.waiting.append(request)
        self.busy.add(rank)
        self.queues.waiting[self.first + rank] += 1
        if self.idle:
            self._post(now, START)
        if leap is None:
            return
        leap.arrivals.append(now)
        if cut and leap.steps > 1:
            steps = max(1, int(np.searchsorted(leap.schedule.scheduled[: leap.steps], now)))
            if steps < leap.steps:
                leap.steps = steps
                self._await(leap)

    def _post(self, time: int, kind: int) -> None:
        """The one event that the instance waits for from now on."""
        self.idle = False
        self.version += 1
        self.shared.agenda.post(time, kind, self.index, self.version)

    def _await(self, leap: Leap) -> None:
        """The next step is scheduled when the tokens of all but `lag` steps are out, at once if they already are."""
        last = self.step + leap.steps - 1 - self.lag
        if last < self.done:
            self._post(leap.schedule.host(leap.steps), START)
        else:
            self._post(leap.schedule.end(leap.steps - self.lag, self.tail), END)

    def start(self, now: int, token: int, horizon: int | None) -> None:
        """See `Instance`; an outdated token is a start that was posted anew."""
        if token != self.version:
            return
        self._commit()
        self._advance()
        chunks, calm = self._schedule(now)
        counts = [rank.decodes.count for rank in self.ranks]
        decodes = sum(counts)
        for r, _ in chunks:
            counts[r] += 1
        if not any(counts):
            self._drain()
            return
        if chunks:
            load, steps = self.sums.mixed(self.step, chunks), 1
        else:
            steps = self._reach(now, horizon) if calm else 1
            load = self.sums.decodes(self.step, steps)
        if self.swaps:
            load = with_swaps(load, [rank.host for rank in self.ranks])
        device = self.config.timer.times(load).latency_ns
        schedule = self.config.host.schedule(now, self.tail, device, max(counts))
        self.latest_ns = int(device[-1]) + self.config.host.gap_ns
        waiting = sum(self.queues.waiting[self.first : self.first + len(self.ranks)])
        self.leap = Leap(
            index=self.index,
            first=self.step,
            schedule=schedule,
            load=load,
            device=device,
            steps=steps,
            chunks=chunks,
            decodes=decodes,
            waiting=waiting,
            arrivals=[],
        )
        self._await(self.leap)

    def _drain(self) -> None:
        """Nothing to schedule: what is under way comes to its end."""
        self.idle = self.done == self.step
        if not self.idle:
            self._post(self.tail, END)

    def _schedule(self, now: int) -> tuple[list[tuple[int, Chunk]], bool]:
        """Schedule the ranks on which more can happen than decoding: their chunks, and whether nobody was preempted."""
        step, calm = self.step, True
        chunks: list[tuple[int, Chunk]] = []
        todo = self.busy
        if min(self.shortage) <= step:
            todo = todo.union(r for r, short in enumerate(self.shortage) if short <= step)
        for r in sorted(todo):
            rank = self.ranks[r]
            rank.decodes.settle(step)
            free = rank.blocks.free
            got = rank.schedule_step(step, now, self.tail)
            calm = calm and not rank.preempted
            if got or rank.preempted:
                chunks.extend((r, chunk) for chunk in got)
                # the decodes' own blocks of this step are booked for all ranks together, when the step ends
                self.used += free - rank.blocks.free - len(rank.decodes.needing(step))
                self._refresh(r)
        return chunks, calm

    def _refresh(self, r: int) -> None:
        rank, queue = self.ranks[r], self.first + r
        self.sums.refresh(r, rank.decodes)
        self.shortage[r] = rank.decodes.shortage()
        self.queues.waiting[queue] = queued = rank.queued
        self.queues.running[queue] = len(rank.running)
        if queued or rank.partial != NO_REQUEST:
            self.busy.add(r)
        else:
            self.busy.discard(r)

    def _reach(self, now: int, horizon: int | None) -> int:
        """How many steps may run before the batch changes, as far as is known now."""
        step = self.step
        if self.ending:
            return 1  # their blocks and places are free for the step after it
        while not self._stands(self.finishing[0]):
            heappop(self.finishing)
        last = min(self.finishing[0][0], min(self.shortage) - 1, step + LEAP - 1)
        while self.crossing and not self._stands(self.crossing[0]):
            heappop(self.crossing)
        if self.crossing:
            last = min(last, self.crossing[0][0])
        steps = last - step + 1
        if horizon is not None and any(rank.open for rank in self.ranks):
            # a guess that spares the timer steps which the arrival would cut off; with several instances it may go elsewhere
            ahead = (horizon - now) * len(self.queues.firsts)
            steps = min(steps, ahead // self.latest_ns + 2 if self.latest_ns else FIRST_GUESS)
        return steps

    def end(self, now: int, token: int) -> int:
        """See `Instance`; an outdated token is the end of a leap that was cut."""
        if token != self.version:
            return 0
        self._commit()
        self._advance()
        # with nothing new scheduled since, the last step itself has ended
        self.done = self.step if now == self.tail else self.step - self.lag
        finished = self._release(now)
        self.idle = True
        if self.done < self.step or any(rank.running or rank.waiting or rank.host.queue for rank in self.ranks):
            self._post(max(now, self.host), START)
        return finished

    def _commit(self) -> None:
        """The leap can no longer change: write it down."""
        leap = self.leap
        if leap is None:
            return
        self.leap = None
        self.used = leap.write_down(self.config, self.shared, self.tail, self.needs, self.used)
        self.step += leap.steps
        self.tail, self.host = int(leap.schedule.ends[leap.steps - 1]), leap.schedule.host(leap.steps)
        self.chunks = leap.chunks

    def _advance(self) -> None:
        """What the scheduler knows of the steps before `step` without their tokens: who goes on decoding, and who not."""
        last, touched = self.step - 1, set[int]()
        while self.finishing and self.finishing[0][0] <= last:
            entry = heappop(self.finishing)
            if self._stands(entry):
                step, r, _, request = entry
                self.ranks[r].stop(request, step)
                self.ending.append((step, r, request))
                touched.add(r)
        while self.crossing and self.crossing[0][0] <= last:
            entry = heappop(self.crossing)
            if self._stands(entry):
                _, r, _, request = entry
                self.ranks[r].decodes.outgrow(request)
                touched.add(r)
        chunks, self.chunks = self.chunks, []
        for r, chunk in chunks:
            if chunk.last:
                touched.add(r)
                self._emit(r, chunk.request, last)
        for r in touched:
            self._refresh(r)

    def _emit(self, r: int, request: int, step: int) -> None:
        """A prompt computed to the end in `step` gives a token; the request decodes from the next step on, or is done."""
        rank = self.ranks[r]
        rest = rank.emit(request, self.tail, self.shared.gaps)
        if not rest:
            self.ending.append((step, r, request))
            return
        admission = rank.running[request]
        heappush(self.finishing, (step + self.pace.steps(rest), r, admission, request))
        outgrown = rank.decodes.join(request, step + 1, self.shared.requests.known[request])
        if self.config.limits.window < NO_WINDOW and outgrown > step:
            heappush(self.crossing, (outgrown, r, admission, request))

    def _stands(self, entry: tuple[int, int, int, int]) -> bool:
        """Whether an entry of `finishing` or `crossing` is of a request that has decoded on since it was made."""
        _, r, admission, request = entry
        rank = self.ranks[r]
        return rank.running.get(request) == admission and rank.decodes.key[request] != NOT_DECODING

    def _release(self, now: int) -> int:
        """Requests leave with their last token: how many."""
        finished, touched = 0, set[int]()
        while self.ending and self.ending[0][0] < self.done:
            _, r, request = self.ending.popleft()
            rank = self.ranks[r]
            rank.decodes.settle(self.step)
            free = rank.blocks.free
            rank.finish(request, now)
            self.used -= rank.blocks.free - free
            touched.add(r)
            finished += 1
        for r in touched:
            self._refresh(r)
        return finished
