"""A scene for each test, a server that shows it, and destinations that follow it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tracker_server.api.protocol import PREFIX
from tracker_server.app import TrackerServer
from tracker_server.world import World
from unit_tests.modes import Mode
from unit_tests.source_pivotal_tracker.sync.incremental.destination import Destination, Follow
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene, set_scene
from unit_tests.syncs import Sync


@pytest.fixture
def scene() -> Scene:
    return set_scene()


@pytest.fixture
def server(scene: Scene, mode: Mode) -> Iterator[TrackerServer]:
    with TrackerServer(scene.world, dialect=mode.dialect) as running:
        yield running


@pytest.fixture(scope="package")
def first_syncs() -> dict[str, tuple[str, Sync]]:
    """The first syncs that were made, by what was asked of which world: the same again would bring the same.

    Each with the address of its server, which stands in the addresses of files.
    """
    return {}


@pytest.fixture
def follow(scene: Scene, server: TrackerServer, mode: Mode, first_syncs: dict[str, tuple[str, Sync]]) -> Follow:
    """Makes a destination of these streams that had its first sync an hour ago."""

    def destination(*streams: str, **settings: Any) -> Destination:
        destination = Destination(server, *streams, **settings)
        key = repr((mode.name, streams, sorted(settings.items()), seen_from_outside(scene.world)))
        if key in first_syncs:
            destination.go_on_from(as_of(server, *first_syncs[key]))
        else:
            first_syncs[key] = server.url, destination.sync()
        scene.later()
        return destination

    return destination


def as_of(server: TrackerServer, url: str, sync: Sync) -> Sync:
    """The same sync, as this server would have answered it in place of the one at `url`."""
    old, new = (address.removesuffix(PREFIX) for address in (url, server.url))
    files = [
        {name: value.replace(old, new) if isinstance(value, str) else value for name, value in row.items()}
        for row in sync.records.get("file_attachments", ())
    ]
    same = copy.copy(sync)
    same.records = sync.records | ({"file_attachments": files} if files else {})
    return same


def seen_from_outside(world: World) -> list[object]:
    """What differs between two worlds of which one was edited."""
    return [
        world.now,
        *((project.id, project.version, sorted(project.row.items(), key=str)) for project in world.projects.values()),
        *(rows for rows in (world.people, world.notifications, world.workspaces, world.tokens)),
    ]
