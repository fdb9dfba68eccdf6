"""Completes the stories of a list that takes requests for each of them, what changed last first."""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import orjson

from source_pivotal_tracker.streams.list_client import ListClient
from source_pivotal_tracker.streams.pages import Answer, Listed
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.streams.times import newest_of
from source_pivotal_tracker.sync.forecast import Forecast
from source_pivotal_tracker.sync.walks import Walk

logger = logging.getLogger("airbyte.tracker")

SAMPLE = 100
"""Stories from which the number of requests is estimated."""
FROM_THE_START = 0
"""Where whoever goes on after a part of the stories lists them again: the digests say which of them have come."""


class Waiting(NamedTuple):
    """A story that is listed and not complete: its `updated_at`, and the row, which takes a tenth of its memory so."""

    updated_at: str
    packed: bytes


class NewestFirst:
    """Passes on the pages of a list of stories: first what takes no more requests, then the others, completed.

    Those are in the order of their `updated_at`, the newest first, a few at a time; the first of them alone, because it
    shows which requests the server answers. What an interrupted sync has
    brought of them is known by the digests of the rows, and not by a place in the list: the next one lists them again,
    which takes few requests, and goes on with those that lack.

    Until then no page says where another run could go on: the stories before it have not come.

    `newest` is the greatest `updated_at` in the list, up to the time at which it began, once `answers` has begun with
    the stories that were to be completed. `reached` is where it stands in their order then.
    """

    def __init__(self, walk: Walk, list_client: ListClient, forecast: Forecast) -> None:
        self._walk = walk
        self._list = list_client
        self._forecast = forecast
        self.newest: str | None = None
        self.reached: str | None = None

    def answers(self, pages: Iterable[Listed], until: str) -> Iterator[Answer]:
        """All rows of these pages, each once. `until` is when the list began. Raises a TrackerError."""
        waiting: dict[int, Waiting] = {}
        listed = 0
        newest: str | None = None
        for page in pages:
            if not self._list.completes_rows:
                yield self._list.completed(page)
                continue
            listed += len(page.rows)
            newest = max(filter(None, (newest, newest_of(page.rows, "updated_at", until))), default=None)
            whole = []
            for row in page.rows:
                if self._list.lacks(row):
                    waiting[row["id"]] = Waiting(str(row.get("updated_at") or ""), zlib.compress(orjson.dumps(row), 1))
                else:
                    whole.append(row)
            yield self._list.as_listed(page._replace(rows=whole, following=None))
        if waiting:
            self.newest = newest
            yield from self._completed(waiting, listed)

    def _completed(self, waiting: dict[int, Waiting], listed: int) -> Iterator[Answer]:
        order = sorted(waiting, key=lambda story: (waiting[story].updated_at, story), reverse=True)
        yield self._next([waiting.pop(order[0])])
        if not waiting:
            return
        path, before, done = self._walk.path, self._list.requests, 1
        sample = [_unpacked(waiting[story]) for story in order[1 : 1 + SAMPLE]]
        expected = self._list.requests_for(sample) / len(sample) * len(waiting)
        self._forecast.expect(path, expected)
        logger.info(
            "/%s: the list lacks descriptions or parts of %d of %d stories; fetching them takes about %d requests: %s",
            path,
            len(order),
            listed,
            math.ceil(expected),
            self._forecast.time_for(expected),
        )
        try:
            while waiting:
                some = order[done : done + self._list.rows_at_a_time]
                yield self._next([waiting.pop(story) for story in some])
                done += len(some)
                self._forecast.expect(path, (self._list.requests - before) / (done - 1) * len(waiting))
        finally:
            self._forecast.forget(path)

    def _next(self, some: list[Waiting]) -> Answer:
        rows, size = [_unpacked(story) for story in some], sum(len(story.packed) for story in some)
        self.reached = some[-1].updated_at
        return self._list.completed(Listed(rows, FROM_THE_START, None, None, size, 0, self._walk.endpoint.path))


def _unpacked(story: Waiting) -> Row:
    row: Row = orjson.loads(zlib.decompress(story.packed))
    return row
