"""The server that lists are asked for, and what all who ask share of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.dialect.capabilities import Capabilities
from source_pivotal_tracker.api.parse_lock import ParseLock


@dataclass(frozen=True)
class ServerContext:
    """One server: who asks it, what it can do, and the lock that lets one thread at a time hold a parsed answer."""

    client: TrackerClient
    capabilities: Capabilities
    parse_lock: ParseLock = field(default_factory=ParseLock)

    @classmethod
    def of(cls, client: TrackerClient) -> ServerContext:
        return cls(client, Capabilities(client))
