"""The shared bus between a rank's network and its memory, where the system file asks for one (MemBus.cc, LogGP.cc).

Each way is a LogGP link with an end on either side. The end at the network has a second such pair behind it, to memory, through
which whatever it takes in or gives out goes first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from moec.backends.astra.network.conversions import comes, whole, wrapped
from moec.backends.astra.network.events.clock import Call, Deferred
from moec.backends.astra.network.events.desk import Desk
from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.refusal import Stopped, aborts
from moec.backends.astra.network.topology import BusCosts

MEMORY_GAP = 0.0038
"""Nanoseconds per byte of the pair behind, whatever the file says (MemBus.cc)."""
_READS = 8
"""Transfers in a row after which an end lets its partner go first (LogGP.cc)."""
_FREE, _SENDING, _RECEIVING = range(3)


class Bus:
    """`outward` passes bytes from the rank to the network's side, `inward` the other way; `done` happens on arrival.

    `reduces`: they are reduced at the far end. `back`: then they come back to the near one.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, desk: Desk, costs: BusCosts, *, memory: bool = True) -> None:
        behind = None
        if memory:
            pair = BusCosts(costs.latency, costs.overhead, costs.gap, MEMORY_GAP, costs.reduction)
            behind = Bus(desk, pair, memory=False)
        self._inner, self._outer = _End(desk, costs, behind), _End(desk, costs, None)
        self._inner.partner, self._outer.partner = self._outer, self._inner

    def outward(self, size: int, reduces: bool, back: bool, done: Event) -> None:
        self._inner.request(size, reduces, back, done)

    def inward(self, size: int, reduces: bool, back: bool, done: Event) -> None:
        self._outer.request(size, reduces, back, done)


class _Move:
    """A transfer and what is left to do with it."""

    __slots__ = ("back", "done", "reduces", "size")

    def __init__(self, size: int, reduces: bool, back: bool, done: Event) -> None:
        self.size, self.reduces, self.back, self.done = wrapped(size), reduces, back, done


class _End:
    """One end of a link: it sends or receives one transfer at a time, and reduces one at a time beside that.

    A transfer that comes in while it sends is taken nevertheless, and either's end sets it free, as in the simulator.
    """

    __slots__ = (
        "_before", "_behind", "_costs", "_desk", "_last", "_reads", "_received", "_reducing", "_sends", "_state", "_to_reduce",
        "partner",
    )  # fmt: skip

    def __init__(self, desk: Desk, costs: BusCosts, behind: Bus | None) -> None:
        self._desk, self._costs, self._behind = desk, costs, behind
        self._state = self._before = _FREE
        self._last = self._reads = 0
        self._sends: deque[_Move] = deque()
        self._received: deque[_Move] = deque()
        self._to_reduce: deque[_Move] = deque()
        self._reducing = False
        self.partner: _End

    def request(self, size: int, reduces: bool, back: bool, done: Event) -> None:
        """Sends `size` bytes to the other end."""
        move = _Move(size, reduces, back, done)
        if self._behind is not None:
            self._behind.inward(size, False, False, Deferred(self._give, move))
        else:
            self._give(move)

    def _give(self, move: _Move) -> None:
        self._sends.append(move)
        self._look()

    def _look(self) -> None:
        """Starts the next transfer if the end is free, unless it is the partner's turn."""
        partner = self.partner
        if self._state != _FREE or not self._sends:
            return
        if self._reads > _READS and partner._sends and partner._reads <= _READS:
            partner._look()
        else:
            self._start()

    def _start(self) -> None:
        costs, offset = self._costs, self._costs.overhead
        if self._before == _SENDING:
            since = self._desk.clock.now - self._last
            if (offset + since) % 2**64 <= costs.gap:
                offset = (costs.gap - since) % 2**64
        move = self._sends.popleft()
        self.partner._take(move, offset)
        self._state = _SENDING
        self._after(offset + costs.per_byte * wrapped(move.size - 1), self._sent)

    def _take(self, move: _Move, offset: int) -> None:
        costs = self._costs
        self._received.append(move)
        self._before, self._state = self._state, _RECEIVING
        self._reads = 0
        self._after(offset + wrapped(move.size - 1) * costs.per_byte + costs.latency + costs.overhead, self._came)

    def _after(self, delay: float, call: Call) -> None:
        """What would be over before now wraps round 2^64: into the past, or to a time that never comes."""
        ns = whole(delay)
        if ns < 2**62:
            self._desk.after(ns, call, None)
        elif comes(self._desk.clock.now, ns):
            raise Stopped(
                aborts("`event_time_ns >= event_queue->get_current_time()`: the shared bus is over before it began")
            )

    def _sent(self, _: None) -> None:
        self._last = self._desk.clock.now
        self._before, self._state = self._state, _FREE
        self._reads += 1
        self._look()

    def _came(self, _: None) -> None:
        """A transfer is in: it is reduced, sent back, or done with."""
        self._last = self._desk.clock.now
        self._before = self._state
        if len(self._received) < 2:
            self._state = _FREE
        move = self._received[0]
        if move.reduces:
            self._received.popleft()
            move.reduces = False
            self._through(move, True, self._queue)
        else:
            self._leave(move, self._received)
        self._look()

    def _through(self, move: _Move, back: bool, then: Callable[[_Move], None]) -> None:
        """To memory, and back again if so, then on."""
        if self._behind is None:
            then(move)
        else:
            self._behind.outward(move.size, False, back, Deferred(partial(self._and_look, then), move))

    def _and_look(self, then: Callable[[_Move], None], move: _Move) -> None:
        then(move)
        self._look()

    def _leave(self, move: _Move, whence: deque[_Move]) -> None:
        """Where a transfer goes that needs no reduction any more."""
        if move.back:
            whence.popleft()
            move.back = False
            self._through(move, True, self._append)
        elif self._behind is not None:
            self._through(move, False, self._retire)
            whence.popleft()
        else:
            move.done.happen()
            whence.popleft()

    def _append(self, move: _Move) -> None:
        self._sends.append(move)

    def _retire(self, move: _Move) -> None:
        move.done.happen()

    def _queue(self, move: _Move) -> None:
        self._to_reduce.append(move)
        if not self._reducing:
            self._reduce()

    def _reduce(self) -> None:
        self._reducing = True
        hundreds = int(self._to_reduce[0].size / 100)
        self._after(wrapped(hundreds * self._costs.reduction + 50), self._reduced)

    def _reduced(self, _: None) -> None:
        self._reducing = False
        self._leave(self._to_reduce[0], self._to_reduce)
        if self._to_reduce:
            self._reduce()
        self._look()
