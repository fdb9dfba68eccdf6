"""The times in a history: a day, mostly with a time of day, perhaps with a zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, timezone

from tracker_server.world import iso

ZONES = {
    "": 0, "z": 0, "utc": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8,
    "pdt": -7,
}  # fmt: skip
"""Hours from UTC, by the names that e-mail knows (RFC 5322). Without a name it is UTC, as in the days of an export."""
_ISO = re.compile("20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_CERTAIN = re.compile(
    "20[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    "T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
)
_CLOCK = re.compile(
    r"(?P<day>.*?)[ T,;]+(?:at )?(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,][0-9]+)?)?"
    r" ?(?P<half>[ap]\.?m\.?)? ?(?P<zone>[a-z]*)(?P<offset>[+-][0-9]{2}:?[0-9]{2})?(?: ?\([a-z ]+\))?",
    re.IGNORECASE,
)

LONGEST = 200
"""Characters of a time."""


is_certain = _CERTAIN.fullmatch
"""Whether a text is certainly a time as v5 writes it: any but those of February 29, whose year has to be looked at."""


def iso_time(text: str) -> str | None:
    """The text, if it is a time as v5 writes it: `2017-05-03T23:30:01Z`."""
    if not _ISO.fullmatch(text):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return None
    return text


def split_time(text: str) -> tuple[str, str]:
    """The day of a text, as it is written, and the rest, which is empty where there is no time of day."""
    text = text.strip()
    found = _CLOCK.fullmatch(text) if len(text) <= LONGEST else None
    return (found["day"], text[found.end("day") :]) if found else (text, "")


def at_time(day: str, rest: str) -> str | None:
    """A time (ISO 8601, UTC) by its day (as `parse_day` gives it) and the rest of `split_time`; None if it is no time.

    Without a time of day it is the beginning of the day in UTC.
    """
    if not rest:
        return day
    found = _CLOCK.fullmatch(f"{day[:10]}{rest}")
    if not found:
        return None
    zone = _zone(found["zone"].lower(), found["offset"])
    hour = int(found["hour"])
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"].lower().startswith("p") else 0)
    try:
        clock = time(hour, int(found["minute"]), int(found["second"] or 0), tzinfo=zone)
    except ValueError:
        return None
    return iso(datetime.combine(datetime.fromisoformat(day[:10]), clock)) if zone else None


def _zone(name: str, offset: str | None) -> timezone | None:
    """The zone of a time, None for a name that nobody knows."""
    if offset and name in ("", "utc", "gmt"):
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        distance = timedelta(hours=hours, minutes=minutes)
        return timezone(-distance if offset[0] == "-" else distance) if distance < timedelta(days=1) else None
    if offset or name not in ZONES:
        return None
    return timezone(timedelta(hours=ZONES[name])) if ZONES[name] else UTC
