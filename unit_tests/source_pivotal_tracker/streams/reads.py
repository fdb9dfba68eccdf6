"""Reads some streams of a world through a server that may give other answers than its own."""

from __future__ import annotations

from typing import Any

from tracker_server.api.call import Caps
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN
from tracker_server.world import World
from unit_tests import expected_keys
from unit_tests.expected_keys import Key
from unit_tests.interception import Before
from unit_tests.syncs import Sync, config_for, key_of


def synced(
    world: World, *streams: str, before: Before | None = None, caps: Caps | None = None, **settings: Any
) -> Sync:
    with TrackerServer(world, before=before, caps=caps) as server:
        return Sync(config_for(server, **settings), streams)


def keys_come(sync: Sync, stream: str) -> list[Key]:
    return sorted(key_of(stream, row) for row in sync.records[stream])


def keys_held(world: World, stream: str) -> list[Key]:
    return sorted(expected_keys.keys(world, SAMPLE_TOKEN)[stream])
