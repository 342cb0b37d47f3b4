"""Dates and times of recordings."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_MOMENT = re.compile(r"(.*?)(?:\.([0-9]+))?(Z|[+-][0-9:]+)?")
_SECOND = 10**9


def calendar_ns(text: str) -> int:
    """Nanoseconds from 2000 (UTC) to an ISO date and time; a fraction may have more than six digits (Azure has seven).

    Without an offset it is UTC. Raises ValueError for anything else.
    """
    whole, fraction, offset = re.fullmatch(_MOMENT, text.strip()).groups()  # type: ignore[union-attr]
    moment = datetime.fromisoformat(whole + (offset or ""))
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    passed = moment - datetime(2000, 1, 1, tzinfo=UTC)
    return passed // timedelta(seconds=1) * _SECOND + int((fraction or "0").ljust(9, "0")[:9])
