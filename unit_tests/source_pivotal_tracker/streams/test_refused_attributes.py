"""Of a server that refuses some attributes all others come, and what they cost to find is paid once."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from source_pivotal_tracker.api.fields import select
from source_pivotal_tracker.config import parse_config
from tracker_server.api.call import Caps
from tracker_server.api.dialect import Dialect
from tracker_server.api.errors import error_response, invalid_parameter
from tracker_server.api.fields import FieldsError, parse_fields
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.world import World
from unit_tests.interception import Before, html, query_of
from unit_tests.source_pivotal_tracker.streams.reads import keys_come, keys_held
from unit_tests.syncs import Row, Sync, config_for, key_of, unhurried, warnings

OF_STORIES = ["stories", "story_tasks", "story_comments", "story_cycle_times", "story_branches", "file_attachments"]


def refusing(*attributes: str) -> Dialect:
    return Dialect(refused_attributes=frozenset(attributes))


def read(world: World, dialect: Dialect, *streams: str, **settings: Any) -> tuple[Sync, list[LoggedRequest]]:
    with TrackerServer(world, dialect=dialect) as server:
        return Sync(config_for(server, **settings), streams), server.log


def warnings_of_refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [warning for warning in warnings(caplog) if warning.startswith("Read with fewer attributes: ")]


def by_key(sync: Sync, stream: str, left_out: set[str]) -> list[Row]:
    """The rows without these attributes, and without the links to files, which name the port of the server."""
    left_out = left_out | {"download_url", "big_url", "thumbnail_url"}
    rows = sorted(sync.records[stream], key=lambda row: key_of(stream, row))
    return [{name: row[name] for name in row.keys() - left_out} for row in rows]


REFUSED = {
    "one": (["story.points_total"], "points_total"),
    "the first and the last": (
        ["story.follower_ids", "story.projected_completion"],
        "follower_ids, projected_completion",
    ),
    "neighbours": (["story.points_total", "story.counts_accepted"], "counts_accepted, points_total"),
    "inside comments": (["comment.file_attachment_ids"], "comments(file_attachment_ids)"),
    "at both levels": (
        ["story.counts_total", "comment.google_attachment_ids"],
        "comments(google_attachment_ids), counts_total",
    ),
}


@pytest.mark.parametrize("workers", [1, 8])
@pytest.mark.parametrize("refused", REFUSED)
def test_what_is_refused_is_left_out_alone_and_named_once(
    refused: str, workers: int, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    attributes, named = REFUSED[refused]
    names = {attribute.partition(".")[2] for attribute in attributes}
    whole, _ = read(world, Dialect(), *OF_STORIES)
    rest, log = read(world, refusing(*attributes), *OF_STORIES, num_workers=workers)
    assert rest.failure is None
    for stream in OF_STORIES:
        assert by_key(rest, stream, set()) == by_key(
            whole, stream, names if stream in ("stories", "story_comments") else set()
        )
    (warning,) = warnings_of_refusals(caplog)
    assert f", without {named} (GET /projects/" in warning
    assert "400 invalid_parameter: " in warning
    assert "stories, story_tasks" in warning
    assert len(log) < 40


def test_what_was_found_in_one_project_is_not_looked_for_in_another(world: World) -> None:
    _, log = read(world, refusing("story.points_total"), "stories", num_workers=1)
    asked = Counter(logged.path for logged in log if logged.path.endswith("/stories"))
    assert sorted(asked.values())[:-1] == [1] * (len(world.projects) - 1)


def test_every_optional_attribute_of_every_stream_may_be_refused(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    optional = (
        *("story.follower_ids", "story.blocked_story_ids", "story.projected_completion", "release.story_ids"),
        *("label.counts", "epic.follower_ids", "epic.completed_at", "iteration.velocity", "iteration.points"),
        *(
            "project.account",
            "project.current_velocity",
            "project.version",
            "me.workspace_ids",
            "comment.file_attachment_ids",
        ),
    )
    sync, _ = read(world, refusing(*optional))
    assert sync.failure is None
    for stream in (
        "projects",
        "stories",
        "labels",
        "epics",
        "iterations",
        "releases",
        "me",
        "story_comments",
        "epic_comments",
    ):
        assert keys_come(sync, stream) == keys_held(world, stream)
    warned = " ".join(warnings_of_refusals(caplog))
    assert [attribute for attribute in optional if not re.search(rf"\b{attribute.partition('.')[2]}\b", warned)] == []


PARTS = {"story_tasks": "tasks", "story_comments": "comments", "story_blockers": "blockers", "story_reviews": "reviews"}


@pytest.mark.parametrize("stream", PARTS)
def test_a_part_that_is_refused_comes_from_its_own_endpoint(stream: str, world: World) -> None:
    sync, _ = read(world, refusing(f"story.{PARTS[stream]}"), stream, "stories")
    assert sync.failure is None
    assert keys_come(sync, stream) == keys_held(world, stream)
    assert keys_come(sync, "stories") == keys_held(world, "stories")


@pytest.mark.parametrize("kind", ["task", "comment", "blocker", "review"])
def test_where_parentheses_are_refused_the_bare_attribute_is_taken(kind: str, world: World) -> None:
    stream = f"story_{kind}s"
    sync, log = read(world, refusing(f"{kind}.:default"), stream)
    assert keys_come(sync, stream) == keys_held(world, stream)
    assert all("/stories/" not in logged.path for logged in log)


def test_where_the_time_of_a_row_may_not_be_named_the_default_attributes_have_it(world: World) -> None:
    sync, log = read(world, refusing("story.updated_at"), "story_tasks", num_workers=1)
    assert keys_come(sync, "story_tasks") == keys_held(world, "story_tasks")
    assert log[-1].query["fields"] == ":default,tasks(:default)"


def test_what_cannot_be_left_out_is_one_clear_error(world: World) -> None:
    sync, _ = read(world, refusing("label.:default"), "labels", "stories", project_ids=[next(iter(world.projects))])
    assert sync.statuses["stories"][-1] == "COMPLETE"
    assert sync.statuses["labels"][-1] == "INCOMPLETE"
    (error,) = sync.errors
    assert "the server refuses :default, which cannot be left out" in error


def instead_of_stories(answer: Response, when: Any) -> Before:
    """An answer in place of the stories, where `when` says so of the query and the names in `fields`."""

    def before(request: Request) -> Response | None:
        query = query_of(request)
        return answer if request.path.endswith("/stories") and when(query) else None

    return before


def names_in(query: dict[str, str]) -> set[str]:
    try:
        return set(parse_fields(query["fields"])) if "fields" in query else set()
    except FieldsError:
        return set()


REFUSAL = error_response(invalid_parameter("no"))


@pytest.mark.parametrize("offset", [0, 10, 20])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(REFUSAL, id="400 invalid_parameter"),
        pytest.param(Response(400, {"Content-Type": "application/json"}, b'{"error": "what is this?"}'), id="400"),
        pytest.param(Response(422, {"Content-Type": "application/json"}, b'{"error": "what is this?"}'), id="422"),
        pytest.param(html(400), id="400 in HTML"),
        pytest.param(html(500), id="500"),
    ],
)
def test_a_refusal_on_any_page_in_any_words_costs_what_is_refused_alone(
    offset: int, answer: Response, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(query: dict[str, str]) -> bool:
        return int(query.get("offset", 0)) >= offset and "counts_total" in names_in(query)

    with TrackerServer(world, before=instead_of_stories(answer, refuses), caps=Caps(stories=10)) as server:
        sync = Sync(config_for(server), ["stories"])
    assert sync.failure is None
    assert keys_come(sync, "stories") == keys_held(world, "stories")
    assert all("points_total" in row for row in sync.records["stories"] if row["story_type"] == "release")
    (warning,) = warnings_of_refusals(caplog)
    assert "without counts_total (" in warning


@pytest.mark.parametrize("offset", [0, 20])
def test_a_refusal_that_is_not_about_the_attributes_is_the_error_of_the_stream(
    offset: int, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    refused = instead_of_stories(REFUSAL, lambda query: query.get("offset") == str(offset) and query["limit"] != "1")
    with TrackerServer(world, before=refused, caps=Caps(stories=10)) as server:
        sync = Sync(config_for(server, num_workers=1, project_ids=[next(iter(world.projects))]), ["stories"])
    assert sync.statuses["stories"][-1] == "INCOMPLETE"
    assert "400 invalid_parameter: " in sync.errors[0]
    assert warnings_of_refusals(caplog) == []
    assert len(server.log) < 12


def test_a_server_that_fails_whatever_it_is_asked_for_is_tried_as_often_as_any(world: World) -> None:
    project = next(iter(world.projects))
    with TrackerServer(world, before=instead_of_stories(html(500), lambda query: query["limit"] != "1")) as server:
        sync = Sync(config_for(server, project_ids=[project]), ["stories"])
    assert sync.statuses["stories"][-1] == "INCOMPLETE"
    assert len([logged for logged in server.log if logged.status == 500]) == 9


def test_a_refusal_that_passes_costs_no_attribute(world: World, caplog: pytest.LogCaptureFixture) -> None:
    refusals = iter([True, True])
    refused = instead_of_stories(REFUSAL, lambda query: len(names_in(query)) > 2 and next(refusals, False))
    with TrackerServer(world, before=refused) as server:
        sync = Sync(config_for(server, num_workers=1), ["stories"])
    assert keys_come(sync, "stories") == keys_held(world, "stories")
    assert warnings_of_refusals(caplog) == []


def test_a_server_that_refuses_fields_altogether_is_read_without(world: World) -> None:
    def before(request: Request) -> Response | None:
        return REFUSAL if "fields" in query_of(request) else None

    streams = ["projects", "stories", "story_tasks", "story_comments", "labels", "epics", "epic_comments", "me"]
    with TrackerServer(world, before=before) as server:
        sync = Sync(config_for(server), streams)
    assert sync.failure is None
    for stream in streams:
        assert keys_come(sync, stream) == keys_held(world, stream)


def test_what_single_rows_are_not_asked_for_the_list_still_is(world: World) -> None:
    project = next(iter(world.projects.values()))
    endpoint, path = "projects/{project_id}/stories", f"projects/{project.id}/stories/{project.order[-1]}"
    fields = select(":default", "counts_total", "points_total")

    def before(request: Request) -> Response | None:
        return REFUSAL if request.path.endswith(path) and "counts_total" in names_in(query_of(request)) else None

    with TrackerServer(world, before=before) as server:
        selection = unhurried(parse_config(config_for(server))).selection
        one = selection.get(path, {}, fields, endpoint=endpoint, names="stories", variant="one")
    assert one.parsed["id"] == project.order[-1]
    assert selection.of(fields, endpoint) == fields
    assert selection.of(fields, endpoint, "bulk") == fields
    assert selection.of(fields, endpoint, "one") == select(":default", "points_total")


def test_the_cdks_own_read_leaves_out_the_same(world: World) -> None:
    with TrackerServer(world, dialect=refusing("story.points_total")) as server:
        serial, engine = (Sync(config_for(server), ["stories"], by_the_cdk=by_the_cdk) for by_the_cdk in (True, False))
    assert serial.failure is None
    assert by_key(serial, "stories", set()) == by_key(engine, "stories", set())
