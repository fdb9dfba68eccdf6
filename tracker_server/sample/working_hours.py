"""Random times at which people work."""

from __future__ import annotations

import random

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY


def rising_times(rng: random.Random, begin: int, end: int, count: int) -> list[int]:
    """Times in rising order from `begin` to `end`, the last of them; all but that one in working hours."""
    times = []
    previous = begin
    for moment in sorted(rng.randrange(begin, max(end, begin + 1)) for _ in range(count - 1)):
        previous = max(previous + 1, in_working_hours(moment))
        times.append(min(previous, end))
    return [*times, end]


def in_working_hours(moment: int) -> int:
    """The like of a moment between 8 and 18 o'clock UTC, from Monday to Friday."""
    day, second = divmod(moment, DAY)
    weekday = (day + 3) % 7
    return (day - max(weekday - 4, 0)) * DAY + 8 * HOUR + second * 10 // 24
