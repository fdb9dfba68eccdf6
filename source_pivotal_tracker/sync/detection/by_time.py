"""A list that can be asked for by time: what is new is newer than the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.streams.times import is_before, moment
from source_pivotal_tracker.sync.detection.base import Detection


class ByTime(Detection):
    """Rows are added and keep their time: everything since the cursor, less a little because changes share seconds."""

    def since(self, *, is_narrowed: bool) -> str | None:
        revision = self._changes.revision if self._changes else self._walk.revision
        has_moved = revision is None or revision != self.member.revision
        cursor = self.member.checkpoint.cursor
        # After a change of the project, old rows of such a list may differ too.
        if cursor is None or (self.stream.changes_without_version and has_moved):
            return self.stream.since(self._walk.partition)
        return self.stream.since_cursor(cursor, self._lookback)

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        """Without records that are older than what was asked for: not every server heeds that."""
        since = self.since(is_narrowed=False)
        if since is None:
            return list(chain.from_iterable(records))
        start, cursor = moment(since), str(self.stream.cursor_field)
        return [record for record in chain.from_iterable(records) if not is_before(record.get(cursor), start)]
