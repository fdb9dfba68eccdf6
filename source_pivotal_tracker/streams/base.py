"""What all streams share: facts about an endpoint, and the records in its rows."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar

from airbyte_cdk.models import AirbyteStream, SyncMode

from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.errors import InvalidResponse
from source_pivotal_tracker.api.fields import DEFAULT, Fields, select
from source_pivotal_tracker.streams.endpoints import ParentKind, Partition
from source_pivotal_tracker.streams.http_stream import ListHttpStream
from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.streams.rows import Deletion, Row, filled, ids_of_parts, objects
from source_pivotal_tracker.streams.times import END_OF_TIME, is_before, iso, moment, newest_of

SHORTEST_LOOKBACK = timedelta(seconds=2)
LONGEST_QUOTE = 40


class TrackerStream(ListHttpStream, ABC):
    """A stream of the records that the rows of its endpoints hold. `fields` is what it asks for of a row."""

    primary_key: str | list[str] = "id"
    cursor_field: str | list[str] = []
    fields: ClassVar[Fields] = {}
    changes_without_version: ClassVar[bool] = False
    """Whether its rows change without the version of their project."""
    deleted_kind: ClassVar[str] = ""
    """What Tracker's activity calls a thing of this stream that was deleted; empty where it tells none."""
    part: ClassVar[str] = ""
    """The attribute of the rows that holds its records; empty where the rows themselves are the records."""
    provides_parent: ClassVar[ParentKind | None] = None
    """What its rows are to the lists of other streams: it is read at once, ahead of all others."""
    also_list: ClassVar[Mapping[str, str]] = {}
    """The parameters that list the rows whose attributes change with other rows, unseen by time and activity."""

    def __init__(self, context: ServerContext, parents: Parents, start: datetime | None = None) -> None:
        super().__init__(context, parents)
        self._start = start if self.cursor_field else None
        self._key = (self.primary_key,) if isinstance(self.primary_key, str) else tuple(self.primary_key)

    def wanted_fields(self) -> Fields:
        return self.fields

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        """The records in one row of the endpoint, which may be changed; by itself the row is the record."""
        return (row,)

    @property
    def start(self) -> str | None:
        """The user's start, where the stream heeds one."""
        return iso(self._start) if self._start else None

    def since(self, partition: Partition) -> str | None:
        """The oldest row to ask for: the user's start, less a second because the boundary may be exclusive."""
        return iso(self._start - timedelta(seconds=1)) if self._start else None

    def since_cursor(self, cursor: str, lookback: timedelta) -> str:
        """The oldest row to ask for in an incremental read. Changes share seconds: it always goes back a little."""
        return iso(moment(cursor) - max(lookback, SHORTEST_LOOKBACK))

    def newest(self, rows: Sequence[Row], records: Iterable[Row], *, until: str = END_OF_TIME) -> str | None:
        """The greatest cursor up to a time, among the rows of the endpoint or the records that they hold."""
        return newest_of(records, str(self.cursor_field), until)

    def after_start(self, records: list[Row]) -> list[Row]:
        """Those of the records that a first read brings."""
        return [record for record in records if not self.is_before_start(record)] if self._start else records

    def is_before_start(self, record: Row) -> bool:
        """Whether a record was last changed before the start that the user chose."""
        return self._start is not None and is_before(record.get(str(self.cursor_field)), self._start)

    def records_by_row(self, rows: Sequence[Row], partition: Partition) -> list[Sequence[Row]]:
        """The records in each row, with the id of the project or account that the list is asked for, if they have none.

        What the server says is never overridden: a list of a project may show rows of another one, as the transitions
        of a story that moved. Under the id of the list they would stand beside that project's own, with versions that
        are not its.
        """
        try:
            by_row = [self.records(row, partition) for row in rows]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidResponse(
                f"the server sent {self.name} of an unknown shape ({type(error).__name__})"
            ) from error
        parent = partition.parent
        if parent:
            attribute, parent_id = parent.kind.attribute, parent.id
            for record in chain.from_iterable(by_row):
                if record.get(attribute) is None:
                    record[attribute] = parent_id
        for part in self._key:
            is_number = part in self._numbers
            wanted = int if is_number else str
            for record in chain.from_iterable(by_row):
                value = record.get(part)
                if value is None:
                    raise InvalidResponse(f"a row of {self.name} came without its {' and '.join(self._key)}")
                if type(value) is not wanted:
                    what = "number" if is_number else "text"
                    raise InvalidResponse(
                        f"a row of {self.name} came with {_quoted(value)} as its {part}, which is not a {what}"
                    )
        return by_row

    @cached_property
    def _numbers(self) -> frozenset[str]:
        """The parts of the key that the schema calls integers."""
        properties = self.get_json_schema()["properties"]
        return frozenset(part for part in self._key if "integer" in properties[part]["type"])

    def key_of(self, record: Row) -> tuple[Any, ...]:
        """The primary key."""
        return tuple(record[part] for part in self._key)

    def tombstone(self, deletion: Deletion, partition: Partition) -> Row | None:
        """The record that stands for a thing of this stream that is gone; None for things of other streams."""
        if deletion.kind != self.deleted_kind:
            return None
        return {
            str(self.primary_key): deletion.id,
            "project_id": partition.parent_id,
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


def _quoted(value: object) -> str:
    """A value as an error names it: not all of it, where it is long."""
    text = repr(value)
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"


class PartStream(TrackerStream, ABC):
    """A stream of parts of the rows of another list: they come inside the rows and take no request of their own."""

    inside: ClassVar[Fields] = select(DEFAULT)
    """What is asked for of each part."""

    def wanted_fields(self) -> Fields:
        return select("id", "project_id", "updated_at", **{self.part: self.inside})

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        parts = objects(row, self.part)
        if parts:
            ids = ids_of_parts(row, partition)
            for part in parts:
                filled(part, **ids)
        return parts

    def tombstone(self, deletion: Deletion, partition: Partition) -> Row | None:
        """With the id of what it hung on, where that is known; None for what hung on something else."""
        tombstone = super().tombstone(deletion, partition)
        parents = {"story_id": deletion.story_id, "epic_id": deletion.epic_id}
        mine = {key: parents.pop(key) for key in {endpoint.part_of for endpoint in self.endpoints} & parents.keys()}
        if tombstone is None or (not any(mine.values()) and any(parents.values())):
            return None
        return tombstone | {key: value for key, value in mine.items() if value is not None}

    def newest(self, rows: Sequence[Row], records: Iterable[Row], *, until: str = END_OF_TIME) -> str | None:
        """The `updated_at` of the rows themselves: it moves with their parts, and a list can be asked for by it."""
        return newest_of(rows, "updated_at", until)
