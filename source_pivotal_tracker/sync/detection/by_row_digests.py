"""Rows are compared one by one with digests of what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import chain

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.checkpoints import Checkpoint, ResumePoint
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.detection.evidence import shows_change
from source_pivotal_tracker.sync.row_digests import RowDigests, digest_of
from source_pivotal_tracker.sync.state import today
from source_pivotal_tracker.sync.walks import Member, Walk

SWEEPS = 6
"""After so many sweeps, every row has been completed, whatever its list shows."""


class ByRowDigests(Detection):
    """A row changed if its records differ from those that were sent.

    For servers whose activity leaves changes out, and for exports. A row that neither time nor activity names counts
    as unchanged until a sync compares all rows (`member.compares_all_rows`): until then, what a server changes
    without a sign of it is late. Without the digests, a row that was deleted without a sign would stay for ever.

    Where rows take requests of their own to be complete, such a sync completes those that the list shows otherwise than
    when they were last sent, and of the others a share that changes each time (SWEEPS): a sign of what changed in a
    part is the time of its row, and what has none is late by so many sweeps.
    """

    row_digests: RowDigests

    def __init__(self, member: Member, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        super().__init__(member, walk, changes, lookback)
        known = member.checkpoint.row_digests
        self.row_digests = known.copy() if known else RowDigests()
        self._verdicts: dict[int, bool] = {}
        self._listed: dict[int, int] = {}

    @property
    def needs_changes_only(self) -> bool:
        return bool(self.member.checkpoint.cursor) and self._changes is not None and not self._compares_all

    def since(self, *, is_narrowed: bool) -> str | None:
        if not self.member.has_base:
            return self.stream.since(self._walk.partition)
        return self._since_cursor(is_narrowed=is_narrowed)

    def may_have_changed(self, row: Row) -> bool:
        if not self._walk.endpoint.activity_kind:
            return True
        row_id = row["id"]
        # Asked first of a row as it is listed, and then once more when it is complete.
        if row_id not in self._verdicts:
            if not self.stream.part:
                self._listed[row_id] = digest_of(row)
            self._verdicts[row_id] = self._judged(row)
        return self._verdicts[row_id]

    def _judged(self, row: Row) -> bool:
        member = self.member
        goes_on = not member.has_base and member.checkpoint.resume_point is not None
        if not self._compares_all or self.trusts_earlier_run or goes_on:
            return self._shows_change(row)
        if not member.has_base or not self._is_sweep:
            return True
        is_due = digest_of(row["id"]) % SWEEPS == member.checkpoint.sweeps % SWEEPS
        is_otherwise = not self.stream.part and self.row_digests.listed(row["id"]) != self._listed[row["id"]]
        return is_due or is_otherwise or self._shows_change(row)

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
        checkpoint = replace(checkpoint, row_digests=self.row_digests.copy())
        if saw_all and self._compares_all:
            return replace(checkpoint, swept=today(), sweeps=(checkpoint.sweeps + 1) % SWEEPS)
        return checkpoint

    @property
    def _is_sweep(self) -> bool:
        """Whether all is compared because it is time to, and not because some change is known to be missing."""
        return self.member.compares_all_rows and (self._changes is None or self._changes.covers(self.stream.part))

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
            row_id = row["id"]
            self.row_digests.see(row_id)
            if only_changed_are_complete:
                may_have_changed = self.may_have_changed(row)
                listed = self._listed.pop(row_id, None)
                del self._verdicts[row_id]
                if not may_have_changed:
                    continue
                self.row_digests.note_listed(row_id, listed)
            if not (self.member.has_base and self._shows_change(row)):
                records_in_row = self.stream.after_start(list(records_in_row))
            cursor = None if self.stream.part else self.stream.newest((row,), records_in_row)
            # What moved here may have been sent from another project meanwhile.
            has_moved = self._changes is not None and row_id in self._changes.moved
            if self.row_digests.is_news(row_id, records_in_row, cursor) or has_moved:
                yield records_in_row
