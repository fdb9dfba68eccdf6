"""What the documentation says that a stream costs is what the server's log has of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from tools.costs import Asked, Cost, cost, words
from tools.docs import streams
from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import Project
from unit_tests.expected_keys import keys
from unit_tests.interception import is_probe
from unit_tests.syncs import Sync, config_for

STORIES = 501
"""One more than a page."""
COSTS = {stream.name: cost(stream) for stream in streams()}
WITH_CURSOR = {stream.name for stream in streams() if stream.cursor_field}


@pytest.fixture(scope="module")
def server() -> Iterator[TrackerServer]:
    with TrackerServer(make_world(projects=2, stories=STORIES)) as server:
        yield server


def edit(server: TrackerServer) -> None:
    """Change a story of the first project, an hour later."""
    world = server.world
    world.now += timedelta(hours=1)
    project = next(iter(world.projects.values()))
    edits.update_story(world, project, next(iter(world.tokens.values())), project.order[0], name=str(world.now))


def requests(server: TrackerServer, name: str, before: Sync | None = None) -> tuple[int, Sync]:
    """How many requests a sync of the stream alone makes, but for one that finds out what the server can do."""
    start = len(server.log)
    sync = Sync(config_for(server), [name], incremental=True, state=before.state if before else ())
    assert sync.failure is None
    return without_probe(server, start), sync


def without_probe(server: TrackerServer, start: int) -> int:
    return sum(not is_probe(logged.query) for logged in server.log[start:])


def costing(server: TrackerServer, asked: Iterable[Asked], projects: Sequence[Project]) -> int:
    """The requests that the words of the documentation come to, in these projects and for the person of the token."""
    held = keys(server.world, SAMPLE_TOKEN)
    count = 0
    for request in asked:
        if "{project_id}" in request.path:
            count += sum(request.requests(rows_of(server, request, project)) for project in projects)
        elif "{account_id}" in request.path:
            count += request.requests(1) * len(held["accounts"])
        else:
            count += request.requests(len(held["my_activity"]) if request.rows == "commands" else 1)
    return count


def rows_of(server: TrackerServer, asked: Asked, project: Project) -> int:
    """How long a list of the project is; what is newer than the last sync is never more than a page."""
    if asked.page_size is None or asked.rows.startswith("newer "):
        return 1
    stream = "activity" if asked.rows == "commands" else asked.rows.replace(" ", "_")
    return len(keys(replace(server.world, projects={project.id: project}), SAMPLE_TOKEN)[stream])


def lists(name: str) -> int:
    """What is asked for besides: the list of projects or accounts that the stream is read over."""
    return int(any("{" in path for path in COSTS[name].paths))


def activity(name: str) -> int:
    """What is asked for besides in a project that changed, unless it is the stream's own list."""
    (path, *_) = COSTS[name].paths
    return int(name in WITH_CURSOR and "{project_id}" in path and not path.endswith("/activity"))


@pytest.mark.parametrize("name", COSTS)
def test_a_stream_costs_what_the_table_says(name: str, server: TrackerServer) -> None:
    cost = COSTS[name]
    changed, *unchanged = projects = list(server.world.projects.values())

    first, sync = requests(server, name)
    assert first == lists(name) + costing(server, cost.first, projects)

    again, sync = requests(server, name, sync)
    assert again == lists(name) + costing(server, cost.unchanged, projects)

    edit(server)
    later, _ = requests(server, name, sync)
    of_others = [asked for asked in cost.unchanged if "{project_id}" in asked.path]
    assert later == lists(name) + activity(name) + costing(server, cost.changed, [changed]) + costing(
        server, of_others, unchanged
    )


def test_streams_of_one_list_share_its_requests(server: TrackerServer) -> None:
    projects = list(server.world.projects.values())
    lists_once = {asked.path: asked for cost in COSTS.values() for asked in cost.first}
    start = len(server.log)

    Sync(config_for(server))

    assert without_probe(server, start) == costing(server, lists_once.values(), projects)
    assert len(server.log) - start - without_probe(server, start) == 1


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ((), "0"),
        ((Asked("me", "me", None),), "1"),
        ((Asked("stories", "stories", 2000),), "1 for every 2,000 stories"),
        ((Asked("stories", "stories", 500), Asked("epics", "epics", None)), "1 for every 500 stories, 1 for the epics"),
    ],
)
def test_a_cost_is_told_in_words(asked: tuple[Asked, ...], text: str) -> None:
    assert words(asked) == text


@pytest.mark.parametrize(("rows", "count"), [(0, 1), (500, 1), (501, 2)])
def test_a_list_takes_a_request_a_page_and_one_at_least(rows: int, count: int) -> None:
    assert Asked("stories", "stories", 500).requests(rows) == count


def test_a_stream_whose_rows_hang_on_two_lists_costs_both() -> None:
    cost: Cost = COSTS["file_attachments"]

    assert cost.paths == ("projects/{project_id}/stories", "projects/{project_id}/epics")
    assert words(cost.first) == "1 for every 500 stories, 1 for the epics"
