"""The network that moec's own configuration files tell the simulator of."""

from __future__ import annotations

from moec.backends.astra.files.configs import ALL_TO_ALL, LOCAL_MEMORY_RATE
from moec.backends.astra.files.settings import ENDPOINT_DELAY_NS, AstraSettings
from moec.backends.astra.network.topology import AstraNetwork, Dim


def of_settings(settings: AstraSettings) -> AstraNetwork:
    """What moec's own configuration files tell the simulator."""
    return AstraNetwork(
        congestion=settings.congestion,
        dimensions=tuple(Dim(d.wiring, d.size, d.bandwidth, d.latency_ns) for d in settings.dimensions),
        splits=settings.splits,
        active=settings.active,
        endpoint_ns=ENDPOINT_DELAY_NS,
        local_mem_bw=LOCAL_MEMORY_RATE,
        all_reduce=settings.all_reduce,
        all_gather=settings.all_gather,
        reduce_scatter=settings.reduce_scatter,
        all_to_all=(ALL_TO_ALL,) * len(settings.dimensions),
    )
