"""A destination that one incremental sync after the other keeps like its server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracker_server.app import LoggedRequest, TrackerServer
from unit_tests.interception import is_probe
from unit_tests.replica import Replica
from unit_tests.source_pivotal_tracker.sync.incremental.scene import Id
from unit_tests.syncs import BY_NAME, Row, Sync, config_for

WITH_CURSOR = [name for name, stream in BY_NAME.items() if stream.cursor_field]
RESTLESS = [
    name
    for name in WITH_CURSOR
    if BY_NAME[name].changes_without_version or not any(endpoint.parent for endpoint in BY_NAME[name].endpoints)
]
"""The streams that are asked for in every sync."""
CALM = [name for name in WITH_CURSOR if name not in RESTLESS]
"""The streams that hang on the versions of their projects."""
WITH_TOMBSTONES = [name for name, stream in BY_NAME.items() if stream.deleted_kind]


class Destination:
    """Follows a server by incremental syncs, each from the state that the one before left.

    `requests` are those of the last sync.
    """

    def __init__(self, server: TrackerServer, *streams: str, **settings: Any) -> None:
        self.streams = list(streams)
        self.replica = Replica()
        self.requests: list[LoggedRequest] = []
        self._server = server
        self._config = config_for(server, **settings)
        self._last: Sync | None = None

    def sync(self) -> Sync:
        before = len(self._server.log)
        state = self._last.state if self._last else ()
        sync = Sync(self._config, self.streams, incremental=True, state=state)
        assert sync.failure is None
        self.requests = self._server.log[before:]
        return self.go_on_from(sync)

    def go_on_from(self, sync: Sync) -> Sync:
        """Take what a sync brought."""
        self._last = sync
        self.replica.load(sync)
        return sync

    @property
    def asked(self) -> list[str]:
        """The paths of the requests of the last sync."""
        return sorted(logged.path for logged in self.requests)

    @property
    def lists(self) -> list[str]:
        """The paths of those that are not for finding out what the server can do."""
        return sorted(logged.path for logged in self.requests if not is_probe(logged.query))

    def differences(self) -> list[str]:
        """What is not as on the server, apart from what hung on things that are gone."""
        return self.replica.differences(Replica(Sync(self._config, self.streams)))


Follow = Callable[..., Destination]


def ids(rows: list[Row], key: str = "id") -> set[Id]:
    return {row[key] for row in rows}


def tombstones(sync: Sync, stream: str) -> list[Row]:
    return [row for row in sync.records[stream] if "_ab_cdc_deleted_at" in row]


def gone(sync: Sync, stream: str) -> set[Id]:
    return ids(tombstones(sync, stream))


def living(sync: Sync, stream: str) -> set[Id]:
    return {row["id"] for row in sync.records[stream] if "_ab_cdc_deleted_at" not in row}
