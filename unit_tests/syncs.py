"""Runs the source in this process against a server on a real port, and sorts what it says."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN

Row = dict[str, Any]

logger = logging.getLogger("airbyte")


def config_for(server: TrackerServer, **settings: Any) -> dict[str, Any]:
    return {"api_token": SAMPLE_TOKEN, "api_url": server.url, "requests_per_minute": 1000, **settings}


class Sync:
    """One finished read: its records by stream, its statuses, errors and what it raised at the end."""

    def __init__(self, config: Mapping[str, Any], streams: Iterable[str] = ()) -> None:
        source = SourcePivotalTracker()
        wanted = set(streams)
        catalog = ConfiguredAirbyteCatalog(
            streams=[
                ConfiguredAirbyteStream(
                    stream=stream.as_airbyte_stream(),
                    sync_mode=SyncMode.full_refresh,
                    destination_sync_mode=DestinationSyncMode.overwrite,
                )
                for stream in source.streams(config)
                if not wanted or stream.name in wanted
            ]
        )
        self.records: dict[str, list[Row]] = defaultdict(list)
        self.statuses: dict[str, list[str]] = defaultdict(list)
        self.errors: list[str] = []
        self.failure: AirbyteTracedException | None = None
        try:
            for message in source.read(logger, config, catalog):
                self._sort(message)
        except AirbyteTracedException as failure:
            self.failure = failure

    def _sort(self, message: AirbyteMessage) -> None:
        if message.type == MessageType.RECORD and message.record:
            self.records[message.record.stream].append(dict(message.record.data))
        elif message.type == MessageType.TRACE and message.trace:
            if message.trace.stream_status:
                status = message.trace.stream_status
                self.statuses[status.stream_descriptor.name].append(status.status.value)
            if message.trace.error:
                self.errors.append(message.trace.error.message)
