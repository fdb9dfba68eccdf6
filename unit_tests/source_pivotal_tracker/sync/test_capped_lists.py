"""Lists that come in one answer from Tracker, on a server that gives at most so many rows of anything."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from tracker_server import edits
from tracker_server.api.dialect import LITETRACKER
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from tracker_server.world import World
from unit_tests.interception import Before, path_of, query_of
from unit_tests.syncs import Row, Sync, config_for, key_of

CAP = 10
LISTS = {
    "projects": r"/projects",
    "labels": r"/projects/\d+/labels",
    "epics": r"/projects/\d+/epics",
    "project_memberships": r"/projects/\d+/memberships",
    "story_comments": r"/projects/\d+/stories/\d+/comments",
    "story_tasks": r"/projects/\d+/stories/\d+/tasks",
}


@pytest.fixture(scope="module")
def world() -> World:
    """More of everything than a page may have."""
    world = make_world(projects=CAP + 2, stories=4)
    by, person = next(iter(world.people.items()))
    more = {by + 1_000_000 + number: {**person, "name": f"Person {number}"} for number in range(2 * CAP)}
    world.people |= {new: {**row, "id": new} for new, row in more.items()}
    for project in list(world.projects.values())[:2]:
        for number in range(3 * CAP - len(project.labels)):
            edits.create_label(world, project, by, name=f"label {number}")
        for number in range(2 * CAP):
            edits.create_epic(world, project, by, name=f"Epic {number}")
        for new in more:
            edits.create_membership(world, project, by, person_id=new)
        story = next(iter(project.stories))
        for number in range(2 * CAP - len(project.stories[story].get("comments", ()))):
            edits.create_comment(world, project, by, story_id=story, text=f"Comment {number}")
            edits.create_task(world, project, by, story, description=f"Task {number}")
    world.now += timedelta(hours=1)
    return world


def capped(world: World, path: str, *, knows_offset: bool) -> Before:
    """A server that gives CAP rows of one kind of list, and says nothing of those that follow."""
    api = TrackerApi(world, dialect=LITETRACKER)

    def before(request: Request) -> Response | None:
        if not re.fullmatch(path, path_of(request)):
            return None
        offset = int(query_of(request).get("offset", "0"))
        response = api.handle(replace(request, query=""))
        rows = orjson.loads(response.body)
        shown = rows[offset : offset + CAP] if knows_offset else rows[:CAP]
        return Response(response.status, {"Content-Type": "application/json"}, orjson.dumps(shown))

    return before


def by_key(rows: list[Row], stream: str) -> dict[object, Row]:
    return {key_of(stream, row): row for row in rows}


@pytest.mark.parametrize("stream", LISTS)
def test_a_list_goes_on_where_the_server_shows_a_page_of_it(stream: str, world: World) -> None:
    with TrackerServer(world, dialect=LITETRACKER) as server:
        whole = Sync(config_for(server), [stream], incremental=True)
    before = capped(world, LISTS[stream], knows_offset=True)
    with TrackerServer(world, dialect=LITETRACKER, before=before) as server:
        # What it has sent is there in the next sync too.
        synced = Sync(config_for(server), [stream], incremental=True)
        again = Sync(config_for(server, full_sweep_days=1), [stream], incremental=True, state=synced.state)
    assert len(whole.records[stream]) > CAP
    assert by_key(synced.records[stream], stream) == by_key(whole.records[stream], stream)
    assert len(synced.records[stream]) == len(whole.records[stream])
    assert not [row for row in again.records[stream] if row.get("_ab_cdc_deleted_at")]


@pytest.mark.parametrize("stream", LISTS)
def test_a_list_that_is_as_long_as_a_page_comes_once(stream: str, world: World) -> None:
    before = capped(world, LISTS[stream], knows_offset=False)
    with TrackerServer(world, dialect=LITETRACKER, before=before) as server:
        synced = Sync(config_for(server), [stream], incremental=True)
    assert synced.failure is None
    keys = [key_of(stream, row) for row in synced.records[stream]]
    assert len(set(keys)) == len(keys)
