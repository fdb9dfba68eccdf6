"""The activity of the project shows all that changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, compress

from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.detection.evidence import shows_change


class ByActivity(Detection):
    """A row changed if the activity names it or its time is not older than the cursor.

    Before: `changes` cover the stream. If one change were missing from them, its row would never be sent, so
    `detection_of` picks another mode then.
    """

    @property
    def needs_changes_only(self) -> bool:
        return bool(self.member.checkpoint.cursor)

    def since(self, *, is_narrowed: bool) -> str | None:
        return self._since_cursor(is_narrowed=is_narrowed)

    def may_have_changed(self, row: Row) -> bool:
        return shows_change(row, self.member, self._walk.endpoint, self._changes, self._lookback)

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        return list(chain.from_iterable(compress(records, map(self.may_have_changed, rows))))
