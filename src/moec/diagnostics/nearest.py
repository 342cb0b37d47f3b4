"""Which known name a user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_CLOSE = 0.6
"""difflib's ratio from which a name is worth suggesting: two letters of five may differ, not three."""
SLIP = 0.8
"""The same where a name of another sort would have to be meant: one letter of five may differ."""


_PREFIX = 4
"""Letters from which a name counts as the beginning of a longer one."""


def nearest(name: str, known: Iterable[str], *, cutoff: float = _CLOSE) -> str | None:
    """The closest of `known`, the shortest that begins with `name` before others; None when nothing is close."""
    names = list(known)
    folded = {n.lower(): n for n in reversed(names)}
    if name.lower() in folded:
        return folded[name.lower()]
    begun = [n for n in names if len(name) >= _PREFIX and n.lower().startswith(name.lower())]
    if begun:
        return min(begun, key=len)
    swapped = [n for n in names if sorted(n) == sorted(name)]
    close = swapped or difflib.get_close_matches(name, names, n=1, cutoff=cutoff)
    if close:
        return close[0]
    close = difflib.get_close_matches(name.lower(), list(folded), n=1, cutoff=cutoff)
    return folded[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str], *, listing: str = "") -> str:
    """The help line of an unknown name: the nearest one, or all of them when they are few."""
    names = list(dict.fromkeys(known))
    guess = nearest(name, names)
    if guess is not None:
        return f"did you mean `{guess}`?"
    return f"{listing}: {listed(names)}" if names and listing else ""


def listed(names: Iterable[str], most: int = 16) -> str:
    """Names in code quotes, in order, cut off after `most`."""
    all_names = list(names)
    shown = ", ".join(f"`{n}`" for n in all_names[:most])
    return f"{shown}, and {len(all_names) - most} more" if len(all_names) > most else shown


def enumerated(words: Sequence[str], conjunction: str) -> str:
    """`a, b and c`, with another `conjunction` `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} {conjunction} {last}" if most else last
