"""Holds the server to what Pivotal Tracker answered: the same requests about the sample world get the same shapes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
import pytest

from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import Row, World
from unit_tests.recordings import Exchange, exchanges, needs_recordings

# What comes only where it is set: a recorded row may have it where ours has not, and the other way round.
# The rows of an activity go by their place in it, all others by their kind.
OPTIONAL = {
    "story": {"description", "estimate", "accepted_at", "deadline", "owned_by_id"},
    "epic": {"description"},
    "release": {"description", "accepted_at", "deadline"},
    "project": {"description", "profile_content", "start_date"},
    "review": {"reviewer_id"},
    "file_attachment": {"width", "height"},
    "comment": {"text"},
    "cycle_time_details": {"total_cycle_time"},
    "notification": {"context", "comment_id", "story", "epic", "link", "read_at"},
    "changes": {"id", "number", "name", "story_type", "original_values", "new_values"},
    "primary_resources": {"name", "story_type", "url"},
    # One recorded workspace lost them when its projects were asked for, another one kept them.
    "workspace": {"project_ids"},
}
# What Tracker added between the recording of most of these exchanges and its end.
LATER = {
    "story": {"story_priority"},
    "project": {"show_story_priority", "show_priority_icon", "show_priority_icon_in_all_panels"},
    "file_attachment": {"content_type"},
    "me": {"accounts", "personal_settings"},
    "changes": {"story_priority"},
    "primary_resources": {"story_priority"},
}
# The values of a change have the attributes of whatever was changed.
OPEN = {"original_values", "new_values"}
# Whole in some recording, but documented as numbers that need not be.
FRACTIONAL = {"estimate", "velocity", "points", "accepted_points", "effective_points", "team_strength"}
# The two recorded endpoints that the server does not have.
NOT_SERVED = re.compile(r"/projects/\d+/search|/projects/\d+/history/iterations/\d+/days")
# One of two recordings of /my/workspaces/{id} has a project's version, although it is about no project.
STRAY = {("/my/workspaces/581707", "X-Tracker-Project-Version")}

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
DATE = re.compile(r"\d{4}-\d\d-\d\d")


def asked() -> list[Exchange]:
    """One recorded GET for each endpoint and query that the server has: the one with the most in it."""
    fullest: dict[str, Exchange] = {}
    for exchange in exchanges():
        if exchange.method == "GET" and not NOT_SERVED.fullmatch(exchange.path):
            request = re.sub(r"\d+", "N", exchange.path) + "?" + urlencode(exchange.query)
            fullest[request] = max(
                fullest.get(request, exchange), exchange, key=lambda exchange: len(str(exchange.body))
            )
    return list(fullest.values())


every_exchange = pytest.mark.parametrize(
    "exchange", asked(), ids=lambda exchange: f"{exchange.path}?{urlencode(exchange.query, safe=':,()')}"
)


def objects(value: Any, place: str = "") -> Iterator[tuple[str, Row]]:
    """Every object in a body, with the names that lead to it: `stories.labels`."""
    if isinstance(value, list):
        for item in value:
            yield from objects(item, place)
    elif isinstance(value, dict):
        yield place, value
        for name in value.keys() - OPEN:
            yield from objects(value[name], f"{place}.{name}".lstrip("."))


def by_place(body: Any) -> dict[str, list[Row]]:
    found = defaultdict(list)
    for place, row in objects(body):
        found[place].append(row)
    return found


class Pair(NamedTuple):
    """What Tracker answered, and what the server answers to the same request about a thing of its own."""

    recorded: Exchange
    served: Response

    @property
    def places(self) -> list[tuple[str, list[Row], list[Row]]]:
        """Each place that has objects in the recorded body, with those objects and the served ones."""
        served = by_place(orjson.loads(self.served.body))
        return [(place, rows, served.get(place, [])) for place, rows in by_place(self.recorded.body).items()]


@cache
def api() -> TrackerApi:
    return TrackerApi(make_world())


def our_ids(nouns: list[str], world: World) -> Iterator[tuple[int, ...]]:
    """Ids of the sample world for a path with these nouns, in the same order."""
    project = next(iter(world.projects.values()))
    things = {
        "stories": project.stories,
        "epics": project.epics,
        "releases": [story_id for story_id, row in project.stories.items() if row["story_type"] == "release"],
        "iterations": range(1, 40),
        "workspaces": [row["id"] for rows in world.workspaces.values() for row in rows],
    }
    match nouns:
        case []:
            yield ()
        case ["projects"]:
            yield (project.id,)
        case ["projects", "stories" | "epics" as parents, "comments"]:
            for parent in (project.stories if parents == "stories" else project.epics).values():
                for comment in parent["comments"]:
                    yield project.id, parent["id"], comment["id"]
        case ["projects", noun]:
            yield from ((project.id, row_id) for row_id in things[noun])
        case [noun]:
            yield from ((row_id,) for row_id in things[noun])


@cache
def _answered(path: str, query: str) -> Response:
    return api().handle(Request("GET", PREFIX + path, query, {"X-TrackerToken": SAMPLE_TOKEN}))


def pair(exchange: Exchange) -> Pair:
    """The exchange beside the first answer of ours that has objects wherever the recorded one has some."""
    blank, nouns = re.sub(r"/\d+", "/{}", exchange.path), re.findall(r"(\w+)/\d+", exchange.path)
    for ids in our_ids(nouns, api().world):
        found = Pair(exchange, _answered(blank.format(*ids), urlencode(exchange.query)))
        if found.served.status == 200 and all(served for _, _, served in found.places):
            return found
    pytest.fail(f"the sample world has nothing for {exchange.path} that is as full as the recording")


def noun_of(place: str, row: Row) -> str:
    last = place.rpartition(".")[2]
    return last if last in ("changes", "primary_resources") else str(row.get("kind", ""))


def type_of(value: Any) -> str:
    if isinstance(value, str):
        return "time" if TIME.fullmatch(value) else "date" if DATE.fullmatch(value) else "string"
    return type(value).__name__


def types(rows: list[Row], name: str) -> set[str]:
    """The types of this attribute, and for a list also those of its elements: `list`, `list of int`."""
    values = [row[name] for row in rows if name in row]
    elements = {f"list of {type_of(item)}" for value in values if isinstance(value, list) for item in value}
    return {type_of(value) for value in values} | elements


@needs_recordings
@every_exchange
def test_the_keys_are_those_that_tracker_sent(exchange: Exchange) -> None:
    for place, recorded, served in pair(exchange).places:
        noun = noun_of(place, recorded[0])
        always = set.intersection(*(set(row) for row in recorded)) - OPTIONAL.get(noun, set())
        ever = set.union(*(set(row) for row in recorded)) | OPTIONAL.get(noun, set()) | LATER.get(noun, set())
        for row in served:
            hint = f"{place}: what no recording has belongs into LATER, what comes only where it is set into OPTIONAL"
            assert always <= row.keys() <= ever, hint


@needs_recordings
@every_exchange
def test_the_values_have_the_types_that_tracker_sent(exchange: Exchange) -> None:
    for place, recorded, served in pair(exchange).places:
        for name in {name for row in recorded for name in row} - OPEN:
            known, ours = types(recorded, name), types(served, name)
            if name in FRACTIONAL:
                known |= {"int", "float"}
            if known == {"list"}:
                ours = {name for name in ours if not name.startswith("list of")}
            assert ours <= known, f"{place}.{name}"


@needs_recordings
@every_exchange
def test_the_headers_are_those_that_tracker_sent(exchange: Exchange) -> None:
    served = pair(exchange).served
    recorded = {name.lower() for name in exchange.headers if (exchange.path, name) not in STRAY}
    ours = {name.lower() for name in served.headers}
    assert {name for name in ours if name.startswith("x-tracker")} == {
        name for name in recorded if name.startswith("x-tracker")
    }
    assert ours <= recorded
    for name in ("Content-Type", "Cache-Control", "Status"):
        assert served.headers[name] == exchange.headers[name]


@needs_recordings
@every_exchange
def test_the_page_begins_and_is_limited_where_tracker_did_it(exchange: Exchange) -> None:
    served = pair(exchange).served
    for name in ("X-Tracker-Pagination-Limit", "X-Tracker-Pagination-Offset", "X-Tracker-Client-Pinger-Interval"):
        assert served.headers.get(name) == exchange.headers.get(name)


@needs_recordings
def test_a_day_of_history_has_the_columns_that_tracker_sent() -> None:
    recorded = next(exchange.body for exchange in exchanges() if exchange.path.endswith("/days"))
    project_id = next(iter(api().world.projects))
    served = orjson.loads(_answered(f"/projects/{project_id}/history/days", "").body)
    assert (served["kind"], served["header"]) == (recorded["kind"], recorded["header"])
    for row in served["data"]:
        assert [type_of(value) for value in row] == [type_of(value) for value in recorded["data"][0]]


@needs_recordings
def test_an_error_has_the_words_and_the_keys_that_tracker_sent() -> None:
    recorded = next(exchange for exchange in exchanges() if exchange.status == 400)
    served = _answered("/projects", "colour=red")
    body = orjson.loads(served.body)
    assert (served.status, body["code"], body["error"]) == (400, recorded.body["code"], recorded.body["error"])
    assert body.keys() == recorded.body.keys()
