"""What every mode of change detection answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.checkpoints import Checkpoint, ResumePoint
from source_pivotal_tracker.sync.row_digests import RowDigests
from source_pivotal_tracker.sync.walks import Member, Walk


class Detection(ABC):
    """Finds out what one stream lacks of one list, while the list is read.

    Before: the destination has what `member.checkpoint` says, and `changes` hold all that the activity shows of the
    project after `walk.changes_since`, up to `changes.revision`, or they are None.

    After: every record that the destination lacks, of rows that the reader has passed in, was returned by
    `records_to_emit`. A record that it has may come once more; a record that it lacks must not be left out, because no
    later sync asks for it again once `checkpoint_at_end` is written.
    """

    row_digests: RowDigests | None = None
    """What was sent of each row, where only that shows what changed."""
    trusts_earlier_run: bool = False
    """Set by the reader when it reads a list a second time: what an interrupted run sent counts as unchanged."""

    def __init__(self, member: Member, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        self.member = member
        self.stream = member.stream
        self._walk = walk
        self._changes = changes
        self._lookback = lookback

    @property
    def needs_changes_only(self) -> bool:
        """Whether the list may leave out rows that the activity does not name and that are older than the cursor."""
        return False

    @abstractmethod
    def since(self, *, is_narrowed: bool) -> str | None:
        """The time or day of the oldest row to ask for; None for all rows.

        `is_narrowed`: every stream of the walk needs changes only.
        """

    def may_have_changed(self, row: Row) -> bool:
        """False only for a row that surely is as the destination has it. It takes no requests of its own."""
        return True

    @abstractmethod
    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        """The records that the destination may lack; `records` are those in each of the `rows`.

        `only_changed_are_complete`: rows that surely did not change lack what takes requests of their own.
        """

    def checkpoint_at(self, resume_point: ResumePoint) -> Checkpoint:
        """What the destination has once the records so far are written, while the list is being read."""
        return replace(self.member.checkpoint, resume_point=resume_point, row_digests=None)

    def checkpoint_at_end(
        self, changes: Changes | None, began_at: Revision | None, cursor: str | None, *, saw_all: bool
    ) -> Checkpoint:
        """What the destination has once the whole list and the tombstones are written: all up to `cursor`.

        `began_at` is the version of the project that the list is of. `saw_all`: no row of the list was passed over.
        """
        revision = self._revision_at_end(changes, began_at)
        known = self.member.checkpoint
        return Checkpoint(revision, cursor, swept=known.swept, sweeps=known.sweeps)

    def _since_cursor(self, *, is_narrowed: bool) -> str | None:
        """From the cursor on if the list may leave out what did not change; else all rows."""
        cursor = self.member.checkpoint.cursor
        return self.stream.since_cursor(cursor, self._lookback) if is_narrowed and cursor else None

    def _revision_at_end(self, changes: Changes | None, began_at: Revision | None) -> Revision | None:
        """The version up to which the destination has all, deletions included.

        To claim a later one loses deletions: nobody looks again for what was deleted before it.
        """
        revision = self._walk.revision if began_at is None else began_at
        if self.member.revision is None:
            return revision
        if changes:
            return changes.revision
        looked_for_deletions = self._walk.changes_since is not None and not self._walk.compares_content
        return revision if looked_for_deletions or self.member.compares_all_rows else self.member.revision
