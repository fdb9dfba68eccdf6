"""What a sync says of itself in its log: numbers that a person can check it by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.sample import make_world
from unit_tests.syncs import Sync, config_for


def said_at_the_end(caplog: pytest.LogCaptureFixture, streams: Iterable[str]) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.name == "airbyte.tracker"]
    return [line for stream in streams for line in lines if line.startswith(f"Stream {stream}: ")]


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
    labels, webhooks, me = said_at_the_end(caplog, streams)
    assert labels.startswith("Stream labels: 1 projects read, 2 unchanged, ")
    assert labels.endswith(" rows, 1 tombstones, 1 requests")
    assert "2 projects read, 0 unchanged" in webhooks
    assert f"1 skipped ({refused}: 403 unauthorized_operation)" in webhooks
    assert me == "Stream me: 1 lists read, 0 unchanged, 1 rows, 0 tombstones, 1 requests"
