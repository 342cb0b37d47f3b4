"""One rank in place of all: where every rank has the same trace and speaks to all ranks at once, they never part."""

from __future__ import annotations

from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.desk import Desk
from moec.backends.astra.network.refusal import Refusal, Stopped, aborts
from moec.backends.astra.network.started_together import together_ns
from moec.backends.astra.replay.collective_plans import Calls
from moec.backends.astra.replay.npu import Npu
from moec.backends.astra.replay.occupancy import Unsure
from moec.backends.astra.replay.programs.actions import Gathers, Receives, Sends
from moec.backends.astra.replay.programs.actions import Stores as Access
from moec.backends.astra.replay.remote_memory import Stores
from moec.backends.astra.replay.setup import Setup


class SoloMachine:
    """Plays rank 0, whose collectives find all others as they left them. Raises Unsure where ranks may part."""

    def __init__(self, setup: Setup, *, detail: bool = False) -> None:
        self._setup, self._calls = setup, Calls(setup)
        self._clock = Clock()
        self._desk = Desk(self._clock)
        self._stores = Stores(setup.memory)
        self._inside, self._whole_ns = False, -1
        self.npu = Npu(0, setup.programs[0], self, detail=detail)

    @staticmethod
    def suits(setup: Setup) -> bool:
        """Whether all ranks have one trace without messages of their own."""
        first = setup.programs[0]
        return all(program is first for program in setup.programs) and not first.kinds & {Sends, Receives}

    def run(self) -> None:
        """Until nothing is left to happen. Raises Stopped where the simulator ends early, and Unsure."""
        self.npu.fire()
        self._clock.run()

    def now(self) -> int:
        return self._clock.now

    def twice(self, npu: Npu) -> None:
        """As in the coarse replay."""
        if self._inside or self._whole_ns == self._clock.now:
            raise Unsure

    def last(self, npu: Npu, node: int, ns: int) -> None:
        self._desk.after(ns, npu.ended, node)

    def store(self, npu: Npu, node: int, action: Access) -> None:
        self._stores.access(npu.rank, action.size, self._desk, npu.ended, node)

    def send(self, npu: Npu, node: int, action: Sends) -> None:
        raise Unsure

    def receive(self, npu: Npu, node: int, action: Receives) -> None:
        raise Unsure

    def gather(self, npu: Npu, node: int, action: Gathers) -> None:
        members = self._calls.members(npu, action)
        if self._calls.custom(npu, action) is not None or len(members) < self._setup.world:
            raise Unsure
        plan = self._calls.plan(npu, action, members)
        if self._clock.now == 0 and plan.delay_ns == 0:
            raise Stopped(aborts("the first event falls into nanosecond 0: an endpoint delay of 0 at the very start"))
        together = together_ns(plan, self._setup.network)
        if isinstance(together, Refusal):
            raise Stopped(together)
        if together is None:
            raise Unsure
        self._inside = True
        self._clock.at(self._clock.now + together, self._end, node)

    def _end(self, node: int) -> None:
        self._inside, self._whole_ns = False, self._clock.now
        self.npu.ended(node)
