"""Which versions of its project a list was read at."""

from __future__ import annotations

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.walks import Walk


class ListRevisions:
    """The versions that the pages of a list were of, and what follows for the rows that were sent.

    `is_resumed`: the list is read on from where an earlier run stopped, at the version that is `pinned`.
    """

    def __init__(self, walk: Walk, changes: Changes | None) -> None:
        self._walk = walk
        self._changes = changes
        self._revisions: list[Revision | None] = []
        points = (member.checkpoint.resume_point for member in walk.members)
        known = (point.revision for point in points if point and point.revision is not None)
        self._pinned = min(known, default=None)
        self.is_resumed = False

    def add(self, revision: Revision | None) -> None:
        self._revisions.append(revision)

    @property
    def began_at(self) -> Revision | None:
        """The version of the project that the list is of; what came later is for the next sync."""
        return self._pinned if self.is_resumed else next(iter(self._revisions), None)

    @property
    def oldest(self) -> Revision | None:
        """Oldest project version that any row which was sent can reflect, earlier runs included."""
        if self._pinned is not None:
            return self._pinned
        if self._changes:
            return self._changes.revision
        return self._walk.revision if self.began_at is None else self.began_at

    def is_late(self, row: Row) -> bool:
        """Whether a row says of itself that it came after the walk began: the next sync asks for it."""
        version = row.get("project_version")
        return self.began_at is not None and isinstance(version, int) and version > self.began_at

    @property
    def differ(self) -> bool:
        """Whether the project changed between two pages, or may have."""
        revisions = set(self._revisions)
        return len(revisions) > 1 or (None in revisions and len(self._revisions) > 1)
