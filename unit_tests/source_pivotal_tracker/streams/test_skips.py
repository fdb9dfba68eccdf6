"""What a read does about what it may not see, what a server does not know, and answers that no Tracker would give."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson
import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams import STREAMS
from source_pivotal_tracker.streams.base import PartStream
from tracker_server.api import (
    PREFIX,
    ApiError,
    Caps,
    Request,
    Response,
    TrackerApi,
    error_response,
    invalid_parameter,
    unauthorized_operation,
    unfound_resource,
)
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import Project, World
from unit_tests import held
from unit_tests.syncs import Row, Sync, config_for

Before = Callable[[Request], "Response | None"]

UNREADABLE = {
    "403": error_response(unauthorized_operation("You are not a member of it.")),
    "404": error_response(unfound_resource()),
}
TRACKERS_WORDS = {
    "403": "403 unauthorized_operation: Authorization failure. You are not a member of it.",
    "404": "404 unfound_resource: The object you tried to access could not be found.",
}
TOKEN_REFUSED = {
    "401": error_response(ApiError(401, "unauthenticated", "No.")),
    "403 invalid_authentication": error_response(ApiError(403, "invalid_authentication", "No.")),
}
NAMES_OF_ERRORS = re.compile(r"[A-Z][a-zA-Z]*(Error|Exception)\b|Traceback|Something went wrong")
START = "2026-10-01T12:00:00Z"


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(projects=3, stories=24)


@pytest.fixture(scope="module")
def first(world: World) -> int:
    """The id of the project that comes first, for which most of the answers here are put in place."""
    return next(iter(world.projects))


def path_of(request: Request) -> str:
    return request.path.removeprefix(PREFIX)


def query_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query))


def instead(answers: Mapping[str, Response]) -> Before:
    """Puts an answer in place of the server's own for each of these paths."""
    return lambda request: answers.get(path_of(request))


def json(body: object, **headers: int | str) -> Response:
    """An answer in JSON; `Total=1` is its `X-Tracker-Pagination-Total`."""
    pagination = {f"X-Tracker-Pagination-{name}": str(value) for name, value in headers.items()}
    return Response(200, {"Content-Type": "application/json", **pagination}, orjson.dumps(body))


def html(status: int) -> Response:
    return Response(status, {"Content-Type": "text/html"}, b"<html>blocked</html>")


def synced(world: World, *streams: str, before: Before | None = None, **settings: Any) -> Sync:
    with TrackerServer(world, before=before) as server:
        return Sync(config_for(server, **settings), streams)


def keys(rows: list[Row], key: str = "id") -> list[tuple[Any, ...]]:
    return sorted((row[key],) for row in rows)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the connector itself warned of."""
    return [
        record.getMessage() for record in caplog.records if record.name == "airbyte.tracker" and record.levelno >= 30
    ]


def named(warning: str) -> int | None:
    """The id of the project or account that a warning names before it tells the request."""
    found = re.search(r"(project|account)(_id)? (\d+): GET ", warning)
    return int(found[3]) if found else None


@pytest.mark.parametrize("status", UNREADABLE)
@pytest.mark.parametrize(("stream", "path"), [("labels", "labels"), ("stories", "stories"), ("story_tasks", "stories")])
def test_a_project_that_cannot_be_read_is_skipped_in_that_stream_and_the_others_go_on(
    stream: str, path: str, status: str, world: World, first: int
) -> None:
    sync = synced(world, stream, "epics", before=instead({f"/projects/{first}/{path}": UNREADABLE[status]}))
    elsewhere = replace(world, projects={each.id: each for each in world.projects.values() if each.id != first})
    assert keys(sync.records[stream]) == sorted(held.keys(elsewhere, SAMPLE_TOKEN)[stream])
    assert keys(sync.records["epics"]) == sorted(held.keys(world, SAMPLE_TOKEN)["epics"])
    assert sync.failure is None
    assert sync.statuses[stream][-1] == "COMPLETE"


@pytest.mark.parametrize("status", UNREADABLE)
def test_the_warning_of_a_skip_names_project_stream_status_and_trackers_words(
    status: str, world: World, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    synced(world, "stories", before=instead({f"/projects/{first}/stories": UNREADABLE[status]}))
    (warning,) = warnings(caplog)
    assert named(warning) == first
    assert "stories" in warning.partition("GET ")[0]
    assert TRACKERS_WORDS[status] in warning


@pytest.mark.parametrize("status", [403, 404])
def test_the_same_status_from_somebody_else_than_tracker_is_a_failure(status: int, world: World, first: int) -> None:
    sync = synced(world, "labels", "epics", before=instead({f"/projects/{first}/labels": html(status)}))
    assert sync.statuses["labels"][-1] == "INCOMPLETE"
    assert sync.statuses["epics"][-1] == "COMPLETE"
    assert sync.failure is not None
    (error,) = sync.errors
    assert f"GET /projects/{first}/labels: {status} " in error


def test_a_project_that_vanishes_in_the_middle_of_its_list_keeps_the_rows_that_came(
    world: World, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    def vanish(request: Request) -> Response | None:
        is_later = path_of(request) == f"/projects/{first}/stories" and query_of(request)["offset"] != "0"
        return UNREADABLE["404"] if is_later else None

    with TrackerServer(world, before=vanish, caps=Caps(stories=10)) as server:
        sync = Sync(config_for(server), ["stories"])
    came = Counter(row["project_id"] for row in sync.records["stories"])
    assert came == {each.id: 10 if each.id == first else len(each.stories) for each in world.projects.values()}
    assert sync.failure is None
    (warning,) = warnings(caplog)
    assert named(warning) == first
    assert f"GET /projects/{first}/stories: 404 " in warning


@pytest.mark.parametrize("stream", ["webhooks", "integrations"])
def test_what_only_owners_may_see_is_skipped_in_the_projects_of_others(
    stream: str, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sync = synced(world, stream)
    came = {row["project_id"] for row in sync.records[stream]}
    skipped = set(map(named, warnings(caplog)))
    assert came
    assert skipped
    assert came | skipped == set(world.projects)
    assert came & skipped == set()
    assert sync.statuses[stream][-1] == "COMPLETE"


def test_an_account_whose_members_cannot_be_read_is_skipped(world: World, caplog: pytest.LogCaptureFixture) -> None:
    account = held.keys(world, SAMPLE_TOKEN)["accounts"][0][0]
    refused = instead({f"/accounts/{account}/memberships": UNREADABLE["403"]})
    sync = synced(world, "account_memberships", before=refused)
    assert account not in {row["account_id"] for row in sync.records["account_memberships"]}
    assert sync.statuses["account_memberships"][-1] == "COMPLETE"
    (warning,) = warnings(caplog)
    assert named(warning) == account
    assert "account_memberships" in warning.partition("GET ")[0]


def test_without_a_list_of_accounts_no_account_and_no_members_of_any_are_read(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sync = synced(world, "accounts", "account_memberships", before=instead({"/accounts": UNREADABLE["403"]}))
    assert sync.failure is None
    assert sync.records == {}
    assert {TRACKERS_WORDS["403"] in warning for warning in warnings(caplog)} == {True}


def test_some_project_ids_that_cannot_be_read_are_told_once_and_the_rest_are_read(
    world: World, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    sync = synced(world, "labels", "epics", project_ids=[7, first, 8])
    assert {row["project_id"] for row in sync.records["labels"] + sync.records["epics"]} == {first}
    assert sync.failure is None
    assert [warning.partition(" is skipped in every stream: ")[0] for warning in warnings(caplog)] == [
        "Project 7",
        "Project 8",
    ]


def test_where_none_of_the_project_ids_can_be_read_the_sync_fails(world: World) -> None:
    sync = synced(world, "labels", "me", project_ids=[7, 8])
    assert sync.statuses["labels"][-1] == "INCOMPLETE"
    assert sync.statuses["me"][-1] == "COMPLETE"
    (error,) = sync.errors
    assert "none of the project_ids can be read: GET /projects/7: 404 " in error
    assert "GET /projects/8: 404 " in error


def test_a_token_without_projects_reads_no_rows_and_succeeds() -> None:
    lonely = World(
        now=datetime(2026, 11, 20, tzinfo=timezone.utc),
        tokens={SAMPLE_TOKEN: 1},
        people={1: {"kind": "person", "id": 1, "name": "Ann"}},
    )
    sync = synced(lonely)
    assert sync.failure is None
    assert set(sync.records) == {"me"}
    assert {statuses[-1] for statuses in sync.statuses.values()} == {"COMPLETE"}


@pytest.mark.parametrize("refusal", TOKEN_REFUSED.values(), ids=TOKEN_REFUSED.keys())
def test_a_token_that_is_refused_on_the_way_ends_the_sync_without_a_further_request(
    refusal: Response, world: World, first: int
) -> None:
    with TrackerServer(world, before=instead({f"/projects/{first}/epics": refusal})) as server:
        sync = Sync(config_for(server, num_workers=1), ["labels", "epics", "stories", "me"])
    assert server.log[-1].path == f"/projects/{first}/epics"
    assert sync.failure is not None
    assert sync.failure.failure_type == FailureType.config_error
    told = [*sync.errors, str(sync.failure.message)]
    assert any(f"GET /projects/{first}/epics: {refusal.status} " in each for each in told)


@pytest.mark.parametrize("refusal", TOKEN_REFUSED.values(), ids=TOKEN_REFUSED.keys())
def test_a_refused_token_is_an_error_of_the_configuration(refusal: Response, world: World) -> None:
    with TrackerServer(world, before=instead({"/projects": refusal})) as server:
        labels = next(each for each in SourcePivotalTracker().streams(config_for(server)) if each.name == "labels")
        with pytest.raises(AirbyteTracedException, match=f"GET /projects: {refusal.status} ") as error:
            list(labels.read_only_records())
    assert error.value.failure_type == FailureType.config_error


def refuses(*attributes: str) -> Before:
    """Answers 400 where `fields` names one of these."""

    def before(request: Request) -> Response | None:
        named = set(re.findall(r"[a-z_:]+", query_of(request).get("fields", "")))
        return error_response(invalid_parameter(f"no {attributes}")) if named.intersection(attributes) else None

    return before


def test_where_the_attributes_are_refused_the_default_ones_are_read_and_that_is_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with TrackerServer(world, before=refuses("points_accepted")) as server:
        sync = Sync(config_for(server, num_workers=1), ["stories"])
    assert keys(sync.records["stories"]) == sorted(held.keys(world, SAMPLE_TOKEN)["stories"])
    asked = [logged.query["fields"] for logged in server.log if logged.path.endswith("/stories")]
    assert asked[1:] == [":default"] * len(world.projects)
    (warning,) = warnings(caplog)
    assert "stories" in warning
    assert "fewer attributes" in warning
    assert "400 invalid_parameter: " in warning


def test_a_part_whose_narrow_attributes_are_known_is_read_by_them(world: World) -> None:
    with TrackerServer(world, before=refuses("updated_at")) as server:
        sync = Sync(config_for(server, num_workers=1), ["story_tasks"])
    assert keys(sync.records["story_tasks"]) == sorted(held.keys(world, SAMPLE_TOKEN)["story_tasks"])
    asked = [logged.query["fields"] for logged in server.log if logged.path.endswith("/stories")]
    assert asked[1:] == [":default,tasks"] * len(world.projects)


def test_a_server_that_refuses_the_default_attributes_too_fails_the_stream(world: World) -> None:
    sync = synced(world, "labels", "me", before=refuses("counts", ":default"))
    assert sync.statuses["labels"][-1] == "INCOMPLETE"
    assert sync.statuses["me"][-1] == "COMPLETE"
    (error,) = sync.errors
    assert "/labels: 400 invalid_parameter: " in error


def without_fields(world: World) -> Before:
    """A server that ignores `fields` and shows each row with the attributes that it has by itself."""
    api = TrackerApi(world)

    def before(request: Request) -> Response | None:
        query = {name: value for name, value in query_of(request).items() if name != "fields"}
        return api.handle(replace(request, query=urlencode(query)))

    return before


@pytest.mark.parametrize("stream", [each for each in STREAMS if issubclass(each, PartStream)])
def test_a_part_is_no_empty_stream_where_the_server_ignores_fields(
    stream: type[PartStream], world: World, caplog: pytest.LogCaptureFixture
) -> None:
    name = re.sub("(?<!^)([A-Z])", r"_\1", stream.__name__).lower()
    sync = synced(world, name, before=without_fields(world))
    assert sync.statuses[name][-1] == "INCOMPLETE"
    assert sync.errors
    assert any("the server ignores `fields`, so it does not show " in each for each in sync.errors + warnings(caplog))


@pytest.mark.parametrize("stream", ["stories", "epics", "labels", "projects", "releases", "activity"])
def test_whole_rows_come_from_a_server_that_ignores_fields(stream: str, world: World) -> None:
    sync = synced(world, stream, before=without_fields(world))
    came = keys(sync.records[stream], "guid" if stream == "activity" else "id")
    assert came == sorted(held.keys(world, SAMPLE_TOKEN)[stream])


def story_ids(iterations: list[Row]) -> dict[tuple[int, int], list[int]]:
    return {(row["project_id"], row["number"]): row["story_ids"] for row in iterations}


def test_an_iteration_with_nested_stories_has_their_ids_only(world: World) -> None:
    plain = synced(world, "iterations").records["iterations"]
    nested = synced(world, "iterations", before=without_fields(world)).records["iterations"]
    assert story_ids(nested) == story_ids(plain)
    assert all("stories" not in row for row in nested)
    assert any(row["story_ids"] for row in nested)


def secrets_of(project: Project) -> set[str]:
    """Everything secret in a project's webhooks and integrations: whole values, and what hides in URLs."""
    secrets = set()
    for row in [*project.webhooks.values(), *project.integrations.values()]:
        for attribute, value in row.items():
            if re.search("password|token|user", attribute):
                secrets.add(value)
            elif attribute.endswith("url"):
                parts = urlsplit(value)
                secrets |= {part for part in (parts.password, parts.query) if part}
    return secrets


@pytest.mark.parametrize("ignores_fields", [False, True], ids=["with fields", "where the server ignores fields"])
@pytest.mark.parametrize("stream", ["webhooks", "integrations"])
def test_no_record_of_a_webhook_or_an_integration_holds_a_secret(
    stream: str, ignores_fields: bool, world: World
) -> None:
    rows = synced(world, stream, before=without_fields(world) if ignores_fields else None).records[stream]
    shown = {row["project_id"] for row in rows}
    secrets = {secret for project_id in shown for secret in secrets_of(world.projects[project_id])}
    assert len(secrets) > 5
    assert [secret for secret in secrets if secret in str(rows)] == []


@pytest.mark.parametrize("ignores_fields", [False, True], ids=["with fields", "where the server ignores fields"])
def test_the_tokens_person_is_read_without_the_token(ignores_fields: bool, world: World) -> None:
    (me,) = synced(world, "me", before=without_fields(world) if ignores_fields else None).records["me"]
    assert me["id"] == world.tokens[SAMPLE_TOKEN]
    assert "api_token" not in me
    assert SAMPLE_TOKEN not in str(me)


def test_the_urls_of_files_are_absolute_on_the_servers_host(world: World) -> None:
    with TrackerServer(world) as server:
        files = Sync(config_for(server), ["file_attachments"]).records["file_attachments"]
    host = server.url.removesuffix(PREFIX)
    assert files
    assert all(file["download_url"].startswith(f"{host}/file_attachments/{file['id']}/") for file in files)


def test_the_url_of_a_file_on_another_host_stays_as_it_is(world: World, first: int) -> None:
    file = {"id": 3, "download_url": "https://files.example.com/3", "big_url": "#", "thumbnail_url": None}
    row = {"id": 1, "comments": [{"id": 2, "file_attachments": [file]}]}
    sync = synced(world, "file_attachments", before=instead({f"/projects/{first}/stories": json([row], Total=1)}))
    (came,) = [each for each in sync.records["file_attachments"] if each["id"] == 3]
    assert {key: came[key] for key in file} == file


def test_a_list_without_pagination_headers_ends_by_an_empty_page(world: World, first: int) -> None:
    rows = [{"id": number, "story_type": "feature"} for number in range(1, 8)]

    def headless(request: Request) -> Response | None:
        if path_of(request) != f"/projects/{first}/stories":
            return None
        offset = int(query_of(request)["offset"])
        return json(rows[offset : offset + 3])

    with TrackerServer(world, before=headless) as server:
        sync = Sync(config_for(server, project_ids=[first]), ["stories"])
    assert [row["id"] for row in sync.records["stories"]] == [1, 2, 3, 4, 5, 6, 7]
    offsets = [logged.query["offset"] for logged in server.log if logged.path.endswith("/stories")]
    assert offsets == ["0", "3", "6", "7"]


PAGES = {
    "fewer rows than its Returned header says": json([{"id": 1}], Returned=2, Total=2),
    "more rows than its Returned header says": json([{"id": 1}, {"id": 2}], Returned=1, Total=2),
    "no rows before the Total": json([], Total=5),
    "a Total that is no number": json([{"id": 1}], Total="many"),
    "a Returned that is no number": json([{"id": 1}], Returned="", Total=1),
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_a_page_that_contradicts_its_headers_fails_the_stream(page: Response, world: World, first: int) -> None:
    sync = synced(world, "stories", before=instead({f"/projects/{first}/stories": page}))
    assert sync.statuses["stories"][-1] == "INCOMPLETE"
    (error,) = sync.errors
    assert re.search("the server says that it returned|the list ended at row 0 of the 5|which is no number", error)


NO_LISTS: list[object] = [{}, ["x"], [None], [[]], None, "x", 5]
NO_OBJECTS: list[object] = [[], ["x"], None, "x", 5]
LISTS = ["labels", "memberships", "epics", "iterations", "activity", "story_transitions", "releases", "stories"]


def failure_words(sync: Sync, stream: str) -> str:
    assert sync.statuses[stream][-1] == "INCOMPLETE"
    (error,) = sync.errors
    assert not NAMES_OF_ERRORS.search(error)
    return error


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


SPELLINGS_AND_WHETHER_KEPT = {
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
}
UNTELLABLE = ["last week", "2026-09-30T12:00:00", 1790000000000, None]


@pytest.mark.parametrize("cursor", SPELLINGS_AND_WHETHER_KEPT)
def test_the_start_date_holds_however_a_server_spells_its_times(cursor: str, world: World, first: int) -> None:
    row = {"id": 1, "updated_at": cursor}
    sync = synced(
        world,
        "labels",
        before=instead({f"/projects/{first}/labels": json([row])}),
        start_date=START,
        project_ids=[first],
    )
    assert sync.failure is None
    assert bool(sync.records["labels"]) is SPELLINGS_AND_WHETHER_KEPT[cursor]


@pytest.mark.parametrize("cursor", UNTELLABLE, ids=repr)
def test_a_row_whose_time_cannot_be_told_is_kept(cursor: object, world: World, first: int) -> None:
    row = {"id": 1, "updated_at": cursor}
    sync = synced(
        world,
        "labels",
        before=instead({f"/projects/{first}/labels": json([row])}),
        start_date=START,
        project_ids=[first],
    )
    assert [each["id"] for each in sync.records["labels"]] == [1]
