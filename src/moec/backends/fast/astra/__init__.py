"""ASTRA-sim's analytical network backends, to the nanosecond: closed forms where they hold, else an exact simulation."""

from moec.backends.fast.astra.collective import collective_ns
from moec.backends.fast.astra.exchange import custom_alltoall_ns, sendrecv_alltoall_ns
from moec.backends.fast.astra.link import point_to_point_ns
from moec.backends.fast.astra.network import AstraNetwork, Dim, of_settings
from moec.backends.fast.astra.refusal import Refusal
from moec.backends.fast.astra.world import Start, simulate

__all__ = [
    "AstraNetwork",
    "Dim",
    "Refusal",
    "Start",
    "collective_ns",
    "custom_alltoall_ns",
    "of_settings",
    "point_to_point_ns",
    "sendrecv_alltoall_ns",
    "simulate",
]
