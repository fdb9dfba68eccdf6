"""The example for Dagster: its syncs side by side, one that fails, and another round after edits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from airbyte_cdk.models import AirbyteStream
from dagster_runs import FOLDER, Ended, Runs
from edited import Edited, edit
from postgres import Postgres, postgres_or_skip
from tables import DltPostgres, Rows, served

from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests.replica import differences
from unit_tests.syncs import config_for, logger

ACCOUNT = "account"
OF_THE_ACCOUNT = {"me", "workspaces", "notifications", "my_activity", "accounts", "account_memberships"}
REQUESTS_PER_MINUTE = 120
QUARTER = (30, 15.0)
"""Requests in so many seconds, which is what the server allows: two projects together, and no third one."""


class Views(DltPostgres):
    """The views on the tables of all partitions."""

    schema = "tracker"


@dataclass(frozen=True)
class Round:
    """Some partitions that were run: what was due, what became of each, what they asked for, and the views after it."""

    due: list[str]
    ended: Mapping[str, Ended]
    requests: list[LoggedRequest]
    rows: Rows


@dataclass(frozen=True)
class Day:
    """A round over the projects, in which one fails at first, and after edits one over all partitions.

    `before` and `after` are what an unpartitioned first read of the server brings after each of them. `refused` is a
    run with a token that the server does not accept.
    """

    streams: list[AirbyteStream]
    first: Round
    before: Rows
    edited: Edited
    second: Round
    after: Rows
    failing: str
    new: str
    refused: Ended


class Gateway:
    """Answers in place of the server when a project's labels are asked for, until it was asked for them once again."""

    def __init__(self, project: str) -> None:
        self._path = f"/projects/{project}/labels"
        self._asked = 0

    def __call__(self, request: Request) -> Response | None:
        if not request.path.endswith(self._path):
            return None
        self._asked += 1
        return None if self._asked > 2 else Response(403, {"Content-Type": "text/html"}, b"<h1>Forbidden</h1>")


def environment_of(folder: Path, destination: Views, server: TrackerServer) -> Mapping[str, str]:
    """That of an instance of Dagster in this new folder."""
    config = config_for(server, requests_per_minute=REQUESTS_PER_MINUTE)
    folder.mkdir()
    shutil.copy(FOLDER / "dagster.yaml", folder)
    return {
        **destination.environment(config, folder),
        "DAGSTER_HOME": str(folder),
        "DESTINATION_TYPE": "postgres",
    }


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres_or_skip() as server:
        yield server


@pytest.fixture(scope="module")
def day(database: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("day")
    world = make_world(4, 20)
    new, hidden = world.projects.popitem()
    _, failing, _ = map(str, world.projects)
    views = Views(database)
    streams = SourcePivotalTracker().discover(logger, {"api_token": SAMPLE_TOKEN}).streams

    def played(runs: Runs, server: TrackerServer, leaving_out: str = "") -> Round:
        due = runs.due()
        seen = len(server.log)
        started = {key: runs.start(key) for key in due if key != leaving_out}
        ended = {key: run.result() for key, run in started.items()}
        there = [stream for stream in streams if ACCOUNT in ended or stream.name not in OF_THE_ACCOUNT]
        requests = server.log[seen:]
        assert runs.views().success
        return Round(due, ended, requests, views.keyed_rows(there))

    with TrackerServer(world, rate_limit=QUARTER, before=Gateway(failing)) as server:
        environment = environment_of(folder / "home", views, server)
        with Runs(environment, at_once=3) as runs:
            first = played(runs, server, leaving_out=ACCOUNT)
    # In the place of the other one, because rows have the address of the server in them.
    with TrackerServer(world, port=urlsplit(server.url).port or 0) as server:
        config = config_for(server)
        before = served(streams, config)
        edited = edit(world)
        world.projects[new] = hidden
        later = {**environment, **views.environment(config, folder)}
        wrong = {**later, **views.environment({**config, "api_token": "f" * 32}, folder / "wrong")}
        with Runs(later, at_once=5) as runs, Runs(wrong) as other:
            runs.limit(6)
            refused = other.start(ACCOUNT)
            second = played(runs, server)
        after = served(streams, config)
    return Day(streams, first, before, edited, second, after, failing, str(new), refused.result())


def test_the_schedule_wants_the_account_and_each_project_and_a_new_one_as_soon_as_it_is_there(day: Day) -> None:
    assert day.first.due[0] == ACCOUNT
    assert day.new not in day.first.due
    assert day.second.due == [*day.first.due, day.new]


def test_as_many_syncs_run_at_once_as_the_pool_has_places(day: Day) -> None:
    tries = [span for ended in day.first.ended.values() for span in ended.tries]
    at_once = [sum(began <= moment < over for began, over in tries) for moment, _ in tries]
    assert len(tries) > max(at_once) == 2


def test_together_they_ask_for_no_more_than_the_server_allows_the_token(day: Day) -> None:
    assert {request.status for request in day.first.requests} == {200, 403}
    requests, seconds = QUARTER
    times = [request.at for request in day.first.requests]
    most = max(sum(start <= at < start + seconds for at in times) for start in times)
    assert most <= requests
    assert len(times) > requests


def test_a_sync_that_failed_is_run_again(day: Day) -> None:
    assert all(ended.success for ended in day.first.ended.values())
    assert {key: len(ended.tries) for key, ended in day.first.ended.items() if len(ended.tries) > 1} == {day.failing: 2}


def test_nothing_is_lost_by_a_failure_and_all_is_as_without_partitions(day: Day) -> None:
    of_projects = {stream: rows for stream, rows in day.before.items() if stream not in OF_THE_ACCOUNT}
    assert differences(day.first.rows, of_projects) == []


def test_each_partition_goes_on_from_its_own_states(day: Day) -> None:
    labels = {f"/projects/{key}/labels" for key in day.first.ended}
    assert labels <= {request.path for request in day.first.requests}
    again = labels & {request.path for request in day.second.requests}
    assert again == labels - {f"/projects/{day.edited.quiet}/labels"}


def test_after_edits_deletions_moves_and_a_new_project_all_is_as_without_partitions(day: Day) -> None:
    assert all(ended.success for ended in day.second.ended.values())
    assert differences(day.second.rows, day.after) == []
    moved = {story: day.second.rows["stories"][story,]["project_id"] for story in day.edited.moved}
    assert moved == day.edited.moved


def test_a_token_that_is_wrong_is_not_tried_again(day: Day) -> None:
    assert (day.refused.success, len(day.refused.tries)) == (False, 1)
    assert "api_token: the server does not accept it" in day.refused.failures[0]


def test_a_pool_without_a_limit_is_refused_before_anything_is_asked_for(tmp_path: Path) -> None:
    with TrackerServer(make_world(1, 1)) as server:
        settings = {f"SOURCES__TRACKER__{name.upper()}": str(value) for name, value in config_for(server).items()}
        with Runs({**settings, "DAGSTER_HOME": str(tmp_path)}) as runs:
            (account, _) = runs.due()
            seen = len(server.log)
            ended = runs.start(account).result()
        assert not ended.success
        assert "The pool tracker_token has no limit: take over what is in dagster.yaml." in ended.failures[0]
        assert len(server.log) == seen
