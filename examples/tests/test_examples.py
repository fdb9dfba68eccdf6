"""Each example is run as its reader would, again and again, with edits between and during the syncs."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.models import AirbyteStream
from edited import DIGITS, Edited, edit
from postgres import postgres_or_skip
from tables import (
    DELETED_AT,
    NEWEST,
    Destination,
    DltDuckDB,
    DltParquet,
    DltPostgres,
    Postgresql,
    PyAirbyteDuckDB,
    PyAirbytePostgres,
    Rows,
    Table,
    kinds_of,
    served,
)

from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.api.errors import ApiError, error_response
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import World
from unit_tests import expected_keys
from unit_tests.replica import differences
from unit_tests.syncs import config_for, logger

EXAMPLES = Path(__file__).parents[1]
PROJECTS, STORIES, PAGE = 3, 60, 20
REFUSED = ApiError(403, "invalid_authentication", "The token was withdrawn.")


@dataclass
class Ran:
    """An example that has ended: what it said and asked for, and the tables and the server at its end.

    `rows` are the tables' by key, `served` what a first read of the server brings then, and `keys` what must come in
    one, as found in the world.
    """

    exit_code: int
    output: str
    requests: list[LoggedRequest]
    tables: dict[str, Table]
    rows: Rows
    served: Rows
    keys: dict[str, set[expected_keys.Key]]

    @property
    def paths(self) -> set[str]:
        return {request.path for request in self.requests}


@dataclass
class Story:
    """What happened to one destination: a sync, edits, one that is refused midway, one that works, one
    during which a story is reopened, and a last one."""

    streams: list[AirbyteStream]
    destination: Destination
    edited: Edited
    reopening: Reopening
    first: Ran
    refused: Ran
    second: Ran
    during: Ran
    last: Ran


class Scene:
    """A world, its server, and an example that syncs it."""

    def __init__(self, world: World, destination: Destination, folder: Path) -> None:
        self.world = world
        self.destination = destination
        self._folder = folder
        self._before: Callable[[Request], Response | None] | None = None
        self._server = TrackerServer(world, before=self._pass_on, caps=Caps(stories=PAGE))

    def __enter__(self) -> Scene:
        self._server.__enter__()
        self._config = config_for(self._server)
        self.streams = SourcePivotalTracker().discover(logger, self._config).streams
        return self

    def __exit__(self, *error: Any) -> None:
        self._server.__exit__(*error)

    def _pass_on(self, request: Request) -> Response | None:
        return self._before(request) if self._before else None

    def run(self, before: Callable[[Request], Response | None] | None = None) -> Ran:
        """Run the example once; `before` sees its requests, as TrackerServer's does."""
        self._before = before
        seen = len(self._server.log)
        ended = subprocess.run(
            [
                sys.executable,
                EXAMPLES / self.destination.script,
                *self.destination.command(self._config, self._folder),
            ],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            cwd=self._folder,
            env={**os.environ, **self.destination.environment(self._config, self._folder)},
        )
        print(ended.stdout, ended.stderr)  # for whoever looks into a test that failed
        requests = self._server.log[seen:]
        self._before = None
        return Ran(
            ended.returncode,
            ended.stdout + ended.stderr,
            requests,
            {stream.name: self.destination.table(stream) for stream in self.streams},
            self.destination.keyed_rows(self.streams),
            served(self.streams, self._config),
            {stream: set(keys) for stream, keys in expected_keys.keys(self.world, SAMPLE_TOKEN).items()},
        )


@contextmanager
def destination(kind: type[Any], folder: Path) -> Iterator[Destination]:
    """One that is empty. Skips where its database cannot be had."""
    if not issubclass(kind, Postgresql):
        yield kind(folder)
        return
    with postgres_or_skip() as server:
        yield kind(server)


@pytest.fixture(
    scope="module",
    params=[PyAirbyteDuckDB, PyAirbytePostgres, DltDuckDB, DltPostgres, DltParquet],
    ids=lambda kind: kind.__name__,
)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    world = make_world(PROJECTS, STORIES)
    folder = tmp_path_factory.mktemp("example")
    with destination(request.param, folder) as empty, Scene(world, empty, folder) as scene:
        first = scene.run()
        edited = edit(world)
        refused = scene.run(before=refuse_iterations)
        second = scene.run()
        reopening = Reopening(world)
        during = scene.run(before=reopening)
        yield Story(scene.streams, empty, edited, reopening, first, refused, second, during, scene.run())


def refuse_iterations(request: Request) -> Response | None:
    return error_response(REFUSED) if request.path.endswith("/iterations") else None


class Reopening:
    """Renames the story that stands first, and reopens it once the page with it has been read: it comes twice."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._project = next(iter(world.projects.values()))
        self.story = self._project.order[0]
        self.is_done = False
        self._update(name="Reopened")

    def _update(self, **values: str) -> None:
        self._world.now += timedelta(minutes=1)
        by = self._world.tokens[SAMPLE_TOKEN]
        edits.update_story(self._world, self._project, by, self.story, **values)

    def __call__(self, request: Request) -> None:
        is_second_page = request.path.endswith(f"/{self._project.id}/stories") and f"offset={PAGE}" in request.query
        if is_second_page and not self.is_done:
            self.is_done = True
            self._update(current_state="unstarted")


def assert_equals_the_server(ran: Ran) -> None:
    assert ran.exit_code == 0, ran.output
    assert differences(ran.rows, ran.served) == []
    assert {stream: set(rows) for stream, rows in ran.served.items()} == ran.keys


def test_the_first_sync_brings_every_row_of_every_stream(story: Story) -> None:
    assert_equals_the_server(story.first)
    assert all(story.first.rows.values())


def test_each_column_has_the_type_that_its_schema_asks_for(story: Story) -> None:
    for stream in story.streams:
        types = {name: story.destination.types[kind] for name, kind in kinds_of(stream).items()}
        found = dict(story.last.tables[stream.name].types)
        assert {name: found.pop(name) for name in types} == types
        assert found.keys() == story.destination.bookkeeping(stream)


def test_every_type_is_one_that_the_destination_knows(story: Story) -> None:
    assert "Could not determine airbyte type" not in story.first.output


def test_a_sync_after_edits_deletions_and_moves_leaves_what_the_server_has(story: Story) -> None:
    assert_equals_the_server(story.second)


def test_deleted_stories_go_and_moved_ones_stay(story: Story) -> None:
    stories = story.second.rows["stories"]
    assert {(story_id,) for story_id in story.edited.deleted} <= story.first.rows["stories"].keys()
    assert not {(story_id,) for story_id in story.edited.deleted} & stories.keys()
    assert {story_id: stories[story_id,]["project_id"] for story_id in story.edited.moved} == story.edited.moved


def test_no_tombstone_stays_in_a_table(story: Story) -> None:
    rows = [row for table in story.last.tables.values() for row in table.rows if DELETED_AT in row]
    assert len(rows) > STORIES
    assert [row for row in rows if row[DELETED_AT] is not None] == []


def test_rows_that_a_full_refresh_does_not_bring_any_more_go_even_the_last_one(story: Story) -> None:
    assert story.first.rows["webhooks"]
    assert story.second.rows["webhooks"] == {}


def test_the_second_sync_does_not_ask_about_a_project_that_has_not_changed(story: Story) -> None:
    labels = f"/projects/{story.edited.quiet}/labels"
    assert labels in story.first.paths
    assert labels not in story.second.paths


def test_texts_of_digits_stay_texts(story: Story) -> None:
    assert DIGITS in {row["name"] for row in story.second.rows["labels"].values()}
    assert DIGITS in {row["name"] for row in story.second.rows["stories"].values()}
    assert DIGITS in {row["external_id"] for row in story.second.rows["stories"].values()}


def test_a_sync_that_fails_midway_loads_nothing_and_says_why(story: Story) -> None:
    assert story.refused.exit_code == 1
    assert "The token was withdrawn." in story.refused.output
    assert story.refused.rows == story.first.rows


def test_of_a_row_that_came_twice_in_a_sync_the_newer_is_kept(story: Story) -> None:
    reopened = (story.reopening.story,)
    assert story.reopening.is_done
    assert story.second.rows["stories"][reopened]["current_state"] == "accepted"
    assert story.during.rows["stories"][reopened]["current_state"] == "unstarted"
    assert story.during.rows["stories"][reopened]["name"] == "Reopened"


def test_what_changed_during_a_sync_comes_with_the_next_one(story: Story) -> None:
    assert_equals_the_server(story.last)


def test_the_readme_has_the_query_for_the_newest_rows_of_files() -> None:
    query = textwrap.dedent(NEWEST).strip().format(key="id", files="lake/pivotal_tracker/stories/*.parquet")
    assert f"```sql\n{query}\n```" in (EXAMPLES / "README.md").read_text(encoding="utf-8")
