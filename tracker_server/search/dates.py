"""Days in a search: `2024-01-31`, `01/31/2024`, `2024-01`, `2024`, `today`, `yesterday`, `-3d`, and ranges of them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from tracker_server.world import iso

Today = date
"""The day from which relative days are counted."""

UNITS = {
    **dict.fromkeys(("d", "day", "days"), 1),
    **dict.fromkeys(("w", "week", "weeks"), 7),
    **dict.fromkeys(("m", "month", "months"), 30),
    **dict.fromkeys(("y", "year", "years"), 365),
}
"""The units of relative days, in days; Tracker's own search does not say how long its month is."""
_RELATIVE = re.compile(r"-([0-9]{1,5})([a-z]+)", re.IGNORECASE)
_US = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_ISO = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")


def date_range(text: str, today: Today) -> tuple[str | None, str | None]:
    """When a day or a range of days begins, and when the day after it begins, in UTC and ISO 8601.

    Either is None where the range is open. Raises ValueError, with a sentence, for what is no day.
    """
    first, dots, last = text.partition("..")
    if not dots:
        start, end = _days(first, today)
        return _midnight(start), _midnight(end)
    if not first and not last:
        raise ValueError("a range needs a day on one of its sides at least")
    start_day = _days(first, today)[0] if first else None
    end_day = _days(last, today)[1] if last else None
    if start_day and end_day and start_day >= end_day:
        raise ValueError(f"{first} is after {last}")
    return (_midnight(start_day) if start_day else None), (_midnight(end_day) if end_day else None)


def _midnight(day: date) -> str:
    return iso(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _days(text: str, today: Today) -> tuple[date, date]:
    """The first day of what is no range, and the day after its last. Raises ValueError, with a sentence."""
    try:
        return _read_days(text.strip().lower(), today)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text} is no day; write 2024-01-31, 2024-01, 01/31/2024, today, yesterday, -3d, -2w, or a range a..b"
        ) from None


def _read_days(text: str, today: Today) -> tuple[date, date]:
    if text in ("today", "yesterday"):
        day = today - timedelta(days=text == "yesterday")
    elif (found := _RELATIVE.fullmatch(text)) and found[2] in UNITS:
        day = today - timedelta(days=int(found[1]) * UNITS[found[2]])
    elif found := _US.fullmatch(text):
        day = date(int(found[3]), int(found[1]), int(found[2]))
    elif found := _ISO.fullmatch(text):
        year, month, day_of_month = (int(part) if part else None for part in found.groups())
        assert year is not None  # noqa: S101
        if month is None:
            return date(year, 1, 1), date(year + 1, 1, 1)
        if day_of_month is None:
            return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
        day = date(year, month, day_of_month)
    else:
        raise ValueError(text)
    return day, day + timedelta(days=1)
