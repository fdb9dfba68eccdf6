"""What all streams share: an endpoint to ask, the attributes to ask for, and the records in its rows."""

from __future__ import annotations

import logging
from abc import ABC
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, cast
from urllib.parse import parse_qs, urlsplit

import requests
from airbyte_cdk.models import AirbyteStream, FailureType, SyncMode
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http import HttpStream
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.client import TrackerClient, TrackerResponse
from source_pivotal_tracker.api.errors import (
    Failed,
    ParametersRefused,
    Passing,
    TokenRefused,
    TrackerError,
    Unreadable,
)
from source_pivotal_tracker.api.fields import DEFAULT, Fields, render, select
from source_pivotal_tracker.api.pagination import next_offset
from source_pivotal_tracker.streams.scopes import Scopes

logger = logging.getLogger("airbyte.tracker")

Row = dict[str, Any]
Slice = Mapping[str, Any]


@dataclass(frozen=True)
class Endpoint:
    """A GET of the API whose answer holds rows.

    `path` has `{project_id}` or `{account_id}` where it is asked once for each of them. `page_size` is None where
    the API does not paginate. `since` names the parameter that leaves out older rows. `single` says that the
    answer is one object, which is the one row. `part_of` is what a thing inside a row calls the id of that row.
    """

    path: str
    page_size: int | None = None
    since: str | None = None
    single: bool = False
    part_of: str = ""


class TrackerStream(HttpStream, ABC):
    """A stream of the records that the rows of its endpoints hold.

    `fields` is what it asks for; a server that refuses that with `invalid_parameter` is asked for less, once.
    A project that the server does not show is skipped, with a warning that names it.
    """

    endpoints: tuple[Endpoint, ...]
    primary_key: str | list[str] = "id"
    cursor_field: str | list[str] = []
    fields: ClassVar[Fields] = {}

    is_resumable = False
    supports_incremental = False

    def __init__(self, client: TrackerClient, scopes: Scopes, start: datetime | None = None) -> None:
        super().__init__()
        self._http_client = client  # type: ignore[assignment]
        self._base_url = client.base_url
        self._scopes = scopes
        self._start = start if self.cursor_field else None
        self._narrow = False

    def asks(self, *, narrow: bool = False) -> Fields:
        """The attributes to ask for; `narrow`, the ones that every v5 server knows. Empty: do not say."""
        return select(DEFAULT) if narrow and self.fields else self.fields

    def records(self, row: Row, where: Slice) -> Iterable[Row]:
        """The records in one row of the endpoint; where a stream does not say otherwise, the row is the record."""
        yield row

    def since(self, where: Slice) -> str | None:
        """The oldest row to ask for: the user's start, less a second, for the boundary may be exclusive."""
        return iso(self._start - timedelta(seconds=1)) if self._start else None

    def stream_slices(self, **_: Any) -> Iterable[Slice]:
        try:
            for endpoint in self.endpoints:
                for scope in self._scopes_of(endpoint):
                    yield {"endpoint": endpoint.path, **scope}
        except TrackerError as error:
            raise traced(error) from error

    def read_records(
        self,
        sync_mode: SyncMode,
        cursor_field: list[str] | None = None,
        stream_slice: Slice | None = None,
        stream_state: Mapping[str, Any] | None = None,
    ) -> Iterable[StreamData]:
        try:
            try:
                yield from super().read_records(sync_mode, cursor_field, stream_slice, stream_state)
            except ParametersRefused as refusal:
                if self._narrow or not self.asks():
                    raise
                logger.warning("Stream %s is read with fewer attributes: %s", self.name, refusal)
                self._narrow = True
                yield from super().read_records(sync_mode, cursor_field, stream_slice, stream_state)
        except Unreadable as error:
            where = ", ".join(f"{key} {value}" for key, value in (stream_slice or {}).items() if key != "endpoint")
            logger.warning("Stream %s skips %s: %s", self.name, where or "all of it", error)
        except TrackerError as error:
            raise traced(error) from error

    @property
    def url_base(self) -> str:
        return f"{self._base_url}/"

    def path(self, *, stream_slice: Slice | None = None, **_: Any) -> str:
        return self._endpoint(stream_slice).path.format(**(stream_slice or {}))

    def request_params(
        self,
        stream_state: Mapping[str, Any] | None,
        stream_slice: Slice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        endpoint = self._endpoint(stream_slice)
        params: dict[str, Any] = {}
        if fields := self.asks(narrow=self._narrow):
            params["fields"] = render(fields)
        if endpoint.since and (since := self.since(stream_slice or {})):
            params[endpoint.since] = since
        if endpoint.page_size:
            params |= {"limit": endpoint.page_size, "offset": (next_page_token or {}).get("offset", 0)}
        return params

    def next_page_token(self, response: requests.Response) -> Mapping[str, Any] | None:
        query = parse_qs(urlsplit(response.request.url or "").query)
        if "limit" not in query:
            return None
        rows = len(cast("TrackerResponse", response).parsed)
        offset = next_offset(response.headers, offset=int(query["offset"][0]), rows=rows)
        return None if offset is None else {"offset": offset}

    def parse_response(
        self, response: requests.Response, *, stream_slice: Slice | None = None, **_: Any
    ) -> Iterable[Row]:
        where = stream_slice or {}
        key = [self.primary_key] if isinstance(self.primary_key, str) else self.primary_key
        for row in self._rows(cast("TrackerResponse", response).parsed, where):
            for record in self.records(row, where):
                if any(record.get(part) is None for part in key):
                    raise Failed(f"GET /{self.path(stream_slice=where)}: a row without its {' and '.join(key)}")
                if self._start is None or not _is_before(record.get(str(self.cursor_field)), self._start):
                    yield record

    def as_airbyte_stream(self) -> AirbyteStream:
        stream = super().as_airbyte_stream()
        stream.default_cursor_field = self._wrapped_cursor_field() or None
        return stream

    def _endpoint(self, where: Slice | None) -> Endpoint:
        return next(endpoint for endpoint in self.endpoints if endpoint.path == (where or {}).get("endpoint"))

    def _scopes_of(self, endpoint: Endpoint) -> Iterable[Slice]:
        if "{project_id}" in endpoint.path:
            return ({"project_id": project.id} for project in self._scopes.projects())
        if "{account_id}" in endpoint.path:
            return ({"account_id": account} for account in self._scopes.accounts())
        return ({},)

    def _rows(self, body: Any, where: Slice) -> list[Row]:
        endpoint = self._endpoint(where)
        rows = [body] if endpoint.single else body
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            kind = "an object" if endpoint.single else "a list of objects"
            raise Failed(f"GET /{self.path(stream_slice=where)}: the answer is not {kind}")
        return rows


class PartStream(TrackerStream, ABC):
    """A stream of what hangs on the rows of another list and comes inside them, by no request of its own."""

    part: ClassVar[str]
    """The attribute of the row that holds the part or the list of parts."""
    inside: ClassVar[Fields] = select(DEFAULT)
    """What is asked for of each part."""

    def asks(self, *, narrow: bool = False) -> Fields:
        if narrow:
            return select(DEFAULT, self.part)
        return select("id", "updated_at", **{self.part: self.inside})

    def records(self, row: Row, where: Slice) -> Iterable[Row]:
        endpoint = self._endpoint(where)
        parents = {key: value for key, value in where.items() if key != "endpoint"}
        for part in objects(row, self.part):
            yield {**part, **parents, endpoint.part_of: row["id"]}

    def _rows(self, body: Any, where: Slice) -> list[Row]:
        rows = super()._rows(body, where)
        if not self._narrow and any(self.part not in row and row.keys() - self.asks().keys() for row in rows):
            raise Failed(
                f"GET /{self.path(stream_slice=where)}: the server ignores `fields`, so it does not show {self.part}"
            )
        return rows


def traced(error: TrackerError) -> AirbyteTracedException:
    """The cdk's error for ours: whose fault it is, in the words that name the path and the cause."""
    kind = {TokenRefused: FailureType.config_error, Passing: FailureType.transient_error}
    return AirbyteTracedException(str(error), str(error), kind.get(type(error), FailureType.system_error))


def objects(row: Row, attribute: str) -> list[Row]:
    """What an attribute of a row holds, be it a list of objects, one object or nothing. Raises Failed for the rest."""
    value = row.get(attribute)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in values):
        raise Failed(f"`{attribute}` of {row.get('kind', 'row')} {row.get('id')} does not hold objects")
    return values


def iso(moment: datetime) -> str:
    """`2017-05-03T23:30:01Z`, as Tracker writes it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_before(cursor: Any, start: datetime) -> bool:
    """Whether a record's cursor, a time or a date, is surely before `start`: what cannot be told is not."""
    if not isinstance(cursor, str):
        return False
    if len(cursor) == len("2017-05-03"):
        return cursor < iso(start)[:10]
    if cursor.endswith("Z"):
        return cursor[:19] < iso(start)[:19]
    try:
        return datetime.fromisoformat(cursor) < start
    except (TypeError, ValueError):
        return False
