"""What the server answers, asked in process, over a small hand-made world."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.api.fields import FieldsError, parse_fields, selector
from tracker_server.api.protocol import PREFIX
from tracker_server.api.resources import RESOURCES
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.http_message import Request, Response
from tracker_server.world import Project, Row, StoredFile, World

NOW = datetime(2024, 1, 24, 12, tzinfo=UTC)
ANN, BOB, EVE = 1, 2, 3
TOKENS = {"ann" * 8: ANN, "bob" * 8: BOB, "eve" * 8: EVE}
TOKEN_OF = {person_id: token for token, person_id in TOKENS.items()}


def make_project(project_id: int, **attributes: Any) -> Project:
    return Project(
        row={
            "id": project_id,
            "kind": "project",
            "name": f"Project {project_id}",
            "iteration_length": 1,
            "week_start_day": "Monday",
            "point_scale": "0,1,2,3",
            "bugs_and_chores_are_estimatable": False,
            "time_zone": {"kind": "time_zone", "olson_name": "Etc/UTC", "offset": "+00:00"},
            "velocity_averaged_over": 2,
            "number_of_done_iterations_to_show": 4,
            "initial_velocity": 5,
            "public": False,
            "start_time": "2024-01-01T00:00:00Z",
            "account_id": 7,
            **attributes,
        }
    )


def make_world() -> World:
    """Ann owns projects 99 and 100 and the account, Bob views project 99, Eve is nowhere a member."""
    world = World(now=NOW, tokens=dict(TOKENS))
    for person_id, name in ((ANN, "Ann"), (BOB, "Bob"), (EVE, "Eve")):
        email = f"{name.lower()}@example.com"
        world.people[person_id] = {
            "kind": "person", "id": person_id, "name": name, "initials": name[0], "username": name, "email": email,
        }  # fmt: skip
    world.accounts[7] = {"kind": "account", "id": 7, "name": "Seven", "plan": "Free", "status": "active"}
    world.account_memberships[71] = {"id": 71, "account_id": 7, "person_id": ANN, "owner": True, "admin": True}
    world.account_memberships[72] = {"id": 72, "account_id": 7, "person_id": BOB, "owner": False, "admin": False}
    world.projects = {99: make_project(99), 100: make_project(100)}
    world.workspaces[ANN] = [{"kind": "workspace", "id": 5, "name": "Both", "person_id": ANN, "project_ids": [99, 100]}]
    first = world.projects[99]
    edits.create_membership(world, first, ANN, person_id=ANN, role="owner")
    edits.create_membership(world, first, ANN, person_id=BOB, role="viewer")
    edits.create_membership(world, world.projects[100], ANN, person_id=ANN, role="owner")
    first.webhooks[31] = {"kind": "webhook", "id": 31, "project_id": 99, "webhook_url": "https://example.com"}
    first.integrations[32] = {"kind": "jira_integration", "id": 32, "project_id": 99, "name": "Jira"}
    return world


class Client:
    """Asks the API of one world as one person."""

    def __init__(self, world: World, caps: Caps | None = None) -> None:
        self.world = world
        self.api = TrackerApi(world, caps)

    def get(self, path: str, by: int = ANN, **query: Any) -> Response:
        headers = {"X-TrackerToken": TOKEN_OF[by]}
        return self.api.handle(Request("GET", PREFIX + path, urlencode(query), headers))

    def rows(self, path: str, by: int = ANN, **query: Any) -> Any:
        response = self.get(path, by, **query)
        assert response.status == 200, response.body
        return orjson.loads(response.body)

    def ids(self, path: str, **query: Any) -> list[int]:
        return [row["id"] for row in self.rows(path, **query)]

    def error(self, path: str, by: int = ANN, **query: Any) -> tuple[int, Row]:
        response = self.get(path, by, **query)
        return response.status, orjson.loads(response.body)


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def project(world: World) -> Project:
    return world.projects[99]


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


def add_stories(world: World, project: Project, count: int, **values: Any) -> list[int]:
    return [edits.create_story(world, project, ANN, name=f"Story {n}", **values)["id"] for n in range(count)]


def full_story(world: World, project: Project) -> Row:
    """A story that has one of everything, in an epic."""
    epic = edits.create_epic(world, project, ANN, name="Checkout")
    story = edits.create_story(
        world, project, ANN, name="Pay", current_state="started", estimate=2, owner_ids=[BOB, ANN],
        label_ids=[epic["label_id"]],
    )  # fmt: skip
    edits.create_task(world, project, ANN, story["id"], description="Test it")
    files = [{"filename": "a.txt", "size": 3}]
    edits.create_comment(world, project, BOB, story_id=story["id"], text="Look", file_attachments=files)
    edits.create_comment(world, project, BOB, epic_id=epic["id"], text="Big")
    edits.create_blocker(world, project, ANN, story["id"], description="Waits")
    return story


# Paths of every endpoint in a world with `full_story` in it; braces name ids of that world.
PROJECT_PATHS = [
    "", "/memberships", "/memberships/{membership}", "/labels", "/labels/{label}", "/epics", "/epics/{epic}",
    "/epics/{epic}/comments", "/epics/{epic}/activity", "/webhooks", "/integrations", "/history/days", "/iterations",
    "/iterations/1", "/releases", "/releases/{release}", "/releases/{release}/stories", "/stories",
    "/stories/bulk?ids={story}", "/stories/{story}", "/stories/{story}/tasks", "/stories/{story}/comments",
    "/stories/{story}/comments/{comment}", "/stories/{story}/blockers", "/stories/{story}/reviews",
    "/stories/{story}/owners", "/stories/{story}/labels", "/stories/{story}/transitions", "/stories/{story}/activity",
    "/story_transitions", "/activity",
]  # fmt: skip
PERSON_PATHS = [
    "/me", "/projects", "/my/people?project_id=99", "/my/activity", "/my/notifications", "/my/workspaces",
    "/my/workspaces/5", "/accounts", "/accounts/7", "/accounts/7/memberships",
]  # fmt: skip
PAGINATED = ["/stories", "/releases", "/iterations", "/activity", "/story_transitions"]


def full_client() -> tuple[Client, dict[str, int]]:
    world = make_world()
    project = world.projects[99]
    story = full_story(world, project)
    release = edits.create_release(world, project, ANN, name="1.0")
    ids = {
        "story": story["id"],
        "comment": story["comments"][0]["id"],
        "release": release["id"],
        "epic": next(iter(project.epics)),
        "label": next(iter(project.labels)),
        "membership": next(iter(project.memberships)),
    }
    return Client(world), ids


def ask(client: Client, path: str) -> Response:
    path, _, query = path.partition("?")
    parameters: dict[str, Any] = dict(parse_qsl(query))
    return client.get(path, **parameters)


@pytest.mark.parametrize("path", PROJECT_PATHS)
def test_a_response_about_a_project_carries_its_version(path: str) -> None:
    client, ids = full_client()
    response = ask(client, "/projects/99" + path.format(**ids))
    assert response.status == 200
    assert response.headers["X-Tracker-Project-Version"] == str(client.world.projects[99].version)


@pytest.mark.parametrize("path", PERSON_PATHS)
def test_a_response_about_a_person_carries_no_project_version(path: str) -> None:
    client, _ = full_client()
    response = ask(client, path)
    assert response.status == 200
    assert "X-Tracker-Project-Version" not in response.headers


@pytest.mark.parametrize("path", [*PERSON_PATHS, *("/projects/99" + path for path in PROJECT_PATHS)])
def test_a_parameter_that_the_endpoint_does_not_have_is_named_in_the_error(path: str) -> None:
    client, ids = full_client()
    response = ask(client, path.format(**ids) + ("&" if "?" in path else "?") + "colour=red")
    error = orjson.loads(response.body)
    assert (response.status, error["code"]) == (400, "invalid_parameter")
    assert "'colour'" in error["general_problem"]


@pytest.mark.parametrize("kind", sorted(RESOURCES))
def test_each_resource_shows_only_attributes_that_it_has(kind: str) -> None:
    resource = RESOURCES[kind]
    assert callable(selector(kind, ",".join(sorted(resource.attributes))))
    assert resource.key is None or resource.key in resource.attributes


def test_a_story_of_the_top_level_carries_the_version_of_its_project(client: Client, project: Project) -> None:
    story_id = add_stories(client.world, project, 1)[0]
    assert client.get(f"/stories/{story_id}").headers["X-Tracker-Project-Version"] == str(project.version)


def test_a_request_without_a_token_gets_401(world: World) -> None:
    response = TrackerApi(world).handle(Request("GET", PREFIX + "/me"))
    assert (response.status, orjson.loads(response.body)["code"]) == (401, "unauthenticated")


def test_an_unknown_token_gets_403_with_the_fix_that_tracker_gives(world: World) -> None:
    response = TrackerApi(world).handle(Request("GET", PREFIX + "/me", headers={"x-trackertoken": "nobody"}))
    assert response.status == 403
    assert orjson.loads(response.body) == {
        "code": "invalid_authentication",
        "kind": "error",
        "error": "Invalid authentication credentials were presented.",
        "possible_fix": "Verify that your token value matches what's shown on your Profile page in Tracker.",
    }


def test_a_project_of_others_gets_403(client: Client) -> None:
    status, error = client.error("/projects/99/stories", by=EVE)
    assert (status, error["code"]) == (403, "unauthorized_operation")


def test_a_story_of_others_gets_403_at_the_top_level_too(client: Client, project: Project) -> None:
    story_id = add_stories(client.world, project, 1)[0]
    assert client.error(f"/stories/{story_id}", by=EVE)[0] == 403


def test_anyone_with_a_token_reads_a_public_project(client: Client, project: Project) -> None:
    project.row["public"] = True
    assert client.rows("/projects/99", by=EVE)["id"] == 99


@pytest.mark.parametrize("path", ["/nowhere", "/projects/99/nowhere", "/projects/abc", "/projects/99/stories/-1"])
def test_a_path_without_an_endpoint_gets_route_not_found(client: Client, path: str) -> None:
    status, error = client.error(path)
    assert (status, error["code"]) == (404, "route_not_found")
    assert error["error"] == "The path you requested has no valid endpoint."


@pytest.mark.parametrize(
    "path",
    [
        "/projects/1", "/stories/1", "/epics/1", "/accounts/1", "/my/workspaces/1", "/projects/99/stories/1",
        "/projects/99/stories/1/tasks", "/projects/99/stories/1/activity", "/projects/99/epics/1/comments",
        "/projects/99/labels/1", "/projects/99/releases/1", "/projects/99/iterations/999", "/projects/99/memberships/1",
    ],
)  # fmt: skip
def test_an_unknown_thing_gets_unfound_resource(client: Client, path: str) -> None:
    status, error = client.error(path)
    assert (status, error["code"]) == (404, "unfound_resource")
    assert error["error"].startswith("The object you tried to access could not be found.  It may have been removed")


def test_a_story_that_is_no_release_is_not_found_among_the_releases(client: Client, project: Project) -> None:
    story_id = add_stories(client.world, project, 1)[0]
    assert client.error(f"/projects/99/releases/{story_id}/stories")[0] == 404


def test_a_method_other_than_get_is_refused(world: World) -> None:
    response = TrackerApi(world).handle(Request("DELETE", PREFIX + "/me"))
    assert (response.status, orjson.loads(response.body)["code"]) == (405, "http_method_not_supported")


@pytest.mark.parametrize("path", ["/projects/99/webhooks", "/projects/99/integrations"])
def test_only_an_owner_reads_what_may_hold_secrets(client: Client, path: str) -> None:
    assert client.error(path, by=BOB)[0] == 403
    assert len(client.rows(path, by=ANN)) == 1


def test_only_an_administrator_reads_the_members_of_an_account(client: Client) -> None:
    assert client.error("/accounts/7/memberships", by=BOB)[0] == 403
    assert client.rows("/accounts", by=BOB) == []
    assert [row["person"]["name"] for row in client.rows("/accounts/7/memberships")] == ["Ann", "Bob"]


def test_me_has_the_token_and_a_summary_of_each_membership(client: Client) -> None:
    row = client.rows("/me", by=BOB)
    assert row["api_token"] == TOKEN_OF[BOB]
    assert [(project["project_id"], project["project_name"], project["role"]) for project in row["projects"]] == [
        (99, "Project 99", "viewer")
    ]


def test_projects_are_those_that_the_person_is_a_member_of(client: Client) -> None:
    assert client.ids("/projects") == [99, 100]
    assert [row["id"] for row in client.rows("/projects", by=BOB)] == [99]
    assert client.ids("/projects", account_ids="8") == []


def test_each_listed_project_has_its_own_figures(client: Client, project: Project) -> None:
    ids = add_stories(client.world, project, 2)
    rows = client.rows("/projects", fields="version,story_ids")
    assert rows[0] == {"id": 99, "version": project.version, "story_ids": ids[::-1]}
    assert rows[1]["story_ids"] == []


def test_inactive_memberships_are_never_shown(client: Client, project: Project) -> None:
    bobs = next(row for row in project.memberships.values() if row["person_id"] == BOB)
    bobs["role"] = "inactive"
    assert [row["person"]["name"] for row in client.rows("/projects/99/memberships")] == ["Ann"]
    assert client.error("/projects/99", by=BOB)[0] == 403


@pytest.mark.parametrize("path", PAGINATED)
def test_limit_0_gives_only_headers(path: str) -> None:
    client, _ = full_client()
    response = client.get("/projects/99" + path, limit=0)
    assert response.body == b"[]"
    assert response.headers["X-Tracker-Pagination-Returned"] == "0"
    assert int(response.headers["X-Tracker-Pagination-Total"]) > 0


@pytest.mark.parametrize("path", PAGINATED)
def test_past_the_end_there_are_no_rows_and_the_total_stays(path: str) -> None:
    client, _ = full_client()
    total = client.get("/projects/99" + path).headers["X-Tracker-Pagination-Total"]
    response = client.get("/projects/99" + path, offset=9999)
    assert response.body == b"[]"
    assert response.headers["X-Tracker-Pagination-Total"] == total
    assert response.headers["X-Tracker-Pagination-Offset"] == "9999"


@pytest.mark.parametrize("path", PAGINATED)
def test_the_cap_silently_lowers_the_limit(path: str) -> None:
    client, _ = full_client()
    client.api.caps = Caps(stories=1, releases=1, iterations=1, activity=1, transitions=1)
    response = client.get("/projects/99" + path, limit=1000)
    assert response.headers["X-Tracker-Pagination-Limit"] == "1"
    assert len(orjson.loads(response.body)) == 1


@pytest.mark.parametrize("query", [{"limit": -1}, {"limit": "ten"}, {"limit": ""}, {"offset": -1}, {"offset": "1.0"}])
def test_a_limit_or_offset_that_makes_no_sense_gets_400(client: Client, query: Row) -> None:
    assert client.error("/projects/99/stories", **query)[1]["code"] == "invalid_parameter"


def test_a_walk_by_pages_meets_every_story_once_in_priority_order(client: Client, project: Project) -> None:
    add_stories(client.world, project, 7)
    met = [story_id for offset in (0, 3, 6) for story_id in client.ids("/projects/99/stories", limit=3, offset=offset)]
    assert met == project.order


def test_a_hundred_stories_come_unasked(client: Client, project: Project) -> None:
    add_stories(client.world, project, 101)
    response = client.get("/projects/99/stories")
    names = ("Total", "Limit", "Offset", "Returned")
    assert [response.headers[f"X-Tracker-Pagination-{name}"] for name in names] == ["101", "100", "0", "100"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"offset": -12, "limit": 5}, [157, 158, 159, 160, 161]),
        ({"offset": -7, "limit": 5}, [162, 163, 164, 165, 166]),
        ({"offset": -2, "limit": 5}, [167, 168]),
        ({"offset": -999, "limit": 1}, [1]),
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
def test_a_negative_offset_counts_back_from_the_current_iteration(query: Row, numbers: list[int]) -> None:
    world = make_world()
    world.projects[99] = make_project(99, start_time="2014-02-10T00:00:00Z")
    edits.create_membership(world, world.projects[99], ANN, person_id=ANN, role="owner")
    world.now = datetime(2017, 5, 3, 23, 30, tzinfo=UTC)
    response = Client(world).get("/projects/99/iterations", scope="done", **query)
    assert [row["number"] for row in orjson.loads(response.body)] == numbers
    assert response.headers["X-Tracker-Pagination-Total"] == "168"


@pytest.mark.parametrize(
    ("scope", "numbers"),
    [
        ("done", [1, 2, 3]),
        ("current", [4]),
        ("backlog", [5, 6]),
        ("current_backlog", [4, 5, 6]),
        ("done_current", [1, 2, 3, 4]),
    ],
)
def test_a_scope_takes_its_part_of_the_iterations(
    client: Client, project: Project, scope: str, numbers: list[int]
) -> None:
    project.row["initial_velocity"] = 3
    for _ in range(3):
        edits.create_story(client.world, project, ANN, name="Work", current_state="unstarted", estimate=3)
    rows = client.rows("/projects/99/iterations", scope=scope)
    assert [row["number"] for row in rows] == numbers


def test_the_current_iteration_comes_without_pagination(client: Client) -> None:
    response = client.get("/projects/99/iterations", scope="current")
    assert len(orjson.loads(response.body)) == 1
    assert not [name for name in response.headers if "Pagination" in name]


def test_an_explicit_list_of_fields_drops_even_the_kind(client: Client, project: Project) -> None:
    story_id = add_stories(client.world, project, 1)[0]
    assert client.rows("/projects/99/stories", fields="name,story_type") == [
        {"id": story_id, "name": "Story 0", "story_type": "feature"}
    ]


@pytest.mark.parametrize(
    ("path", "key"), [("/labels", "id"), ("/iterations", "number"), ("/activity", "guid"), ("/memberships", "id")]
)
def test_the_key_comes_unasked(path: str, key: str) -> None:
    client, _ = full_client()
    for row in client.rows("/projects/99" + path, fields="kind"):
        assert row.keys() == {key, "kind"}


def test_attributes_without_a_value_are_left_out(client: Client, project: Project) -> None:
    edits.create_story(client.world, project, ANN, name="Bare")
    row = client.rows("/projects/99/stories")[0]
    assert None not in row.values()
    assert not row.keys() & {"description", "estimate", "accepted_at", "deadline", "owned_by_id"}
    assert (row["owner_ids"], row["labels"]) == ([], [])


def test_lists_that_are_asked_for_come_empty_too(client: Client, project: Project) -> None:
    story_id = add_stories(client.world, project, 1)[0]
    asked = ["tasks", "comment_ids", "follower_ids", "blocked_story_ids", "label_ids", "owners", "branches"]
    row = client.rows(f"/stories/{story_id}", fields=",".join(asked))
    assert row == {"id": story_id, **{name: [] for name in asked}}


def test_a_whole_story_tree_comes_in_one_list(client: Client, project: Project) -> None:
    story = full_story(client.world, project)
    fields = (
        "name,labels(name),owners(name),tasks(description),comments(text,person(name),file_attachments(filename)),"
        "transitions,blockers(description),cycle_time_details(started_count)"
    )
    row = client.rows("/projects/99/stories", fields=fields)[0]
    assert row["labels"] == [{"id": story["label_ids"][0], "name": "checkout"}]
    assert [owner["name"] for owner in row["owners"]] == ["Bob", "Ann"]
    assert row["tasks"] == [{"id": story["tasks"][0]["id"], "description": "Test it"}]
    comment = row["comments"][0]
    assert comment["person"] == {"id": BOB, "name": "Bob"}
    assert comment["file_attachments"][0]["filename"] == "a.txt"
    assert [transition["state"] for transition in row["transitions"]] == ["started"]
    assert row["cycle_time_details"] == {"started_count": 1}


def test_an_object_without_parentheses_comes_with_its_defaults(client: Client, project: Project) -> None:
    story = full_story(client.world, project)
    task = client.rows(f"/stories/{story['id']}", fields="tasks")["tasks"][0]
    assert task == client.rows(f"/projects/99/stories/{story['id']}/tasks")[0]


def test_owned_by_takes_the_place_of_owned_by_id_and_owners_that_of_nothing(client: Client, project: Project) -> None:
    story = full_story(client.world, project)
    plain = client.rows(f"/stories/{story['id']}")
    assert plain["owned_by_id"] == BOB
    assert client.rows(f"/stories/{story['id']}", fields=":default,owned_by").keys() == (
        plain.keys() - {"owned_by_id"} | {"owned_by"}
    )
    assert client.rows(f"/stories/{story['id']}", fields=":default,owners").keys() == plain.keys() | {"owners"}


def test_neighbours_in_the_priority_order_are_told_by_id(client: Client, project: Project) -> None:
    add_stories(client.world, project, 3)
    first, second, third = project.order
    rows = client.rows("/projects/99/stories", fields="before_id,after_id")
    assert rows == [
        {"id": first, "before_id": second},
        {"id": second, "before_id": third, "after_id": first},
        {"id": third, "after_id": second},
    ]


@pytest.mark.parametrize(
    "fields",
    ["", ",", "name,", "(name)", "labels(", "labels)", "labels()", "labels(name))", "labels(name)name", "nosuch",
     "labels(nosuch)", "name(id)", "labels((name))", "name, id", "(" * 5000],
)  # fmt: skip
def test_fields_that_cannot_be_read_get_400(client: Client, fields: str) -> None:
    status, error = client.error("/projects/99/stories", fields=fields)
    assert (status, error["code"]) == (400, "invalid_parameter")
    assert "'fields'" in error["general_problem"]


@given(st.text(alphabet="ab(),:", max_size=12))
def test_any_text_is_fields_with_balanced_parentheses_or_a_fields_error(text: str) -> None:
    try:
        wanted = parse_fields(text)
    except FieldsError:
        return
    assert wanted
    assert text.count("(") == text.count(")")


@pytest.mark.parametrize("text", ["a", "a,b", "a(b)", "a(b,c(d)),e", ":default,a(:default,b)"])
def test_parsed_fields_can_be_written_back(text: str) -> None:
    def written(wanted: Any) -> str:
        return ",".join(name if inner is None else f"{name}({written(inner)})" for name, inner in wanted.items())

    assert written(parse_fields(text)) == text


def test_an_envelope_holds_what_the_headers_tell(client: Client, project: Project) -> None:
    add_stories(client.world, project, 2)
    assert client.rows("/projects/99/stories", envelope="true", fields="id", limit=1) == {
        "http_status": "200",
        "project_version": project.version,
        "pagination": {"total": 2, "limit": 1, "offset": 0, "returned": 1},
        "data": [{"id": project.order[0]}],
    }
    assert client.rows("/my/workspaces", envelope="true", fields="id") == {"http_status": "200", "data": [{"id": 5}]}


def test_times_come_as_milliseconds_when_asked(client: Client, project: Project) -> None:
    full_story(client.world, project)
    row = client.rows("/projects/99/stories", date_format="millis", fields="name,created_at,comments")[0]
    assert row["created_at"] == row["comments"][0]["created_at"] == 1_706_097_600_000
    assert row["name"] == "Pay"


def test_with_filters_keep_what_fits(client: Client, project: Project) -> None:
    world = client.world
    label = edits.create_label(world, project, ANN, name="ui")
    bug = edits.create_story(world, project, ANN, name="Bug", story_type="bug", label_ids=[label["id"]])["id"]
    urgent = edits.create_story(world, project, ANN, name="Now", current_state="started", estimate=1)["id"]
    project.stories[urgent]["story_priority"] = "p1"
    path = "/projects/99/stories"
    assert client.ids(path, with_story_type="bug") == [bug]
    assert client.ids(path, with_label="ui") == [bug]
    assert client.ids(path, with_label="nosuch") == []
    assert client.ids(path, with_state="started") == [urgent]
    assert client.ids(path, with_story_priority="p1") == [urgent]
    assert client.ids(path, with_story_priority="none", with_state="started") == []


def test_a_window_by_priority_leaves_out_its_ends(client: Client, project: Project) -> None:
    add_stories(client.world, project, 5)
    first, *between, last = project.order
    assert client.ids("/projects/99/stories", after_story_id=first, before_story_id=last) == between


@pytest.mark.parametrize("prefix", ["created", "updated", "accepted", "deadline"])
@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({"after": "2024-01-24T12:00:00Z"}, ["late"]),
        ({"before": "2024-01-24T12:00:00Z"}, ["early"]),
        ({"before": "2024-01-24T12:00:00.5Z"}, ["early", "noon"]),
        ({"after": "2024-01-24T11:59:59.5Z"}, ["noon", "late"]),
        ({"after": 1_706_097_600_000}, ["late"]),
        ({"after": "2024-01-24T13:00:00+02:00"}, ["noon", "late"]),
        ({"after": "2024-01-24", "before": "2024-01-25"}, ["early", "noon", "late"]),
        ({"after": "0001-01-01T00:00:00Z"}, ["early", "noon", "late"]),
    ],
)
def test_times_before_and_after_are_exclusive(
    client: Client, project: Project, prefix: str, bounds: Row, kept: list[str]
) -> None:
    attribute = "deadline" if prefix == "deadline" else f"{prefix}_at"
    times = {"early": "2024-01-24T11:00:00Z", "noon": "2024-01-24T12:00:00Z", "late": "2024-01-24T12:00:01Z"}
    for name, time in reversed(times.items()):
        edits.create_story(client.world, project, ANN, name=name)[attribute] = time
    query = {f"{prefix}_{side}": bound for side, bound in bounds.items()}
    assert [row["name"] for row in client.rows("/projects/99/stories", **query)] == kept


@pytest.mark.parametrize(
    "query",
    [
        {"updated_after": "yesterday"}, {"updated_after": "2024-W04-1"}, {"updated_after": ""},
        {"updated_after": "9" * 18}, {"created_before": "2024-13-01T00:00:00Z"}, {"with_state": "done"},
        {"with_story_type": "epic"}, {"after_story_id": 1}, {"filter": "type:"},
        {"envelope": "yes"}, {"date_format": "unix"},
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_gets_400_with_the_name_of_its_parameter(client: Client, query: Row) -> None:
    status, error = client.error("/projects/99/stories", **query)
    assert (status, error["code"]) == (400, "invalid_parameter")
    assert f"'{next(iter(query))}'" in error["general_problem"]


def test_a_parameter_that_is_given_twice_gets_400(world: World) -> None:
    headers = {"X-TrackerToken": TOKEN_OF[ANN]}
    request = Request("GET", PREFIX + "/projects/99/stories", "limit=1&limit=2", headers)
    assert TrackerApi(world).handle(request).status == 400


def test_bulk_skips_ids_that_are_gone(client: Client, project: Project) -> None:
    first, second = add_stories(client.world, project, 2)
    assert client.ids("/projects/99/stories/bulk", ids=f"{second},1,{first}") == [second, first]


@pytest.mark.parametrize("query", [{}, {"ids": ""}, {"ids": "1,,2"}, {"ids": ",".join(["1"] * 501)}])
def test_bulk_wants_between_1_and_500_ids(client: Client, query: Row) -> None:
    assert client.error("/projects/99/stories/bulk", **query)[0] == 400


def test_activity_comes_newest_first_and_since_a_version_that_is_left_out(client: Client, project: Project) -> None:
    add_stories(client.world, project, 4)
    newest = project.version
    path = "/projects/99/activity"
    assert [row["project_version"] for row in client.rows(path, since_version=newest - 2)] == [newest, newest - 1]
    ascending = client.rows(path, since_version=newest - 2, sort_order="asc")
    assert [row["project_version"] for row in ascending] == [newest - 1, newest]


def test_activity_of_a_story_is_what_was_done_to_it(client: Client, project: Project) -> None:
    story = full_story(client.world, project)
    add_stories(client.world, project, 2)
    rows = client.rows(f"/projects/99/stories/{story['id']}/activity")
    assert [row["kind"] for row in rows] == [
        "blocker_create_activity", "comment_create_activity", "task_create_activity", "story_create_activity",
    ]  # fmt: skip


def test_my_activity_is_what_i_did_in_all_my_projects(client: Client) -> None:
    world = client.world
    for minute, (project_id, by) in enumerate([(99, ANN), (100, ANN), (99, BOB)]):
        world.now = NOW + timedelta(minutes=minute)
        edits.create_label(world, world.projects[project_id], by, name=f"label {minute}")
    rows = client.rows("/my/activity", occurred_after="2024-01-24T11:59:59Z")
    assert [row["project"]["id"] for row in rows][:2] == [100, 99]
    assert {row["performed_by"]["id"] for row in rows} == {ANN}


def test_transitions_come_oldest_first(client: Client, project: Project) -> None:
    story_id = add_stories(client.world, project, 1, estimate=1)[0]
    for hour, state in enumerate(("started", "finished"), 1):
        client.world.now = NOW + timedelta(hours=hour)
        edits.update_story(client.world, project, ANN, story_id, current_state=state)
    expected = ["unscheduled", "started", "finished"]
    assert [row["state"] for row in client.rows(f"/projects/99/stories/{story_id}/transitions")] == expected
    rows = client.rows("/projects/99/story_transitions", occurred_after="2024-01-24T13:00:00Z")
    assert [row["state"] for row in rows] == ["finished"]


def test_notifications_go_back_ten_days_unless_asked_otherwise(client: Client) -> None:
    client.world.notifications[ANN] = [
        {"id": 1, "created_at": "2024-01-01T00:00:00Z", "updated_at": "2024-01-01T00:00:00Z"},
        {"id": 2, "created_at": "2024-01-20T00:00:00Z", "updated_at": "2024-01-20T00:00:00Z"},
    ]
    response = client.get("/my/notifications")
    assert [row["id"] for row in orjson.loads(response.body)] == [2]
    assert response.headers["X-Tracker-Last-Notification-Timestamp"] == "1705708800000"
    assert client.ids("/my/notifications", created_after=0) == [1, 2]


def test_my_people_are_the_members_of_the_project_that_must_be_named(client: Client) -> None:
    assert client.error("/my/people")[0] == 400
    assert [row["person"]["name"] for row in client.rows("/my/people", project_id=99)] == ["Ann", "Bob"]


def test_a_workspace_shows_each_project_as_that_project_is(client: Client) -> None:
    rows = client.rows("/my/workspaces", fields="projects(name,current_velocity)")
    assert [project["name"] for project in rows[0]["projects"]] == ["Project 99", "Project 100"]


def test_labels_are_sorted_by_name(client: Client, project: Project) -> None:
    for name in ("zebra", "ant", "mole"):
        edits.create_label(client.world, project, ANN, name=name)
    assert [row["name"] for row in client.rows("/projects/99/labels")] == ["ant", "mole", "zebra"]


def test_figures_follow_an_edit(client: Client, project: Project) -> None:
    label = edits.create_label(client.world, project, ANN, name="ui")
    counts = "number_of_stories_by_state"
    path = f"/projects/99/labels/{label['id']}"
    assert client.rows(path, fields="counts")["counts"][counts]["unscheduled"] == 0
    add_stories(client.world, project, 2, label_ids=[label["id"]])
    assert client.rows(path, fields="counts")["counts"][counts]["unscheduled"] == 2


def test_history_days_reach_from_the_start_date_to_the_end_date(client: Client) -> None:
    container = client.rows("/projects/99/history/days", start_date="2024-01-02", end_date="2024-01-04")
    assert [row[0] for row in container["data"]] == ["2024-01-02", "2024-01-03", "2024-01-04"]
    assert client.error("/projects/99/history/days", start_date="2024-1-x")[0] == 400


def test_equal_answers_have_equal_etags(client: Client) -> None:
    etags = [client.get("/projects/99").headers["ETag"] for _ in range(2)]
    assert etags[0] == etags[1]
    assert etags[0] != client.get("/projects/100").headers["ETag"]


def test_an_endpoint_that_asks_for_what_the_world_cannot_know_says_so(world: World) -> None:
    world.unavailable_endpoints = {"activity": "The archive does not say who did what."}
    status, error = Client(world).error("/projects/99/activity")
    assert (status, error["code"]) == (404, "route_not_found")
    assert error["general_problem"] == "The archive does not say who did what."
    assert Client(world).rows("/my/activity") != []


def test_an_attribute_that_the_world_cannot_know_is_left_out_wherever_it_is_asked_for(world: World) -> None:
    edits.create_story(world, world.projects[99], ANN, name="A", comments=["Hm"])
    world.unavailable_attributes = frozenset({"story.follower_ids", "comment.google_attachments", "project.account_id"})
    fields = ":default,follower_ids,comments(text,google_attachments)"
    (row,) = Client(world).rows("/projects/99/stories", fields=fields)
    assert "follower_ids" not in row
    assert row["comments"][0].keys() == {"id", "text"}
    assert "account_id" not in Client(world).rows("/projects/99")


def test_a_reader_reads_every_project_with_any_token_or_none(world: World) -> None:
    world.anonymous_person_id = EVE
    edits.create_story(world, world.projects[99], ANN, name="A")
    api = TrackerApi(world)
    for headers in ({"X-TrackerToken": "whatever"}, {}):
        answers = [
            orjson.loads(api.handle(Request("GET", PREFIX + path, "", headers)).body)
            for path in ("/projects", "/projects/99/stories", "/me", "/projects/99/memberships")
        ]
        projects, stories, me, memberships = answers
        assert [row["id"] for row in projects] == [99, 100]
        assert [row["name"] for row in stories] == ["A"]
        assert [(row["project_id"], row["project_name"]) for row in me["projects"]] == [
            (99, "Project 99"), (100, "Project 100"),
        ]  # fmt: skip
        assert me.get("api_token") == headers.get("X-TrackerToken")
        assert EVE not in [row["person"]["id"] for row in memberships]


@pytest.mark.parametrize(("query", "place"), [("", "attachment"), ("inline=true", "inline")])
def test_a_file_is_given_with_its_name_type_and_size(world: World, query: str, place: str) -> None:
    world.files = {7: StoredFile('größe "1".png', 3, "image/png", lambda: io.BytesIO(b"abc"))}
    request = Request("GET", "/file_attachments/7/download", query, {"X-TrackerToken": TOKEN_OF[ANN]})
    response = TrackerApi(world).handle(request)
    assert response.status == 200
    assert response.file is not None
    assert response.file.read() == b"abc"
    assert (response.headers["Content-Type"], response.headers["Content-Length"]) == ("image/png", "3")
    assert response.headers["Content-Disposition"] == f"{place}; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.png"


def test_a_file_that_is_not_there_is_not_found(world: World) -> None:
    request = Request("GET", "/file_attachments/7/download", "", {"X-TrackerToken": TOKEN_OF[ANN]})
    assert TrackerApi(world).handle(request).status == 404
