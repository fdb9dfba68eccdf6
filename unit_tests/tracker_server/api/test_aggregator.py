"""Many GETs in one request, as Tracker's aggregator answers them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import requests

from tracker_server.api.dialect import LITETRACKER
from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import World

HEADERS = {"X-TrackerToken": SAMPLE_TOKEN}


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(projects=1, stories=4)


@pytest.fixture(scope="module")
def stories(world: World) -> str:
    (project,) = world.projects
    return f"{PREFIX}/projects/{project}/stories"


def posted(api: TrackerApi, body: object, headers: dict[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return api.handle(Request("POST", f"{PREFIX}/aggregator", "", HEADERS if headers is None else headers, raw))


def code_of(response: Response) -> Any:
    return orjson.loads(response.body)["code"]


def test_each_path_has_what_a_get_of_it_answers(world: World, stories: str) -> None:
    api = TrackerApi(world)
    (story, *_) = next(iter(world.projects.values())).order
    places = [f"{stories}/{story}/tasks", f"{stories}?limit=2&fields=id", f"{PREFIX}/me"]
    answers = orjson.loads(posted(api, places).body)
    assert list(answers) == places
    for place, answer in answers.items():
        path, _, query = place.partition("?")
        assert answer == orjson.loads(api.handle(Request("GET", path, query, HEADERS)).body)


def test_one_that_fails_has_its_error_and_the_others_their_answers(world: World, stories: str) -> None:
    outside = "/file_attachments/1/download"
    body = posted(TrackerApi(world), [f"{stories}/1/tasks", outside, f"{PREFIX}/me", f"{PREFIX}/aggregator"]).body
    answers = orjson.loads(body)
    assert answers[f"{stories}/1/tasks"]["code"] == "unfound_resource"
    assert answers[outside]["code"] == "route_not_found"
    assert answers[f"{PREFIX}/me"]["kind"] == "me"
    assert answers[f"{PREFIX}/aggregator"]["code"] == "requires_post"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "cant_parse_json"),
        ({"paths": []}, "invalid_parameter"),
        ([1], "invalid_parameter"),
        ([f"{PREFIX}/me"] * 16, "invalid_parameter"),
    ],
    ids=["no JSON", "an object", "a number", "too many"],
)
def test_what_is_no_list_of_a_few_paths_is_refused(body: object, code: str, world: World) -> None:
    response = posted(TrackerApi(world), body)
    assert (response.status, code_of(response)) == (400, code)


def test_it_needs_the_token(world: World) -> None:
    assert posted(TrackerApi(world), [], {}).status == 401


def test_a_dialect_may_lack_it(world: World) -> None:
    response = posted(TrackerApi(world, dialect=LITETRACKER), [])
    assert (response.status, code_of(response)) == (404, "route_not_found")


def test_it_is_asked_over_a_port(world: World) -> None:
    with TrackerServer(world) as server:
        answer = requests.post(f"{server.url}/aggregator", json=[f"{PREFIX}/me"], headers=HEADERS, timeout=10)
    assert answer.json()[f"{PREFIX}/me"]["api_token"] == SAMPLE_TOKEN
    assert [(logged.method, logged.path) for logged in server.log] == [("POST", "/aggregator")]
