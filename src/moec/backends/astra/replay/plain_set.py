"""A custom set whose members do nothing but send and receive, all at once."""

from __future__ import annotations

from moec.backends.astra.network.events.event import Event
from moec.backends.astra.network.events.stream import Algorithm, Stream


class Over(Event):
    """A message of a member's own is there."""

    __slots__ = ("plain",)

    def __init__(self, plain: Plain) -> None:
        self.plain = plain

    def happen(self) -> None:
        self.plain.over()


class Plain(Algorithm):
    """Plays one member's messages, in the order of issue: whether it `sends`, the other's rank, bytes and tag of each."""

    __slots__ = ("_left", "_over", "_peers", "_sends", "_sizes", "_stream", "_tags")

    def __init__(self, stream: Stream, sends: list[bool], peers: list[int], sizes: list[int], tags: list[int]) -> None:
        self._stream, self._sends, self._peers, self._sizes, self._tags = stream, sends, peers, sizes, tags
        self._left = len(sends)
        self._over = Over(self)

    def start(self) -> None:
        stream = self._stream
        post, member = stream.post, stream.member
        for i in range(len(self._sends)):
            if self._sends[i]:
                post.send(self._tags[i], member, self._peers[i], self._sizes[i], self._over)
            else:
                post.receive(self._tags[i], self._peers[i], member, self._sizes[i], self._over)

    def over(self) -> None:
        """One less."""
        self._left -= 1
        if not self._left:
            self._sends, self._peers, self._sizes, self._tags = [], [], [], []  # what is done need not be kept
            self._stream.finish()
