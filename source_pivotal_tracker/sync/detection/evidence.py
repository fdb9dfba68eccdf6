"""What a row itself and the activity of its project show of a change."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from source_pivotal_tracker.streams.endpoints import Endpoint
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.walks import Member


def shows_change(
    row: Row,
    member: Member,
    endpoint: Endpoint,
    changes: Changes | None,
    lookback: timedelta,
    cursor: str | None = None,
) -> bool:
    """Whether the time of a row or the activity says that it changed since the checkpoint, or neither can be asked.

    `cursor` stands for that of the checkpoint where an unfinished read has brought the row later.
    """
    point = member.checkpoint.resume_point
    cursor = cursor or member.checkpoint.cursor or (point.newest if point else None)
    if not cursor or row["id"] in _named(endpoint, changes):
        return True
    # The points of a release follow other stories; its parts do not.
    if row.get("story_type") == "release" and not member.stream.part:
        return True
    return str(row.get("updated_at")) >= member.stream.since_cursor(cursor, lookback)


def _named(endpoint: Endpoint, changes: Changes | None) -> Collection[int]:
    """The rows of the list that the activity names."""
    return changes.named(endpoint.activity_kind) if changes else ()
