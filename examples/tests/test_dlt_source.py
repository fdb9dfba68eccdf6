"""The source for dlt, as a program uses it: its settings, what it asks for, and where its states are."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from source_pivotal_tracker.dlt import tracker_source
from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server import edits
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests.syncs import config_for, logger

EXAMPLE = Path(__file__).parents[1] / "dlt_pipeline.py"


@dataclass
class Warehouse:
    """A server, and a pipeline that loads from it into a DuckDB file."""

    folder: Path
    server: TrackerServer
    file: Path = field(init=False)

    def __post_init__(self) -> None:
        self.file = self.folder / "tracker.duckdb"
        self.pipeline = dlt.pipeline(
            "tracker",
            pipelines_dir=str(self.folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(self.file)),
            dataset_name="tracker_rows",
        )

    def source(self, *streams: str) -> DltSource:
        source = tracker_source(**config_for(self.server))
        return source.with_resources(*streams) if streams else source

    def run(self, data: Any, **options: Any) -> list[LoggedRequest]:
        """Load what the source brings; returns what it asked for."""
        seen = len(self.server.log)
        self.pipeline.run(data, **options)
        return self.server.log[seen:]

    def count(self, table: str) -> int:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            (count,) = connection.sql(f"SELECT count(*) FROM tracker_rows.{table}").fetchall()[0]
        return int(count)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    with TrackerServer(make_world(2, 20)) as server:
        yield Warehouse(tmp_path, server)


def lists(requests: list[LoggedRequest]) -> set[str]:
    """The last parts of the paths that were asked for."""
    return {request.path.rpartition("/")[2] for request in requests}


def test_it_takes_every_setting_of_the_connector_by_its_name() -> None:
    settings = SourcePivotalTracker().spec(logger).connectionSpecification["properties"]
    assert list(inspect.signature(tracker_source).parameters) == list(settings)


def test_only_the_resources_that_are_selected_are_asked_for(warehouse: Warehouse) -> None:
    requests = warehouse.run(warehouse.source("labels"))
    assert lists(requests) == {"projects", "labels"}
    assert len(requests) == 1 + 2
    assert warehouse.pipeline.default_schema.data_table_names() == ["labels"]


def test_a_resource_that_is_taken_out_of_the_source_has_the_states_of_the_source(warehouse: Warehouse) -> None:
    warehouse.run(warehouse.source("labels", "epics"))
    rows = warehouse.count("labels")
    assert lists(warehouse.run(warehouse.source().labels)) == {"projects"}
    assert warehouse.count("labels") == rows > 0


def test_a_resource_that_is_selected_later_comes_as_a_whole(warehouse: Warehouse) -> None:
    warehouse.run(warehouse.source("labels"))
    assert lists(warehouse.run(warehouse.source("labels", "epics"))) == {"projects", "epics"}


def test_a_refresh_of_a_resource_drops_its_state_with_its_rows_and_leaves_the_others(warehouse: Warehouse) -> None:
    warehouse.run(warehouse.source("labels", "epics"))
    rows = warehouse.count("labels")
    warehouse.run(warehouse.source("labels"), refresh="drop_resources")
    assert warehouse.count("labels") == rows > 0
    assert lists(warehouse.run(warehouse.source("labels", "epics"))) == {"projects"}


def test_a_stream_that_is_replaced_is_read_as_a_whole_each_time_and_has_no_state(warehouse: Warehouse) -> None:
    warehouse.run(warehouse.source("labels", "iterations"))
    rows = warehouse.count("iterations")
    assert lists(warehouse.run(warehouse.source("labels", "iterations"))) == {"projects", "iterations"}
    assert warehouse.count("iterations") == rows > 0
    assert warehouse.pipeline.state["sources"]["tracker"]["resources"].keys() == {"labels"}


def test_whoever_asks_for_it_gets_all_rows_of_a_merged_stream_in_place_of_the_old(warehouse: Warehouse) -> None:
    warehouse.run(warehouse.source("stories"))
    (project, *_) = warehouse.server.world.projects.values()
    gone, *_ = project.stories
    world = warehouse.server.world
    edits.delete_stories(world, project, world.tokens[SAMPLE_TOKEN], [gone])
    warehouse.run(warehouse.source("stories"), write_disposition="replace")
    left = sum(len(project.stories) for project in warehouse.server.world.projects.values())
    assert warehouse.count("stories") == left
    warehouse.run(warehouse.source("stories"))
    assert warehouse.count("stories") == left


def test_a_resource_with_another_name_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(PipelineStepFailed, match="tickets is no stream: leave resources the names that they have"):
        warehouse.run(warehouse.source().stories.with_name("tickets"))


def test_all_comes_again_into_a_destination_that_was_lost(warehouse: Warehouse) -> None:
    warehouse.run(warehouse.source("labels"))
    rows = warehouse.count("labels")
    warehouse.file.unlink()
    later = Warehouse(warehouse.folder, warehouse.server)
    later.run(later.source("labels"))
    assert later.count("labels") == rows > 0


def test_its_rows_can_be_looked_at_without_a_pipeline(tmp_path: Path) -> None:
    code = (
        "import json, sys; from source_pivotal_tracker.dlt import tracker_source;"
        "print(len(list(tracker_source(**json.loads(sys.argv[1])).labels)))"
    )
    with TrackerServer(make_world(1, 20)) as server:
        command = [sys.executable, "-c", code, json.dumps(config_for(server))]
        ended = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "DLT_DATA_DIR": str(tmp_path / "dlt")},
            capture_output=True,
            encoding="utf-8",
        )
        labels = next(iter(server.world.projects.values())).labels
    assert ended.stdout.split() == [str(len(labels))], ended.stderr
    assert ended.stderr == ""


def run_example(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE, *arguments],
        cwd=folder,
        env={**os.environ, "DLT_DATA_DIR": str(folder / "dlt"), **environment},
        capture_output=True,
        encoding="utf-8",
    )


def test_its_settings_stand_in_dlts_files_and_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / ".dlt").mkdir()
    world = make_world(3, 20)
    (*_, only) = world.projects
    with TrackerServer(world) as server:
        (tmp_path / ".dlt/secrets.toml").write_text(f'[sources.tracker]\napi_token = "{SAMPLE_TOKEN}"\n')
        (tmp_path / ".dlt/config.toml").write_text(
            f'[sources.tracker]\napi_url = "{server.url}"\nstart_date = 2020-01-31T00:00:00Z\n'
        )
        ended = run_example(tmp_path, "duckdb", "labels", SOURCES__TRACKER__PROJECT_IDS=f"[{only}]")
        paths = [request.path for request in server.log]
    assert ended.returncode == 0, ended.stderr
    assert [path for path in paths if path.endswith("/labels")] == [f"/projects/{only}/labels"]


def test_an_export_is_read_without_a_server_and_a_token(tmp_path: Path) -> None:
    subprocess.run([Path(sys.executable).with_name("tracker-server"), "export", tmp_path / "export.zip"], check=True)
    ended = run_example(tmp_path, "duckdb", "stories", SOURCES__TRACKER__EXPORT_ARCHIVE=str(tmp_path / "export.zip"))
    assert ended.returncode == 0, ended.stderr
    with duckdb.connect(str(tmp_path / "tracker.duckdb"), read_only=True) as connection:
        ((stories,),) = connection.sql("SELECT count(*) FROM pivotal_tracker.stories").fetchall()
    assert stories > 0


def test_a_setting_that_cannot_be_used_is_told_by_its_name(tmp_path: Path) -> None:
    ended = run_example(
        tmp_path, "duckdb", SOURCES__TRACKER__API_TOKEN=SAMPLE_TOKEN, SOURCES__TRACKER__NUM_WORKERS="99"
    )
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert "num_workers is more than 20: give a whole number from 1 to 20, without quotes." in last


def test_no_token_is_told_as_missing(tmp_path: Path) -> None:
    assert "api_token is missing: give the API token" in run_example(tmp_path, "duckdb").stderr.splitlines()[-1]
