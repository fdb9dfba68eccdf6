"""A project with very many stories, and very many projects: what a sync takes of requests, rows, state and memory."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import Program, every_stream
from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import World
from unit_tests.modes import EVERY_MODE, TRACKER_MODE, Mode
from unit_tests.source_pivotal_tracker.sync.incremental.destination import CALM
from unit_tests.syncs import config_for

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "build" / "soak"
STORIES = int(os.environ.get("STORIES", "10000"))
PROJECTS = int(os.environ.get("PROJECTS", "100"))
EDITS = 100
PAGE = 500
MOST_MEMORY = 400_000_000
"""Bytes; the limit that the documents give a container is more."""


@dataclass
class Read:
    """What a program printed and took."""

    rows: Counter[str] = field(default_factory=Counter)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    peak_rss: int = 0

    @property
    def state_bytes(self) -> int:
        return len(orjson.dumps(list(self.states.values())))

    @property
    def cells(self) -> list[str]:
        sizes = (self.requests.total(), self.rows.total(), self.rows["stories"], self.state_bytes)
        return [*(f"{size:,}" for size in sizes), f"{self.peak_rss / 1e6:.0f}"]


class Scene:
    """A world on a server that counts requests, and programs that read it one after the other."""

    def __init__(self, world: World, mode: Mode, folder: Path) -> None:
        self.world = world
        self._folder = folder
        self._requests: Counter[str] = Counter()
        self._random = random.Random(1)  # noqa: S311
        self.server = TrackerServer(world, dialect=mode.dialect, before=self._before, keeps_log=False)
        self._streams = mode.known(CALM)

    def _before(self, request: Request) -> None:
        self._requests["/".join(part for part in request.path.split("/")[3:] if not part.isdigit())] += 1

    def read(self, last: Read | None = None) -> Read:
        """A sync of all streams that depend on nothing but the versions of their projects."""
        config = config_for(self.server)
        found = [stream.as_airbyte_stream() for stream in SourcePivotalTracker().streams(config)]
        catalog = every_stream(
            {
                "streams": [
                    {
                        "name": stream.name,
                        "json_schema": {},
                        "supported_sync_modes": [mode.value for mode in stream.supported_sync_modes],
                    }
                    for stream in found
                    if stream.name in self._streams
                ]
            },
            incremental=True,
        )
        files = [("config", config), ("catalog", catalog), *([("state", list(last.states.values()))] if last else [])]
        peak = self._folder / "peak"
        paths = [peak]
        for name, content in files:
            paths.append(self._folder / f"{name}.json")
            paths[-1].write_bytes(orjson.dumps(content))
        self._requests.clear()
        read = Read()
        environment = {"PYTHONPATH": str(ROOT)}
        with Program(
            sys.executable, "-m", "unit_tests.scale.unhurried_program", *paths, environment=environment
        ) as program:
            for message in program.messages():
                if message["type"] == "RECORD":
                    read.rows[message["record"]["stream"]] += 1
                elif message["type"] == "STATE":
                    state = message["state"]
                    read.states[state["stream"]["stream_descriptor"]["name"]] = state
        read.peak_rss = int(peak.read_text(encoding="utf-8"))
        read.requests = self._requests.copy()
        return read

    def edit(self) -> set[int]:
        """A hundred edits of stories, an hour after all that was; returns the projects in which they were."""
        self.world.now += timedelta(hours=1)
        by = self.world.tokens[SAMPLE_TOKEN]
        edited = set()
        for number in range(EDITS):
            project = self._random.choice(list(self.world.projects.values()))
            story = self._random.choice(list(project.stories))
            edits.update_story(self.world, project, by, story, description=f"Edit {number}")
            edited.add(project.id)
        return edited


@contextmanager
def scene_of(world: World, mode: Mode, folder: Path) -> Iterator[Scene]:
    scene = Scene(world, mode, folder)
    with scene.server:
        yield scene


def report(name: str, reads: Sequence[tuple[str, Read]]) -> None:
    headers = ["Sync", "Requests", "Rows", "of these, stories", "Bytes of state", "Peak memory, MB"]
    lines = [headers, ["---:"] * len(headers), *([which, *read.cells] for which, read in reads)]
    REPORTS.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    (REPORTS / f"{name}.md").write_text(f"{text}\n", encoding="utf-8")


@pytest.mark.soak_tests
def test_a_project_of_very_many_stories_takes_a_page_for_each_five_hundred_and_later_what_changed(
    tmp_path: Path,
) -> None:
    world = make_world(projects=1, stories=STORIES)
    (project,) = world.projects.values()
    with scene_of(world, TRACKER_MODE, tmp_path) as scene:
        first = scene.read()
        unchanged = scene.read(first)
        scene.edit()
        edited = scene.read(unchanged)
    report(f"stories-{STORIES}", [("first", first), ("unchanged", unchanged), (f"after {EDITS} edits", edited)])
    lists = (len(project.stories), len(project.transitions), len(project.activity))
    assert first.rows["stories"] == len(project.stories)
    assert first.requests.total() <= sum(-(-rows // PAGE) for rows in lists) + 60
    assert first.requests["projects/stories"] <= -(-len(project.stories) // PAGE) + 2
    assert unchanged.requests.total() == 1
    assert unchanged.rows.total() == 0
    # Their figures depend on other stories, so all releases are listed, for two streams.
    releases = sum(story["story_type"] == "release" for story in project.stories.values())
    assert edited.requests.total() <= 20 + 2 * -(-releases // PAGE)
    assert EDITS * 0.8 <= edited.rows["stories"] <= EDITS + releases + 10
    assert edited.state_bytes <= 1.1 * first.state_bytes <= 10_000
    assert max(read.peak_rss for read in (first, unchanged, edited)) < MOST_MEMORY


@pytest.mark.soak_tests
@pytest.mark.parametrize("mode", EVERY_MODE)
def test_very_many_projects_take_requests_where_something_changed(mode: Mode, tmp_path: Path) -> None:
    world = make_world(projects=PROJECTS, stories=3)
    with scene_of(world, mode, tmp_path) as scene:
        first = scene.read()
        unchanged = scene.read(first)
        edited_projects = scene.edit()
        edited = scene.read(unchanged)
    reads = [("first", first), ("unchanged", unchanged), (f"after {EDITS} edits", edited)]
    report(f"projects-{PROJECTS}-{mode.name}", reads)
    assert first.rows["stories"] == 3 * PROJECTS
    # Where no version tells that nothing happened, the last activity comes again.
    assert unchanged.rows.total() <= (0 if mode.dialect.versions else 3 * PROJECTS)
    assert edited.rows["stories"] <= EDITS + 3 * len(edited_projects)
    assert edited.state_bytes <= 1.1 * first.state_bytes
    assert max(read.peak_rss for _, read in reads) < MOST_MEMORY
    if mode.dialect.versions:
        assert unchanged.requests.total() == 1
        assert edited.requests.total() <= 1 + 12 * len(edited_projects)
    else:
        assert unchanged.requests.total() <= first.requests.total()
