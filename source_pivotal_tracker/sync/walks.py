"""A walk: one list to page through, for all the streams that it feeds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, Parent, Partition
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.sync.checkpoints import Checkpoint, StateKey


class DetectionMode(Enum):
    """How a stream finds out what changed in a list; the plan picks one, `sync/detection/` has a class for each."""

    FULL = "full"
    """Nothing is in the destination: everything is new."""
    REREAD = "reread"
    """Nothing shows what changed: everything is sent again."""
    BY_TIME = "by_time"
    """Rows that are newer than the cursor are new."""
    BY_ACTIVITY = "by_activity"
    """The activity of the project shows all changes."""
    BY_LIST_DIGEST = "by_list_digest"
    """The whole list is compared with its digest."""
    BY_ROW_DIGESTS = "by_row_digests"
    """Each row is compared with its digest."""


class Member(NamedTuple):
    """A stream that a walk feeds, and what the destination has of it.

    `compares_all_rows`: every row is compared with its digest, though neither time nor activity name it.
    """

    stream: TrackerStream
    checkpoint: Checkpoint
    full_refresh: bool
    detection: DetectionMode
    compares_all_rows: bool = False

    @property
    def has_base(self) -> bool:
        """Whether the destination has all up to some time, so that only what changed since is wanted."""
        return self.checkpoint.is_base

    @property
    def wants_deletions(self) -> bool:
        """Whether the destination may have rows that were deleted meanwhile."""
        return self.revision is not None and not self.full_refresh

    @property
    def revision(self) -> Revision | None:
        """The version of the project after which a change is new to the destination, if it has only a part, too."""
        if self.checkpoint.revision is None and self.checkpoint.resume_point:
            return self.checkpoint.resume_point.revision
        return self.checkpoint.revision


@dataclass(frozen=True)
class Walk:
    """One list to page through, for all the streams that it feeds.

    `changes_since` is the version of its project from which on a member wants the changes. The walk over the
    project's activity that `finds_changes` reads them, and every other walk that has the number waits for that one.
    `revision` is the project's when the projects were listed, some time before the walk.

    `compares_content`: the activity does not show all that changed in the project, so rows are compared with those
    that were sent. If the server shows no version, the walk that `finds_changes` takes that of the newest activity,
    and all other walks of the project wait for it.
    """

    partition: Partition
    members: tuple[Member, ...]
    changes_since: Revision | None = None
    revision: Revision | None = None
    finds_changes: bool = False
    compares_content: bool = False

    @property
    def endpoint(self) -> Endpoint:
        return self.partition.endpoint

    @property
    def parent(self) -> Parent | None:
        """The project or account that the list is asked for."""
        return self.partition.parent

    @property
    def path(self) -> str:
        return self.partition.path

    @property
    def state_key(self) -> StateKey:
        return StateKey(self.endpoint.name, self.partition.parent_id)

    @property
    def names(self) -> str:
        """The streams that it feeds."""
        return ", ".join(member.stream.name for member in self.members)
