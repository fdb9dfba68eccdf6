"""What all threads of a sync share of the server that they ask."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.dialect.capabilities import Capabilities
from source_pivotal_tracker.api.parse_lock import ParseLock


@dataclass(frozen=True)
class SyncContext:
    """The server that lists are asked for, by all threads.

    `replicated_projects` are the ids of the projects that the destination has or will have. A story that moved to one
    of them is not deleted.
    """

    client: TrackerClient
    capabilities: Capabilities
    replicated_projects: frozenset[int] = frozenset()
    parse_lock: ParseLock = field(default_factory=ParseLock)
