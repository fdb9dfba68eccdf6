"""Answers that are a little wrong anywhere: the read ends, in words, and what the answers still tell is not lost."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any

import orjson
import pytest
from airbyte_cdk.models import AirbyteStateMessage, AirbyteStateMessageSerializer, ConfiguredAirbyteCatalog
from hypothesis import given
from hypothesis import strategies as st

from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server.api.call import Caps
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from tracker_server.world import World
from unit_tests.editor import Editor
from unit_tests.fuzz.mutations import Cut, Mutation, Path, cuts, fuzzed, mutated, mutations
from unit_tests.fuzz.runs import Outcome, outcome
from unit_tests.interception import path_of
from unit_tests.modes import AGGREGATOR_MODE, EVERY_MODE, Mode, in_mode
from unit_tests.replica import Replica
from unit_tests.syncs import BY_NAME, Row, catalog_of, config_for

FUZZED_MODES = [*EVERY_MODE, in_mode(AGGREGATOR_MODE)]
SMALL_PAGES = Caps(stories=6, releases=2, iterations=5, activity=40, transitions=30)
ENDPOINTS = (
    "/me", "/projects", "/projects/N", "/projects/N/memberships", "/projects/N/labels", "/projects/N/epics",
    "/projects/N/epics/N/comments", "/projects/N/stories", "/projects/N/stories", "/projects/N/stories",
    "/projects/N/stories/bulk", "/projects/N/stories/N", "/projects/N/stories/N/tasks",
    "/projects/N/stories/N/comments", "/projects/N/releases", "/projects/N/iterations", "/projects/N/activity",
    "/projects/N/activity", "/projects/N/story_transitions", "/projects/N/history/days", "/projects/N/review_types",
    "/projects/N/webhooks", "/projects/N/integrations", "/accounts", "/accounts/N/memberships", "/my/workspaces",
    "/my/activity", "/my/notifications", "/stories/N", "/aggregator",
)  # fmt: skip
ALL_ABOVE = ("/me", "/projects", "/projects/N", "/accounts")
"""Answers by which a read knows what else there is to ask for."""
HEADERS = (
    "X-Tracker-Pagination-Total", "X-Tracker-Pagination-Returned", "X-Tracker-Pagination-Limit",
    "X-Tracker-Pagination-Offset", "X-Tracker-Project-Version", "Content-Type", "Retry-After", "Content-Encoding",
    "X-Tracker-Client-Pinger-Interval", "Location", "Date",
)  # fmt: skip
HEADER_VALUES = (
    "", "0", "1", "-1", "3", "99999999999999999999", "9" * 5000, "NaN", "many", "1.5", "text/html", "gzip", "é",
    "application/json; charset=utf-16", "http://127.0.0.1:9/", "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
)  # fmt: skip
STATUSES = (
    200,
    200,
    200,
    200,
    201,
    204,
    206,
    301,
    302,
    304,
    400,
    401,
    402,
    403,
    404,
    408,
    409,
    410,
    418,
    429,
    500,
    502,
    503,
    599,
)


@dataclass(frozen=True)
class Wrong:
    """What is wrong in the answers of one endpoint, from the `after`th on; in all that follow, or in one alone."""

    endpoint: str
    after: int
    stays: bool
    changes: tuple[Mutation, ...] = ()
    cuts: tuple[Cut, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 200

    def answer(self, good: Response, touched: set[Any], paths: list[Path]) -> Response:
        body = good.body
        if self.changes and body:
            document = orjson.loads(body)
            text, changed = mutated(document, list(self.changes))
            body = text.encode("utf-8", "surrogatepass")
            paths += changed
            touched |= {found for path in changed for found in _ids_of_the_row(document, path)}
        for cut in self.cuts:
            body = cut.apply(body)
        headers = {**good.headers, **dict(self.headers)}
        return Response(self.status if self.status != 200 else good.status, headers, body)


wrongs = st.builds(
    Wrong,
    endpoint=st.sampled_from(ENDPOINTS),
    after=st.sampled_from((0, 0, 0, 1, 2)),
    stays=st.booleans(),
    changes=st.lists(mutations, max_size=3).map(tuple),
    cuts=st.one_of(st.just(()), st.just(()), st.lists(cuts, min_size=1, max_size=2).map(tuple)),
    headers=st.one_of(
        st.just(()),
        st.lists(st.tuples(st.sampled_from(HEADERS), st.sampled_from(HEADER_VALUES)), max_size=2).map(tuple),
    ),
    status=st.sampled_from(STATUSES),
)


class Scene:
    """A server whose answers can be made wrong, the states that a first read left, and what has happened since."""

    def __init__(self, mode: Mode) -> None:
        self.world: World = make_world(projects=2, stories=14)
        self._api = TrackerApi(self.world, SMALL_PAGES, mode.dialect)
        self.server = TrackerServer(
            self.world, before=self._before, caps=SMALL_PAGES, dialect=mode.dialect, keeps_log=False
        )
        self.wrong: Wrong | None = None
        self.answered = 0
        self.touched: set[Any] = set()
        self.paths: list[Path] = []
        self.server.__enter__()
        self.config = config_for(self.server, num_workers=1)
        self.full, self.incremental = (self._catalog(mode, incremental=choice) for choice in (False, True))
        self.first = outcome(self.config, self.incremental)
        self.world.now += timedelta(hours=1)
        Editor(self.world, 3).edit(12)
        self.whole = outcome(self.config, self.full)
        assert (self.first.failure, self.whole.failure) == (None, None)

    def read(self, wrong: Wrong | None, *, incremental: bool, after: Iterable[Outcome] = ()) -> Outcome:
        """A read that meets wrong answers; an incremental one goes on from the first, and from those `after` it."""
        self.wrong, self.answered, self.touched, self.paths = wrong, 0, set(), []
        try:
            if not incremental:
                return outcome(self.config, self.full)
            last = {state["stream"]["stream_descriptor"]["name"]: state for read in after for state in read.states}
            states: list[AirbyteStateMessage] = [
                AirbyteStateMessageSerializer.load(copy.deepcopy(state)) for state in last.values()
            ]
            return outcome(self.config, self.incremental, states)
        finally:
            self.wrong = None

    def _before(self, request: Request) -> Response | None:
        wrong = self.wrong
        if wrong is None or re.sub(r"/[0-9]+(?=/|$)", "/N", path_of(request)) != wrong.endpoint:
            return None
        self.answered += 1
        if self.answered <= wrong.after or (self.answered > wrong.after + 1 and not wrong.stays):
            return None
        return wrong.answer(self._api.handle(request), self.touched, self.paths)

    def _catalog(self, mode: Mode, *, incremental: bool) -> ConfiguredAirbyteCatalog:
        return catalog_of(SourcePivotalTracker(), self.config, set(mode.known()), incremental=incremental)


@cache
def scene_of(mode: Mode) -> Scene:
    """One for all examples: no read changes anything."""
    return Scene(mode)


@pytest.mark.parametrize("incremental", [False, True], ids=["full", "incremental"])
@pytest.mark.parametrize("mode", FUZZED_MODES)
@fuzzed
@given(wrong=wrongs)
def test_an_answer_that_is_wrong_ends_in_words_and_loses_no_row_that_it_still_tells(
    mode: Mode, incremental: bool, wrong: Wrong
) -> None:
    scene = scene_of(mode)
    result = scene.read(wrong, incremental=incremental, after=[scene.first])
    assert result.faults == []
    if result.failure is None and not incremental:
        lost = scene.whole.keys - result.keys
        assert [row for row in sorted(lost, key=str) if not _may_be_lost(row, scene, wrong)] == []


@pytest.mark.parametrize("mode", FUZZED_MODES)
@fuzzed
@given(wrong=wrongs.map(lambda wrong: replace(wrong, changes=())))
def test_what_an_answer_withheld_that_was_cut_or_refused_comes_with_the_next_sync(mode: Mode, wrong: Wrong) -> None:
    scene = scene_of(mode)
    second = scene.read(wrong, incremental=True, after=[scene.first])
    third = scene.read(None, incremental=True, after=[scene.first, second])
    assert [*second.faults, *third.faults, third.failure] == [None]
    replica, server = Replica(), Replica()
    for read in (scene.first, second, third):
        replica.take(with_cursor(read))
    server.take(with_cursor(scene.whole))
    assert replica.differences(server) == []


def with_cursor(read: Outcome) -> dict[str, list[Row]]:
    """The records of streams that are read by what changed; a full refresh that goes on brings the rest alone."""
    return {name: rows for name, rows in read.records.items() if BY_NAME[name].cursor_field}


def _may_be_lost(row: tuple[str, tuple[Any, ...]], scene: Scene, wrong: Wrong) -> bool:
    return wrong.endpoint in ALL_ABOVE or not scene.touched.isdisjoint(row[1])


def _ids_of_the_row(document: Any, path: Path) -> Iterator[Any]:
    """All that may be a key in the row of a list in which something was changed."""
    row = document[int(path[0])] if path and isinstance(document, list) else document
    stack = [row]
    while stack:
        node = stack.pop()
        if isinstance(node, dict | list):
            stack += node.values() if isinstance(node, dict) else node
        else:
            yield node
