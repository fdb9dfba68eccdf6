"""A server with one difference from Tracker's v5: every row comes, with all that the server still tells of it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

import pytest
import requests

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams.base import TrackerStream
from tracker_server.api.dialect import LITETRACKER, Dialect
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests.editor import Editor
from unit_tests.modes import LITETRACKER_MODE, NO_ENDPOINT, ONLY_BY_FIELDS
from unit_tests.replica import Replica, Rows
from unit_tests.syncs import BY_NAME, Sync, config_for

PROJECTS, STORIES = 2, 12


@dataclass(frozen=True)
class Difference:
    """A dialect with one difference, the streams that it hides, and the attributes that it hides or changes.

    `keeps_deleted`: a later sync is not told what is gone, and says so.
    """

    dialect: Dialect
    streams: frozenset[str] = frozenset()
    attributes: dict[str, set[str]] = field(default_factory=dict)
    only_keys: bool = False
    keeps_deleted: bool = False

    def shown(self, rows: Rows) -> dict[str, dict[Any, Any]]:
        """What is left of rows that Tracker shows."""
        return {
            stream: {
                key: None
                if self.only_keys
                else {name: row[name] for name in row.keys() - self.attributes.get(stream, ())}
                for key, row in rows[stream].items()
            }
            for stream in BY_NAME
            if stream not in self.streams
        }


def unknown_for(reason: str) -> frozenset[str]:
    return frozenset(stream for stream, why in LITETRACKER_MODE.unknown.items() if why == reason)


DIFFERENCES = {
    "titles": Difference(Dialect(titles=True)),
    "owner_objects": Difference(Dialect(owner_objects=True)),
    "terse_lists": Difference(Dialect(terse_lists=True), attributes={"releases": {"description"}}),
    "no pagination_headers": Difference(Dialect(pagination_headers=False)),
    "page_cap": Difference(Dialect(page_cap=3)),
    "page_cap and no pagination_headers": Difference(Dialect(page_cap=3, pagination_headers=False)),
    "a large page_cap": Difference(Dialect(page_cap=10_000)),
    "no fields": Difference(Dialect(fields=False), unknown_for(ONLY_BY_FIELDS), only_keys=True),
    "no updated_after": Difference(Dialect(updated_after=False)),
    "no since_version": Difference(Dialect(since_version=False)),
    "no occurred_after": Difference(Dialect(occurred_after=False)),
    "no versions": Difference(Dialect(versions=False), attributes={"projects": {"version"}}),
    "no activity_versions": Difference(
        Dialect(activity_versions=False),
        attributes={"activity": {"project_version"}, "my_activity": {"project_version"}},
        keeps_deleted=True,
    ),
    "terse_lists and no versions": Difference(
        Dialect(terse_lists=True, versions=False),
        attributes={"projects": {"version"}, "releases": {"description"}},
    ),
    "owner_edits_unseen": Difference(
        Dialect(owner_edits_unseen=True), attributes={"stories": {"updated_at"}, "releases": {"updated_at"}}
    ),
    "comment_attachments": Difference(Dialect(comment_attachments=True)),
    "missing_endpoints": Difference(Dialect(missing_endpoints=LITETRACKER.missing_endpoints), unknown_for(NO_ENDPOINT)),
}


@pytest.fixture(scope="module")
def port() -> int:
    """One for all servers, because the links to attachments name it."""
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        number: int = chosen.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def whole(port: int) -> Sync:
    """What Tracker itself shows of the same world."""
    with TrackerServer(make_world(PROJECTS, STORIES), port=port) as plain:
        return Sync(config_for(plain))


@pytest.mark.parametrize(
    "difference",
    [pytest.param(difference, id=name) for name, difference in DIFFERENCES.items()],
)
def test_one_difference_alone_costs_nothing_but_what_it_hides(difference: Difference, whole: Sync, port: int) -> None:
    world = make_world(PROJECTS, STORIES)
    with TrackerServer(world, port=port, dialect=difference.dialect) as server:
        first = Sync(config_for(server), incremental=True)
        assert first.failure is None
        assert difference.shown(Replica(first).rows) == difference.shown(Replica(whole).rows)
        world.now += timedelta(hours=1)
        Editor(world, seed=1).edit(30)
        second = Sync(config_for(server), incremental=True, state=first.state)
        assert second.failure is None
        differences = Replica(first, second).differences(Replica(Sync(config_for(server))))
    left = [
        left_over
        for left_over in differences
        if not (difference.keeps_deleted and left_over.endswith(" is not on the server"))
    ]
    assert left == []


def test_an_answer_that_somebody_else_fetched_is_parsed_with_the_same_names() -> None:
    world = make_world(projects=1, stories=5)
    with TrackerServer(world, dialect=Dialect(titles=True)) as server:
        config = config_for(server)
        (stream,) = (stream for stream in SourcePivotalTracker().streams(config) if stream.name == "stories")
        assert isinstance(stream, TrackerStream)
        (stream_slice,) = stream.stream_slices()
        url = stream.url_base + stream.path(stream_slice=stream_slice)
        answer = requests.get(url, headers={"X-TrackerToken": SAMPLE_TOKEN}, timeout=60)
        parsed = {row["id"]: row["name"] for row in stream.parse_response(answer, stream_slice=stream_slice)}
        synced = {row["id"]: row["name"] for row in Sync(config, ["stories"]).records["stories"]}
    assert "name" not in answer.json()[0]
    assert parsed == synced


def test_every_difference_is_tried_by_the_connector() -> None:
    tried = {
        switch.name
        for difference in DIFFERENCES.values()
        for switch in fields(Dialect)
        if getattr(difference.dialect, switch.name) != getattr(Dialect(), switch.name)
    }
    elsewhere = {"refused_attributes", "failing", "failing_seed"}
    assert tried | elsewhere == {switch.name for switch in fields(Dialect)}, "an entry in DIFFERENCES is missing"
