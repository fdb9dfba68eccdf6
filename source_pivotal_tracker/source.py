"""The four verbs of the source: a configuration in, wired streams out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from typing import Any

from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    Status,
)
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream

from source_pivotal_tracker import files
from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.check import CheckFailed, check, check_exports, check_files
from source_pivotal_tracker.config import Config
from source_pivotal_tracker.sync.engine import STATE_SECONDS
from source_pivotal_tracker.sync.messages import Encoded, Encoder, as_messages
from source_pivotal_tracker.sync.sync import Sync
from source_pivotal_tracker.wiring import client_of, configured, parents_of, streams_of, sync_of


class SourcePivotalTracker(AbstractSource):
    """Replicates a Tracker v5 server.

    `read` runs the engine in `sync`. The cdk's own read of the same streams, `AbstractSource.read`, works too.
    """

    # The cdk's own sentences on a bad configuration do not name the key; `configured` has better ones.
    check_config_against_spec = False

    def __init__(
        self, client_of: Callable[[Config], TrackerClient] = client_of, *, state_seconds: float = STATE_SECONDS
    ) -> None:
        self._client_of = client_of
        self._state_seconds = state_seconds
        self._sync: Sync | None = None

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        succeeded, words = self.check_connection(logger, config)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED if succeeded else Status.FAILED, message=words)

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, str]:
        """Whether the configuration can be used, and the words for the user in either case."""
        settings = configured(config)
        try:
            ask = check if settings.export_archive is None else check_exports
            words = ask(self._client_of(settings), settings.project_ids)
            if settings.attachments_to is not None:
                check_files(settings.attachments_to)
        except CheckFailed as failure:
            return False, str(failure)
        logger.info(words)
        return True, words

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """All streams, in reading order. Makes no request."""
        settings = configured(config)
        client = self._client_of(settings)
        return list(streams_of(settings, client, parents_of(settings, client)))

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        for output in self.sync(config, catalog, state, as_messages):
            if isinstance(output, AirbyteMessage):
                yield output
            else:
                yield from output

    def sync(
        self,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None,
        encode: Encoder[Encoded],
    ) -> Iterator[AirbyteMessage | Encoded]:
        """As `read`, with the records of a page as `encode` makes them."""
        settings = configured(config)
        self._sync = sync_of(settings, self._client_of(settings), state_seconds=self._state_seconds)
        return self._sync.run(catalog, state, encode)

    @property
    def skipped(self) -> Mapping[str, Collection[str]]:
        """By stream, what the last sync skipped because the server says that it does not have or show it."""
        return self._sync.skipped if self._sync else {}

    def stop(self) -> None:
        """Make a read yield its last states and end, soon. Safe to call in a signal handler."""
        if self._sync:
            self._sync.stop()

    @staticmethod
    def read_config(config_path: str) -> MutableMapping[str, Any]:
        """Raises the cdk's config error for a file that holds no JSON object."""
        return files.config_in(config_path)

    @classmethod
    def read_state(cls, state_path: str | None) -> list[AirbyteStateMessage]:
        """Raises the cdk's config error for a file that holds no states."""
        return files.states_in(state_path) if state_path else []

    @classmethod
    def read_catalog(cls, catalog_path: str) -> ConfiguredAirbyteCatalog:
        """Raises the cdk's config error for a file that holds no configured catalog."""
        return files.catalog_in(catalog_path)
