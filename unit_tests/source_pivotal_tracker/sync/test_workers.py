"""The threads that read the lists: how many ask at a time, and what holds them back."""

from __future__ import annotations

import gc
import re
import threading
import time
from dataclasses import replace

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalog, ConfiguredAirbyteStream, DestinationSyncMode, SyncMode
from airbyte_cdk.models import Type as MessageType

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams.list_client import ListClient
from source_pivotal_tracker.sync.walk_reader import WalkReader
from source_pivotal_tracker.sync.workers import MOST_BYTES
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from unit_tests.interception import asked, is_probe, json, path_of, query_of
from unit_tests.modes import Mode
from unit_tests.syncs import Sync, config_for, logger, unhurried, wait_for_threads

SECONDS = 0.05
PATIENCE = 30
OF_A_PROJECT = re.compile(r"/projects/\d+/")


@pytest.mark.parametrize("number", [1, 3, 8])
def test_as_many_lists_are_asked_for_side_by_side_as_there_are_workers(number: int) -> None:
    lock = threading.Lock()
    all_are_here = threading.Event()
    here = 0
    most = 0

    def count(request: Request) -> None:
        nonlocal here, most
        if is_probe(query_of(request)) or not OF_A_PROJECT.search(request.path):
            return
        with lock:
            here += 1
            most = max(most, here)
            if here == number:
                all_are_here.set()
        all_are_here.wait(PATIENCE)
        # One too many would come now.
        time.sleep(SECONDS)
        with lock:
            here -= 1

    with TrackerServer(make_world(projects=4, stories=4), before=count) as server:
        Sync(config_for(server, num_workers=number), ["stories", "labels", "epics", "releases", "iterations"])
    assert most == number


def test_a_reader_that_pauses_holds_the_workers_back_and_then_gets_every_row() -> None:
    world = make_world(projects=1, stories=1)
    (project_id,) = world.projects
    rows, row_bytes, workers = 40, 500_000, 2

    def large(request: Request) -> Response | None:
        if path_of(request) != f"/projects/{project_id}/stories":
            return None
        row = {"id": int(query_of(request).get("offset", 0)) + 1, "description": "x" * row_bytes}
        page = json([row], Total=rows)
        return replace(page, headers={**page.headers, "X-Tracker-Project-Version": "7"})

    source = SourcePivotalTracker(unhurried)
    with TrackerServer(world, before=large) as server:
        config = config_for(server, num_workers=workers)
        (stories,) = [stream.as_airbyte_stream() for stream in source.streams(config) if stream.name == "stories"]
        modes = {"sync_mode": SyncMode.full_refresh, "destination_sync_mode": DestinationSyncMode.overwrite}
        catalog = ConfiguredAirbyteCatalog([ConfiguredAirbyteStream(stream=stories, **modes)])
        records = (message for message in source.read(logger, config, catalog) if message.type == MessageType.RECORD)
        next(records)
        time.sleep(20 * SECONDS)
        asked_meanwhile = len(asked(server.log, "offset"))
        rest = sum(1 for _ in records)
    assert 1 + rest == rows
    # The page that was taken, those in the queue, and one in the hand of each worker.
    assert asked_meanwhile <= 1 + MOST_BYTES // row_bytes + workers


def test_a_list_that_is_read_keeps_no_memory_until_somebody_looks_for_cycles(mode: Mode) -> None:
    wait_for_threads()  # a sync of another test may have been broken off, and its threads go on
    gc.collect()
    gc.disable()
    try:
        with TrackerServer(make_world(projects=2, stories=4), dialect=mode.dialect) as server:
            Sync(config_for(server), ["stories", "story_tasks", "labels", "activity"])
            wait_for_threads()
        assert [thing for thing in gc.get_objects() if isinstance(thing, ListClient | WalkReader)] == []
    finally:
        gc.enable()
