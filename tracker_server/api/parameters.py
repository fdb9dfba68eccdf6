"""The query of a request."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime
from urllib.parse import parse_qsl

from tracker_server.api.errors import invalid_parameter
from tracker_server.api.times import EPOCH, parse_time


class Parameters:
    """The query of a request, without what is `ignored`; each parameter counts as known once it has been read.

    Every reader returns None if the parameter is absent, and raises ApiError if its value is not valid.
    """

    def __init__(self, query: str, ignored: Collection[str] = ()) -> None:
        pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in ignored]
        self._values = dict(pairs)
        self._unread = dict.fromkeys(self._values)
        if len(pairs) != len(self._values):
            raise invalid_parameter("a parameter is given more than once")

    def names(self) -> frozenset[str]:
        return frozenset(self._values)

    def text(self, name: str, allowed: Collection[str] = ()) -> str | None:
        self._unread.pop(name, None)
        value = self._values.get(name)
        if value is not None and allowed and value not in allowed:
            raise invalid_parameter(f"'{name}' must be one of {', '.join(allowed)}")
        return value

    def whole(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not re.fullmatch("-?[0-9]{1,18}", value):
            raise invalid_parameter(f"'{name}' must be a whole number")
        return None if value is None else int(value)

    def ids(self, name: str) -> list[int] | None:
        value = self.text(name)
        if value is not None and not re.fullmatch("[0-9]{1,18}(,[0-9]{1,18})*", value):
            raise invalid_parameter(f"'{name}' must be a list of ids with commas between them")
        return None if value is None else [int(number) for number in value.split(",")]

    def moment(self, name: str) -> datetime | None:
        """A time in ISO 8601 (UTC without an offset) or in milliseconds since 1970."""
        value = self.text(name)
        try:
            return None if value is None else max(parse_time(value), EPOCH)
        except (ValueError, OverflowError):
            raise invalid_parameter(f"'{name}' must be a time in ISO 8601 or in milliseconds") from None

    def day(self, name: str) -> date | None:
        value = self.text(name)
        try:
            return None if value is None else datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007
        except ValueError:
            raise invalid_parameter(f"'{name}' must be a date like 2017-05-03") from None

    def finish(self) -> None:
        """Raises ApiError if a parameter was given that no reader has read."""
        for name in self._unread:
            raise invalid_parameter(f"'{name}' is not a parameter of this endpoint")
