"""What a sync says of itself on its way: numbers to check it by, and to draw a progress bar from."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from datetime import timedelta

import pytest

from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request
from tracker_server.sample import make_world
from unit_tests.syncs import Sync, config_for

PROGRESS = re.compile(
    r"(\d+) of (\d+) projects read, (\d+) unchanged, (\d+) rows, (\d+) requests \(\d+ a minute\), "
    r"waited \d+ s for the rate limit"
)


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "airbyte.tracker"]


def said_at_the_end(caplog: pytest.LogCaptureFixture, streams: Iterable[str]) -> list[str]:
    return [line for stream in streams for line in lines(caplog) if line.startswith(f"Stream {stream}: ")]


def test_at_the_end_a_line_for_each_stream_counts_its_projects_rows_tombstones_and_requests(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    world = make_world(projects=3, stories=6)
    changed = next(iter(world.projects.values()))
    streams = ["labels", "webhooks", "me"]
    with TrackerServer(world) as server:
        first = Sync(config_for(server), streams, incremental=True)
        caplog.clear()
        world.now += timedelta(hours=1)
        label = min(changed.labels)
        edits.delete_label(world, changed, next(iter(world.people)), label)
        Sync(config_for(server), streams, incremental=True, state=first.state)
    (refused,) = {logged.path.removeprefix("/") for logged in server.log if logged.status == 403}
    assert [match.groups()[:3] for match in map(PROGRESS.fullmatch, lines(caplog)) if match] == [("3", "3", "0")]
    labels, webhooks, me = said_at_the_end(caplog, streams)
    assert labels.startswith("Stream labels: 1 projects read, 2 unchanged, ")
    assert labels.endswith(" rows, 1 tombstones, 1 requests")
    assert "2 projects read, 0 unchanged" in webhooks
    assert f"1 skipped ({refused}: 403 unauthorized_operation)" in webhooks
    assert me == "Stream me: 1 lists read, 0 unchanged, 1 rows, 0 tombstones, 1 requests"


def test_the_rate_of_requests_counts_from_the_first_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    seconds = 1.5

    def answer_late(request: Request) -> None:
        if request.path.endswith("/projects"):
            time.sleep(seconds)

    with TrackerServer(make_world(projects=1, stories=2), before=answer_late) as server:
        Sync(config_for(server), ["labels"])
    (line,) = filter(PROGRESS.fullmatch, lines(caplog))
    (rate,) = map(int, re.findall(r"\((\d+) a minute\)", line))
    assert 0 < rate <= len(server.log) * 60 / seconds + 1


def test_the_rate_of_a_sync_that_took_no_second_is_not_blown_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with TrackerServer(make_world(projects=1, stories=2)) as server:
        Sync(config_for(server), ["labels"])
    (line,) = filter(PROGRESS.fullmatch, lines(caplog))
    (rate,) = map(int, re.findall(r"\((\d+) a minute\)", line))
    assert 0 < rate <= len(server.log) * 60


def test_every_few_seconds_a_line_says_how_far_the_sync_is(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = make_world(projects=2, stories=6)
    with TrackerServer(world, latency=0.9) as server:
        sync = Sync(config_for(server, num_workers=1), ["labels", "epics", "releases", "stories"])
    figures = [tuple(map(int, match.groups())) for match in map(PROGRESS.fullmatch, lines(caplog)) if match]
    (read, of, unchanged, rows, requests), at_the_end = figures[0], figures[-1]
    assert (read, of, unchanged) in ((0, 2, 0), (1, 2, 0))
    assert 0 < rows < at_the_end[3]
    assert 1 < requests < at_the_end[4]
    assert at_the_end == (2, 2, 0, sum(map(len, sync.records.values())), len(server.log))


def test_from_its_first_page_on_a_stream_tells_how_many_rows_to_expect() -> None:
    world = make_world(projects=3, stories=20)
    with TrackerServer(world, caps=Caps(stories=5)) as server:
        sync = Sync(config_for(server), ["stories"])
    assert sync.estimates == {"stories": [len(sync.records["stories"])]}


def test_projects_that_did_not_change_are_counted_as_such(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with TrackerServer(make_world(projects=3, stories=6)) as server:
        first = Sync(config_for(server), ["labels"], incremental=True)
        caplog.clear()
        Sync(config_for(server), ["labels"], incremental=True, state=first.state)
    (line,) = filter(PROGRESS.fullmatch, lines(caplog))
    assert line.startswith("0 of 3 projects read, 3 unchanged, 0 rows, 1 requests")
