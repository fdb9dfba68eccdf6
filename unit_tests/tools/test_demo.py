"""The demo loads what the connector read, twice, follows what was edited meanwhile, and compares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.demo import compared, edit, request_patterns
from tools.program import ROOT, ProgramFailed
from tracker_server.sample import make_world


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
