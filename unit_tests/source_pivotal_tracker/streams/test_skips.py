"""What a read does about what it may not see: a project, a list, an account, everything."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server.api.call import Caps
from tracker_server.api.errors import ApiError, error_response, unauthorized_operation, unfound_resource
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN
from tracker_server.world import World
from unit_tests.interception import html, instead, json, path_of, query_of
from unit_tests.source_pivotal_tracker.streams.reads import keys_come, keys_held, synced
from unit_tests.syncs import Sync, config_for, warnings

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
every_way_to_be_unreadable = pytest.mark.parametrize("status", UNREADABLE)
every_refusal_of_the_token = pytest.mark.parametrize("refusal", TOKEN_REFUSED.values(), ids=TOKEN_REFUSED.keys())


def named(warning: str) -> int | None:
    """The id of the project or account that a warning names before it tells the request."""
    found = re.search(r"(project|account)(_id)? (\d+): GET ", warning)
    return int(found[3]) if found else None


@every_way_to_be_unreadable
@pytest.mark.parametrize(("stream", "path"), [("labels", "labels"), ("stories", "stories"), ("story_tasks", "stories")])
def test_a_project_that_cannot_be_read_is_skipped_in_that_stream_and_the_others_go_on(
    stream: str, path: str, status: str, world: World, first: int
) -> None:
    sync = synced(world, stream, "epics", before=instead({f"/projects/{first}/{path}": UNREADABLE[status]}))
    elsewhere = replace(
        world, projects={project.id: project for project in world.projects.values() if project.id != first}
    )
    assert keys_come(sync, stream) == keys_held(elsewhere, stream)
    assert keys_come(sync, "epics") == keys_held(world, "epics")
    assert sync.failure is None
    assert sync.statuses[stream][-1] == "COMPLETE"


@every_way_to_be_unreadable
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


@pytest.mark.parametrize("status", [403, 404])
def test_json_of_a_gateway_is_a_failure_and_no_empty_project(status: int, world: World) -> None:
    blocked = replace(json({"status": status, "error": "Forbidden"}), status=status)

    def before(request: Request) -> Response | None:
        return blocked if path_of(request).startswith("/projects/") else None

    sync = synced(world, "labels", "stories", before=before)
    assert {name: statuses[-1] for name, statuses in sync.statuses.items()} == {
        "labels": "INCOMPLETE",
        "stories": "INCOMPLETE",
    }
    assert sync.failure is not None
    assert all(f"{status} " in error and "but not a Tracker API error: Forbidden" in error for error in sync.errors)


def test_a_project_that_vanishes_in_the_middle_of_its_list_is_an_error_and_keeps_the_rows_that_came(
    world: World, first: int
) -> None:
    def vanish(request: Request) -> Response | None:
        is_later = path_of(request) == f"/projects/{first}/stories" and query_of(request).get("offset", "0") != "0"
        return UNREADABLE["404"] if is_later else None

    sync = synced(world, "stories", before=vanish, caps=Caps(stories=10))
    came = Counter(row["project_id"] for row in sync.records["stories"])
    assert came == {
        project.id: 10 if project.id == first else len(project.stories) for project in world.projects.values()
    }
    assert sync.failure is not None
    (error,) = sync.errors
    assert named(error) == first
    assert f"GET /projects/{first}/stories: 404 " in error


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
    account = keys_held(world, "accounts")[0][0]
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
    assert [warning.partition(" in every stream: ")[0] for warning in warnings(caplog)] == [
        "Skipping project 7",
        "Skipping project 8",
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
        now=datetime(2026, 11, 20, tzinfo=UTC),
        tokens={SAMPLE_TOKEN: 1},
        people={1: {"kind": "person", "id": 1, "name": "Ann"}},
    )
    sync = synced(lonely)
    assert sync.failure is None
    assert set(sync.records) == {"me"}
    assert {statuses[-1] for statuses in sync.statuses.values()} == {"COMPLETE"}


@every_refusal_of_the_token
def test_a_token_that_is_refused_on_the_way_ends_the_sync_without_a_further_request(
    refusal: Response, world: World, first: int
) -> None:
    with TrackerServer(world, before=instead({f"/projects/{first}/epics": refusal})) as server:
        sync = Sync(config_for(server, num_workers=1), ["labels", "epics", "stories", "me"])
    assert server.log[-1].path == f"/projects/{first}/epics"
    assert sync.failure is not None
    assert sync.failure.failure_type == FailureType.config_error
    errors = [*sync.errors, str(sync.failure.message)]
    assert any(f"GET /projects/{first}/epics: {refusal.status} " in error for error in errors)


@every_refusal_of_the_token
def test_a_refused_token_is_an_error_of_the_configuration(refusal: Response, world: World) -> None:
    with TrackerServer(world, before=instead({"/projects": refusal})) as server:
        labels = next(
            stream for stream in SourcePivotalTracker().streams(config_for(server)) if stream.name == "labels"
        )
        with pytest.raises(AirbyteTracedException, match=f"GET /projects: {refusal.status} ") as error:
            list(labels.read_only_records())
    assert error.value.failure_type == FailureType.config_error
