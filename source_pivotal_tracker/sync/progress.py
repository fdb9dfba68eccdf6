"""How far a stream is in a sync."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from source_pivotal_tracker.api.errors import TrackerError
from source_pivotal_tracker.streams.endpoints import ParentKind
from source_pivotal_tracker.sync.state import StateKey, StreamState


@dataclass
class Progress:
    """How far one stream is: its walks, what it brought, and what of that its last state covers.

    `lists` is how many of the walks may announce their length, and `listed` how many of the `announced` rows event.
    """

    state: StreamState
    unchanged: set[int | None] = field(default_factory=set)
    walks_left: int = 0
    is_started: bool = False
    error: TrackerError | None = None
    lie_in: str = "projects"
    read: set[int | None] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    tombstones: int = 0
    requests: int = 0
    rows_since_state: int = 0
    state_at: float = float("-inf")
    lists: int = 0
    listed: int = 0
    announced: int = 0
    announced_by: set[StateKey] = field(default_factory=set)

    @property
    def expected(self) -> int | None:
        """The rows to expect in all, if what is left of the paginated lists is like what was read of them."""
        if not self.listed or not self.announced:
            return None
        return round(self.rows / self.listed * self.announced / len(self.announced_by) * self.lists)

    def __str__(self) -> str:
        skipped = f", {self.skipped.total()} skipped ({'; '.join(self.skipped)})" if self.skipped else ""
        return (
            f"{len(self.read)} {self.lie_in} read, {len(self.unchanged - self.read)} unchanged{skipped}, "
            f"{self.rows} rows, {self.tombstones} tombstones, {self.requests} requests"
        )


def plural(kind: ParentKind | None) -> str:
    """What a stream is read for each of; without a parent there is one list."""
    return f"{kind.value}s" if kind else "lists"
