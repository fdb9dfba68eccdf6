"""A scene for each test, a server that shows it, and destinations that follow it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tracker_server.app import TrackerServer
from unit_tests.modes import Mode
from unit_tests.source_pivotal_tracker.sync.incremental.destination import Destination, Follow
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Scene, set_scene


@pytest.fixture
def scene() -> Scene:
    return set_scene()


@pytest.fixture
def server(scene: Scene, mode: Mode) -> Iterator[TrackerServer]:
    with TrackerServer(scene.world, dialect=mode.dialect) as running:
        yield running


@pytest.fixture
def follow(scene: Scene, server: TrackerServer) -> Follow:
    """Makes a destination of these streams that had its first sync an hour ago."""

    def destination(*streams: str, **settings: Any) -> Destination:
        destination = Destination(server, *streams, **settings)
        destination.sync()
        scene.later()
        return destination

    return destination
