"""Greedy balancing, all layers at once: equal-count packing and replication of the hottest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from moec.arrays import Ints

Weights = NDArray[np.float32]


def pack(weight: Weights, packs: int) -> tuple[Ints, Ints]:
    """Put `[rows, items]` weighted items into `packs` packs of equal count: the pack of each item and its place in it.

    Heaviest first, each to the lightest pack with room. Ties: the earlier item first, the lower pack.
    """
    rows, items = weight.shape
    room = items // packs
    order = np.argsort(-weight, axis=1, kind="stable")
    row = np.arange(rows)
    total = np.zeros((rows, packs), dtype=np.float32)
    held = np.zeros((rows, packs), dtype=np.int64)
    of_item = np.empty((rows, items), dtype=np.int64)
    place = np.empty((rows, items), dtype=np.int64)
    for item in order.T:
        lightest = np.argmin(total, axis=1)
        of_item[row, item] = lightest
        place[row, item] = held[row, lightest]
        held[row, lightest] += 1
        # A full pack weighs infinitely much from here on: nothing more goes in.
        full = held[row, lightest] == room
        total[row, lightest] = np.where(full, np.inf, total[row, lightest] + weight[row, item])
    return of_item, place


def replicate(weight: Weights, slots: int) -> Ints:
    """The item in each of `slots` slots, `[rows, slots]`: each item once, in order, then copies.

    Each copy goes to the item with the most weight per copy so far; ties to the lower item.
    """
    rows, items = weight.shape
    row = np.arange(rows)
    copies = np.ones((rows, items), dtype=np.float32)
    item = np.broadcast_to(np.arange(items), (rows, items))
    extra = np.empty((rows, slots - items), dtype=np.int64)
    for j in range(slots - items):
        hottest = np.argmax(weight / copies, axis=1)
        extra[:, j] = hottest
        copies[row, hottest] += 1
    return np.concatenate([item, extra], axis=1)


def per_copy(weight: Weights, item: Ints) -> Weights:
    """The weight of each slot when items share theirs evenly among their copies, `[rows, slots]`."""
    rows, items = weight.shape
    flat = (item + items * np.arange(rows)[:, None]).ravel()
    copies = np.bincount(flat, minlength=rows * items).reshape(rows, items).astype(np.float32)
    return np.take_along_axis(weight / copies, item, axis=1)


def arrange(item: Ints, of_slot: Ints, place: Ints, packs: int) -> Ints:
    """The items in the order of their packs and places, `[rows, slots]`."""
    arranged = np.empty_like(item)
    np.put_along_axis(arranged, of_slot * (item.shape[1] // packs) + place, item, axis=1)
    return arranged
