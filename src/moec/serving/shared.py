"""What the instances of a run share, whatever engine each of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from moec.arrays import Ints
from moec.compiler.ir.batch import Load
from moec.serving.agenda import Agenda
from moec.serving.queues import Queues
from moec.serving.records import IterationLog, RequestColumns

Watch = Callable[[int, Ints, Load], None]
"""`watch(instance, start_ns, load)`: iterations that ran, from `start_ns` `[steps]`; the load's fields may hold more steps."""


@dataclass(slots=True, kw_only=True)
class Shared:
    """Requests, queues, events and records of a run.

    `prefixes`: by tokens of a block, names of every request's full prompt blocks (see `block_keys`); nothing where no prefix can
    be shared. `gaps`: gaps between tokens that are not an iteration's duration. `watch` is told of iterations that have run.
    """

    requests: RequestColumns
    queues: Queues
    prefixes: Mapping[int, list[list[int]]] = field(default_factory=dict)
    watch: Watch | None = None
    agenda: Agenda = field(default_factory=Agenda)
    iterations: IterationLog = field(default_factory=IterationLog)
    gaps: Counter[int] = field(default_factory=Counter)
