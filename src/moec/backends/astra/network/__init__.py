"""ASTRA-sim's analytical network backends, to the nanosecond: closed forms where they hold, else an exact simulation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moec.backends.astra.network.collective import collective_ns
    from moec.backends.astra.network.custom.exchange import custom_alltoall_ns, sendrecv_alltoall_ns
    from moec.backends.astra.network.events.world import Start, simulate
    from moec.backends.astra.network.link import point_to_point_ns
    from moec.backends.astra.network.refusal import Refusal
    from moec.backends.astra.network.topology import AstraNetwork, Dim

__all__ = [
    "AstraNetwork",
    "Dim",
    "Refusal",
    "Start",
    "collective_ns",
    "custom_alltoall_ns",
    "point_to_point_ns",
    "sendrecv_alltoall_ns",
    "simulate",
]

_HOMES = {
    "AstraNetwork": "topology",
    "Dim": "topology",
    "Refusal": "refusal",
    "Start": "events.world",
    "collective_ns": "collective",
    "custom_alltoall_ns": "custom.exchange",
    "point_to_point_ns": "link",
    "sendrecv_alltoall_ns": "custom.exchange",
    "simulate": "events.world",
}
"""The module of each name, imported when the name is first used: a replay of traces needs few of them."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
