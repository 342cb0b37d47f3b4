"""What one stream gets from whomever in messages of one size: a count for each sender in place of each message's name."""

from __future__ import annotations

from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.events.wires import Message


class Overlap(Exception):
    """Two streams of one rank wait under one number at once, so that their messages must be told apart one by one."""


class Inbox:
    """`balance[rank]`: messages from it that are there, less those waited for; `unequal`: how many are not 0.

    Messages of one size between two ranks never overtake each other, so that counts are all there is to know. `came` happens
    for each that is waited for; None while no stream holds it. `under_way`: messages that will still arrive.
    """

    __slots__ = ("balance", "came", "dst", "office", "size", "tag", "under_way", "unequal")

    office: Office
    dst: int
    tag: int
    size: int
    balance: list[int]
    came: Event | None
    under_way: int
    unequal: int

    def expect(self, src: int) -> bool:
        """A message of `src` is waited for; whether it is there already."""
        balance: int = self.balance[src]
        balance -= 1
        self.balance[src] = balance
        if balance == -1:
            self.unequal += 1
        elif balance == 0:
            self.unequal -= 1
        return balance >= 0

    def get(self, src: int) -> bool:
        """A message of `src` is there; whether it was waited for."""
        balance: int = self.balance[src]
        balance += 1
        self.balance[src] = balance
        if balance == 1:
            self.unequal += 1
        elif balance == 0:
            self.unequal -= 1
        return balance <= 0


class Slip(Message):
    """A message of `src` to an inbox."""

    __slots__ = ("inbox", "src")

    inbox: Inbox
    src: int

    def arrive(self) -> None:
        inbox = self.inbox
        inbox.under_way -= 1
        if inbox.get(self.src):
            came = inbox.came
            inbox.office.close(inbox)
            assert came is not None
            came.happen()


class Office:
    """All inboxes, by receiver and tag."""

    __slots__ = ("_boxes", "_ranks")

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._boxes: list[dict[int, list[Inbox]]] = [{} for _ in range(ranks)]

    def claim(self, tag: int, dst: int, size: int, came: Event) -> Inbox:
        """An inbox for a stream. Raises Overlap where another one holds it."""
        inbox = self._inbox(tag, dst, size)
        if inbox.came is not None and inbox.came is not came:
            raise Overlap
        inbox.came = came
        return inbox

    def release(self, inbox: Inbox) -> None:
        """The stream goes on to something else; what it still waits for comes to it all the same."""
        if not inbox.unequal or min(inbox.balance) >= 0:
            inbox.came = None
            self.close(inbox)

    def slip(self, tag: int, src: int, dst: int, size: int) -> Slip:
        """A message that is about to leave."""
        slip: Slip = Slip.__new__(Slip)
        slip.wires = slip.then = None
        slip.src, slip.inbox = src, self._inbox(tag, dst, size)
        slip.size, slip.target = size, dst
        slip.inbox.under_way += 1
        return slip

    def close(self, inbox: Inbox) -> None:
        """Forgets an inbox that nobody would miss."""
        if inbox.came is None and not inbox.unequal and not inbox.under_way:
            inboxes: list[Inbox] = self._boxes[inbox.dst][inbox.tag]
            inboxes.remove(inbox)
            if not inboxes:
                del self._boxes[inbox.dst][inbox.tag]

    def _inbox(self, tag: int, dst: int, size: int) -> Inbox:
        boxes: dict[int, list[Inbox]] = self._boxes[dst]
        inboxes = boxes.get(tag)
        if inboxes is None:
            inboxes = boxes[tag] = []
        for inbox in inboxes:
            if inbox.size == size:
                return inbox
        made: Inbox = Inbox.__new__(Inbox)
        made.office, made.dst, made.tag, made.size = self, dst, tag, size
        made.balance, made.came, made.under_way, made.unequal = [0] * self._ranks, None, 0, 0
        inboxes.append(made)
        return made
