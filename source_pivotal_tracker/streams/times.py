"""Times as Tracker and other servers write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

END_OF_TIME = "~"
"""Greater than any time as text."""
CLOCKS_DIFFER = timedelta(hours=1)
"""How far the clocks of two machines that sync one after the other may be apart."""


def moment(text: str) -> datetime:
    """The time that a date or a time of the API names; UTC where it names no zone. Raises ValueError."""
    read = datetime.fromisoformat(text)
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def iso(when: datetime) -> str:
    """`2017-05-03T23:30:01Z`, as Tracker writes it."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_before(cursor: Any, start: datetime) -> bool:
    """Whether a record's cursor, a time or a date, is surely before `start`. False if that is unknown."""
    if not isinstance(cursor, str):
        return False
    if len(cursor) == len("2017-05-03"):
        return cursor < iso(start)[:10]
    if cursor.endswith("Z"):
        return cursor[:19] < iso(start)[:19]
    try:
        return datetime.fromisoformat(cursor) < start
    except (TypeError, ValueError):
        return False


def is_in_future(time: str | None) -> bool:
    """Whether no clock can have shown this time yet."""
    return time is not None and moment(time) > datetime.now(UTC) + CLOCKS_DIFFER


def newest_of(rows: Iterable[Mapping[str, Any]], cursor: str, until: str) -> str | None:
    """The greatest time in an attribute of rows, without those that lie after `until`."""
    return max((row[cursor] for row in rows if row.get(cursor) and row[cursor] <= until), default=None)
