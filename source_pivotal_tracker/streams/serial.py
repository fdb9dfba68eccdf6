"""How the cdk's own read pages through a stream: one list after the other, remembering nothing."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from itertools import chain
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import requests
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import (
    InvalidResponse,
    ParametersRefused,
    SkippableError,
    TrackerError,
    answer_of,
    traced,
)
from source_pivotal_tracker.api.fields import Fields, render
from source_pivotal_tracker.api.pagination import next_offset, refuse_cut
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.streams.endpoints import Endpoint, Partition
from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.streams.rows import Row, fingerprint_of, refuse_ignored, rows_in

logger = logging.getLogger("airbyte.tracker")


class SerialStream(HttpStream, ABC):
    """The part of a stream that the cdk's HttpStream asks for.

    A server that refuses attributes is asked for the others. A project that it does not
    show is skipped, with a warning that names it.
    """

    endpoints: tuple[Endpoint, ...]

    # The cdk's read checkpoints nothing of these streams; the engine in `sync` does.
    is_resumable = False
    supports_incremental = False

    def __init__(self, client: TrackerClient, parents: Parents) -> None:
        super().__init__()
        self._http_client = client  # type: ignore[assignment]
        self._selection = client.selection
        self._base_url = client.base_url
        self._parents = parents
        self._fingerprint = 0

    @abstractmethod
    def wanted_fields(self) -> Fields:
        """The attributes to ask for. Empty: do not say."""

    @abstractmethod
    def since(self, partition: Partition) -> str | None:
        """The oldest row to ask for in a first read."""

    @abstractmethod
    def records_by_row(self, rows: Sequence[Row], partition: Partition) -> list[Sequence[Row]]:
        """The records in each of these rows of the endpoint. Raises InvalidResponse where one of them has no key."""

    @abstractmethod
    def is_before_start(self, record: Row) -> bool:
        """Whether a first read leaves the record out."""

    def stream_slices(self, **_: Any) -> Iterable[Mapping[str, Any]]:
        try:
            for endpoint in self.endpoints:
                for parent in self._parents.of(endpoint.parent):
                    yield Partition(endpoint, parent).as_slice()
        except TrackerError as error:
            raise traced(error) from error

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        try:
            try:
                yield from super().read_records(sync_mode, cursor_field, stream_slice, stream_state)
            except ParametersRefused:
                self._learn_what_is_refused(stream_slice)
                yield from super().read_records(sync_mode, cursor_field, stream_slice, stream_state)
        except SkippableError as error:
            parent = self._partition(stream_slice).parent
            logger.warning("Stream %s skips %s: %s", self.name, parent or "all of it", error)
        except TrackerError as error:
            raise traced(error) from error

    def _learn_what_is_refused(self, stream_slice: Mapping[str, Any] | None) -> None:
        params = {key: value for key, value in self.request_params(None, stream_slice).items() if key != "fields"}
        partition = self._partition(stream_slice)
        fields, endpoint = self.wanted_fields(), partition.endpoint.path
        self._selection.get(partition.path, params, fields, endpoint=endpoint, names=self.name)

    @property
    def url_base(self) -> str:
        return f"{self._base_url}/"

    def path(self, *, stream_slice: Mapping[str, Any] | None = None, **_: Any) -> str:
        return self._partition(stream_slice).path

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Mapping[str, Any] | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        partition = self._partition(stream_slice)
        endpoint = partition.endpoint
        params: dict[str, Any] = {}
        if fields := self._selection.of(self.wanted_fields(), endpoint.path):
            params["fields"] = render(fields)
        if endpoint.since and (since := self.since(partition)):
            params[endpoint.since] = since
        if endpoint.page_size:
            params |= {"limit": endpoint.page_size, "offset": (next_page_token or {}).get("offset", 0)}
        return params

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        query, rows = parse_qs(urlsplit(response.request.url or "").query), cast("TrackerResponse", response).parsed
        if "limit" not in query:
            if isinstance(rows, list):
                refuse_cut(response.headers, len(rows))
            return None
        start = int(query["offset"][0])
        before, self._fingerprint = self._fingerprint, fingerprint_of(rows, response.content)
        if start and rows and self._fingerprint == before:
            raise InvalidResponse(f"the page at offset {start} is the one before it again")
        offset = next_offset(response.headers, offset=start, rows=len(rows))
        return None if offset is None else {"offset": offset}

    def parse_response(
        self, response: requests.Response, *, stream_slice: Mapping[str, Any] | None = None, **_: Any
    ) -> Iterable[Row]:
        partition = self._partition(stream_slice)
        with answer_of(partition.path):
            rows = rows_in(cast("TrackerResponse", response).parsed, partition.endpoint)
            refuse_ignored(self.wanted_fields(), rows)
            made = self.records_by_row(rows, partition)
        return (record for record in chain.from_iterable(made) if not self.is_before_start(record))

    def _partition(self, stream_slice: Mapping[str, Any] | None) -> Partition:
        return Partition.of_slice(stream_slice or {}, self.endpoints)
