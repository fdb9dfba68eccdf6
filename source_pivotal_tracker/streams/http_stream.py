"""A stream as the cdk's own read knows it: an HttpStream with one slice a list."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, ClassVar

import requests
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.sources.utils.schema_helpers import ResourceSchemaLoader

from source_pivotal_tracker.api.answers import read_body
from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.errors import SkippableError, TrackerError, traced
from source_pivotal_tracker.api.fields import Fields
from source_pivotal_tracker.streams.endpoints import Endpoint, Partition
from source_pivotal_tracker.streams.list_client import ListClient
from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.streams.rows import Row, rows_in

logger = logging.getLogger("airbyte.tracker")


@cache
def _schema_of(name: str) -> Mapping[str, Any]:
    return ResourceSchemaLoader("source_pivotal_tracker").get_schema(name)


class ListHttpStream(HttpStream, ABC):
    """Reads each list from its start, by the same ListClient as the engine in `sync`, and remembers nothing.

    A project that the server does not show is skipped with a warning that names it.
    """

    endpoints: tuple[Endpoint, ...]
    part: ClassVar[str]

    # The cdk's read checkpoints nothing of these streams; the engine in `sync` does.
    is_resumable = False
    supports_incremental = False

    def __init__(self, context: ServerContext, parents: Parents) -> None:
        super().__init__()
        self._context = context
        self._parents = parents

    def get_json_schema(self) -> Mapping[str, Any]:  # type: ignore[override]
        """As the cdk finds it, once for each name. The cdk's own keeps every stream that was ever asked for it."""
        return _schema_of(self.name)

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
        """The records of one list. Raises the cdk's AirbyteTracedException where it cannot be read to its end."""
        partition = self._partition(stream_slice)
        since = self.since(partition) if partition.endpoint.since else None
        lists = ListClient(self._context, partition, [self], lambda _: [self])
        try:
            for answer in lists.pages({str(partition.endpoint.since): since} if since else {}):
                records = chain.from_iterable(answer.records[0])
                yield from (record for record in records if not self.is_before_start(record))
        except SkippableError as error:
            logger.warning("Stream %s skips %s: %s", self.name, partition.parent or "all of it", error)
        except TrackerError as error:
            raise traced(error) from error

    @property
    def url_base(self) -> str:
        return f"{self._context.client.base_url}/"

    def path(self, *, stream_slice: Mapping[str, Any] | None = None, **_: Any) -> str:
        return self._partition(stream_slice).path

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        """Returns None: `read_records` asks for all pages."""
        return None

    def parse_response(
        self, response: requests.Response, *, stream_slice: Mapping[str, Any] | None = None, **_: Any
    ) -> Iterable[Row]:
        """The records in one answer. Raises InvalidResponse where it holds something else."""
        partition = self._partition(stream_slice)
        body, _ = read_body(response.content)
        rows = rows_in(body, partition.endpoint)
        return chain.from_iterable(self.records_by_row(rows, partition))

    def _partition(self, stream_slice: Mapping[str, Any] | None) -> Partition:
        return Partition.of_slice(stream_slice or {}, self.endpoints)
