"""A sync an hour in virtual time: the clock is the world's, and a state says of its days what that clock says."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType

import orjson
from airbyte_cdk.models import AirbyteStateMessage

from source_pivotal_tracker.sync.detection.by_row_digests import SWEEPS
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from unit_tests.modes import Mode
from unit_tests.replica import Rows, differences
from unit_tests.syncs import BY_NAME, Sync, blob_in, config_for, key_of, swept_later
from unit_tests.year.destination import Destination
from unit_tests.year.faults import Faults
from unit_tests.year.people import WORKING_HOURS, People

BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
"""A Monday, so long ago that no time of the year lies in the future."""
SWEEP_DAYS = 7
DAY = 24 * 3600
QUIET_HOURS = 6
"""At the end of a month: nobody edits, nothing fails, and the last syncs bring what is owed."""


DAYS_OF_HISTORY = "project_history_days"
"""It comes whole after each change of its project, as the documents say: its rows as before are counted apart."""


@dataclass(frozen=True)
class Took:
    """What one sync took. `rows` are of the streams with a cursor, `whole` of those that come whole each time.

    `again` are those of the rows that came as they were before, without the days of history, which are `days_again`.
    """

    requests: int
    rows: int
    whole: int
    again: int
    days_again: int
    state_bytes: int
    stories: int
    is_ordinary: bool


@dataclass
class Month:
    """The syncs of some days. A sync is ordinary if nothing cut it off and nothing failed."""

    syncs: list[Took] = field(default_factory=list)

    @property
    def stories(self) -> int:
        """How many there are at its end."""
        return self.syncs[-1].stories

    @property
    def state_bytes(self) -> int:
        return self.syncs[-1].state_bytes

    def requests(self) -> list[int]:
        """Those of each ordinary sync."""
        return [took.requests for took in self.syncs if took.is_ordinary]

    def mean(self, figure: Callable[[Took], float]) -> float:
        return statistics.fmean(map(figure, self.syncs))

    @property
    def cells(self) -> list[str]:
        requests = self.requests()
        return [
            f"{len(self.syncs):,}",
            f"{len(self.syncs) - len(requests):,}",
            f"{self.stories:,}",
            f"{statistics.median(requests):g}",
            f"{max(requests):,}",
            f"{self.mean(lambda took: took.rows):.1f}",
            f"{self.mean(lambda took: took.again):.1f}",
            f"{self.mean(lambda took: took.days_again):.0f}",
            f"{self.mean(lambda took: took.whole):.0f}",
            f"{self.state_bytes:,}",
        ]


HEADERS = (
    "Month", "Syncs", "Cut off, failing or edited meanwhile", "Stories", "Requests, median", "Requests, most",
    "Rows of streams with a cursor", "of these, as before", "Days of history, as before", "Rows of the other streams",
    "Bytes of state",
)  # fmt: skip


class Simulation:
    """A server of one dialect, its people, and the destination that follows it; in the block the server runs."""

    def __init__(self, mode: Mode, seed: int) -> None:
        self.mode = mode
        self.people = People(BEGIN, seed, silent=not mode.dialect.versions)
        self.destination = Destination()
        self._faults = Faults(seed)
        self._random = random.Random(seed)  # noqa: S311
        self._states: list[AirbyteStateMessage] = []
        self._requests = 0
        self._edits_at: set[int] = set()
        self._messages = 100
        self._server = TrackerServer(self.people.world, before=self._before, dialect=mode.dialect, keeps_log=False)
        self._running = ExitStack()

    def __enter__(self) -> Simulation:
        self._running.enter_context(self._server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def month(self, days: int) -> Month:
        """So many days, of which the last ends quietly."""
        month = Month()
        for _ in range(days * 24 - QUIET_HOURS):
            self.people.act()
            month.syncs.append(self._hour())
        for _ in range(QUIET_HOURS - 1):
            self.people.world.now += timedelta(hours=1)
            month.syncs.append(self._sync())
        self.people.end_the_month()
        month.syncs.append(self._sync())
        return month

    def differences(self) -> list[str]:
        """How the destination differs from the server, apart from what the documents say that it cannot know.

        That is what the server has forgotten since, deletions that the activity does not tell where nothing is swept,
        and silent edits that are younger than the days in which sweeps find them. What the server forgot stays.
        """
        served = Sync(self._config(), self.mode.known())
        assert served.failure is None
        theirs: Rows = {name: {} for name in BY_NAME}
        for name, records in served.records.items():
            theirs[name] = {key_of(name, row): row for row in records}
        mine = {name: dict(self.destination.replica.rows[name]) for name in BY_NAME}
        lost = {guid for guid in self.people.forgotten if (guid,) not in mine["activity"]}
        for name, gone in (
            ("activity", self.people.forgotten),
            ("my_activity", self.people.forgotten | self.people.untold),
        ):
            mine[name], theirs[name] = (
                {key: row for key, row in rows[name].items() if key[0] not in gone} for rows in (mine, theirs)
            )
        unknown = self._unknown()
        found = differences(_without(mine, unknown), _without(theirs, unknown))
        return [*found, *(f"activity {guid} was forgotten before it came" for guid in sorted(lost))]

    def _unknown(self) -> set[tuple[str, int]]:
        if self.mode.dialect.versions:
            return self.people.unproven
        now = self.people.world.now
        days = {True: SWEEP_DAYS + 1, False: SWEEPS * SWEEP_DAYS + 1}
        return {
            ("story", story)
            for story, (at, is_listed) in self.people.unseen.items()
            if at + timedelta(days[is_listed]) > now
        }

    def _before(self, request: Request) -> Response | None:
        self._requests += 1
        if self._requests in self._edits_at:
            self.people.edit()
        return self._faults.before(request)

    def _hour(self) -> Took:
        """A sync, as it comes: now and then it is cut off, the server fails, or somebody edits meanwhile."""
        chance = self._random.random()
        if chance < 0.03:
            return self._sync(killed_after=self._random.randrange(1, self._messages))
        if chance < 0.06:
            self._faults.chance = self._random.choice((0.05, 0.2, 0.9))
        elif chance < 0.10 and self.people.world.now.hour in WORKING_HOURS:
            self._edits_at = set(self._random.sample(range(1, 40), 2))
        return self._sync()

    def _sync(self, killed_after: int | None = None) -> Took:
        self._requests, faults = 0, self._faults.count
        today = int(time.time()) // DAY - int(self.people.world.now.timestamp()) // DAY
        sync = Sync(
            self._config(),
            self.mode.known(),
            incremental=True,
            state=swept_later(self._states, days=today),
            killed_after=killed_after,
            state_seconds=1 if killed_after is None else 0,
        )
        was_disturbed = bool(self._faults.count > faults or self._edits_at or killed_after)
        self._faults.chance, self._edits_at = 0.0, set()
        assert sync.failure is None or self._faults.count > faults, sync.errors
        self._states = swept_later(sync.state, days=-today)
        if killed_after is None:
            self._messages = sync.messages
        again = self.destination.load(sync, up_to_the_states=killed_after is not None and self._random.random() < 0.5)
        whole = {name: len(rows) for name, rows in sync.records.items() if not BY_NAME[name].cursor_field}
        return Took(
            requests=self._requests,
            rows=sum(map(len, sync.records.values())) - sum(whole.values()),
            whole=sum(whole.values()),
            again=again.total() - again[DAYS_OF_HISTORY],
            days_again=again[DAYS_OF_HISTORY],
            state_bytes=sum(len(orjson.dumps(blob_in(state))) for state in self._states),
            stories=self.people.stories,
            is_ordinary=not was_disturbed,
        )

    def _config(self) -> dict[str, object]:
        return config_for(self._server, num_workers=self._random.choice((1, 1, 3)), full_sweep_days=SWEEP_DAYS)


def table(months: Sequence[Month]) -> str:
    """Markdown, a line a month."""
    lines = [HEADERS, ["---:"] * len(HEADERS), *([str(number), *month.cells] for number, month in enumerate(months, 1))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _without(rows: Rows, unknown: set[tuple[str, int]]) -> Rows:
    """The rows without those of which nothing can be known yet, and without what hangs on these."""
    by_kind: dict[str, set[int]] = {}
    for kind, row_id in unknown:
        by_kind.setdefault(kind, set()).add(row_id)
    stories = by_kind.get("story", set())
    left: Rows = {}
    for name, held in rows.items():
        kind = BY_NAME[name].deleted_kind
        own = by_kind.get(kind or "", set()) | (stories if name in ("stories", "releases") else set())
        left[name] = {
            key: row
            for key, row in held.items()
            if not (key[0] in own or (row.get("story_id") in stories and name != "notifications"))
        }
    return left
