"""How a schema field says what it accepts: its dimension, range, default and one line of documentation."""

from __future__ import annotations

from dataclasses import MISSING, field
from typing import Annotated, Any

from moec.dsl import units

Seconds = Annotated[float, units.TIME]
Bytes = Annotated[float, units.SIZE]
BytesPerSecond = Annotated[float, units.RATE]
Flops = Annotated[float, units.COMPUTE]
Tokens = Annotated[int, units.TOKENS]
Rate = Annotated[float, units.REQUESTS_PER_SECOND]
NAME = "name"
"""Marks a string that is a name in a user's file, not a path."""
Name = Annotated[str, NAME]
Watts = Annotated[float, units.POWER]


MOST = 2_000_000_000
"""What a whole number may be at most when its field does not say: all arithmetic stays within 64 bits."""
MOST_SEED = 10**18
"""What a seed may be at most."""


def spec(
    doc: str,
    default: Any = MISSING,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    factory: Any = MISSING,
    folder: bool = False,
    open_to: str = "",
) -> Any:
    """A field of a kind. No default means the user must give it. Bounds are in SI and inclusive except `above`;
    a whole number without `at_most` is at most `MOST`. `folder`: the path is a folder's. `open_to`: the entry-point group
    (moec.registry) in which packages add further values.
    """
    metadata = {
        "doc": doc, "at_least": at_least, "above": above, "at_most": at_most, "folder": folder, "open_to": open_to,
    }  # fmt: skip
    if factory is not MISSING:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)
