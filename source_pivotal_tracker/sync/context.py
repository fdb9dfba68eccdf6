"""What all threads of a sync share."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.sync.forecast import Forecast


@dataclass(frozen=True)
class SyncContext(ServerContext):
    """The server that lists are asked for, by all threads.

    `replicated_projects` are the ids of the projects that the destination has or will have. A story that moved to one
    of them is not deleted.
    """

    replicated_projects: frozenset[int] = frozenset()
    forecast: Forecast = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "forecast", Forecast(self.client))
