"""What a node of a trace does when it is issued."""

from __future__ import annotations

from typing import NamedTuple

from moec.backends.astra.network.refusal import Refusal
from moec.backends.astra.network.topology import Kind

CPU, GPU, COMM, FREE = range(4)
"""What a node occupies while it runs (HardwareResource.cc): one CPU, one GPU, one communication slot; a receive nothing."""


class Lasts(NamedTuple):
    """A node that takes `ns`, whatever else happens. `kernel`: counts as GPU time."""

    ns: int
    kernel: bool


class Skips(NamedTuple):
    """A node that is over at once and tells nobody: what it frees waits for the rank's next event."""


class Stores(NamedTuple):
    """An access to remote memory."""

    size: int


class Gathers(NamedTuple):
    """A collective. `group`: number of the communicator, 0 for all ranks; `involved`: dimensions (None: the default)."""

    kind: Kind
    size: int
    group: int
    involved: tuple[bool, ...] | None
    node: int


class Sends(NamedTuple):
    """A message to `peer`; `own`: what the node says of its sender, −1 for nothing."""

    tag: int
    peer: int
    size: int
    own: int


class Receives(NamedTuple):
    """A message from `peer`."""

    tag: int
    peer: int
    size: int
    own: int


class Throws(NamedTuple):
    """A node at which the simulator throws: in an event of its own the rank is lost, elsewhere the process ends."""

    reason: str


class Ends(NamedTuple):
    """A node that ends the process."""

    refusal: Refusal


Action = Lasts | Skips | Stores | Gathers | Sends | Receives | Throws | Ends
