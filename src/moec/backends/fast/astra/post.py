"""How sends meet receives: by tag, source, destination and size, first come first served."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.astra.refusal import Stopped, aborts
from moec.backends.fast.astra.wires import Wires

RENDEZVOUS, HANDSHAKE = 1_000_000_000, 8192
"""What is added to the tag of a handshake, and its bytes (Sys.cc)."""
Key = tuple[int, int, int, int]
Done = Callable[[None], None]


class Post:
    """A receive may come before or after the message; either side learns when the message is there."""

    __slots__ = ("_arrived", "_clock", "_receives", "_rendezvous", "_sends", "_waiting", "_wires")

    def __init__(self, clock: Clock, wires: Wires, *, rendezvous: bool = False) -> None:
        self._clock, self._wires, self._rendezvous = clock, wires, rendezvous
        self._sends: defaultdict[Key, int] = defaultdict(int)
        self._receives: defaultdict[Key, int] = defaultdict(int)
        self._arrived: set[tuple[Key, int]] = set()
        self._waiting: dict[tuple[Key, int], Done] = {}

    def send(self, tag: int, src: int, dst: int, size: int, done: Done | None = None) -> None:
        """Puts a message on the wires; `done` runs on arrival, before the receiver's.

        With `rendezvous` the message leaves when the receiver's handshake has come in.
        """
        key = (tag, src, dst, size)
        if self._rendezvous:
            self._expect((tag + RENDEZVOUS, dst, src, HANDSHAKE), lambda _: self.put(key, src, dst, done))
        else:
            self.put(key, src, dst, done)

    def put(self, key: Key, src: int, dst: int, done: Done | None) -> None:
        """A message that the receiver knows by `key`."""
        if key[3] <= 0:
            raise Stopped(aborts(f"rank {src} sends a message of 0 bytes to rank {dst}"))
        if src == dst and not self._wires.loops:
            raise Stopped(aborts(f"rank {src} sends a message to itself"))
        count = self._sends[key]
        self._sends[key] = count + 1
        self._wires.send(src, dst, key[3], self._arrive, ((key, count), done))

    def receive(self, tag: int, src: int, dst: int, size: int, done: Done) -> None:
        """Runs `done` when the message is there; when it is already, later in this nanosecond."""
        key = (tag, src, dst, size)
        if self._rendezvous:
            self.put((tag + RENDEZVOUS, dst, src, HANDSHAKE), dst, src, lambda _: self._expect(key, done))
        else:
            self._expect(key, done)

    def _expect(self, key: Key, done: Done) -> None:
        count = self._receives[key]
        self._receives[key] = count + 1
        if (key, count) in self._arrived:
            self._arrived.discard((key, count))
            self._clock.at(self._clock.now, done, None)
        else:
            self._waiting[key, count] = done

    def _arrive(self, message: tuple[tuple[Key, int], Done | None]) -> None:
        which, sent = message
        received = self._waiting.pop(which, None)
        if sent is not None:
            sent(None)
        if received is None:
            self._arrived.add(which)
        else:
            received(None)
