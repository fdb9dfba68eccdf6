"""The exports of one project, the newest first, and what each proves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from tracker_server.exports.iterations import Span
from tracker_server.exports.layout import Attachment, HistoryTable, Table
from tracker_server.exports.panels import Panels
from tracker_server.exports.table_reader import TableReader

UNDATED = datetime.min.replace(tzinfo=UTC)
"""The time of an export if nothing says when it was made: it counts as the oldest."""


@dataclass(frozen=True)
class Export:
    """A table of one project, and the files beside it, which may belong to other projects too.

    `group` is equal for the tables that one export may have been split into. `is_alone`: no table of another export
    lies in the same ZIP or folder, so what lies there belongs to this one. `histories` are those that lie there or, if
    none does, in a folder below.
    """

    table: Table
    attachments: list[Attachment]
    group: tuple[object, ...] = ()
    is_alone: bool = True
    histories: Sequence[HistoryTable] = ()

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.table.label


class Age(NamedTuple):
    """A key that sorts older exports before newer ones, and of equally old ones those with less in them first."""

    at: datetime
    newest_day: str
    rows: int
    files: int
    label: str


@dataclass(frozen=True)
class ProjectExports:
    """All exports of one project, the newest first. `by_owner` has all files at the place, by the id of their story.

    `ages` and `complete` are known where there are several exports; of a single one, its rows say both. `complete` has
    by kind of row (`story`, `epic`) the indexes of those that prove to be all of the project. `moved_ids` are the
    stories that a newer export of another project has.
    """

    name: str
    project_id: int
    all: list[Export]
    by_owner: Mapping[int, Sequence[Attachment]] = field(default_factory=dict)
    ages: Sequence[Age] = ()
    complete: Mapping[str, frozenset[int]] = field(default_factory=dict)
    moved_ids: AbstractSet[int] = frozenset()


def export_time(export: Export, reader: TableReader) -> datetime | None:
    """When an export was made: the time in its name, or else the last day in its rows; None without either."""
    if export.table.stamp:
        return export.table.stamp
    return datetime.fromisoformat(reader.newest[:10]).replace(tzinfo=UTC) if reader.newest else None


def age_of(export: Export, reader: TableReader) -> Age:
    """How old an export is that was read on its own."""
    rows = len(reader.story_ids) + len(reader.epic_ids)
    at = export_time(export, reader) or UNDATED
    return Age(at, reader.newest, rows, len(export.attachments), export.label)


def missing_proofs(exports: Sequence[Export], readers: Sequence[TableReader]) -> Mapping[str, str | None]:
    """By kind of row, what these tables of one export lack to prove that they are complete, None for nothing."""
    panels, spans = Panels(), dict[int, Span]()
    for reader in readers:
        panels.update(reader.panels)
        spans |= reader.spans
    ids = set[int]().union(*(reader.story_ids | reader.epic_ids for reader in readers))
    came_along = (export for export in exports if export.is_alone)
    is_of_page = any(e.histories or any(file.owner_id in ids for file in e.attachments) for e in came_along)
    stamps = [export.table.stamp for export in exports if export.table.stamp]
    stories = panels.missing(spans, stamps, is_of_page=is_of_page)
    return {"story": stories, "epic": stories if panels.has_epics else "it has no epic"}
