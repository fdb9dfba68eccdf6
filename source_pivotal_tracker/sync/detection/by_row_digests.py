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
    part is the time of its row, and what has none is late by so many sweeps. All are completed in a first sync, and
    where the activity leaves out changes since the last one. What an attempt that was cut off has compared counts as
    unchanged for the next one, unless the list shows it otherwise, or its time or the activity names it.
    """

    row_digests: RowDigests

    def __init__(self, member: Member, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        super().__init__(member, walk, changes, lookback)
        known = member.checkpoint.row_digests
        self.row_digests = known.copy() if known else RowDigests()
        self._verdicts: dict[int, bool] = {}
        self._listed: dict[int, int] = {}
        self._earlier = self._continued(member.checkpoint.resume_point)

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
        if not self._compares_all or self.trusts_earlier_run:
            return self._shows_change(row)
        row_id, checkpoint = row["id"], self.member.checkpoint
        if not self.stream.part and self.row_digests.listed(row_id) != self._listed[row_id]:
            return True
        if self._was_compared(row):
            return self._shows_change(row)
        if self._compares_whole_rows:
            return True
        is_due = self.member.compares_all_rows and digest_of(row_id) % SWEEPS == checkpoint.sweeps % SWEEPS
        return is_due or self._shows_change(row)

    def _was_compared(self, row: Row) -> bool:
        """Whether the attempt that this one goes on from has come by the row."""
        if self._earlier is None or row["id"] not in self.row_digests:
            return False
        return not self.member.has_base or str(row.get("updated_at")) > str(self._earlier.reached)

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        changed = self._changed(rows, records, only_changed_are_complete=only_changed_are_complete)
        return list(chain.from_iterable(changed))

    def checkpoint_at(self, resume_point: ResumePoint) -> Checkpoint:
        point = resume_point
        if point.reached is not None:
            earlier = self._earlier.reached if self._earlier else None
            has_place = self.member.has_base and self._looks_beyond_lists
            reached = min(point.reached, earlier or point.reached) if has_place else None
            point = replace(point, reached=reached, by_share=has_place and not self._misses_changes)
        return replace(super().checkpoint_at(point), row_digests=self.row_digests.copy())

    def checkpoint_at_end(
        self, changes: Changes | None, began_at: Revision | None, cursor: str | None, *, saw_all: bool
    ) -> Checkpoint:
        checkpoint = super().checkpoint_at_end(changes, began_at, cursor, saw_all=saw_all)
        checkpoint = replace(checkpoint, row_digests=self.row_digests.copy())
        if saw_all and self._looks_beyond_lists:
            return replace(checkpoint, swept=today(), sweeps=(checkpoint.sweeps + 1) % SWEEPS)
        return checkpoint

    @property
    def _misses_changes(self) -> bool:
        """Whether the activity is known to leave out something that happened since the checkpoint."""
        return self._changes is not None and self._changes.missing > 0

    @property
    def _compares_whole_rows(self) -> bool:
        """Whether what a row has beside what its list shows may be otherwise, too."""
        return not self.member.has_base or self._misses_changes

    @property
    def _looks_beyond_lists(self) -> bool:
        """Whether all rows, or in a sweep a share of them, are compared with what their lists leave out as well."""
        return self._compares_whole_rows or self.member.compares_all_rows

    @property
    def _compares_all(self) -> bool:
        """Whether every row may have changed, as far as is known."""
        is_told = self._changes is None or self._changes.covers(self.stream.part)
        return self._looks_beyond_lists or not is_told

    def _continued(self, point: ResumePoint | None) -> ResumePoint | None:
        """The resume point, if what was compared before it need not be again: all that happened since is known.

        Without a base, that is what the digests know.
        """
        if point is None or not self.member.has_base:
            return None if self._misses_changes else point
        if point.reached is None or not self._looks_beyond_lists:
            return None
        if not self._misses_changes:
            return point
        known_from = self._changes.known_from if self._changes else None
        is_known = known_from is not None and point.revision is not None and known_from < point.revision
        return point if is_known and not point.by_share else None

    def _shows_change(self, row: Row) -> bool:
        if row["id"] not in self.row_digests:
            return True
        cursor = self._earlier.newest if self._earlier and self._was_compared(row) else None
        return shows_change(row, self.member, self._walk.endpoint, self._changes, self._lookback, cursor)

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
                self._verdicts.pop(row_id, None)
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
