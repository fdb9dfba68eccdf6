"""Rows are compared one by one with digests of what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.detection.evidence import shows_change
from source_pivotal_tracker.sync.row_digests import RowDigests
from source_pivotal_tracker.sync.state import Checkpoint, ResumePoint, today
from source_pivotal_tracker.sync.walks import Member, Walk


class ByRowDigests(Detection):
    """A row changed if its records differ from those that were sent.

    For servers whose activity leaves changes out, and for exports. A row that neither time nor activity names counts
    as unchanged until a sync compares all rows (`member.compares_all_rows`): until then, what a server changes
    without a sign of it is late. Without the digests, a row that was deleted without a sign would stay for ever.
    """

    row_digests: RowDigests

    def __init__(self, member: Member, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        super().__init__(member, walk, changes, lookback)
        known = member.checkpoint.row_digests
        self.row_digests = known.copy() if known else RowDigests()

    @property
    def needs_changes_only(self) -> bool:
        return bool(self.member.checkpoint.cursor) and self._changes is not None and not self._compares_all

    def since(self, *, is_narrowed: bool) -> str | None:
        if not self.member.has_base:
            return self.stream.since(self._walk.partition)
        return self._since_cursor(is_narrowed=is_narrowed)

    def may_have_changed(self, row: Row) -> bool:
        if not self._walk.endpoint.activity_kind or (self._compares_all and not self.trusts_earlier_run):
            return True
        return self._shows_change(row)

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        changed = self._changed(rows, records, only_changed_are_complete=only_changed_are_complete)
        return list(chain.from_iterable(changed))

    def checkpoint_at(self, resume_point: ResumePoint) -> Checkpoint:
        return replace(super().checkpoint_at(resume_point), row_digests=self.row_digests.copy())

    def checkpoint_at_end(
        self, changes: Changes | None, began_at: Revision | None, cursor: str | None, *, saw_all: bool
    ) -> Checkpoint:
        checkpoint = super().checkpoint_at_end(changes, began_at, cursor, saw_all=saw_all)
        swept = today() if saw_all and self._compares_all else checkpoint.swept
        return replace(checkpoint, row_digests=self.row_digests.copy(), swept=swept)

    @property
    def _compares_all(self) -> bool:
        """Whether every row may have changed, as far as is known."""
        if not self.member.has_base or self.member.compares_all_rows:
            return True
        return self._changes is not None and not self._changes.covers(self.stream.part)

    def _shows_change(self, row: Row) -> bool:
        if row["id"] not in self.row_digests:
            return True
        return shows_change(row, self.member, self._walk.endpoint, self._changes, self._lookback)

    def _changed(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> Iterator[Sequence[Row]]:
        """The records of rows that differ from what was sent. A row that is not complete is not compared."""
        for row, records_in_row in zip(rows, records, strict=True):
            self.row_digests.see(row["id"])
            if only_changed_are_complete and not self.may_have_changed(row):
                continue
            if not (self.member.has_base and self._shows_change(row)):
                records_in_row = self.stream.after_start(list(records_in_row))
            cursor = None if self.stream.part else self.stream.newest((row,), records_in_row)
            # What moved here may have been sent from another project meanwhile.
            has_moved = self._changes is not None and row["id"] in self._changes.moved
            if self.row_digests.is_news(row["id"], records_in_row, cursor) or has_moved:
                yield records_in_row
