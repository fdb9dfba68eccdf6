"""Times as Tracker and other servers write them."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

_FRACTION = re.compile(r"\.(\d+)")
"""Before Python 3.11, a fraction of a second is read in three digits or six."""


def moment(text: str) -> datetime:
    """The time that a date or a time of the API names; UTC where it names no zone. Raises ValueError."""
    read = _read(text)
    return read if read.tzinfo else read.replace(tzinfo=timezone.utc)


def iso(when: datetime) -> str:
    """`2017-05-03T23:30:01Z`, as Tracker writes it."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_before(cursor: Any, start: datetime) -> bool:
    """Whether a record's cursor, a time or a date, is surely before `start`: what cannot be told is not."""
    if not isinstance(cursor, str):
        return False
    if len(cursor) == len("2017-05-03"):
        return cursor < iso(start)[:10]
    if cursor.endswith("Z"):
        return cursor[:19] < iso(start)[:19]
    try:
        return _read(cursor) < start
    except (TypeError, ValueError):
        return False


def _read(text: str) -> datetime:
    in_microseconds = _FRACTION.sub(lambda match: f".{match[1][:6]:0<6}", text.replace("Z", "+00:00"))
    return datetime.fromisoformat(in_microseconds)
