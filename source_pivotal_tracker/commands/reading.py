"""Reads streams for a command, in the same process."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
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
from source_pivotal_tracker.api.errors import ANSWER, UNROUTED
from source_pivotal_tracker.config import Config, ConfigError, parse_config
from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.rows import Row

BEFORE_A_KEY = r"(?:^|(?<=\. )|(?<= only )|(?<=; set )|(?<=^none of the ))"
"""Where a message names a key of the configuration; elsewhere the same letters may be in the name of a file."""
TrackerClientOf = Callable[[Config], TrackerClient]


class NotRead(Exception):
    """Nothing can be read with this configuration: a sentence."""


class FullRead:
    """The rows of the streams that are wanted by their names, in full.

    `problems` are sentences on what could not be read, and `incomplete` names those streams. What a server does
    not show counts as a problem, but for what it has no endpoint for. `client_of` makes the client. The log goes where
    the `airbyte` loggers write. `options` are the words in which a command speaks of the keys of the configuration.
    Raises NotRead.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        is_wanted: Callable[[str], bool],
        client_of: TrackerClientOf,
        options: Mapping[str, str],
    ) -> None:
        self._config = config
        self._options = options
        self._source = SourcePivotalTracker(client_of, state_seconds=3600)
        self.problems: list[str] = []
        self.incomplete: set[str] = set()
        try:
            parse_config(config)
        except ConfigError as error:
            raise NotRead(" ".join(map(self._in_options, error.wrong))) from None
        found = (stream for stream in self._source.streams(config) if isinstance(stream, TrackerStream))
        self.streams = [stream for stream in found if is_wanted(stream.name)]

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
                raise NotRead(self._in_options(str(error.message))) from None
            if not self.problems:
                self.problems.append(self._in_options(str(error.message)))
        refused: dict[str, list[str]] = defaultdict(list)
        for stream, answers in self._source.skipped.items():
            for answer in answers:
                if not answer.endswith(UNROUTED):
                    self.incomplete.add(stream)
                    refused[answer].append(stream)
        self.problems += (f"{', '.join(streams)} cannot be read: {answer}." for answer, streams in refused.items())

    def _note(self, message: AirbyteMessage) -> None:
        if message.trace and message.trace.error:
            words = self._in_options(str(message.trace.error.message))
            if message.trace.error.stream_descriptor:
                self.incomplete.add(message.trace.error.stream_descriptor.name)
            if words not in self.problems:
                self.problems.append(words)

    def _in_options(self, words: str) -> str:
        return re.sub(rf"{BEFORE_A_KEY}({'|'.join(self._options)})(?=:? |\[)", lambda key: self._options[key[0]], words)


def _as_they_are(stream: str, rows: Sequence[Row]) -> tuple[str, Sequence[Row]]:
    return stream, rows


def log_to_stderr() -> None:
    """Let the warnings of a read go to stderr as they are, where the cdk would print JSON to stdout.

    What is among the `problems` of a read is not told here too.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(_is_no_problem)
    cdks, ours = logging.getLogger("airbyte"), logging.getLogger("airbyte.tracker")
    cdks.handlers, ours.handlers = [handler], []
    cdks.propagate, ours.propagate = False, True
    for logger in (cdks, ours):
        logger.setLevel(logging.WARNING)


def _is_no_problem(record: logging.LogRecord) -> bool:
    """An error is the end of a stream, and with the answer of a server something is skipped that it does not show."""
    return record.levelno < logging.ERROR and getattr(record, ANSWER, UNROUTED).endswith(UNROUTED)
