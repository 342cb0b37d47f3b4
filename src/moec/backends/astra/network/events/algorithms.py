"""Which algorithm runs a phase of a stream."""

from __future__ import annotations

from moec.backends.astra.network.events.halving import Halving
from moec.backends.astra.network.events.stream import Algorithm, Stream
from moec.backends.astra.network.events.tree import Tree
from moec.backends.astra.network.events.walk import Walk


def algorithm_of(stream: Stream) -> Algorithm:
    """What runs the leg that a stream is in."""
    phase, _, direction, first_tree = stream.leg
    match phase.algorithm:
        case "ring" | "direct":
            return Walk(stream, phase, direction)
        case "halvingDoubling":
            return Halving(stream, phase)
        case "doubleBinaryTree":
            return Tree(stream, phase, first_tree)
        case unknown:
            raise ValueError(f"no collective algorithm is called {unknown}")
