"""How sends meet receives: by tag, source, destination and size, first come first served."""

from __future__ import annotations

from moec.backends.fast.astra.agenda import Event
from moec.backends.fast.astra.clock import Clock
from moec.backends.fast.astra.refusal import Stopped, aborts
from moec.backends.fast.astra.wires import Message, Wires

RENDEZVOUS, HANDSHAKE = 1_000_000_000, 8192
"""What is added to the tag of a handshake, and its bytes (Sys.cc)."""


class Channel:
    """Messages of one tag, source, destination and size, numbered by either side as they come.

    `first` waits for number `turn`, `others` for theirs; `early` are the numbers that arrived before anybody waited.
    `next`: the channel of another size.
    """

    __slots__ = ("early", "first", "next", "others", "receives", "sends", "size", "turn")

    size: int
    sends: int
    receives: int
    turn: int
    first: Event | None
    next: Channel | None
    early: set[int] | None
    others: dict[int, Event] | None

    def wait(self, done: Event) -> bool:
        """`done` is to happen for the next number; whether that is there already."""
        number = self.receives
        self.receives += 1
        if self.early and number in self.early:
            self.early.discard(number)
            return True
        if self.first is None:
            self.first, self.turn = done, number
            return False
        if self.others is None:
            self.others = {}
        self.others[number] = done
        return False

    def come(self, number: int) -> Event | None:
        """A number is there; what waited for it."""
        found = self.first
        if found is not None and self.turn == number:
            self.first = None
            return found
        found = self.others.pop(number, None) if self.others else None
        if found is None:
            if self.early is None:
                self.early = set()
            self.early.add(number)
        return found

    def idle(self) -> bool:
        """Whether nothing is under way, expected or left, so that it may as well count from 0 again."""
        return self.sends == self.receives and self.first is None and not self.early and not self.others


class Letter(Message):
    """A message on a channel to rank `box`; `sent` happens on arrival, before what the receiver does."""

    __slots__ = ("box", "channel", "key", "number", "post", "sent")

    post: Post
    channel: Channel
    box: int
    key: int
    number: int
    sent: Event | None

    def arrive(self) -> None:
        self.post.deliver(self)


class Again(Event):
    """An event that may be to come several times."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def happen(self) -> None:
        self.event.happen()


class Shaken(Event):
    """A handshake has come in: the sender's message leaves (`done` may happen on its arrival), or the receiver waits for it."""

    __slots__ = ("done", "dst", "post", "sends", "size", "src", "tag")

    def __init__(self, post: Post, tag: int, src: int, dst: int, size: int, done: Event | None, sends: bool) -> None:
        self.post, self.tag, self.src, self.dst, self.size = post, tag, src, dst, size
        self.done, self.sends = done, sends

    def happen(self) -> None:
        if self.sends:
            self.post.put(self.tag, self.src, self.dst, self.size, self.done)
        else:
            assert self.done is not None
            self.post.expect(self.tag, self.src, self.dst, self.size, self.done)


class Post:
    """A receive may come before or after the message; either side learns when the message is there."""

    __slots__ = ("_boxes", "_clock", "_ranks", "_rendezvous", "_wires")

    def __init__(self, clock: Clock, wires: Wires, ranks: int, *, rendezvous: bool = False) -> None:
        self._clock, self._wires, self._ranks, self._rendezvous = clock, wires, ranks, rendezvous
        self._boxes: list[dict[int, Channel]] = [{} for _ in range(ranks)]

    def send(self, tag: int, src: int, dst: int, size: int, sent: Event | None) -> None:
        """Puts a message on the wires; `sent` happens on arrival, before the receiver's event.

        With `rendezvous` the message leaves when the receiver's handshake has come in.
        """
        if self._rendezvous:
            self.expect(tag + RENDEZVOUS, dst, src, HANDSHAKE, Shaken(self, tag, src, dst, size, sent, True))
        else:
            self.put(tag, src, dst, size, sent)

    def put(self, tag: int, src: int, dst: int, size: int, sent: Event | None) -> None:
        """The message leaves."""
        if size <= 0:
            raise Stopped(aborts(f"rank {src} sends a message of 0 bytes to rank {dst}"))
        if src == dst and not self._wires.loops:
            raise Stopped(aborts(f"rank {src} sends a message to itself"))
        self._wires.carry(src, dst, size, self.letter(tag, src, dst, size, sent))

    def letter(self, tag: int, src: int, dst: int, size: int, sent: Event | None) -> Letter:
        """A message that its receiver knows as this."""
        key = tag * self._ranks + src
        channel = self._channel(key, dst, size)
        letter: Letter = Letter.__new__(Letter)
        letter.wires = letter.then = None
        letter.post, letter.channel, letter.box, letter.key = self, channel, dst, key
        letter.number, letter.sent = channel.sends, sent
        channel.sends += 1
        return letter

    def receive(self, tag: int, src: int, dst: int, size: int, done: Event) -> None:
        """`done` happens when the message is there; when it is already, later in this nanosecond."""
        if self._rendezvous:
            self.put(tag + RENDEZVOUS, dst, src, HANDSHAKE, Shaken(self, tag, src, dst, size, done, False))
        else:
            self.expect(tag, src, dst, size, done)

    def expect(self, tag: int, src: int, dst: int, size: int, done: Event) -> None:
        """A message is waited for."""
        key = tag * self._ranks + src
        channel = self._channel(key, dst, size)
        if channel.wait(done):
            self._close(channel, dst, key)
            self._clock.put(self._clock.now, Again(done))

    def deliver(self, letter: Letter) -> None:
        """A message is there."""
        received = letter.channel.come(letter.number)
        if received is not None:
            self._close(letter.channel, letter.box, letter.key)
        if letter.sent is not None:
            letter.sent.happen()
        if received is not None:
            received.happen()

    def _channel(self, key: int, dst: int, size: int) -> Channel:
        box: dict[int, Channel] = self._boxes[dst]
        first = channel = box.get(key)
        while channel is not None and channel.size != size:
            channel = channel.next
        if channel is None:
            channel = Channel.__new__(Channel)
            channel.size, channel.next = size, first
            channel.sends = channel.receives = channel.turn = 0
            channel.first = channel.early = channel.others = None
            box[key] = channel
        return channel

    def _close(self, channel: Channel, dst: int, key: int) -> None:
        """Forgets a channel that is idle, unless there are others of its tag and ends."""
        box: dict[int, Channel] = self._boxes[dst]
        if channel.idle() and channel.next is None and box[key] is channel:
            del box[key]
