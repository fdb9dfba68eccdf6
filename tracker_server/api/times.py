"""Times as requests and responses write them: in ISO 8601, or in milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ISO_8601 = re.compile(r"[0-9-]{10}(T[0-9:]{5,8}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?")
TIMES = frozenset(
    (
        "created_at", "updated_at", "accepted_at", "occurred_at", "read_at", "last_viewed_at", "completed_at",
        "projected_completion", "deadline", "start_time", "shown_iterations_start_time", "start", "finish",
    )
)  # fmt: skip


def parse_time(text: str) -> datetime:
    if re.fullmatch("-?[0-9]{1,18}", text):
        return EPOCH + timedelta(milliseconds=int(text))
    if not ISO_8601.fullmatch(text):
        raise ValueError(f"not a time: {text}")
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def to_millis(text: str) -> int:
    return (parse_time(text) - EPOCH) // timedelta(milliseconds=1)


def with_times_in_millis(data: Any) -> Any:
    """The same data with every time, known by its name, in milliseconds since 1970."""
    if isinstance(data, list):
        return [with_times_in_millis(item) for item in data]
    if isinstance(data, dict):
        return {
            name: to_millis(value) if name in TIMES and isinstance(value, str) else with_times_in_millis(value)
            for name, value in data.items()
        }
    return data
