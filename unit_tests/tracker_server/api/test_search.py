"""The search of the API: `GET /projects/{id}/search`, and the parameter `filter` of stories and epics."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.view import Views
from tracker_server.world import Project
from unit_tests.recordings import exchanges, needs_recordings


@pytest.fixture(scope="module")
def api() -> TrackerApi:
    return TrackerApi(make_world(projects=1, stories=80))


@pytest.fixture(scope="module")
def project(api: TrackerApi) -> Project:
    return next(iter(api.world.projects.values()))


def get(api: TrackerApi, path: str, **parameters: Any) -> Response:
    return api.handle(Request("GET", PREFIX + path, urlencode(parameters), {"x-trackertoken": SAMPLE_TOKEN}))


def read(api: TrackerApi, path: str, **parameters: Any) -> Any:
    response = get(api, path, **parameters)
    assert response.status == 200, response.body
    return orjson.loads(response.body)


def test_a_search_brings_stories_and_epics_with_their_counts(api: TrackerApi, project: Project) -> None:
    found = read(api, f"/projects/{project.id}/search", query="label:checkout includedone:true")
    figures = Views(api.world).of(project).figures
    ids = [row["id"] for row in found["stories"]["stories"]]
    accepted = [story_id for story_id in ids if project.stories[story_id]["current_state"] == "accepted"]
    assert ids == [i for i in project.order if "checkout" in names_of_labels(project, project.stories[i])]
    assert found["stories"]["total_hits"] == found["stories"]["total_hits_with_done"] == len(ids) > 0
    assert found["stories"]["total_points"] == figures.points_of(ids)
    assert found["stories"]["total_points_completed"] == figures.points_of(accepted)
    assert [epic["name"] for epic in found["epics"]["epics"]] == ["Checkout"]
    assert found["epics"]["total_hits"] == 1
    assert found["query"] == "label:checkout includedone:true"


def names_of_labels(project: Project, row: dict[str, Any]) -> set[str]:
    return {project.labels[label_id]["name"] for label_id in row["label_ids"]}


def test_done_stories_are_left_out_and_counted(api: TrackerApi, project: Project) -> None:
    found = read(api, f"/projects/{project.id}/search", query="type:feature")["stories"]
    past = Views(api.world).of(project).figures.past_done
    features = {row_id for row_id, row in project.stories.items() if row["story_type"] == "feature"}
    assert {row["id"] for row in found["stories"]} == features - past
    assert found["total_hits_with_done"] == len(features) > found["total_hits"] == len(features - past)


@needs_recordings
def test_the_answer_has_the_shape_of_the_recorded_one(api: TrackerApi, project: Project) -> None:
    recorded = next(exchange.body for exchange in exchanges() if exchange.path.endswith("/search"))
    found = read(api, f"/projects/{project.id}/search", query='name:"can"')
    assert found.keys() == recorded.keys()
    for kind in ("stories", "epics"):
        assert found[kind].keys() == recorded[kind].keys()


def test_attributes_of_what_is_found_are_selected_as_everywhere(api: TrackerApi, project: Project) -> None:
    fields = "stories(stories(id,name),total_hits)"
    found = read(api, f"/projects/{project.id}/search", query="type:bug", fields=fields)
    assert found.keys() == {"stories"}
    assert found["stories"].keys() == {"stories", "total_hits"}
    assert {frozenset(row) for row in found["stories"]["stories"]} == {frozenset(("id", "name"))}


def test_filter_brings_the_stories_that_the_search_finds_page_by_page(api: TrackerApi, project: Project) -> None:
    path, query = f"/projects/{project.id}/stories", "type:feature includedone:true"
    whole = [row["id"] for row in read(api, f"/projects/{project.id}/search", query=query)["stories"]["stories"]]
    pages = [
        row["id"]
        for offset in range(0, len(whole), 7)
        for row in read(api, path, filter=query, limit=7, offset=offset, fields="id")
    ]
    assert pages == whole
    headers = get(api, path, filter=query, limit=7).headers
    assert headers["X-Tracker-Pagination-Total"] == str(len(whole))


def test_filter_of_epics_finds_epics(api: TrackerApi, project: Project) -> None:
    assert [row["name"] for row in read(api, f"/projects/{project.id}/epics", filter="name:checkout")] == ["Checkout"]
    assert read(api, f"/projects/{project.id}/epics", filter="type:bug") == []


REFUSED = {
    "no query": ("search", {}, "query"),
    "a query that is not understood": (
        "search",
        {"query": "type:bug OR"},
        "'query' cannot be used: OR: there is nothing",
    ),
    "a filter that is not understood": (
        "stories",
        {"filter": "colour:red"},
        "'filter' cannot be used: colour:red: colour",
    ),
    "filter with another selection": (
        "stories",
        {"filter": "a", "with_state": "started"},
        "combined with 'with_state'",
    ),
}


@pytest.mark.parametrize(("endpoint", "parameters", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_searched_for_is_an_error_in_words(
    endpoint: str, parameters: dict[str, str], words: str, api: TrackerApi, project: Project
) -> None:
    response = get(api, f"/projects/{project.id}/{endpoint}", **parameters)
    assert response.status == 400
    assert words in orjson.loads(response.body)["general_problem"]


def test_head_has_the_headers_of_get(api: TrackerApi, project: Project) -> None:
    path, headers = f"{PREFIX}/projects/{project.id}/stories", {"x-trackertoken": SAMPLE_TOKEN}
    assert (
        api.handle(Request("HEAD", path, "", headers)).headers == api.handle(Request("GET", path, "", headers)).headers
    )
