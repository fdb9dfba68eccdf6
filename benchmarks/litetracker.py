"""How many requests syncs take on a server like LiteTracker, and how many hours for a large project.

`python -m benchmarks.litetracker` prints a table. Only requests are counted: none waits for the limit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from airbyte_cdk.models import AirbyteStateMessage
from rich.console import Console
from rich.table import Table

from benchmarks.measured import Figure
from source_pivotal_tracker.sync.detection.by_row_digests import SWEEPS
from tracker_server.api.dialect import LITETRACKER, Dialect
from tracker_server.app import TrackerServer
from tracker_server.sample import make_world
from unit_tests.syncs import Sync, config_for, swept_later

SIZES = (200, 600)
"""Stories; what a sync costs grows with them in a straight line."""
LARGE = 19_000
"""Stories in the largest project that a client was reported to read."""
LIMIT = 200
"""Requests a minute."""
PAGE = 50
DAYS_BEFORE_A_SWEEP = 8
HAS_AGGREGATOR = replace(LITETRACKER, missing_endpoints=LITETRACKER.missing_endpoints - {"aggregator"})
SERVERS = {
    "ignores `fields`": LITETRACKER,
    "ignores `fields`, has the aggregator": HAS_AGGREGATOR,
    "heeds `fields`": replace(LITETRACKER, fields=True),
    "heeds `fields`, has the aggregator": replace(HAS_AGGREGATOR, fields=True),
    "heeds `fields`, lists show descriptions": replace(LITETRACKER, fields=True, terse_lists=False),
}
BEFORE = {"ignores `fields`": (5.15, 5.05), "heeds `fields`": (1.13, 1.03)}
"""Requests a story of a first sync and of a sweep as version 1.0.0 first was, by the same measure."""
FIRST_SHARE, SWEEP_SHARE = 0.5, 0.2


@dataclass(frozen=True)
class Cost:
    """How many requests a first sync takes, a later one in which nothing changed, and a sweep."""

    first: float
    later: float
    sweep: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.first + other.first, self.later + other.later, self.sweep + other.sweep)

    def times(self, factor: float) -> Cost:
        return Cost(self.first * factor, self.later * factor, self.sweep * factor)


def costs(dialect: Dialect) -> tuple[Cost, Cost]:
    """What syncs cost whatever the project has, and for each of its stories."""
    small, large = (cost_of(stories, dialect) for stories in SIZES)
    for_each = (large + small.times(-1)).times(1 / (SIZES[1] - SIZES[0]))
    return small + for_each.times(-SIZES[0]), for_each


def table(by_server: dict[str, tuple[Cost, Cost]]) -> Table:
    """A row for each server: requests of each sync of a large project, and the hours that they take at the limit."""
    shown = Table(title=f"{LARGE:,} stories at {PAGE} a page, {LIMIT} requests a minute: requests (hours)")
    for column in ("The server", "First sync", "A later one", "A sweep"):
        shown.add_column(column, justify="left" if column == "The server" else "right")
    for server, (always, for_each) in by_server.items():
        whole = always + for_each.times(LARGE)
        shown.add_row(server, *(_told(requests) for requests in (whole.first, whole.later, whole.sweep)))
    return shown


def figures(by_server: dict[str, tuple[Cost, Cost]]) -> Iterator[Figure]:
    """How many requests a story takes now, and took before, on the servers that were measured then."""
    for server, (first, sweep) in BEFORE.items():
        for_each = by_server[server][1]
        for name, now, before, share in (
            ("first sync", for_each.first, first, FIRST_SHARE),
            ("sweep", for_each.sweep, sweep, SWEEP_SHARE),
        ):
            yield Figure(
                f"Requests a story of a {name} where the server {server}",
                f"{now:.2f}, before {before:.2f}",
                f"at most {before * share:.2f}",
                now <= before * share,
            )


def cost_of(stories: int, dialect: Dialect) -> Cost:
    """Count the requests of syncs of one project. The sweep is the mean of SWEEPS, which together take every story."""
    with TrackerServer(make_world(projects=1, stories=stories), dialect=dialect) as server:
        first, state = _synced(server, [])
        later, state = _synced(server, state)
        sweeps = 0
        for _ in range(SWEEPS):
            sweep, state = _synced(server, swept_later(state, -DAYS_BEFORE_A_SWEEP))
            sweeps += sweep
    return Cost(first, later, sweeps / SWEEPS)


def _synced(server: TrackerServer, state: list[AirbyteStateMessage]) -> tuple[int, list[AirbyteStateMessage]]:
    """The requests of an incremental sync of all streams, and its last states."""
    before = len(server.log)
    sync = Sync(config_for(server), incremental=True, state=state)
    if sync.failure:
        raise sync.failure
    return len(server.log) - before, sync.state


def _told(requests: float) -> str:
    return f"{requests:,.0f} ({requests / LIMIT / 60:.1f})"


def main() -> None:
    logging.disable()
    measured = {server: costs(dialect) for server, dialect in SERVERS.items()}
    console = Console(highlight=False, width=120)
    console.print(table(measured))
    for figure in figures(measured):
        console.print(str(figure), soft_wrap=True)


if __name__ == "__main__":
    main()
