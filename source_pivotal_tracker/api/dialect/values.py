"""The values of an answer, as v5 documents them: times in ISO 8601, and texts that can be written down."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

TIMES = frozenset(
    {
        *("accepted_at", "comment_updated_at", "completed_at", "created_at", "last_viewed_at", "occurred_at"),
        *("read_at", "updated_at", "deadline", "projected_completion", "shown_iterations_start_time"),
        *("start_time", "start", "finish", "_ab_cdc_deleted_at"),
    }
)
"""The attributes that are times, in whatever they stand."""
DATES = frozenset({"date", "start_date"})

UNWRITABLE = "characters that cannot be stored are removed from texts (U+0000) or replaced by U+FFFD (half a character)"
NO_TIME = "values that are not times are left out"
SECONDS = "times that are ten-digit numbers are read as seconds since 1970, not as milliseconds"

Oddities = dict[str, list[str]]
"""What an answer has that v5 does not, in words, and where: `name of story 12`."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_NUL = b"\\u0000"
_NAMES = TIMES | DATES
_AS_TRACKER_WRITES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_IN_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d(:?\d\d(:?\d\d(\.\d+)?)?)?(Z|[+-]\d\d(:?\d\d(:?\d\d)?)?)?)?", re.ASCII)
_LENGTH_OF_DAY = len("2017-05-03T")
_known_days: set[str] = set()
"""`2017-05-03T` and other beginnings of times in Tracker's form: to look one up takes less than to parse it."""
_known_clocks: set[str] = set()
"""`23:30:01Z` and other ends of such times."""
_NUMBER = re.compile(r"-?\d{1,18}", re.ASCII)
AS_SECONDS = range(10**9, 10**10)
"""As milliseconds they would be of 1970, as seconds they are of the time since 2001."""
_YEARS = range(1000, 3000)


def read_json(content: bytes, *, mend_times: bool = True) -> tuple[Any, Oddities]:
    """What an answer holds. Raises ValueError where it is no JSON.

    A text may hold what no UTF-8 can: half of a character, as an escape or as bytes.
    """
    oddities: Oddities = defaultdict(list)
    try:
        body = orjson.loads(content)
        is_writable = _NUL not in content
    except orjson.JSONDecodeError:
        body, is_writable = _leniently(content), False
    if not is_writable:
        body = _writable(body, oddities)
    if mend_times:
        _put_in_iso(body, oddities)
    return body, oddities


def put_times_in_iso(rows: list[dict[str, Any]]) -> None:
    """The same for rows that were made of an answer in which no name stood beside a time."""
    _put_in_iso(rows, defaultdict(list))


def _leniently(content: bytes) -> Any:
    try:
        return json.loads(
            content.decode("utf-8-sig", "surrogateescape"),
            strict=False,
            parse_int=orjson.loads,
            parse_constant=_refuse,
        )
    except RecursionError as error:
        raise ValueError(str(error)) from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _dicts(body: Any) -> Iterator[dict[str, Any]]:
    """All objects in a body. Not by recursion, which would end at a depth that a server may well send."""
    waiting = [body]
    while waiting:
        node = waiting.pop()
        if type(node) is dict:
            yield node
            waiting += [value for value in node.values() if type(value) is dict or type(value) is list]
        elif type(node) is list:
            waiting += [value for value in reversed(node) if type(value) is dict or type(value) is list]


def _put_in_iso(body: Any, oddities: Oddities) -> None:
    for row, name in _oddly_timed(body):
        number = _as_number(row[name])
        time = _of_text(row[name]) if number is None else time_of_number(number)
        row[name] = time[:10] if time and number is not None and name in DATES else time
        if time is None:
            oddities[NO_TIME].append(_place(name, row))
        elif number is not None and number in AS_SECONDS:
            oddities[SECONDS].append(_place(name, row))


def _oddly_timed(body: Any) -> list[tuple[dict[str, Any], str]]:
    """The objects in a body, with the names of dates and of times that are not known to be in Tracker's form.

    Each attribute of each answer comes by here: not by recursion either, which would end at a depth that a server may
    well send.
    """
    found = []
    waiting = [body]
    while waiting:
        node = waiting.pop()
        if type(node) is list:
            waiting += [value for value in reversed(node) if type(value) is dict or type(value) is list]
        elif type(node) is dict:
            for name, value in node.items():
                if type(value) is str:
                    if name in _NAMES and not (
                        value[:_LENGTH_OF_DAY] in _known_days and value[_LENGTH_OF_DAY:] in _known_clocks
                    ):
                        found.append((node, name))
                elif name in _NAMES:
                    if value is not None:
                        found.append((node, name))
                elif type(value) is dict or type(value) is list:
                    waiting.append(value)
    return found


def _of_text(text: Any) -> str | None:
    """A time in Tracker's form, if the text names its zone; else as it is. None for what is no time."""
    try:
        time = datetime.fromisoformat(text)
        if not _IN_ISO.fullmatch(text):
            return None
        if _AS_TRACKER_WRITES.fullmatch(text):
            _known_days.add(text[:_LENGTH_OF_DAY])
            _known_clocks.add(text[_LENGTH_OF_DAY:])
            return str(text)
        return _written(time) if time.tzinfo else str(text)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def _as_number(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    return value if type(value) is int else None


def time_of_number(number: int) -> str | None:
    """The time that is `number` milliseconds, or seconds, after 1970; None for one outside the years 1000 to 2999."""
    try:
        return _written(EPOCH + timedelta(milliseconds=number * 1000 if number in AS_SECONDS else number))
    except OverflowError:
        return None


def _written(time: datetime) -> str | None:
    if time.year not in _YEARS:
        return None
    text = time.astimezone(UTC).replace(tzinfo=None).isoformat()
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction.rstrip('0')}Z" if fraction else f"{whole}Z"


def _writable(body: Any, oddities: Oddities) -> Any:
    if isinstance(body, str):
        return _text(body)
    for row in _dicts(body):
        for name, value in list(row.items()):
            mended = _in_list(value) if isinstance(value, list) else _text(value)
            if mended != value or _text(name) != name:
                oddities[UNWRITABLE].append(_place(_text(name), row))
                if _text(name) != name:
                    row.pop(name)
                row[_text(name)] = mended
    return _in_list(body) if isinstance(body, list) else body


def _in_list(values: list[Any]) -> list[Any]:
    """The texts in a list, and in the lists in it."""
    return [_in_list(value) if isinstance(value, list) else _text(value) for value in values]


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return _UNWRITABLE.sub(lambda found: "" if found[0] == "\x00" else "\ufffd", value)


def _place(name: str, row: dict[str, Any]) -> str:
    identity = next((row[key] for key in ("id", "guid", "number") if row.get(key) is not None), "")
    return f"{name} of {_text(str(row.get('kind') or 'row'))} {_text(str(identity))}".rstrip()
