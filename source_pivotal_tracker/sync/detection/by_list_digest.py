"""A list that comes in one answer is compared as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import orjson

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.checkpoints import Checkpoint
from source_pivotal_tracker.sync.detection.base import Detection


class ByListDigest(Detection):
    """One answer is the whole list: it is sent if its digest differs from that of the last one."""

    _digest: str | None = None

    def since(self, *, is_narrowed: bool) -> str | None:
        return None if self.member.has_base else self.stream.since(self._walk.partition)

    def records_to_emit(
        self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_changed_are_complete: bool
    ) -> list[Row]:
        self._digest = hashlib.blake2b(orjson.dumps(records), digest_size=8).hexdigest()
        if self._digest == self.member.checkpoint.digest:
            return []
        every = list(chain.from_iterable(records))
        return every if self.member.has_base else self.stream.after_start(every)

    def checkpoint_at_end(
        self, changes: Changes | None, began_at: Revision | None, cursor: str | None, *, saw_all: bool
    ) -> Checkpoint:
        return replace(super().checkpoint_at_end(changes, began_at, cursor, saw_all=saw_all), digest=self._digest)
