"""How far a stream is in a sync."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import TrackerError
from source_pivotal_tracker.streams.endpoints import ParentKind
from source_pivotal_tracker.sync.checkpoints import StateKey
from source_pivotal_tracker.sync.state import StreamState

BYTES_OF_STATE = 5_000
"""For each so many bytes in a state, the next one waits as long again."""


@dataclass
class Progress:
    """How far one stream is: its walks, what it brought, and what of that its last state covers.

    `lists` is how many of the walks may announce their length, and `listed` how many of the `announced` rows came.
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

    def owes_state(self, seconds: float) -> bool:
        """Whether a state is due: so many seconds after the last one, and so many more for each BYTES_OF_STATE of it.

        A state that is printed every second would be most of the output of a long sync, where it has many digests.
        """
        pause = seconds * (1 + self.state.size / BYTES_OF_STATE)
        return self.state.is_dirty and time.monotonic() - self.state_at >= pause

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


def overview(projects: Mapping[int | None, int], unchanged: int, rows: int, client: TrackerClient, left: object) -> str:
    """How far a sync is: `projects` has the walks that are left of each; `left` ends the sentence."""
    read = sum(not walks for project, walks in projects.items() if project is not None)
    return (
        f"{read} of {sum(project is not None for project in projects) + unchanged} projects read, {unchanged} "
        f"unchanged, {rows} rows, {client.requests} requests ({client.requests_per_minute:.0f} a minute), waited "
        f"{client.waited:.0f} s for the rate limit{left}"
    )


def plural(kind: ParentKind | None) -> str:
    """What a stream is read for each of; without a parent there is one list."""
    return f"{kind.value}s" if kind else "lists"
