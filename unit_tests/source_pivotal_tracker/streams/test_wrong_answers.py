"""What a read does with answers that no Tracker would give: pages, rows and times of a wrong shape."""

from __future__ import annotations

import itertools
import json as stdlib_json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.sync.messages import as_lines
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.world import World
from unit_tests.interception import asked, instead, json, path_of, query_of
from unit_tests.source_pivotal_tracker.streams.reads import synced
from unit_tests.syncs import Row, Sync, catalog_of, config_for, unhurried

NAMES_OF_ERRORS = re.compile(r"[A-Z][a-zA-Z]*(Error|Exception)\b|Traceback|Something went wrong")
START = "2026-10-01T12:00:00Z"


def failure_words(sync: Sync, stream: str) -> str:
    assert sync.statuses[stream][-1] == "INCOMPLETE"
    (error,) = sync.errors
    assert not NAMES_OF_ERRORS.search(error)
    return error


def test_a_list_without_pagination_headers_ends_by_an_empty_page(world: World, first: int) -> None:
    rows = [{"id": number, "story_type": "feature", "description": "It is."} for number in range(1, 8)]

    def headless(request: Request) -> Response | None:
        if path_of(request) != f"/projects/{first}/stories":
            return None
        offset = int(query_of(request).get("offset", 0))
        page = json(rows[offset : offset + 3])
        return replace(page, headers={**page.headers, "X-Tracker-Project-Version": "7"})

    with TrackerServer(world, before=headless) as server:
        sync = Sync(config_for(server, project_ids=[first]), ["stories"])
    assert [row["id"] for row in sync.records["stories"]] == [1, 2, 3, 4, 5, 6, 7]
    assert asked(server.log, "offset") == ["0", "3", "6", "7"]


PAGES = {
    "fewer rows than its Returned header says": json([{"id": 1}], Returned=2, Total=2),
    "more rows than its Returned header says": json([{"id": 1}, {"id": 2}], Returned=1, Total=2),
    "no rows before the Total": json([], Total=5),
    "a Total that is no number": json([{"id": 1}], Total="many"),
    "a Total of five thousand digits": json([{"id": 1}], Total="9" * 5000),
    "a Returned that is no number": json([{"id": 1}], Returned="", Total=1),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_a_page_that_contradicts_its_headers_fails_the_stream(page: Response, world: World, first: int) -> None:
    sync = synced(world, "stories", before=instead({f"/projects/{first}/stories": page}))
    assert sync.statuses["stories"][-1] == "INCOMPLETE"
    (error,) = sync.errors
    assert re.search("rows at offset . but sent|the list ended at row 0 of the 5|which is not a number", error)


@pytest.mark.parametrize(("stream", "path"), [("stories", "/projects/{}/stories"), ("projects", "/projects")])
def test_a_row_that_is_nested_too_deeply_to_be_written_fails_the_stream_in_words(
    stream: str, path: str, world: World, first: int
) -> None:
    nested: object = 1
    for _ in range(300):
        nested = {"a": nested}
    # orjson reads more levels than it writes.
    body = stdlib_json.dumps([{"id": first, "description": "", "current_state": nested}]).encode()
    page = Response(200, {"Content-Type": "application/json"}, body)
    with TrackerServer(world, before=instead({path.format(first): page})) as server:
        client = SourcePivotalTracker(unhurried)
        lines = client.sync(
            config_for(server), catalog_of(client, config_for(server), {stream}, incremental=False), [], as_lines
        )
        messages: list[AirbyteMessage | bytes] = []
        with pytest.raises(AirbyteTracedException):
            messages.extend(lines)
    errors = [
        message.trace.error.message
        for message in messages
        if isinstance(message, AirbyteMessage) and message.trace and message.trace.error
    ]
    assert any("a row holds what cannot be written as JSON (Recursion limit reached)" in error for error in errors)


def _alternating(rows: list[Row]) -> Iterator[list[Row]]:
    return itertools.cycle([rows[:6], rows[6:]])


def _in_another_order_each_time(rows: list[Row]) -> Iterator[list[Row]]:
    chance = random.Random(7)  # noqa: S311
    while True:
        yield chance.sample(rows, len(rows))


@pytest.mark.parametrize("pages", [_alternating, _in_another_order_each_time])
@pytest.mark.parametrize("stream", ["stories", "activity"])
def test_a_list_without_a_total_whose_pages_bring_nothing_new_ends_as_an_error(
    stream: str, pages: Callable[[list[Row]], Iterator[list[Row]]], world: World, first: int
) -> None:
    stories: list[Row] = [{"id": number, "story_type": "feature", "description": "It is."} for number in range(1, 13)]
    activity = [{"guid": f"{first}_{number}", "kind": "x", "occurred_at": START} for number in range(1, 13)]
    coming = pages(stories if stream == "stories" else activity)
    path = f"/projects/{first}/{stream}"

    def before(request: Request) -> Response | None:
        is_probe = query_of(request) == {"limit": "1", "fields": "id"}
        return json(next(coming)) if path_of(request) == path and not is_probe else None

    with TrackerServer(world, before=before) as server:
        sync = Sync(config_for(server, project_ids=[first]), [stream])
        assert len(server.log) < 40
    assert f"GET /projects/{first}/{stream}: 5 pages up to offset " in failure_words(sync, stream)


def test_a_list_that_many_rows_come_into_at_once_is_read_to_its_end(world: World, first: int) -> None:
    def newest_first(newest: int) -> list[Row]:
        return [
            {"guid": f"{first}_{number}", "kind": "x", "occurred_at": START, "project_version": number}
            for number in range(newest, 0, -1)
        ]

    added = itertools.chain([0] * 9, itertools.repeat(14))

    def before(request: Request) -> Response | None:
        if path_of(request) != f"/projects/{first}/activity":
            return None
        offset = int(query_of(request).get("offset", 0))
        return json(newest_first(40 + next(added))[offset : offset + 2])

    with TrackerServer(world, before=before) as server:
        sync = Sync(config_for(server, project_ids=[first]), ["activity"])
    assert sync.failure is None
    assert {record["guid"] for record in sync.records["activity"]} >= {row["guid"] for row in newest_first(40)}


CUT_LISTS = {
    "projects": "/projects",
    "project_memberships": "/projects/{}/memberships",
    "labels": "/projects/{}/labels",
    "epics": "/projects/{}/epics",
    "webhooks": "/projects/{}/webhooks",
    "accounts": "/accounts",
    "notifications": "/my/notifications",
}


@pytest.mark.parametrize(("stream", "path"), CUT_LISTS.items(), ids=CUT_LISTS.keys())
def test_a_list_without_pages_that_a_server_cuts_all_the_same_fails_the_stream(
    stream: str, path: str, world: World, first: int
) -> None:
    cut = json([{"id": first, "created_at": START}], Returned=1, Total=2)
    sync = synced(world, stream, before=instead({path.format(first): cut}))
    message = f"GET {path.format(first)}: the server announced 2 rows of a list without pages but sent 1"
    assert message in failure_words(sync, stream)


NO_LISTS: list[object] = [{}, ["x"], [None], [[]], None, "x", 5]
NO_OBJECTS: list[object] = [[], ["x"], None, "x", 5]
LISTS = ["labels", "memberships", "epics", "iterations", "activity", "story_transitions", "releases", "stories"]


@pytest.mark.parametrize("body", NO_LISTS, ids=repr)
@pytest.mark.parametrize("path", LISTS)
def test_where_a_list_is_due_anything_else_fails_the_stream_in_words(
    path: str, body: object, world: World, first: int
) -> None:
    stream = {"memberships": "project_memberships"}.get(path, path)
    sync = synced(world, stream, before=instead({f"/projects/{first}/{path}": json(body, Total=1)}))
    assert f"GET /projects/{first}/{path}: the answer is not a list of objects" in failure_words(sync, stream)


@pytest.mark.parametrize("body", NO_OBJECTS, ids=repr)
@pytest.mark.parametrize(("stream", "path"), [("me", "/me"), ("project_history_days", "/projects/{}/history/days")])
def test_where_an_object_is_due_anything_else_fails_the_stream_in_words(
    stream: str, path: str, body: object, world: World, first: int
) -> None:
    sync = synced(world, stream, before=instead({path.format(first): json(body)}))
    assert f"GET {path.format(first)}: the answer is not an object" in failure_words(sync, stream)


@pytest.mark.parametrize("body", [{}, ["x"], None, "x", [{"name": "no id"}]], ids=repr)
@pytest.mark.parametrize(("stream", "path"), [("labels", "/projects"), ("account_memberships", "/accounts")])
def test_a_list_of_ids_that_is_none_fails_the_streams_that_need_it(
    stream: str, path: str, body: object, world: World
) -> None:
    sync = synced(world, stream, before=instead({path: json(body)}))
    assert "is this a Tracker v5 server?" in failure_words(sync, stream)


@pytest.mark.parametrize("row", [{"name": "x"}, {"id": None}], ids=repr)
@pytest.mark.parametrize("stream", ["labels", "epics", "releases", "stories"])
def test_a_row_without_its_key_fails_the_stream(stream: str, row: Row, world: World, first: int) -> None:
    sync = synced(world, stream, before=instead({f"/projects/{first}/{stream}": json([row], Total=1)}))
    assert "without its id" in failure_words(sync, stream)


@pytest.mark.parametrize("tasks", [5, "x", ["x"], [{"description": "no id"}]], ids=repr)
def test_a_part_of_a_wrong_shape_fails_its_stream(tasks: object, world: World, first: int) -> None:
    row = {"id": 1, "updated_at": START, "tasks": tasks}
    sync = synced(world, "story_tasks", before=instead({f"/projects/{first}/stories": json([row], Total=1)}))
    assert re.search("does not hold objects|without its id", failure_words(sync, "story_tasks"))


SPELLINGS_AND_WHETHER_KEPT: dict[object, bool] = {
    "2026-10-01T11:59:59Z": False,
    "2026-10-01T12:00:00Z": True,
    "2026-10-01T11:59:59.999Z": False,
    "2026-10-01T12:00:00.000Z": True,
    "2026-10-01T11:59:59+00:00": False,
    "2026-10-01T12:00:00+00:00": True,
    "2026-10-01T12:00:00.000+00:00": True,
    "2026-10-01T04:59:59-07:00": False,
    "2026-10-01T05:00:00-07:00": True,
    "2026-10-01T11:59:59-07:00": True,
    "2026-10-01T20:59:59+09:00": False,
    "2026-09-30": False,
    "2026-10-01": True,
    1790855999000: False,
    1790856000000: True,
    "1790855999000": False,
    "1790856000000": True,
}
UNTELLABLE = ["last week", "2026-09-30T12:00:00", 10**18, True, None]


def since_the_start(cursor: object, world: World, project: int) -> Sync:
    """A read with a start date of a label that has this cursor."""
    labels = instead({f"/projects/{project}/labels": json([{"id": 1, "updated_at": cursor}])})
    return synced(world, "labels", before=labels, start_date=START, project_ids=[project])


@pytest.mark.parametrize("cursor", SPELLINGS_AND_WHETHER_KEPT)
def test_the_start_date_holds_however_a_server_spells_its_times(cursor: object, world: World, first: int) -> None:
    sync = since_the_start(cursor, world, first)
    assert sync.failure is None
    assert bool(sync.records["labels"]) is SPELLINGS_AND_WHETHER_KEPT[cursor]


@pytest.mark.parametrize("cursor", UNTELLABLE, ids=repr)
def test_a_row_whose_time_cannot_be_told_is_kept(cursor: object, world: World, first: int) -> None:
    sync = since_the_start(cursor, world, first)
    assert [label["id"] for label in sync.records["labels"]] == [1]


@pytest.mark.parametrize("incremental", [False, True], ids=["full refresh", "second sync"])
def test_a_project_that_is_listed_twice_is_read_once(incremental: bool, world: World, first: int) -> None:
    answers: dict[str, Response] = {}
    streams = ["projects", "stories", "labels", "activity"]
    with TrackerServer(world, before=instead(answers)) as server:
        config = config_for(server)
        state = Sync(config, streams, incremental=True).state if incremental else []
        row = {"id": first, "name": "Here twice", "version": world.projects[first].version + 1}
        answers["/projects"] = json([row, row])
        sync = Sync(config, streams, incremental=incremental, state=state)
    assert sync.failure is None
    assert {stream: statuses[-1] for stream, statuses in sync.statuses.items()} == dict.fromkeys(streams, "COMPLETE")
    assert [record["id"] for record in sync.records["projects"]] == [first]
    keys = [record["guid"] for record in sync.records["activity"]]
    assert len(keys) == len(set(keys))


def test_an_id_that_is_true_is_no_id(world: World) -> None:
    page = json([{"id": True, "name": "One"}])
    sync = synced(world, "labels", before=instead({"/projects": page}))
    assert "the answer is no list of things with an id" in sync.errors[0]


def test_the_error_of_a_stream_has_words_and_no_trace(world: World, first: int) -> None:
    sync = synced(world, "stories", before=instead({f"/projects/{first}/stories": json({})}))
    (error,) = (message.trace.error for message in sync.output if message.trace and message.trace.error)
    assert (error.message, error.stack_trace) == (sync.errors[0], None)
