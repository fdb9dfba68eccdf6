"""The four verbs of the source: a configuration in, wired streams out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.models import AirbyteConnectionStatus, FailureType, Status
from airbyte_cdk.sources import AbstractSource
from airbyte_cdk.sources.streams import Stream
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.budget import RequestBudget
from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.check import CheckFailed, check
from source_pivotal_tracker.config import Config, ConfigError, parse_config
from source_pivotal_tracker.streams import STREAMS
from source_pivotal_tracker.streams.scopes import Scopes

CHECK_ATTEMPTS = 2


class SourcePivotalTracker(AbstractSource):
    """Replicates a Tracker v5 server."""

    # The cdk's own sentences on a bad configuration do not name the key; `configured` has better ones.
    check_config_against_spec = False

    def __init__(self) -> None:
        self._client: TrackerClient | None = None

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        succeeded, words = self.check_connection(logger, config)
        return AirbyteConnectionStatus(status=Status.SUCCEEDED if succeeded else Status.FAILED, message=words)

    def check_connection(self, logger: logging.Logger, config: Mapping[str, Any]) -> tuple[bool, str]:
        """Whether the configuration can be used, and the words for the user in either case."""
        settings = configured(config)
        try:
            words = check(_client(settings, attempts=CHECK_ATTEMPTS), settings.project_ids)
        except CheckFailed as failure:
            return False, str(failure)
        logger.info(words)
        return True, words

    def streams(self, config: Mapping[str, Any]) -> list[Stream]:
        """All streams, in reading order. Makes no request."""
        settings = configured(config)
        self._client = _client(settings)
        scopes = Scopes(self._client, settings.project_ids)
        return [stream(self._client, scopes, settings.start_date) for stream in STREAMS]

    @property
    def stop_sync_on_stream_failure(self) -> bool:
        """After a refused token no other stream can succeed."""
        return self._client is not None and self._client.is_refused


def configured(config: object) -> Config:
    """The parsed configuration. Raises the cdk's config error with one sentence for each problem."""
    try:
        return parse_config(config)
    except ConfigError as error:
        raise AirbyteTracedException(message=str(error), failure_type=FailureType.config_error) from None


def _client(settings: Config, **options: Any) -> TrackerClient:
    budget = RequestBudget(settings.requests_per_minute)
    return TrackerClient(settings.api_url, settings.api_token.get_secret_value(), budget, **options)
