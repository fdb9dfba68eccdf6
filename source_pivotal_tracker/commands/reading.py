"""Reads streams for a command, in the same process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airbyte_cdk.models import (
    AirbyteMessage,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    FailureType,
    SyncMode,
)
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import UNROUTED
from source_pivotal_tracker.config import Config
from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.wiring import client_of

TrackerClientOf = Callable[[Config], TrackerClient]


class NotRead(Exception):
    """Nothing can be read with this configuration: a sentence."""


class Reading:
    """The rows of the streams that are wanted by their names, in full.

    `problems` are sentences on what could not be read, and `incomplete` names those streams. What a server does
    not show counts as a problem, but for what it has no endpoint for. `client_of` makes the client. The log goes where
    the `airbyte` loggers write.
    """

    def __init__(
        self, config: Mapping[str, Any], is_wanted: Callable[[str], bool], client_of: TrackerClientOf = client_of
    ) -> None:
        self._config = config
        self._source = SourcePivotalTracker(client_of, state_seconds=3600)
        self.problems: list[str] = []
        self.incomplete: set[str] = set()
        try:
            found = (stream for stream in self._source.streams(config) if isinstance(stream, TrackerStream))
            self.streams = [stream for stream in found if is_wanted(stream.name)]
        except AirbyteTracedException as error:
            raise NotRead(str(error.message)) from None

    def pages(self) -> Iterator[tuple[str, Sequence[Row]]]:
        """The rows as they come, some of one stream at a time. Raises NotRead where nothing further can be read."""
        catalog = ConfiguredAirbyteCatalog(
            streams=[
                ConfiguredAirbyteStream(
                    stream=stream.as_airbyte_stream(),
                    sync_mode=SyncMode.full_refresh,
                    destination_sync_mode=DestinationSyncMode.overwrite,
                )
                for stream in self.streams
            ]
        )
        try:
            for output in self._source.sync(self._config, catalog, [], _as_they_are):
                if isinstance(output, AirbyteMessage):
                    self._note(output)
                else:
                    yield output
        except AirbyteTracedException as error:
            if error.failure_type == FailureType.config_error and not self.incomplete:
                raise NotRead(str(error.message)) from None
            if not self.problems:
                self.problems.append(str(error.message))
        for stream, answers in self._source.skipped.items():
            refused = [answer for answer in answers if not answer.endswith(UNROUTED)]
            if refused:
                self.incomplete.add(stream)
                self.problems.append(f"{stream} cannot be read: {', '.join(refused)}.")

    def _note(self, message: AirbyteMessage) -> None:
        if message.trace and message.trace.error:
            words = message.trace.error.message
            if message.trace.error.stream_descriptor:
                self.incomplete.add(message.trace.error.stream_descriptor.name)
            if words not in self.problems:
                self.problems.append(words)


def _as_they_are(stream: str, rows: Sequence[Row]) -> tuple[str, Sequence[Row]]:
    return stream, rows


def log_to_stderr() -> None:
    """Let the warnings of a read go to stderr as they are, where the cdk would print JSON to stdout."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    cdks, ours = logging.getLogger("airbyte"), logging.getLogger("airbyte.tracker")
    cdks.handlers, ours.handlers = [handler], []
    cdks.propagate, ours.propagate = False, True
    for logger in (cdks, ours):
        logger.setLevel(logging.WARNING)
