"""What ASTRA-sim's analytical backends are told of a cluster, as values; every rule here avoids one of their traps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from moec.backends.astra.files.wiring import Dimension, Wired, wire
from moec.diagnostics import Diagnostic
from moec.dsl.schema import AstraSystem, Experiment
from moec.dsl.schema.astra_sim import Algorithm

Congestion = Literal["aware", "unaware"]

ENDPOINT_DELAY_NS = 10
"""Cost of one message end. 0 aborts the simulator, and inside communicator groups it is 10 whatever is asked for."""
CHUNKS = 8
"""Pieces that hide the store-and-forward of the aware switch to within 3 % of the link's bandwidth (8 ranks, 64 MB)."""
ROUNDING = 0.01
"""How far the host link's rate may be off before that is said."""
OPTIMIZATION = "localBWAware"
SCHEDULING = "LIFO"
ALGORITHMS = {"ring": "ring", "direct": "direct", "halving_doubling": "halvingDoubling"}


@dataclass(frozen=True, slots=True)
class AstraSettings:
    """A system, its network and its memory.

    `ranks` is what the simulator runs: at least 2, so the traces of a lone rank come with an idle one. `splits` and
    `active`: `preferred-dataset-splits` and `active-chunks-per-dimension`; sizes of collectives must be multiples of
    `splits`, or the simulator adds a whole piece. Algorithms are by dimension: of fewer the simulator skips the rest. `memory_rate`: whole bytes
    per nanosecond between a device and its host, None without a link. `custom`: there are per-op send sets.
    """

    congestion: Congestion
    ranks: int
    dimensions: tuple[Dimension, ...]
    splits: int
    active: int
    all_reduce: tuple[str, ...]
    all_gather: tuple[str, ...]
    reduce_scatter: tuple[str, ...]
    memory_rate: int | None
    custom: bool


def settings_of(
    experiment: Experiment,
    options: AstraSystem,
    congestion: Congestion,
    world: int,
    *,
    custom: bool,
    native: bool = True,
    group_sizes: Iterable[int] = (),
) -> tuple[AstraSettings, list[Diagnostic]]:
    """The settings for `world` ranks of `experiment`'s cluster, and what they cannot express (warnings and errors).

    `custom`: the traces hold per-op sets of sends; `native`: collectives by the simulator's own algorithms; `group_sizes`: members of the communicators that collectives run in.
    """
    wired, found = wire(experiment, options, congestion, world)
    splits, active, about_splits = _pieces(experiment, options, congestion, wired, custom=custom, native=native)
    host = experiment.cluster.node.device.host
    settings = AstraSettings(
        congestion=congestion,
        ranks=wired.ranks,
        dimensions=wired.dimensions,
        splits=splits,
        active=active,
        all_reduce=_by_dimension(options.all_reduce, wired),
        all_gather=_by_dimension(options.all_gather, wired),
        reduce_scatter=_by_dimension(options.reduce_scatter, wired),
        memory_rate=None if host is None else max(1, round(host / 1e9)),
        custom=custom,
    )
    found = [*found, *about_splits, *_algorithms(experiment, options, group_sizes)]
    return settings, [*found, *_host_link(experiment, settings.memory_rate)]


def _host_link(experiment: Experiment, rate: int | None) -> list[Diagnostic]:
    """The simulator's `remote-mem-bw` is a whole number of bytes per nanosecond."""
    host = experiment.cluster.node.device.host
    if rate is None or host is None or experiment.serving.kv_cache.preemption != "swap":
        return []
    error = rate * 1e9 / host - 1
    if abs(error) <= ROUNDING:
        return []
    title = f"the simulator takes whole GB/s between device and host: {rate} instead of {host / 1e9:g}"
    span = experiment.span("serving.kv_cache.preemption")
    label = f"blocks move at a rate that is {abs(error):.0%} too {'high' if error > 0 else 'low'}"
    return [Diagnostic("M426", title, span, label, severity="warning")]


def _by_dimension(algorithm: Algorithm, wired: Wired) -> tuple[str, ...]:
    """A ring uses one link of those that a rank has to everybody else, and so a fraction of its bandwidth."""
    if algorithm != "auto":
        return (ALGORITHMS[algorithm],) * len(wired.dimensions)
    return tuple("direct" if d.wiring == "FullyConnected" else "ring" for d in wired.dimensions)


def _pieces(
    experiment: Experiment, options: AstraSystem, congestion: Congestion, wired: Wired, *, custom: bool, native: bool
) -> tuple[int, int, list[Diagnostic]]:
    """Splits, active chunks, and what is wrong with those asked for.

    With a custom set the simulator waits for as many streams as there are splits, but starts only one: the op never ends.
    """
    chunky = congestion == "aware" and wired.dimensions[0].wiring == "Switch"
    splits = options.splits or (CHUNKS if chunky and not custom else 1)
    found: list[Diagnostic] = []
    if custom and splits > 1:
        title = f"all-to-alls encoded as custom sets never end with `splits = {splits}`"
        asked = experiment.spans.get("backend.splits")
        found.append(Diagnostic("M421", title, asked, help="`splits = 1`, or `encoding = sendrecv`"))
    elif custom and chunky and native:
        title = "collectives run in one piece beside custom all-to-alls, so a switch doubles the time of each message"
        fix = "`encoding = sendrecv` or `padded` allows pieces; `direct` algorithms suffer less than `ring`"
        found.append(Diagnostic("M422", title, experiment.spans.get("backend.encoding"), help=fix, severity="warning"))
    active = options.active or (splits if chunky else 1)
    if congestion == "unaware" and active > 1:
        title = f"the unaware simulator runs {active} pieces at once as if each had the link to itself"
        asked = experiment.spans.get("backend.active")
        found.append(Diagnostic("M423", title, asked, help="`active = 1`", severity="warning"))
    return splits, active, found


def _algorithms(experiment: Experiment, options: AstraSystem, group_sizes: Iterable[int]) -> list[Diagnostic]:
    """Halving-doubling never ends when the ranks are no power of two."""
    odd = sorted({size for size in group_sizes if size & (size - 1)})
    return [
        Diagnostic(
            "M424",
            f"`{name} = halving_doubling` never ends in a group of {odd[0]} ranks",
            experiment.span(f"backend.{name}"),
            help="halving-doubling needs powers of two; use `ring` or `direct`",
        )
        for name in ("all_reduce", "all_gather", "reduce_scatter")
        if odd and getattr(options, name) == "halving_doubling"
    ]
