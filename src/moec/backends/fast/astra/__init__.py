"""ASTRA-sim's analytical network backends, to the nanosecond: closed forms where they hold, else an exact simulation."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moec.backends.fast.astra.collective import collective_ns
    from moec.backends.fast.astra.exchange import custom_alltoall_ns, sendrecv_alltoall_ns
    from moec.backends.fast.astra.link import point_to_point_ns
    from moec.backends.fast.astra.network import AstraNetwork, Dim
    from moec.backends.fast.astra.refusal import Refusal
    from moec.backends.fast.astra.told import of_settings
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

_HOMES = {
    "AstraNetwork": "network",
    "Dim": "network",
    "Refusal": "refusal",
    "Start": "world",
    "collective_ns": "collective",
    "custom_alltoall_ns": "exchange",
    "of_settings": "told",
    "point_to_point_ns": "link",
    "sendrecv_alltoall_ns": "exchange",
    "simulate": "world",
}
"""The module of each name, imported when the name is first used: a replay of traces needs few of them."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
