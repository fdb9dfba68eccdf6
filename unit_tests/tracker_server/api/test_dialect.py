"""Each difference from Tracker's v5 alone changes just what it names, at every endpoint, and both modes are served."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
import pytest
import requests

from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.api.dialect import LITETRACKER, MODES, TRACKER, Dialect
from tracker_server.api.protocol import PREFIX
from tracker_server.api.routes import ENDPOINTS, name_of
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import Failures, TrackerServer
from tracker_server.http_message import Request
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import Project, Row, World, iso

PATIENCE = 60
"""Seconds; what takes longer hangs."""
NONSENSE = "(("


@pytest.fixture(scope="module")
def world() -> World:
    """Nothing changes it."""
    return make_world(projects=2, stories=60)


def first(world: World) -> Project:
    return next(iter(world.projects.values()))


def paths(world: World) -> dict[str, Row]:
    """A path of every endpoint, and the parameters that it cannot do without."""
    project = first(world)
    ids = {
        "project_id": project.id,
        "account_id": next(iter(world.accounts)),
        "workspace_id": world.workspaces[world.tokens[SAMPLE_TOKEN]][0]["id"],
        "membership_id": next(iter(project.memberships)),
        "label_id": next(iter(project.labels)),
        "epic_id": next(iter(project.epics)),
        "comment_id": next(iter(project.epics.values()))["comments"][0]["id"],
        "release_id": next(key for key, row in project.stories.items() if row["story_type"] == "release"),
        "story_id": next(key for key, row in project.stories.items() if "description" in row),
        "number": 1,
    }
    needed: dict[str, Row] = {
        "my/people": {"project_id": project.id},
        "stories/bulk": {"ids": ",".join(map(str, project.order[:9]))},
        "search": {"query": "type:bug"},
    }
    found = {}
    for path in ENDPOINTS:
        part = name_of(path).rpartition("/")[2]
        if "part_id" in path:
            ids["story_id"], ids["part_id"] = next(
                (key, row[part][0]["id"]) for key, row in project.stories.items() if row[part]
            )
        found[re.sub("<int:([a-z_]+)>", lambda name: str(ids[name[1]]), path)] = needed.get(name_of(path), {})
    return found


class Answer(NamedTuple):
    """What came, without the checksum of the body."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def has_pages(self) -> bool:
        return "X-Tracker-Pagination-Total" in self.headers


def get(api: TrackerApi, path: str, query: Row) -> Answer:
    response = api.handle(Request("GET", PREFIX + path, urlencode(query), {"X-TrackerToken": SAMPLE_TOKEN}))
    headers = {name: value for name, value in response.headers.items() if name != "ETag"}
    return Answer(response.status, headers, orjson.loads(response.body))


Expected = Callable[[Answer, str, World], Answer]
"""What becomes in a dialect of Tracker's answer to a request for a path."""


def rows(kinds: str, change: Callable[[Row, World], object], *, only_listed: bool = False) -> Expected:
    """A change of each row of these kinds, wherever it stands, but not of what only refers to it."""

    def changed(data: Any, world: World, *, is_listed: bool = False) -> Any:
        if isinstance(data, list):
            return [changed(item, world, is_listed=True) for item in data]
        if not isinstance(data, dict):
            return data
        row = {name: changed(value, world) for name, value in data.items()}
        is_row = row.keys() & {"created_at", "guid"} and str(row.get("kind")).endswith(tuple(kinds.split()))
        if is_row and (is_listed or not only_listed):
            change(row, world)
        return row

    return lambda answer, _, world: answer._replace(body=changed(answer.body, world))


def without_headers(prefix: str) -> Expected:
    return lambda answer, _, __: answer._replace(
        headers={name: value for name, value in answer.headers.items() if not name.startswith(prefix)}
    )


def without_comments_and_accounts(answer: Answer, path: str, _: World) -> Answer:
    if not re.search(r"/stories/\d+/comments|/accounts", path):
        return answer
    headers = without_headers("X-Tracker-Project-")(answer, path, _).headers | {"Status": "404 Not Found"}
    error = "The path you requested has no valid endpoint."
    return Answer(404, headers, {"code": "route_not_found", "kind": "error", "error": error})


def without_versions(answer: Answer, path: str, world: World) -> Answer:
    bare = rows("project", lambda row, _: row.pop("version"))(answer, path, world)
    return without_headers("X-Tracker-Project-")(bare, path, world)


def as_it_is(answer: Answer, _path: str, _world: World) -> Answer:
    return answer


def entitle(row: Row, _: World) -> None:
    row["title"] = row.pop("name")


def show_owners(row: Row, world: World) -> None:
    people = [world.people[person_id] for person_id in row["owner_ids"]]
    row["owners"] = [
        {"user_id": person["id"], **{name: person[name] for name in ("name", "initials", "username")}}
        for person in people
    ]


def forget_an_edit_of_owners(row: Row, world: World) -> None:
    newest: Row = {}
    for activity in world.projects[row["project_id"]].activity:
        of_it = (change for change in activity["changes"] if (change["kind"], change.get("id")) == ("story", row["id"]))
        newest = next(of_it, newest)
    if set(newest.get("new_values", ())) == {"owner_ids", "updated_at"}:
        row["updated_at"] = newest["original_values"]["updated_at"]


def attach(row: Row, world: World) -> None:
    for project in world.projects.values():
        for parent in (*project.stories.values(), *project.epics.values()):
            for comment in parent["comments"]:
                if comment["id"] == row["id"]:
                    row |= {name: comment[name] for name in ("file_attachments", "google_attachments")}


STORIES = "story release"
EXPECTED: dict[str, tuple[Dialect, Expected]] = {
    "titles": (Dialect(titles=True), rows(f"project {STORIES}", entitle)),
    "owner_objects": (Dialect(owner_objects=True), rows("story", show_owners)),
    "terse_lists": (
        Dialect(terse_lists=True),
        rows(STORIES, lambda row, _: row.pop("description", None), only_listed=True),
    ),
    "pagination_headers": (Dialect(pagination_headers=False), without_headers("X-Tracker-Pagination-")),
    "versions": (Dialect(versions=False), without_versions),
    "activity_versions": (
        Dialect(activity_versions=False),
        rows("_activity", lambda row, _: row.pop("project_version")),
    ),
    "owner_edits_unseen": (Dialect(owner_edits_unseen=True), rows(STORIES, forget_an_edit_of_owners)),
    "comment_attachments": (Dialect(comment_attachments=True), rows("comment", attach)),
    "missing_endpoints": (
        Dialect(missing_endpoints=frozenset({"stories/comments", "accounts"})),
        without_comments_and_accounts,
    ),
}
IGNORED = {
    "fields": Dialect(fields=False),
    "updated_after": Dialect(updated_after=False),
    "since_version": Dialect(since_version=False),
    "occurred_after": Dialect(occurred_after=False),
}
OTHERS = {"page_cap", "refused_attributes", "failing", "failing_seed"}


def test_every_difference_is_tested() -> None:
    hint = "say in EXPECTED what becomes of Tracker's answer, or in IGNORED or OTHERS why nothing does"
    assert {difference.name for difference in fields(Dialect)} == {*EXPECTED, *IGNORED, *OTHERS}, hint


@pytest.mark.parametrize("name", EXPECTED)
def test_one_difference_alone_rewrites_just_what_it_names(name: str, world: World) -> None:
    dialect, expected = EXPECTED[name]
    plain, other = TrackerApi(world), TrackerApi(world, dialect=dialect)
    unlike = set()
    for path, query in paths(world).items():
        answer = get(plain, path, query)
        assert answer.status == 200
        assert get(other, path, query) == expected(answer, path, world)
        if expected(answer, path, world) != answer:
            unlike.add(path)
    assert unlike


@pytest.mark.parametrize("name", IGNORED)
def test_a_parameter_that_is_ignored_makes_no_difference_anywhere_and_not_even_an_error(
    name: str, world: World
) -> None:
    plain, other = TrackerApi(world), TrackerApi(world, dialect=IGNORED[name])
    for path, query in paths(world).items():
        assert get(other, path, query | {name: NONSENSE}) == get(plain, path, query)
        assert get(plain, path, query | {name: NONSENSE}).status == 400


@pytest.mark.parametrize(
    ("refused", "fields", "status"),
    [
        ("story.points_total", "id,points_total", 400),
        ("story.points_total", ":default,comments(text),points_accepted", 200),
        ("comment.text", ":default,comments(text)", 400),
        ("comment.text", "name,comments", 200),
        ("comment.:default", "comments(:default)", 400),
        ("comment.:default", ":default,comments", 200),
    ],
)
def test_a_refused_attribute_is_an_error_where_it_is_named_at_any_level(
    refused: str, fields: str, status: int, world: World
) -> None:
    path = f"/projects/{first(world).id}/stories"
    plain, other = TrackerApi(world), TrackerApi(world, dialect=Dialect(refused_attributes=frozenset({refused})))
    for query in ({"fields": fields}, {}):
        answer = get(other, path, query)
        assert answer.status == (status if query else 200)
        assert answer.status == 400 or answer == get(plain, path, query)


@pytest.mark.parametrize("cap", [3, 5000])
def test_a_page_cap_is_that_of_every_list_with_pages(cap: int, world: World) -> None:
    plain, other = TrackerApi(world), TrackerApi(world, dialect=Dialect(page_cap=cap))
    for path, query in paths(world).items():
        if not get(plain, path, query).has_pages:
            assert get(other, path, query) == get(plain, path, query)
            continue
        answer = get(other, path, query | {"limit": 10**6})
        assert answer.headers["X-Tracker-Pagination-Limit"] == str(cap)
        whole = get(TrackerApi(world, Caps(*[10**6] * 5)), path, query | {"limit": 10**6}).body
        assert answer.body == whole[:cap]


def test_caps_that_are_given_count_more_than_the_dialect(world: World) -> None:
    api = TrackerApi(world, Caps(stories=7), LITETRACKER)
    assert len(get(api, f"/projects/{first(world).id}/stories", {}).body) == 7


@pytest.mark.parametrize(("name", "attribute"), [("pagination_headers", "pagination"), ("versions", "project_version")])
def test_an_envelope_tells_no_more_than_the_headers(name: str, attribute: str, world: World) -> None:
    query = {"envelope": "true", "fields": "id"}
    plain, other = (
        get(TrackerApi(world, dialect=dialect), f"/projects/{first(world).id}/stories", query).body
        for dialect in (TRACKER, EXPECTED[name][0])
    )
    assert other == {key: value for key, value in plain.items() if key != attribute}


def test_attributes_that_are_asked_for_come_under_the_names_of_the_dialect(world: World) -> None:
    api = TrackerApi(world, dialect=Dialect(titles=True, terse_lists=True, owner_objects=True, versions=False))
    path = f"/projects/{first(world).id}"
    assert get(api, f"{path}", {"fields": "name,version"}).body.keys() == {"id", "title"}
    story = get(api, f"{path}/stories", {"fields": "name,description,owners(name)"}).body[0]
    assert story.keys() == {"id", "title", "owners"}


def test_a_parameter_that_nobody_knows_is_an_error_in_litetracker_too(world: World) -> None:
    api = TrackerApi(world, dialect=LITETRACKER)
    assert get(api, f"/projects/{first(world).id}/stories", {"colour": "red"}).status == 400


Edit = Callable[[World, Project, int, int], object]


def own(*people: int) -> Edit:
    def edit(world: World, project: Project, by: int, story_id: int) -> None:
        edits.update_story(world, project, by, story_id, owner_ids=[list(world.people)[index] for index in people])

    return edit


def rename(world: World, project: Project, by: int, story_id: int) -> None:
    edits.update_story(world, project, by, story_id, name="Renamed")


def comment(world: World, project: Project, by: int, story_id: int) -> None:
    edits.create_comment(world, project, by, story_id=story_id, text="Words")


def rename_and_own(world: World, project: Project, by: int, story_id: int) -> None:
    edits.update_story(world, project, by, story_id, name="Both", owner_ids=[by])


@pytest.mark.parametrize(
    ("minutes_and_edits", "seen"),
    [
        ([(1, own(0))], 0),
        ([(1, own(0)), (2, own(1)), (3, own(0, 1))], 0),
        ([(1, rename), (2, own(0))], 1),
        ([(1, own(0)), (2, rename)], 2),
        ([(1, own(0)), (2, comment)], 2),
        ([(1, rename_and_own)], 1),
        ([(1, rename), (1, own(0)), (2, own(1))], 1),
        ([(1, own(0)), (1, rename)], 1),
    ],
)  # fmt: skip
def test_a_story_whose_owners_were_edited_shows_the_time_of_its_last_other_edit(
    minutes_and_edits: list[tuple[int, Edit]], seen: int
) -> None:
    world = make_world(projects=1, stories=5)
    project, start = first(world), world.now
    by = world.tokens[SAMPLE_TOKEN]
    story_id = edits.create_story(world, project, by, name="Ours")["id"]
    for minutes, edit in minutes_and_edits:
        world.now = start + timedelta(minutes=minutes)
        edit(world, project, by, story_id)
    api = TrackerApi(world, dialect=Dialect(owner_edits_unseen=True))
    expected = start + timedelta(minutes=seen)
    assert get(api, f"/stories/{story_id}", {"fields": "updated_at"}).body["updated_at"] == iso(expected)
    for after, comes in ((expected - timedelta(seconds=1), True), (expected, False)):
        listed = get(api, f"/projects/{project.id}/stories", {"updated_after": iso(after), "fields": "id"}).body
        assert ({"id": story_id} in listed) == comes


def statuses(dialect: Dialect, count: int) -> list[int]:
    with TrackerServer(make_world(1, 5), dialect=dialect) as server:
        headers = {"X-TrackerToken": SAMPLE_TOKEN}
        answers = [requests.get(f"{server.url}/me", headers=headers, timeout=PATIENCE) for _ in range(count)]
    for answer in answers:
        assert (answer.headers["Content-Type"] == "text/html") == (answer.status_code != 200)
        assert answer.status_code == 200 or f"<h1>{answer.status_code} {answer.reason}</h1>" in answer.text
    return [answer.status_code for answer in answers]


def test_a_server_that_fails_now_and_then_does_so_as_a_proxy_in_html_and_by_its_seed() -> None:
    often = Dialect(failing=0.5, failing_seed=7)
    assert set(statuses(often, 60)) == {200, 502, 503, 504}
    assert statuses(often, 60) == statuses(often, 60)
    assert statuses(often, 60) != statuses(Dialect(failing=0.5, failing_seed=8), 60)


@pytest.mark.parametrize(("chance", "fewest", "most"), [(0.0, 0, 0), (0.1, 50, 150), (1.0, 1000, 1000)])
def test_it_fails_as_often_as_it_is_told(chance: float, fewest: int, most: int) -> None:
    failures = Failures(chance, seed=1)
    assert fewest <= sum(failures.next_response() is not None for _ in range(1000)) <= most


@contextmanager
def served(*options: str) -> Iterator[Callable[[str], requests.Response]]:
    command = [sys.executable, "-m", "tracker_server", "--port", "0", "--projects", "2", "--stories", "60", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url, token = (process.stdout.readline().strip() for _ in range(2))
            yield lambda path: requests.get(url + path, headers={"X-TrackerToken": token}, timeout=PATIENCE)
        finally:
            process.terminate()


def assert_speaks(ask: Callable[[str], requests.Response], dialect: Dialect, world: World) -> None:
    """The server of a subprocess answers each path as the API does in this process."""
    api = TrackerApi(world, dialect=dialect)
    for path, query in paths(world).items():
        answer, expected = ask(f"{path}?{urlencode(query)}"), get(api, path, query)
        assert (answer.status_code, answer.json()) == (expected.status, expected.body)
        assert {name for name in answer.headers if name.startswith("X-")} == {
            name for name in expected.headers if name.startswith("X-")
        }


@pytest.mark.parametrize("mode", MODES)
def test_the_command_serves_both_modes(mode: str, world: World) -> None:
    with served("--mode", mode) as ask:
        assert_speaks(ask, MODES[mode], world)


def test_the_command_has_an_option_for_each_difference(world: World) -> None:
    options = []
    for difference in fields(Dialect):
        value, name = getattr(LITETRACKER, difference.name), difference.name.replace("_", "-")
        if isinstance(value, bool):
            options += [f"--{name}" if value else f"--no-{name}"]
        else:
            options += [f"--{name}", ",".join(value) if isinstance(value, frozenset) else str(value)]
    with served(*options) as ask:
        assert_speaks(ask, LITETRACKER, world)


def test_an_option_takes_one_difference_out_of_a_mode(world: World) -> None:
    with served("--mode", "litetracker", "--no-titles", "--missing-endpoints", "") as ask:
        assert_speaks(ask, replace(LITETRACKER, titles=False, missing_endpoints=frozenset()), world)
