"""Runs the source in this process against a server on a real port, and sorts what it says."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from typing import Any

import orjson
import pytest
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.utils.casing import camel_to_snake
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.config import Config
from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams import STREAMS
from source_pivotal_tracker.sync.engine import STATE_SECONDS
from source_pivotal_tracker.wiring import client_of
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN
from unit_tests.expected_keys import Key

Row = dict[str, Any]

OF_A_SYNC = ("walks-", "lists", "files")
"""What the names of the threads of a sync begin with."""

BY_NAME = {camel_to_snake(stream.__name__): stream for stream in STREAMS}

logger = logging.getLogger("airbyte")


def config_for(server: TrackerServer, **settings: Any) -> dict[str, Any]:
    return {"api_token": SAMPLE_TOKEN, "api_url": server.url, "requests_per_minute": 1000, **settings}


def key_of(stream: str, row: Mapping[str, Any]) -> Key:
    key = BY_NAME[stream].primary_key
    return tuple(row[part] for part in ([key] if isinstance(key, str) else key))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the connector itself warned of."""
    ours = [record for record in caplog.records if record.name == "airbyte.tracker"]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


def unhurried(settings: Config) -> TrackerClient:
    """A client whose rate limit and whose waits between attempts take no time."""
    if settings.export_archive:
        return client_of(settings)
    rate_limiter = RateLimiter(1000, clock=itertools.count(step=60).__next__, sleep=lambda _: None)
    return TrackerClient(settings.api_url, settings.api_token.get_secret_value(), rate_limiter, sleep=lambda _: None)


class Sync:
    """One read: all that it said, its records by stream, statuses, errors, last states, and what it raised at the end.

    With `incremental`, the streams that can are read so. `state` is what an earlier one left; `killed_after` so many
    messages the read is broken off, as by a kill. `by_the_cdk` reads as the cdk does, without the engine.
    `state_seconds` is the least time between two states of a stream. `client_of` makes the client.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        streams: Iterable[str] = (),
        *,
        incremental: bool = False,
        state: Iterable[AirbyteStateMessage] = (),
        killed_after: int | None = None,
        by_the_cdk: bool = False,
        state_seconds: float = STATE_SECONDS,
        client_of: Callable[[Config], TrackerClient] = unhurried,
    ) -> None:
        source = SourcePivotalTracker(client_of, state_seconds=state_seconds)
        catalog = catalog_of(source, config, set(streams), incremental=incremental)
        self.records: dict[str, list[Row]] = defaultdict(list)
        self.statuses: dict[str, list[str]] = defaultdict(list)
        self.errors: list[str] = []
        self.estimates: dict[str, list[int]] = defaultdict(list)
        self.failure: AirbyteTracedException | None = None
        self.output: list[AirbyteMessage] = []
        self.messages = 0
        self._states = {
            known.stream.stream_descriptor.name if known.stream else str(known.type): known for known in state
        }
        read = AbstractSource.read if by_the_cdk else SourcePivotalTracker.read
        before = set(threading.enumerate())
        try:
            for message in read(source, logger, config, catalog, self.state):
                if self.messages == killed_after:
                    break
                self.messages += 1
                self.output.append(message)
                self._sort(message)
        except AirbyteTracedException as failure:
            self.failure = failure
        if killed_after is not None:
            wait_for_threads(before)

    @property
    def state(self) -> list[AirbyteStateMessage]:
        """The last state of each stream, as the platform would keep and pass it on."""
        return list(self._states.values())

    def blob(self, stream: str) -> dict[str, Any]:
        return blob_in(self._states[stream])

    def _sort(self, message: AirbyteMessage) -> None:
        if message.type == MessageType.RECORD and message.record:
            self.records[message.record.stream].append(dict(message.record.data))
        elif message.type == MessageType.STATE and message.state and message.state.stream:
            self._states[message.state.stream.stream_descriptor.name] = message.state
        elif message.type == MessageType.TRACE and message.trace:
            if message.trace.stream_status:
                status = message.trace.stream_status
                self.statuses[status.stream_descriptor.name].append(status.status.value)
            if message.trace.estimate:
                self.estimates[message.trace.estimate.name].append(message.trace.estimate.row_estimate or 0)
            if message.trace.error:
                self.errors.append(message.trace.error.message)


def blob_in(state: AirbyteStateMessage) -> dict[str, Any]:
    """A copy of what the state of a stream holds."""
    assert state.stream
    blob: dict[str, Any] = orjson.loads(
        orjson.dumps(state.stream.stream_state.__dict__ if state.stream.stream_state else {})
    )
    return blob


def swept_later(states: Iterable[AirbyteStateMessage], days: int) -> list[AirbyteStateMessage]:
    """Copies of the states, as if their lists had been swept so many days later, or earlier."""
    shifted = deepcopy(list(states))
    for state in shifted:
        blob = blob_in(state)
        lists = [blob, *blob.get("projects", {}).values(), blob.get("server", {})]
        for place in [*lists, *(inner for outer in lists for inner in outer.values() if isinstance(inner, dict))]:
            if isinstance(place.get("swept"), int):
                place["swept"] += days
        assert state.stream
        state.stream.stream_state = AirbyteStateBlob(blob)
    return shifted


def wait_for_threads(before: Collection[threading.Thread] = ()) -> None:
    """Wait for the threads of syncs, but for those that were there before.

    A kill ends them at once: here their last requests would reach the server while the next read asks it already.
    """
    for thread in set(threading.enumerate()) - set(before):
        if thread.name.startswith(OF_A_SYNC):
            thread.join()


def catalog_of(
    source: SourcePivotalTracker, config: Mapping[str, Any], wanted: set[str], *, incremental: bool
) -> ConfiguredAirbyteCatalog:
    configured = []
    for stream in source.streams(config):
        if wanted and stream.name not in wanted:
            continue
        offered = stream.as_airbyte_stream()
        mode = SyncMode.full_refresh
        if incremental and SyncMode.incremental in offered.supported_sync_modes:
            mode = SyncMode.incremental
        configured.append(
            ConfiguredAirbyteStream(stream=offered, sync_mode=mode, destination_sync_mode=DestinationSyncMode.append)
        )
    return ConfiguredAirbyteCatalog(streams=configured)
