"""Meltano syncs a server into PostgreSQL as the README says, and what the loader's keys are there for."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.models import AirbyteStream
from edited import Edited, edit
from postgres import USER, Postgres, postgres_or_skip
from tables import DELETED_AT, Postgresql, Rows, key_of, served

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import CONNECTOR
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests import expected_keys
from unit_tests.interception import html
from unit_tests.replica import differences
from unit_tests.syncs import config_for, logger

HERE = Path(__file__).parent
MELTANO = HERE.parents[1] / ".venv-meltano" / "bin"
TAP = HERE / "tap_tracker.py"
PROJECT: dict[str, Any] = yaml.safe_load((HERE / "meltano.yml").read_text(encoding="utf-8"))
LOADER: dict[str, Any] = PROJECT["plugins"]["loaders"][0]["config"]
TIMEOUT_SECONDS = 300
PROJECTS, STORIES = 3, 60

Message = dict[str, Any]


class Warehouse(Postgresql):
    """What target-postgres has made of the streams."""

    schema = "tracker"

    def rows_of(self, streams: list[AirbyteStream]) -> Rows:
        """The rows that stand for something: a tombstone stands for what is gone."""
        rows = self.keyed_rows(streams)
        return {
            name: {key: row for key, row in of_stream.items() if row.get(DELETED_AT) is None}
            for name, of_stream in rows.items()
        }


@dataclass(frozen=True)
class Ran:
    """A run that has ended, and the warehouse and the server at its end."""

    output: str
    requests: list[LoggedRequest]
    rows: Rows
    served: Rows


@dataclass(frozen=True)
class TwoRuns:
    """A first sync, edits, and a second one."""

    first: Ran
    edited: Edited
    second: Ran
    tombstones: set[int]


@pytest.fixture(scope="module")
def streams() -> list[AirbyteStream]:
    found: list[AirbyteStream] = SourcePivotalTracker().discover(logger, {"api_token": "x"}).streams
    return found


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Postgres]:
    with postgres_or_skip() as running:
        yield running


@pytest.fixture(scope="module")
def runs(streams: list[AirbyteStream], warehouse: Postgres, tmp_path_factory: pytest.TempPathFactory) -> TwoRuns:
    """In a project of Meltano's with the two files of the example."""
    folder = tmp_path_factory.mktemp("project")
    for file in ("meltano.yml", "tap_tracker.py"):
        shutil.copy(HERE / file, folder)
    world = make_world(PROJECTS, STORIES)
    tables = Warehouse(warehouse)
    with TrackerServer(world) as server:

        def run() -> Ran:
            seen = len(server.log)
            ended = subprocess.run(
                [MELTANO / "meltano", "run", "tap-tracker", "target-postgres"],
                cwd=folder,
                env=environment(folder, server, warehouse),
                capture_output=True,
                encoding="utf-8",
                timeout=TIMEOUT_SECONDS,
            )
            output = ended.stdout + ended.stderr
            assert ended.returncode == 0, output
            requests = server.log[seen:]
            config = config_for(server)
            return Ran(output, requests, tables.rows_of(streams), served(streams, config))

        first = run()
        edited = edit(world)
        second = run()
    with warehouse.connect() as connection:
        gone = connection.execute(f"SELECT id FROM tracker.stories WHERE {DELETED_AT} IS NOT NULL".encode()).fetchall()
    return TwoRuns(first, edited, second, {story_id for (story_id,) in gone})


def environment(folder: Path, server: TrackerServer, warehouse: Postgres) -> Mapping[str, str]:
    """What the README sets, and the places of a test: no other folder and no other machine has a part in it."""
    return {
        **os.environ,
        "HOME": str(folder),
        "PATH": f"{MELTANO}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        "TAP_TRACKER_CONNECTOR": str(CONNECTOR),
        "TAP_TRACKER_API_URL": server.url,
        "TAP_TRACKER_API_TOKEN": SAMPLE_TOKEN,
        **{f"TARGET_POSTGRES_{name.upper()}": str(value) for name, value in place(warehouse).items()},
    }


def place(warehouse: Postgres) -> Mapping[str, Any]:
    return {"port": warehouse.port, "user": USER, "password": warehouse.password, "database": "postgres"}


def test_the_first_sync_brings_every_row_of_every_stream(runs: TwoRuns) -> None:
    keys = {name: set(of_stream) for name, of_stream in runs.first.rows.items()}
    assert keys == {
        name: set(of_stream)
        for name, of_stream in expected_keys.keys(make_world(PROJECTS, STORIES), SAMPLE_TOKEN).items()
    }
    assert differences(runs.first.rows, runs.first.served) == []


def test_the_second_sync_leaves_what_the_server_has(runs: TwoRuns) -> None:
    assert differences(runs.second.rows, runs.second.served) == []
    assert runs.second.rows["webhooks"] == {}
    assert runs.first.rows["webhooks"]


def test_deleted_stories_are_marked(runs: TwoRuns) -> None:
    assert runs.tombstones == set(runs.edited.deleted)


def test_the_second_sync_does_not_ask_about_a_project_that_has_not_changed(runs: TwoRuns) -> None:
    labels = f"/projects/{runs.edited.quiet}/labels"
    assert labels in {request.path for request in runs.first.requests}
    assert labels not in {request.path for request in runs.second.requests}


def test_the_token_is_in_no_log(runs: TwoRuns) -> None:
    assert SAMPLE_TOKEN not in runs.first.output + runs.second.output


class Tap:
    """The tap by itself, as any target's neighbour runs it."""

    def __init__(self, folder: Path, config: Message) -> None:
        self._folder = folder
        self._config = {**config, "connector": str(CONNECTOR)}

    def run(self, *arguments: str, **files: Message) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [sys.executable, TAP, *arguments]
        for name, content in {"config": self._config, **files}.items():
            path = self._folder / f"{name}.json"
            path.write_text(json.dumps(content), encoding="utf-8")
            command += [f"--{name}", path]
        return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=TIMEOUT_SECONDS)

    def catalog(self) -> Message:
        catalog: Message = json.loads(self.run("--discover").stdout)
        return catalog

    def messages(self, **files: Message) -> list[Message]:
        ended = self.run(**files)
        assert ended.returncode == 0, ended.stderr
        return [json.loads(line) for line in ended.stdout.splitlines()]


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[Tap]:
    with TrackerServer(make_world(projects=2, stories=30)) as server:
        yield Tap(tmp_path, config_for(server))


def first_columns(catalog: Message) -> Message:
    """A catalog whose keys have one column each, as Meltano's tap-airbyte makes them."""
    cut = copy.deepcopy(catalog)
    for entry in cut["streams"]:
        entry["key_properties"] = entry["key_properties"][:1]
    return cut


@pytest.fixture(scope="module")
def composite(streams: list[AirbyteStream]) -> dict[str, list[str]]:
    """The key of each stream whose key has several columns."""
    return {stream.name: list(key_of(stream)) for stream in streams if len(key_of(stream)) > 1}


def test_the_loader_of_the_example_has_every_key_of_several_columns(composite: dict[str, list[str]]) -> None:
    assert {name: of_stream["__key_properties__"] for name, of_stream in LOADER["stream_maps"].items()} == composite


@pytest.mark.parametrize("loader", ["of the example", "without its keys"])
def test_a_target_that_merges_by_first_columns_loses_rows_unless_its_loader_has_the_keys(
    loader: str, tap: Tap, warehouse: Postgres, composite: dict[str, list[str]], tmp_path: Path
) -> None:
    schema = f"loader_{loader.replace(' ', '_')}"
    config = {**LOADER, **place(warehouse), "default_target_schema": schema}
    if loader == "without its keys":
        del config["stream_maps"]
    path = tmp_path / "target.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    read = tap.run(catalog=first_columns(tap.catalog()))
    sent: dict[str, int] = {}
    for message in map(json.loads, read.stdout.splitlines()):
        if message["type"] == "RECORD":
            sent[message["stream"]] = sent.get(message["stream"], 0) + 1
    subprocess.run(
        [MELTANO / "target-postgres", "--config", path],
        input=read.stdout,
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=TIMEOUT_SECONDS,
    )
    with warehouse.connect() as connection:
        kept = {
            name: connection.execute(f'SELECT count(*) FROM {schema}."{name}"'.encode()).fetchone() for name in sent
        }
    lost = {name for name, rows in sent.items() if kept[name] != (rows,)}
    assert set(composite) <= sent.keys()
    assert lost == (set() if loader == "of the example" else set(composite))


def test_streams_and_columns_that_are_not_selected_do_not_come(tap: Tap) -> None:
    catalog = tap.catalog()
    for entry in catalog["streams"]:
        for known in entry["metadata"]:
            if known["breadcrumb"] == []:
                known["metadata"]["selected"] = entry["tap_stream_id"] == "labels"
            elif known["breadcrumb"][1] in ("id", "counts"):
                known["metadata"]["selected"] = False
    schema, *messages = tap.messages(catalog=catalog)
    rows = [message["record"] for message in messages if message["type"] == "RECORD"]
    assert (schema["stream"], schema["key_properties"]) == ("labels", ["id"])
    assert {message.get("stream", "labels") for message in messages} == {"labels"}
    assert {name for row in rows for name in row} <= schema["schema"]["properties"].keys()
    assert {"id", "name"} <= schema["schema"]["properties"].keys()
    assert "counts" not in schema["schema"]["properties"]


def test_a_state_follows_the_records_that_it_covers_and_has_no_decimal_point(tap: Tap) -> None:
    messages = tap.messages()
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    assert messages[-1]["type"] == "STATE"
    assert not [number for number in numbers_in(states) if isinstance(number, float)]
    assert states[-1]["versions"] == {}
    known = {state["stream"]["stream_descriptor"]["name"] for state in states[-1]["states"]}
    whole = {message["stream"] for message in messages if message["type"] == "ACTIVATE_VERSION"}
    assert known | whole == {message["stream"] for message in messages if message["type"] == "SCHEMA"}


def numbers_in(value: object) -> Iterator[int | float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from numbers_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from numbers_in(part)


def test_a_full_table_that_goes_on_keeps_its_version_and_activates_it_at_the_end(tap: Tap) -> None:
    begun = 5
    messages = tap.messages(state={"states": [], "versions": {"iterations": begun}})
    iterations = [message for message in messages if message.get("stream") == "iterations"]
    versions = [message["version"] for message in iterations if message["type"] == "RECORD"]
    assert versions
    assert set(versions) == {begun}
    assert iterations[-1] == {"type": "ACTIVATE_VERSION", "stream": "iterations", "version": begun}
    assert {message["version"] for message in messages if message.get("stream") == "me" and "version" in message} != {
        begun
    }


def test_a_run_after_one_in_which_a_stream_failed_brings_every_full_table_whole(tmp_path: Path) -> None:
    failing = ["/labels"]

    def before(request: Request) -> Response | None:
        return html(403) if any(request.path.endswith(end) for end in failing) else None

    with TrackerServer(make_world(projects=2, stories=30), before=before) as server:
        tap = Tap(tmp_path, config_for(server))
        failed = tap.run()
        failing.clear()
        first = [json.loads(line) for line in failed.stdout.splitlines()]
        states = [message["value"] for message in first if message["type"] == "STATE"]
        second = tap.messages(state=states[-1])
    assert failed.returncode == 1
    activated = {message["stream"] for message in first if message["type"] == "ACTIVATE_VERSION"}
    assert "iterations" in activated
    came = [Counter(some["stream"] for some in read if some["type"] == "RECORD") for read in (first, second)]
    assert {name: came[1][name] for name in activated} == {name: came[0][name] for name in activated}


def test_a_read_that_fails_ends_with_its_reason_and_without_a_traceback(tmp_path: Path) -> None:
    with TrackerServer(make_world(projects=1, stories=2)) as server:
        ended = Tap(tmp_path, {**config_for(server), "api_token": SAMPLE_TOKEN[::-1]}).run()
    assert ended.returncode == 1
    assert "403 invalid_authentication" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "ACTIVATE_VERSION" not in ended.stdout
