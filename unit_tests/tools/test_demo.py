"""The demo loads what the connector read, twice, and tells rows, tombstones and requests truly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from rich.console import Console
from rich.table import Table

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.demo import StreamRead, Sync, compared, edit, request_patterns, summary
from tools.docs import ROOT
from tools.program import ProgramFailed
from tracker_server.app import LoggedRequest
from tracker_server.sample import make_world


def written(table: Table) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def sync(reads: list[StreamRead], *paths: str) -> Sync:
    return Sync(reads, [LoggedRequest(0.0, "GET", path, {}, 200, 9) for path in paths], [], [])


def test_the_whole_demo_makes_a_replica_follows_the_edits_and_draws_the_velocity(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tools.demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert (demo.returncode, demo.stderr) == (0, "")
    assert "tombstones" in demo.stdout
    assert "holds the 747 stories that the server holds now" in demo.stdout
    assert "velocity now" in demo.stdout
    with duckdb.connect(str(tmp_path / "demo.duckdb"), read_only=True) as connection:
        tables = {name for (name,) in connection.sql("SHOW TABLES").fetchall()}
        (stories,) = connection.sql("SELECT count(*) FROM stories").fetchall()
    assert tables == {stream.name for stream in SourcePivotalTracker().streams({"api_token": "demo"})}
    assert stories == (747,)


def test_a_request_counts_for_every_stream_that_it_feeds_and_once_in_the_total() -> None:
    first = sync(
        [StreamRead("stories", 1_000, 0, 10.0, 14.0), StreamRead("story_tasks", 7, 0, 10.0, 12.5)],
        *("/projects", "/projects/99/stories", "/projects/99/stories", "/projects/99/labels"),
    )
    second = sync(
        [StreamRead("stories", 3, 2, 20.0, 21.0), StreamRead("story_tasks", 0, 1, 20.0, 21.0)],
        *("/projects", "/projects/99/stories/bulk"),
    )

    lines = written(summary(first, second))

    assert "stories 1,000 2 4.00 3 2 1" in lines
    assert "story_tasks 7 2 2.50 0 1 1" in lines
    assert "Total 1,007 4 4.00 3 3 2" in lines


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("projects", "/projects"),
        ("stories", "/projects/99/stories"),
        ("file_attachments", "/projects/99/epics"),
        ("review_types", "/projects/99"),
        ("account_memberships", "/accounts/7/memberships"),
    ],
)
def test_a_stream_knows_the_paths_of_its_requests(stream: str, path: str) -> None:
    patterns = request_patterns()

    assert patterns[stream].fullmatch(path)
    assert not patterns[stream].fullmatch(f"{path}/nothing")


def test_the_edits_change_delete_and_move_stories_and_are_told_in_words() -> None:
    world = make_world(3, 250)
    versions = {project.id: project.version for project in world.projects.values()}
    stories = {project.id: len(project.stories) for project in world.projects.values()}

    words = edit(world)

    more = {project.id: len(project.stories) - stories[project.id] for project in world.projects.values()}
    changes = {project.id: project.version - versions[project.id] for project in world.projects.values()}
    assert list(more.values()) == [1 - 4 - 2, 2, 0]
    assert list(changes.values()) == [3 + 2 + 1 + 1 + 1 + 1 + 2, 2, 0]
    assert "3 stories are edited, 2 finished" in words


def test_a_database_that_differs_from_the_server_is_an_error() -> None:
    world = make_world(1, 3)
    with duckdb.connect() as connection:
        texts = "name VARCHAR, current_state VARCHAR"
        connection.execute(f"CREATE TABLE stories (id BIGINT, project_id BIGINT, {texts}, updated_at TIMESTAMP)")
        with pytest.raises(ProgramFailed, match="3 stories differ"):
            compared(world, connection)
