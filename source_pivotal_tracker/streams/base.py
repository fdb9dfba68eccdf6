"""What all streams share: facts about an endpoint, and the records in its rows."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from airbyte_cdk.models import AirbyteStream, SyncMode

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import Failed
from source_pivotal_tracker.api.fields import DEFAULT, Fields, select
from source_pivotal_tracker.streams.rows import Deletion, Row, Slice, objects
from source_pivotal_tracker.streams.scopes import Scopes
from source_pivotal_tracker.streams.serial import SerialStream
from source_pivotal_tracker.streams.times import is_before, iso, moment

SHORTEST_LOOKBACK = timedelta(seconds=2)


class TrackerStream(SerialStream, ABC):
    """A stream of the records that the rows of its endpoints hold. `fields` is what it asks for of a row."""

    primary_key: str | list[str] = "id"
    cursor_field: str | list[str] = []
    fields: ClassVar[Fields] = {}
    restless: ClassVar[bool] = False
    """Whether its rows change without the version of their project."""
    deleted_kind: ClassVar[str] = ""
    """What Tracker's activity calls a thing of this stream that was deleted; empty where it tells none."""
    follows: ClassVar[Mapping[str, str]] = {}
    """The parameters that list the rows whose attributes change with other rows, unseen by time and activity."""

    def __init__(self, client: TrackerClient, scopes: Scopes, start: datetime | None = None) -> None:
        super().__init__(client, scopes)
        self._start = start if self.cursor_field else None

    def asks(self, *, narrow: bool = False) -> Fields:
        """The attributes to ask for; `narrow`, the ones that every v5 server knows. Empty: do not say."""
        return select(DEFAULT) if narrow and self.fields else self.fields

    def records(self, row: Row, where: Slice) -> Iterable[Row]:
        """The records in one row of the endpoint; where a stream does not say otherwise, the row is the record."""
        yield row

    def since(self, where: Slice) -> str | None:
        """The oldest row to ask for: the user's start, less a second, for the boundary may be exclusive."""
        return iso(self._start - timedelta(seconds=1)) if self._start else None

    def since_cursor(self, cursor: str, lookback: timedelta) -> str:
        """The oldest row to ask for in an incremental read. Changes share seconds: it always goes back a little."""
        return iso(moment(cursor) - max(lookback, SHORTEST_LOOKBACK))

    def newest(self, row: Row, records: Sequence[Row]) -> str | None:
        """The greatest cursor in one row of the endpoint."""
        cursors = [record[str(self.cursor_field)] for record in records if record.get(str(self.cursor_field))]
        return max(cursors, default=None)

    def is_early(self, record: Row) -> bool:
        """Whether a record was last changed before the start that the user chose."""
        return self._start is not None and is_before(record.get(str(self.cursor_field)), self._start)

    def made_of(self, row: Row, where: Slice) -> list[Row]:
        try:
            records = list(self.records(row, where))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Failed(f"a row is not what {self.name} are made of: {type(error).__name__} {error}") from error
        for record in records:
            self.key_of(record)
        return records

    def key_of(self, record: Row) -> tuple[Any, ...]:
        """The primary key. Raises Failed for a record that lacks a part of it."""
        key = [self.primary_key] if isinstance(self.primary_key, str) else self.primary_key
        values = tuple(record.get(part) for part in key)
        if None in values:
            raise Failed(f"a row of {self.name} came without its {' and '.join(key)}")
        return values

    def tombstone(self, deletion: Deletion, where: Slice) -> Row | None:
        """The record that stands for a thing of this stream that is gone; None for things of other streams."""
        if deletion.kind != self.deleted_kind:
            return None
        return {
            str(self.primary_key): deletion.id,
            "project_id": where["project_id"],
            str(self.cursor_field): deletion.at,
            "_ab_cdc_deleted_at": deletion.at,
        }

    def as_airbyte_stream(self) -> AirbyteStream:
        stream = super().as_airbyte_stream()
        stream.is_resumable = True
        if self.cursor_field:
            stream.supported_sync_modes = [SyncMode.full_refresh, SyncMode.incremental]
            stream.source_defined_cursor = True
            stream.default_cursor_field = self._wrapped_cursor_field()
        return stream


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

    def tombstone(self, deletion: Deletion, where: Slice) -> Row | None:
        """With the id of what it hung on, where that is known; None for what hung on something else."""
        tombstone = super().tombstone(deletion, where)
        parents = {"story_id": deletion.story_id, "epic_id": deletion.epic_id}
        mine = {key: parents.pop(key) for key in {endpoint.part_of for endpoint in self.endpoints} & parents.keys()}
        if tombstone is None or (not any(mine.values()) and any(parents.values())):
            return None
        return tombstone | {key: value for key, value in mine.items() if value is not None}

    def newest(self, row: Row, records: Sequence[Row]) -> str | None:
        """The `updated_at` of the row itself: it moves with its parts, and it is what a list can be asked for by."""
        return row.get("updated_at")
