"""From a configuration to the objects that a verb works with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.rate_limit import UNLIMITED, RateLimiter
from source_pivotal_tracker.attachments.attachments import MEGABYTE, Attachments, CopyTo
from source_pivotal_tracker.attachments.file_store import FileStore
from source_pivotal_tracker.attachments.served_files import FilesOfServer, RowOfFile
from source_pivotal_tracker.config import Config, ConfigError, parse_config, unknown_keys
from source_pivotal_tracker.streams import STREAMS
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.sync.options import ReadOptions
from source_pivotal_tracker.sync.plan import Sweeps
from source_pivotal_tracker.sync.sync import Sync

logger = logging.getLogger("airbyte.tracker")

CLOSED_HOSTS = ("www.pivotaltracker.com", "pivotaltracker.com")
CLOSED = (
    "The hosted Pivotal Tracker closed on 2025-04-30; set api_url to the server that has your projects now, "
    "for LiteTracker https://app.litetracker.com/services/v5"
)


def configuration_error(words: str, internal: str | None = None) -> AirbyteTracedException:
    """The cdk's config error, with a sentence on what the user can fix."""
    return AirbyteTracedException(internal_message=internal, message=words, failure_type=FailureType.config_error)


def parsed_config(config: object) -> Config:
    """The parsed configuration. Raises the cdk's config error with one sentence for each problem."""
    try:
        return parse_config(config)
    except ConfigError as error:
        raise configuration_error(str(error)) from None


def configured(config: object) -> Config:
    """As `parsed_config`, for its use: the log names the keys that are not settings, such as misspelt ones."""
    settings = parsed_config(config)
    unknown = unknown_keys(config)
    if unknown:
        logger.warning("Ignoring what is no setting in the configuration: %s", ", ".join(unknown))
    return settings


def client_of(settings: Config, more_exports: Sequence[str] = (), without: Sequence[str] = ()) -> TrackerClient:
    """The client that talks to the configured server within the configured rate limit, or to exports without one.

    `more_exports` are places that are read together with the configured one, and `without` paths below that are not.
    """
    token = settings.api_token.get_secret_value()
    if settings.export_archive is None:
        hint = CLOSED if urlsplit(settings.api_url).hostname in CLOSED_HOSTS else None
        return TrackerClient(settings.api_url, token, RateLimiter(settings.requests_per_minute), hint=hint)
    # Loaded only where exports are read: it brings the whole server.
    from source_pivotal_tracker.exports.adapter import SERVED_AT, ExportAdapter

    places = (settings.export_archive, *more_exports)
    exports = ExportAdapter(*places, project_ids=settings.export_project_ids, without=without)
    return TrackerClient(SERVED_AT, token, RateLimiter(UNLIMITED), adapter=exports, completeness=exports)


def parents_of(settings: Config, client: TrackerClient) -> Parents:
    return Parents(client, settings.project_ids)


def streams_of(settings: Config, client: TrackerClient, parents: Parents) -> list[TrackerStream]:
    """All streams, in reading order. Makes no request."""
    context = ServerContext.of(client)
    return [stream(context, parents, settings.start_date) for stream in STREAMS]


def sync_of(settings: Config, client: TrackerClient, *, state_seconds: float) -> Sync:
    """A sync that has not begun, with at least `state_seconds` between two states of a stream. Makes no request."""
    parents = parents_of(settings, client)
    reads_exports = settings.export_archive is not None
    options = ReadOptions(
        lookback=settings.lookback_window,
        sweeps=Sweeps(always=reads_exports, days=settings.full_sweep_days),
        # Nobody waits for a network there, and large exports have only room for one project after the other.
        workers=1 if reads_exports else settings.num_workers,
        state_seconds=state_seconds,
    )
    return Sync(streams_of(settings, client, parents), client, parents, options, attachments_of(settings, client))


def attachments_of(settings: Config, client: TrackerClient) -> Attachments | None:
    """What copies the attached files, if the user wants them. Opens nothing."""
    if settings.attachments_to is None:
        return None
    copy_to: CopyTo = FilesOfServer(client)
    if settings.export_archive is not None:
        from source_pivotal_tracker.exports.adapter import ExportAdapter
        from source_pivotal_tracker.exports.attached_files import FilesOfExports

        assert isinstance(client.completeness, ExportAdapter)  # noqa: S101  # by client_of
        copy_to = FilesOfExports(client.completeness.open_file)
    store_of = partial(FileStore, settings.attachments_to)
    return Attachments(store_of, copy_to, settings.attachments_max_mb * MEGABYTE, RowOfFile(client))
