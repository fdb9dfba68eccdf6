"""Everything is read: for the first time, or again because nothing shows what changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.detection.base import Detection


class FullRead(Detection):
    """The destination has nothing: everything from the start on that the user chose is new."""

    def since(self, *, is_narrowed: bool) -> str | None:
        return self.stream.since(self._walk.partition)

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        return self.stream.after_start(list(chain.from_iterable(records)))


class Reread(Detection):
    """The destination has an earlier state of the list and nothing shows what changed since: everything is sent again.

    The user's start is no limit, because an old row may have changed without its time.
    """

    def since(self, *, is_narrowed: bool) -> str | None:
        return None

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        return list(chain.from_iterable(records))
