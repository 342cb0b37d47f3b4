"""How sends meet receives: by tag, source, destination and size, first come first served."""

from __future__ import annotations

from moec.backends.astra.network.events.clock import Clock
from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.events.inbox import Office
from moec.backends.astra.network.events.wires import Message, Train, Wires
from moec.backends.astra.network.refusal import Stopped, aborts

TAGS = 500_000_000
"""Tags of collectives are stream numbers modulo this, plus this; those of sends in traces lie below (Sys.cc)."""
RENDEZVOUS, HANDSHAKE = 1_000_000_000, 8192
"""What is added to the tag of a handshake, and its bytes (Sys.cc)."""


class Channel:
    """Messages of one tag, source, destination and size, numbered by either side as they come.

    `first` waits for number `turn`, `others` for theirs; `early` are the numbers that arrived before anybody waited.
    `holders`: who goes on using it. `next`: the channel of another size.
    """

    __slots__ = (
        "dst", "early", "first", "holders", "next", "others", "post", "receives", "sends", "size", "src", "tag", "turn",
    )  # fmt: skip

    post: Post
    tag: int
    src: int
    dst: int
    size: int
    sends: int
    receives: int
    holders: int
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
    """A message on a channel; `sent` happens on arrival, before what the receiver does."""

    __slots__ = ("channel", "number", "sent")

    channel: Channel
    number: int
    sent: Event | None

    def arrive(self) -> None:
        self.channel.post.deliver(self)


class Again(Event):
    """An event that may be to come several times."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event = event

    def happen(self) -> None:
        self.event.happen()


class Shaken(Event):
    """A handshake has come in: the sender's message leaves (`done` may happen on its arrival), or the receiver waits for it."""

    __slots__ = ("channel", "done", "sends")

    def __init__(self, channel: Channel, done: Event | None, sends: bool) -> None:
        self.channel, self.done, self.sends = channel, done, sends

    def happen(self) -> None:
        post = self.channel.post
        if self.sends:
            post.put(self.channel, self.done)
        else:
            assert self.done is not None
            post.expect(self.channel, self.done)
        post.release(self.channel)


class Post:
    """A receive may come before or after the message; either side learns when the message is there.

    `counted`: streams that exchange with many ranks may count what they get in an `office`, which raises Overlap where that
    does not tell enough.
    """

    __slots__ = ("_boxes", "_clock", "_ranks", "_rendezvous", "_wires", "counted", "office")

    def __init__(
        self, clock: Clock, wires: Wires, ranks: int, *, rendezvous: bool = False, counted: bool = False
    ) -> None:
        self.office, self.counted = Office(ranks), counted and not rendezvous
        self._clock, self._wires, self._ranks, self._rendezvous = clock, wires, ranks, rendezvous
        self._boxes: list[dict[int, Channel]] = [{} for _ in range(ranks)]

    def send(self, tag: int, src: int, dst: int, size: int, sent: Event | None) -> None:
        """Puts a message on the wires; `sent` happens on arrival, before the receiver's event."""
        channel = self.hold(tag, src, dst, size)
        self.send_on(channel, sent)
        self.release(channel)

    def receive(self, tag: int, src: int, dst: int, size: int, done: Event) -> None:
        """`done` happens when the message is there; when it is already, later in this nanosecond."""
        channel = self.hold(tag, src, dst, size)
        self.receive_on(channel, done)
        self.release(channel)

    def send_on(self, channel: Channel, sent: Event | None) -> None:
        """The same on a channel that is held. With `rendezvous` the message leaves when the receiver's handshake has come in."""
        if not self._rendezvous:
            self.put(channel, sent)
            return
        back = self._shaken_on(channel)
        self.expect(back, Shaken(channel, sent, True))
        self.release(back)

    def receive_on(self, channel: Channel, done: Event) -> None:
        """The same on a channel that is held."""
        if not self._rendezvous:
            self.expect(channel, done)
            return
        back = self._shaken_on(channel)
        self.put(back, Shaken(channel, done, False))
        self.release(back)

    def _shaken_on(self, channel: Channel) -> Channel:
        """The channel of a handshake, held; the other one is, too, until the handshake has come in."""
        channel.holders += 1
        return self.hold(channel.tag + RENDEZVOUS, channel.dst, channel.src, HANDSHAKE)

    def slip(self, tag: int, src: int, dst: int, size: int, train: Train) -> None:
        """Sends a message to an inbox of the office, or couples it to `train`, which then makes it."""
        self._sound(src, dst, size)
        if not self._wires.couple(src, train):
            self._wires.carry(src, dst, size, self.office.slip(tag, src, dst, size))

    def again(self, event: Event) -> None:
        """Lets an event happen later in this nanosecond."""
        self._clock.put(self._clock.now, Again(event))

    def put(self, channel: Channel, sent: Event | None) -> None:
        """The message leaves."""
        self._sound(channel.src, channel.dst, channel.size)
        self._wires.carry(channel.src, channel.dst, channel.size, self.letter(channel, sent))

    def _sound(self, src: int, dst: int, size: int) -> None:
        """Raises Stopped where the simulator aborts."""
        if size <= 0:
            raise Stopped(aborts(f"rank {src} sends a message of 0 bytes to rank {dst}"))
        if src == dst and not self._wires.loops:
            raise Stopped(aborts(f"rank {src} sends a message to itself"))

    def letter(self, channel: Channel, sent: Event | None) -> Letter:
        """The next message of a channel."""
        letter: Letter = Letter.__new__(Letter)
        letter.wires = letter.then = None
        letter.channel, letter.number, letter.sent = channel, channel.sends, sent
        channel.sends += 1
        return letter

    def expect(self, channel: Channel, done: Event) -> None:
        """A message is waited for."""
        if channel.wait(done):
            self.again(done)

    def deliver(self, letter: Letter) -> None:
        """A message is there."""
        channel = letter.channel
        received = channel.come(letter.number)
        if received is not None and not channel.holders and channel.idle():
            self._forget(channel)
        if letter.sent is not None:
            letter.sent.happen()
        if received is not None:
            received.happen()

    def hold(self, tag: int, src: int, dst: int, size: int) -> Channel:
        """A channel that is kept until it is released."""
        key = tag * self._ranks + src
        box: dict[int, Channel] = self._boxes[dst]
        first = channel = box.get(key)
        while channel is not None and channel.size != size:
            channel = channel.next
        if channel is None:
            channel = Channel.__new__(Channel)
            channel.post, channel.tag, channel.src, channel.dst, channel.size = self, tag, src, dst, size
            channel.sends = channel.receives = channel.turn = channel.holders = 0
            channel.next = first
            channel.first = channel.early = channel.others = None
            box[key] = channel
        channel.holders += 1
        return channel

    def release(self, channel: Channel) -> None:
        """One holder less."""
        channel.holders -= 1
        if not channel.holders and channel.idle():
            self._forget(channel)

    def _forget(self, channel: Channel) -> None:
        """Drops a channel that is idle, unless there are others of its tag and ends."""
        key = channel.tag * self._ranks + channel.src
        box: dict[int, Channel] = self._boxes[channel.dst]
        if channel.next is None and box.get(key) is channel:
            del box[key]
