"""When the iterations of a project began, and when its export was made, derived from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from tracker_server.derived import WEEKDAYS
from tracker_server.world import iso

CLOSED = datetime(2025, 4, 30, tzinfo=UTC)
"""When the hosted Tracker closed: no export is newer, so one without a single date counts as made then."""

MOST_WEEKS = 4
"""The longest iterations that a project could have."""
DAY = timedelta(days=1)
Span = tuple[str, str]
"""First and last day of an iteration (ISO 8601), `""` if not known."""


@dataclass(frozen=True)
class Calendar:
    """The first days of the iterations 1, 2, …; after them an iteration takes `weeks`.

    `is_known`: a row has the days of some iteration; otherwise all are made up. `knows_the_first`: iteration 1 has
    some.
    """

    first_days: list[date]
    weeks: int
    is_known: bool = True
    knows_the_first: bool = False

    def first_day(self, number: int) -> date:
        """The day on which an iteration begins."""
        beyond = number - len(self.first_days)
        return self.first_days[number - 1] if beyond <= 0 else self.first_days[-1] + beyond * self.weeks * 7 * DAY

    @property
    def starts(self) -> list[str]:
        """As `Project.iteration_starts` has them."""
        return [iso(midnight(day)) for day in self.first_days]

    @property
    def week_start_day(self) -> str:
        """The day of the week on which most iterations begin."""
        return WEEKDAYS[Counter(day.weekday() for day in self.first_days).most_common(1)[0][0]]


def midnight(day: date) -> datetime:
    """The beginning of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def calendar(spans: Mapping[int, Span], oldest: str, warn: Callable[[str], None]) -> Calendar:
    """The iterations of a project, from the days that its rows have for some of them.

    An iteration without rows gets the days between its neighbours, in the most common length. If no row has any days,
    there are weeks from the Monday before `oldest` (ISO 8601, or `""`) on, as Tracker does with a new project. `warn`
    receives a sentence for an iteration whose days contradict those before it.
    """
    known = _first_days(spans, warn)
    if not known:
        day = date.fromisoformat(oldest[:10]) if oldest else CLOSED.date()
        return Calendar([day - day.weekday() * DAY], 1, is_known=False)
    numbers = sorted(known)
    lengths = Counter((known[n + 1] - known[n]).days for n in numbers if n + 1 in known)
    weeks = min(MOST_WEEKS, max(1, round(lengths.most_common(1)[0][0] / 7))) if lengths else 1
    regular = weeks * 7 * DAY
    days = [known[numbers[0]] - back * regular for back in range(numbers[0] - 1, 0, -1)]
    for number, following in zip(numbers, [*numbers[1:], numbers[-1] + 1], strict=True):
        days.append(known[number])
        for empty in range(number + 1, following):
            latest = known[following] - (following - empty) * DAY
            days.append(min(days[-1] + regular, latest))
    return Calendar(days, weeks, knows_the_first=bool(spans.get(1, ("", ""))[0]))


def _first_days(spans: Mapping[int, Span], warn: Callable[[str], None]) -> dict[int, date]:
    """By the number of the iteration, in the order of both."""
    days = {number: date.fromisoformat(start[:10]) for number, (start, _) in spans.items() if start}
    for number, (_, end) in spans.items():
        if end:
            days.setdefault(number + 1, date.fromisoformat(end[:10]) + DAY)
    known: dict[int, date] = {}
    before = 0
    for number in sorted(days):
        if before and (days[number] - known[before]).days < number - before:
            warn(f"iteration {number} does not begin after iteration {before}; its days are left out")
            continue
        known[number] = days[number]
        before = number
    return known


def estimated_export_time(
    last_day: datetime | None, reached: int, not_beyond: int | None, iterations: Calendar
) -> datetime:
    """When an export was made, as far as its rows show.

    `last_day` is the last day in them, or the time in the name of the file. The iteration that was current then is
    `reached` or a later one: the last in which a story is accepted or in work. It is `not_beyond` or an earlier one:
    the first in which a story still waits.
    """
    moment = last_day or CLOSED
    if not_beyond:
        moment = min(moment, midnight(iterations.first_day(not_beyond + 1)) - timedelta(seconds=1))
    if reached:
        moment = max(moment, midnight(iterations.first_day(reached)))
    return moment
