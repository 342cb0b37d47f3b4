"""The fields of many protocol-buffer messages at once, read straight from their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moec.compiler.chakra.wire import FIXED32, FIXED64, LENGTH, VARINT

Octets = NDArray[np.uint8]
Places = NDArray[np.int64]

MARGIN = 16
"""Zero bytes that `octets` puts behind the data, so that a varint that runs off the end can be read before it is judged."""


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """All fields of some messages, those of one message together and in their order.

    `owner`: which message. `value`: of varint and fixed fields, as unsigned bits. `start`, `end`: the payload of a field
    with a length. `bad`: messages that cannot be read to their end; what stands before the fault is there.
    """

    owner: Places
    number: Places
    wire: NDArray[np.uint8]
    value: NDArray[np.uint64]
    start: Places
    end: Places
    bad: Places

    def where(self, mask: NDArray[np.bool_]) -> Fields:
        """Some of the fields."""
        return Fields(
            self.owner[mask],
            self.number[mask],
            self.wire[mask],
            self.value[mask],
            self.start[mask],
            self.end[mask],
            self.bad,
        )


def octets(data: bytes) -> Octets:
    """`data` as an array that `fields` can read, with a margin behind it."""
    return np.frombuffer(data + bytes(MARGIN), dtype=np.uint8)


def fields(data: Octets, start: Places, end: Places) -> Fields:
    """The fields of the messages that stand at `start` to `end` of `data`: one field of every message per round."""
    cursor = start.copy()
    active = np.flatnonzero(cursor < end)
    rounds: list[Fields] = []
    bad = [np.zeros(0, dtype=np.int64)]
    while active.size:
        stop = end[active]
        key, at, sound = varints(data, cursor[active], stop)
        wire = (key & np.uint64(7)).astype(np.uint8)
        value, first, after = _payload(data, at, stop, wire, sound)
        cursor[active] = after
        found = Fields(active, (key >> np.uint64(3)).astype(np.int64), wire, value, first, after, bad[0])
        if not sound.all():
            bad.append(active[~sound])
            active, found = active[sound], found.where(sound)
        rounds.append(found)
        active = active[cursor[active] < end[active]]
    return _together(rounds, np.concatenate(bad))


def _together(rounds: list[Fields], bad: Places) -> Fields:
    """The fields of all rounds, sorted by their messages."""
    if not rounds:
        none = np.zeros(0, dtype=np.int64)
        return Fields(none, none, none.astype(np.uint8), none.astype(np.uint64), none, none, bad)
    order = np.argsort(np.concatenate([r.owner for r in rounds]), kind="stable")

    def joined(name: str) -> Any:
        return np.concatenate([getattr(r, name) for r in rounds])[order]

    return Fields(
        joined("owner"), joined("number"), joined("wire"), joined("value"), joined("start"), joined("end"), bad
    )


def varints(data: Octets, at: Places, stop: Places) -> tuple[NDArray[np.uint64], Places, NDArray[np.bool_]]:
    """The varints at `at`: values, where they end, and which of them end by `stop` and within ten bytes."""
    value = data[at].astype(np.uint64)
    after = at + 1
    rest = np.flatnonzero(value >= 0x80)
    value &= np.uint64(0x7F)
    shift = 7
    while rest.size and shift < 70:
        byte = data[np.minimum(after[rest], len(data) - 1)].astype(np.uint64)
        value[rest] |= (byte & np.uint64(0x7F)) << np.uint64(shift)
        after[rest] += 1
        rest = rest[byte >= 0x80]
        shift += 7
    sound = after <= stop
    sound[rest] = False
    return value, after, sound


def _payload(
    data: Octets, at: Places, stop: Places, wire: NDArray[np.uint8], sound: NDArray[np.bool_]
) -> tuple[NDArray[np.uint64], Places, Places]:
    """Values, and where payloads start and end; clears `sound` where a payload does not fit or its type is unknown."""
    value = np.zeros(len(at), dtype=np.uint64)
    first, after = at.copy(), at.copy()
    numbered = np.flatnonzero(sound & ((wire == VARINT) | (wire == LENGTH)))
    value[numbered], after[numbered], sound[numbered] = varints(data, at[numbered], stop[numbered])
    lengthy = np.flatnonzero(sound & (wire == LENGTH))
    first[lengthy] = after[lengthy]
    room = stop[lengthy] - first[lengthy]
    fits = value[lengthy] <= room.astype(np.uint64)
    after[lengthy] += np.where(fits, value[lengthy].astype(np.int64), 0)
    sound[lengthy] = fits
    for kind, width in ((FIXED64, 8), (FIXED32, 4)):
        fixed = np.flatnonzero(sound & (wire == kind))
        if fixed.size:
            after[fixed] += width
            sound[fixed] = after[fixed] <= stop[fixed]
            fixed = fixed[sound[fixed]]
            value[fixed] = data[at[fixed, None] + np.arange(width)].copy().view(f"<u{width}")[:, 0]
    known = (wire == VARINT) | (wire == LENGTH) | (wire == FIXED64) | (wire == FIXED32)
    sound &= known
    return value, first, after


def packed(data: Octets, start: Places, end: Places) -> tuple[Places, NDArray[np.uint64]]:
    """The varints in packed payloads: which payload each is from, and its value. An unfinished payload has none."""
    whole = (end > start) & (data[np.maximum(end - 1, 0)] < 0x80)
    length = np.where(whole, end - start, 0)
    total = int(length.sum())
    if total == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.uint64)
    owner = np.repeat(np.arange(len(start)), length)
    at = np.arange(total) + np.repeat(start - (np.cumsum(length) - length), length)
    byte = data[at]
    last = np.flatnonzero(byte < 0x80)
    first = np.concatenate(([0], last[:-1] + 1))
    place = np.arange(total) - np.repeat(first, last - first + 1)
    shift = np.minimum(7 * place, 63).astype(np.uint64)
    parts = (byte & np.uint8(0x7F)).astype(np.uint64) << shift
    return owner[last], np.add.reduceat(parts, first)
