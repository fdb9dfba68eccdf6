"""What a sync makes of every fault, in every kind of list: one that passes costs nothing, one that stays is told."""

from __future__ import annotations

import copy
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import urlsplit

import orjson
import pytest
from airbyte_cdk.models import AirbyteStateMessage, FailureType

from source_pivotal_tracker.api.page_size import SMALLEST_PAGE
from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.api.errors import ApiError, error_response
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import Project, World
from unit_tests.interception import html, path_of, query_of
from unit_tests.modes import LITETRACKER_MODE, TRACKER_MODE, Mode
from unit_tests.replica import Replica
from unit_tests.syncs import BY_NAME, Row, Sync, config_for

SMALL_PAGES = Caps(stories=5, releases=1, iterations=4, activity=9, transitions=20)
LAST = "my_activity"
BYSTANDERS = ("labels", LAST)
"""Streams that are read with those of every kind of list: one of the projects, and one that comes after all others."""

FAULTS_OF_A_KIND = None if os.environ.get("WHOLE") else 2

ATTEMPTS = 9
ATTEMPTS_AT_A_CONTRADICTION = 2


PAGE_SIZES = {
    endpoint.path.replace("{project_id}", "{first}"): endpoint.page_size
    for stream in BY_NAME.values()
    for endpoint in getattr(stream, "endpoints", ())
    if endpoint.page_size
}

Happening = Callable[[World], None]


@dataclass(frozen=True)
class Kind:
    """A kind of list, by its requests: a path, in which `{first}` is the project, and a part of the query.

    `streams` are the ones that it feeds, `also_fails` those that are lost with it; `key` is what a row of it must have.
    With `is_paged` the fault is in its second page and those after it. `happens` is what people do after a first sync,
    the second being the one with the fault. Or they do it before the second page of the stories, `midway` in the first.
    `mode` is the server that it is read from.
    """

    path: str
    streams: tuple[str, ...]
    query: str = ""
    key: str = "id"
    is_paged: bool = False
    also_fails: tuple[str, ...] = ()
    happens: Happening | None = None
    midway: bool = False
    mode: Mode = TRACKER_MODE

    @property
    def selected(self) -> set[str]:
        return {*self.streams, *BYSTANDERS}

    @property
    def failing(self) -> set[str]:
        return {*self.streams, *self.also_fails}

    @property
    def is_of_a_project(self) -> bool:
        return "{first}" in self.path

    @property
    def smaller_pages(self) -> int:
        """How many sizes of its pages there are below the one that is asked for first."""
        rows, sizes = PAGE_SIZES.get(self.path, 0), 0
        while rows > SMALLEST_PAGE:
            rows, sizes = max(rows // 2, SMALLEST_PAGE), sizes + 1
        return sizes

    @property
    def begins_with_a_state(self) -> bool:
        return self.happens is not None and not self.midway

    def path_in(self, world: World) -> str:
        """As the server logs it."""
        ids = {"first": FIRST, "account": next(iter(world.accounts)), "moved": MOVED, "epic": EPIC}
        return "/" + self.path.format(**ids)


@dataclass(frozen=True)
class Asked:
    """A request for a list of a kind, and what the server says to it and to others."""

    kind: Kind
    request: Request
    api: TrackerApi

    @property
    def good(self) -> Response:
        return self.api.handle(self.request)


@dataclass(frozen=True)
class Fault:
    """A bad answer, what the error says of it, and how often the request is sent until that is one."""

    answer: Callable[[Asked], Response]
    words: str
    attempts: int = ATTEMPTS
    is_of_pages: bool = False
    contradicts_headers: bool = False
    is_timeout: bool = False

    def attempts_in(self, kind: Kind) -> int:
        """A page that may only have been shifted by a page is passed over twice, where nothing else tells.

        A page that does not come in time is asked for in smaller ones first.
        """
        can_be_shifted = self.is_of_pages and not kind.mode.dialect.pagination_headers
        return (self.attempts * 3 if can_be_shifted else self.attempts) + self.is_timeout * kind.smaller_pages

    def can_be_told_in(self, kind: Kind) -> bool:
        """Whether an answer to a request of this kind can have it, and whoever reads that can see it."""
        if self.is_of_pages and not kind.is_paged:
            return False
        if self.contradicts_headers and not kind.mode.dialect.pagination_headers:
            return False
        return bool(kind.key) or self.answer is not without_key


def first_of(world: World) -> Project:
    return next(iter(world.projects.values()))


def colleague_of(world: World) -> int:
    """Somebody else than the token's person."""
    return next(person for person in world.people if person != world.tokens[SAMPLE_TOKEN])


def untouched() -> World:
    """With enough of everything in the first project for two pages."""
    world = make_world(projects=2, stories=12)
    for name in ("One", "Two"):
        edits.create_release(world, first_of(world), colleague_of(world), name=name)
    return world


FIRST, SECOND = untouched().projects
MOVED = max(key for key, row in first_of(untouched()).stories.items() if row["tasks"] and row["comments"])
"""A story with parts, which goes to the other project where one does."""
EPIC = next(iter(first_of(untouched()).epics))


def many_changes(world: World) -> None:
    project, by = first_of(world), colleague_of(world)
    for story_id in list(project.stories)[:10]:
        edits.update_story(world, project, by, story_id, name=f"Renamed {story_id}")
        edits.create_task(world, project, by, story_id, description="One more")


def change_that_no_time_tells(world: World) -> None:
    project = first_of(world)
    story_id = min(project.stories)
    edits.update_story(world, project, colleague_of(world), story_id, name="Renamed")
    project.stories[story_id]["updated_at"] = "2020-01-01T00:00:00Z"


def move_to_another_project(world: World) -> None:
    first, second = world.projects.values()
    edits.move_story_to_project(world, first, second, colleague_of(world), MOVED)


def move_to_a_page_that_was_read(world: World) -> None:
    project = first_of(world)
    movable = [story_id for story_id in project.order if project.stories[story_id]["current_state"] != "accepted"]
    edits.move_story(world, project, colleague_of(world), movable[-1], before=movable[0])


STORIES = ("stories", "story_tasks", "story_comments")
KINDS = {
    "stories": Kind("projects/{first}/stories", STORIES, is_paged=True),
    "epics": Kind("projects/{first}/epics", ("epics", "epic_comments")),
    "labels": Kind("projects/{first}/labels", ("labels",)),
    "releases": Kind("projects/{first}/releases", ("releases",), is_paged=True),
    "iterations": Kind("projects/{first}/iterations", ("iterations",), key="number", is_paged=True),
    "transitions": Kind(
        "projects/{first}/story_transitions", ("story_transitions",), key="project_version", is_paged=True
    ),
    "activity": Kind("projects/{first}/activity", ("activity",), key="guid", is_paged=True),
    "history days": Kind("projects/{first}/history/days", ("project_history_days",), key="date"),
    "memberships": Kind("projects/{first}/memberships", ("project_memberships",)),
    "one project": Kind("projects/{first}", ("review_types",)),
    "notifications": Kind("my/notifications", ("notifications",)),
    "my activity": Kind("my/activity", ("my_activity",), key="guid", is_paged=True),
    "accounts": Kind("accounts", ("accounts", "account_memberships")),
    "account memberships": Kind("accounts/{account}/memberships", ("account_memberships",)),
    "projects": Kind("projects", ("projects", "stories"), also_fails=("labels",)),
    "ids of stories": Kind(
        "projects/{first}",
        ("stories", "story_tasks"),
        query="fields=story_ids",
        key="",
        happens=move_to_a_page_that_was_read,
        midway=True,
    ),
    "activity since a version": Kind(
        "projects/{first}/activity",
        ("stories", "story_tasks"),
        query="since_version=",
        key="project_version",
        is_paged=True,
        also_fails=("labels",),
        happens=many_changes,
    ),
    "changed stories": Kind(
        "projects/{first}/stories",
        ("stories", "story_tasks"),
        query="updated_after=",
        is_paged=True,
        happens=many_changes,
    ),
    "stories that change with others": Kind(
        "projects/{first}/stories", ("stories",), query="with_story_type=", happens=many_changes
    ),
    "stories by id": Kind(
        "projects/{first}/stories/bulk", ("stories", "story_tasks"), happens=change_that_no_time_tells
    ),
    "a story that moved": Kind(
        "stories/{moved}",
        ("stories", "story_tasks"),
        key="project_id",
        also_fails=("labels",),
        happens=move_to_another_project,
    ),
}
LITETRACKER_KINDS = {
    name: replace(KINDS[name], mode=LITETRACKER_MODE)
    for name in (
        "stories", "epics", "labels", "releases", "iterations", "activity", "memberships", "notifications",
        "my activity", "projects", "a story that moved",
    )
} | {
    "one story": Kind("projects/{first}/stories/{moved}", ("stories",), mode=LITETRACKER_MODE),
    "tasks of a story": Kind("projects/{first}/stories/{moved}/tasks", ("story_tasks",), mode=LITETRACKER_MODE),
    "comments of a story": Kind(
        "projects/{first}/stories/{moved}/comments", ("story_comments",), mode=LITETRACKER_MODE
    ),
    "comments of an epic": Kind("projects/{first}/epics/{epic}/comments", ("epic_comments",), mode=LITETRACKER_MODE),
    "activity since the last sync": Kind(
        "projects/{first}/activity",
        ("stories", "story_tasks"),
        key="guid",
        is_paged=True,
        also_fails=("labels",),
        happens=many_changes,
        mode=LITETRACKER_MODE,
    ),
    "stories once more": Kind(
        "projects/{first}/stories",
        ("stories", "story_tasks"),
        is_paged=True,
        happens=many_changes,
        mode=LITETRACKER_MODE,
    ),
}  # fmt: skip
"""Without `fields` each story and each part has a request of its own, and `since_version` makes no other list."""
ALL_KINDS = [*KINDS.items(), *LITETRACKER_KINDS.items()]


def tracker_error(status: int, code: str, **headers: str) -> Fault:
    answer = error_response(ApiError(status, code, "Not now."))
    answer = replace(answer, headers={**answer.headers, **headers})
    return Fault(lambda _: answer, f"{status} {code}: Not now\\.")


def truncated(asked: Asked) -> Response:
    good = asked.good
    return replace(good, body=good.body[:-1])


def other_returned(asked: Asked) -> Response:
    good = asked.good
    return replace(good, headers={**good.headers, "X-Tracker-Pagination-Returned": "77"})


def empty_page(asked: Asked) -> Response:
    good = asked.good
    return replace(good, headers={**good.headers, "X-Tracker-Pagination-Returned": "0"}, body=b"[]")


def page_before(asked: Asked) -> Response:
    first = replace(asked.request, query=re.sub(r"offset=\d+", "offset=0", asked.request.query))
    return replace(asked, request=first).good


def without_key(asked: Asked) -> Response:
    good = asked.good
    body = orjson.loads(good.body)
    if isinstance(body, dict) and "header" in body:
        body["header"][body["header"].index(asked.kind.key)] = "day"
    else:
        row = body[0] if isinstance(body, list) else body
        if asked.kind.path == "projects/{first}":
            row = row["review_types"][0]
        del row[asked.kind.key]
    return replace(good, body=orjson.dumps(body))


FAULTS = {
    "429 with Retry-After": tracker_error(429, "server_under_load", **{"Retry-After": "7"}),
    "408": Fault(lambda _: Response(408, {}, b""), "408 ", is_timeout=True),
    "504": Fault(lambda _: html(504), "504 .*not a Tracker API error", is_timeout=True),
    "409 deadlock": tracker_error(409, "deadlock"),
    "500": tracker_error(500, "unhandled_condition"),
    "503": Fault(lambda _: html(503), "503 .*not a Tracker API error"),
    "200 in HTML": Fault(lambda _: html(200), "200, but the body is not JSON .* text/html"),
    "200 with nothing": Fault(lambda _: Response(200, {}, b""), "200, but the body is not JSON .0 bytes, "),
    "truncated JSON": Fault(truncated, "200, but the body is not JSON .* application/json"),
    "another Returned": Fault(
        other_returned,
        "announced 77 rows",
        ATTEMPTS_AT_A_CONTRADICTION,
        is_of_pages=True,
        contradicts_headers=True,
    ),
    "an empty page before the Total": Fault(
        empty_page,
        r"the list ended at row \d+ of the \d+",
        ATTEMPTS_AT_A_CONTRADICTION,
        is_of_pages=True,
        contradicts_headers=True,
    ),
    "the same page twice": Fault(
        page_before,
        r"the page at offset \d+ is the one before it again",
        ATTEMPTS_AT_A_CONTRADICTION,
        is_of_pages=True,
    ),
    "a row without its key": Fault(
        without_key, "without its |an id that is no number|things with an id|does not show", ATTEMPTS_AT_A_CONTRADICTION
    ),
}
REFUSALS = {
    "401": tracker_error(401, "unauthenticated"),
    "403 invalid_authentication": tracker_error(403, "invalid_authentication"),
}


def tried(number: int, kind: Kind) -> list[str]:
    """The faults to try in a kind: all that can be told in it, or a few, which are others in the kind after it."""
    names = [name for name, fault in FAULTS.items() if fault.can_be_told_in(kind)]
    if FAULTS_OF_A_KIND is None:
        return names
    begin = number * FAULTS_OF_A_KIND
    return [names[place % len(names)] for place in range(begin, begin + FAULTS_OF_A_KIND)]


PAIRS = [
    pytest.param((kind, FAULTS[fault_name]), id=f"{kind.mode.name}-{fault_name} in {kind_name}")
    for number, (kind_name, kind) in enumerate(ALL_KINDS)
    for fault_name in tried(number, kind)
]
KIND_BY_KIND = [pytest.param(kind, id=f"{kind.mode.name}-{name}") for name, kind in ALL_KINDS]
every_kind = pytest.mark.parametrize("kind", KIND_BY_KIND)


@dataclass(frozen=True)
class Disturbed:
    """A sync with a fault in it.

    `spoilt` is how many requests for `path` got the fault; `paths` are all that were asked for, in their order.
    """

    sync: Sync
    path: str
    paths: list[str]
    spoilt: int


class Scene:
    """A server on which syncs of one kind after the other are played, after what `happens`, or while it does."""

    def __init__(self, mode: Mode, happens: Happening | None, *, midway: bool) -> None:
        self.world = untouched()
        if happens and not midway:
            happens(self.world)
        self._midway = happens if midway else None
        self._untouched = copy.deepcopy(first_of(self.world))
        self._api = TrackerApi(self.world, SMALL_PAGES, mode.dialect)
        self._before: Callable[[Request], Response | None] = lambda _: None
        self.server = TrackerServer(
            self.world, before=lambda request: self._before(request), caps=SMALL_PAGES, dialect=mode.dialect
        )

    def play(
        self, kind: Kind, fault: Fault | None, times: float, state: list[AirbyteStateMessage], num_workers: int
    ) -> Disturbed:
        """A sync in which the first so many `times` that the kind is asked for bring the fault."""
        path, stories = kind.path_in(self.world), f"/projects/{FIRST}/stories"
        yet_to_happen = [self._midway] if self._midway else []
        if yet_to_happen:
            self.world.projects[self._untouched.id] = copy.deepcopy(self._untouched)
        spoilt = 0

        def before(request: Request) -> Response | None:
            nonlocal spoilt
            asked_for, is_later = path_of(request), query_of(request).get("offset", "0") != "0"
            if yet_to_happen and asked_for == stories and is_later:
                yet_to_happen.pop()(self.world)
            is_hit = asked_for == path and kind.query in request.query and (is_later or not kind.is_paged)
            if fault is None or not is_hit or spoilt >= times:
                return None
            spoilt += 1
            return fault.answer(Asked(kind, request, self._api))

        self._before = before
        asked_before = len(self.server.log)
        # What happens midway would come before or after what other workers read.
        config = config_for(self.server, num_workers=1 if kind.midway else num_workers)
        sync = Sync(config, kind.selected, incremental=True, state=state)
        self._before = lambda _: None
        return Disturbed(sync, path, [logged.path for logged in self.server.log[asked_before:]], spoilt)

    def resume(self, kind: Kind, sync: Sync) -> Sync:
        """The sync that follows, in the world as it is, without a fault."""
        return Sync(config_for(self.server), kind.selected, incremental=True, state=sync.state)


class Stage:
    """The scenes, which stay open for one test after the other, and the syncs without a fault."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._scenes: dict[tuple[Mode, Happening | None, bool], Scene] = {}
        self._first: dict[Kind, Sync] = {}
        self._undisturbed: dict[Kind, Sync] = {}

    def disturbed(self, kind: Kind, fault: Fault | None, times: float = math.inf, *, num_workers: int = 8) -> Disturbed:
        state = self.first(kind).state if kind.begins_with_a_state else []
        return self.scene(kind.mode, kind.happens, midway=kind.midway).play(kind, fault, times, state, num_workers)

    def first(self, kind: Kind) -> Sync:
        """The sync before the one with the fault, for a kind that has one."""
        if kind not in self._first:
            self._first[kind] = self.scene(kind.mode, None).play(kind, None, 0, [], 8).sync
        return self._first[kind]

    def undisturbed(self, kind: Kind) -> Sync:
        """What `disturbed` would be without the fault."""
        if kind not in self._undisturbed:
            self._undisturbed[kind] = self.disturbed(kind, None).sync
            assert self._undisturbed[kind].failure is None
        return self._undisturbed[kind]

    def resumed(self, kind: Kind, sync: Sync) -> Sync:
        """The sync after a disturbed one that has just ended."""
        return self.scene(kind.mode, kind.happens, midway=kind.midway).resume(kind, sync)

    def scene(self, mode: Mode, happens: Happening | None, *, midway: bool = False) -> Scene:
        if (mode, happens, midway) not in self._scenes:
            self._scenes[mode, happens, midway] = scene = Scene(mode, happens, midway=midway)
            self._opened.enter_context(scene.server)
        return self._scenes[mode, happens, midway]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with ExitStack() as opened:
        yield Stage(opened)


def in_order(rows: list[Row]) -> list[bytes]:
    return sorted(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows)


def assert_whole(sync: Sync, whole: Sync, stream: str) -> None:
    assert sync.statuses[stream][-1] == "COMPLETE"
    assert in_order(sync.records[stream]) == in_order(whole.records[stream])
    assert sync.blob(stream) == whole.blob(stream)


def test_every_fault_that_a_mode_can_have_is_tried_in_it_and_so_is_every_kind() -> None:
    pairs = [cast("tuple[Kind, Fault]", param.values[0]) for param in PAIRS]
    able = {(kind.mode, fault) for _, kind in ALL_KINDS for fault in FAULTS.values() if fault.can_be_told_in(kind)}
    assert {(kind.mode, fault) for kind, fault in pairs} == able
    assert {kind for kind, _ in pairs} == {kind for _, kind in ALL_KINDS}


@pytest.mark.parametrize("pair", PAIRS)
def test_a_fault_that_passes_costs_neither_a_row_nor_a_state(pair: tuple[Kind, Fault], stage: Stage) -> None:
    kind, fault = pair
    disturbed, whole = stage.disturbed(kind, fault, times=1), stage.undisturbed(kind)
    assert disturbed.spoilt == 1
    assert disturbed.sync.failure is None
    assert disturbed.sync.errors == []
    for stream in kind.selected:
        assert_whole(disturbed.sync, whole, stream)


@pytest.fixture(scope="module", params=PAIRS)
def stayed(request: pytest.FixtureRequest, stage: Stage) -> tuple[Kind, Fault, Disturbed]:
    kind, fault = request.param
    return kind, fault, stage.disturbed(kind, fault)


def test_a_fault_that_stays_is_one_error_of_its_stream_that_names_project_path_and_cause(
    stayed: tuple[Kind, Fault, Disturbed],
) -> None:
    kind, fault, disturbed = stayed
    assert disturbed.spoilt == fault.attempts_in(kind)
    assert disturbed.sync.failure is not None
    assert [stream for stream in kind.failing if stream not in str(disturbed.sync.failure.message)] == []
    assert len(disturbed.sync.errors) == len(kind.failing)
    for error in disturbed.sync.errors:
        assert re.search(rf"GET {disturbed.path}: .*({fault.words})", error)
        assert not kind.is_of_a_project or f" of project {FIRST}: " in error


def test_a_fault_that_stays_ends_its_streams_incomplete_and_leaves_the_others_whole(
    stayed: tuple[Kind, Fault, Disturbed], stage: Stage
) -> None:
    kind, _, disturbed = stayed
    statuses = disturbed.sync.statuses
    assert {stream for stream in kind.selected if statuses[stream][-1] == "INCOMPLETE"} == kind.failing
    for stream in kind.selected - kind.failing:
        assert_whole(disturbed.sync, stage.undisturbed(kind), stream)


@pytest.mark.parametrize("kind", [param for param in KIND_BY_KIND if cast("Kind", param.values[0]).is_of_a_project])
def test_where_a_list_of_one_project_fails_the_others_are_read_and_in_the_state(kind: Kind, stage: Stage) -> None:
    sync, whole = stage.disturbed(kind, FAULTS["500"]).sync, stage.undisturbed(kind)
    for stream in kind.failing:
        came, elsewhere = (
            [row for row in read.records[stream] if row["project_id"] != FIRST] for read in (sync, whole)
        )
        assert in_order(came) == in_order(elsewhere)
        assert str(SECOND) in sync.blob(stream)["projects"]


@every_kind
def test_the_sync_after_a_fault_that_stayed_brings_the_rest(kind: Kind, stage: Stage) -> None:
    both = stage.disturbed(kind, FAULTS["500"]).sync
    resumed = stage.resumed(kind, both)
    assert both.failure is not None
    assert resumed.failure is None
    for stream, rows in resumed.records.items():
        both.records[stream] += rows
    before = [stage.first(kind)] if kind.begins_with_a_state else []
    assert Replica(*before, both).rows == Replica(*before, stage.undisturbed(kind)).rows


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
@every_kind
def test_a_token_that_is_refused_on_the_way_is_one_error_and_the_last_request(
    kind: Kind, refusal: Fault, stage: Stage
) -> None:
    disturbed = stage.disturbed(kind, refusal, num_workers=1)
    assert disturbed.spoilt == 1
    assert disturbed.paths[-1] == disturbed.path
    assert disturbed.sync.errors == []
    assert disturbed.sync.failure is not None
    assert disturbed.sync.failure.failure_type == FailureType.config_error
    assert re.search(rf"^api_token: .*GET {disturbed.path}: {refusal.words}", str(disturbed.sync.failure.message))


def test_a_server_that_fails_now_and_then_costs_neither_a_row_nor_a_state(mode: Mode) -> None:
    world, streams = untouched(), mode.known()
    with TrackerServer(world, dialect=mode.dialect) as server:
        whole = Sync(config_for(server), streams, incremental=True)
    # The same port, for the links to attachments name it.
    port = urlsplit(server.url).port or 0
    with TrackerServer(world, port=port, dialect=replace(mode.dialect, failing=0.2)) as server:
        # One worker, so that the seed decides which requests fail.
        disturbed = Sync(config_for(server, num_workers=1), streams, incremental=True)
        assert {logged.status for logged in server.log} > {502, 503, 504}
    assert disturbed.failure is None
    for stream in streams:
        assert_whole(disturbed, whole, stream)


@every_kind
def test_no_stream_is_complete_after_a_token_was_refused(kind: Kind, stage: Stage) -> None:
    statuses = stage.disturbed(kind, REFUSALS["401"], num_workers=1).sync.statuses
    complete = {stream for stream in statuses if "COMPLETE" in statuses[stream]}
    assert complete.isdisjoint({*kind.failing, LAST})
    assert {came[-1] for stream, came in statuses.items() if stream not in complete} <= {"INCOMPLETE"}
