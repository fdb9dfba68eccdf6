"""A walk: one list to page through, for all the streams that it feeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from source_pivotal_tracker.api.fields import Fields, merge
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, Parent, Partition
from source_pivotal_tracker.sync.state import Checkpoint, StateKey


class Member(NamedTuple):
    """A stream that a walk feeds, and what the destination has of it; where that is a base, it wants changes only.

    `is_swept`: every row is to be looked at all the same.
    """

    stream: TrackerStream
    checkpoint: Checkpoint
    full_refresh: bool
    is_swept: bool = False

    @property
    def has_base(self) -> bool:
        """Whether the destination has all up to some time: then only what changed since is wanted."""
        return self.checkpoint.is_base

    @property
    def has_news(self) -> bool:
        """Whether what was deleted meanwhile is for it."""
        return self.version is not None and not self.full_refresh

    @property
    def version(self) -> int | None:
        """The version after which a change is news: of what the destination has, if only up to a place."""
        if self.checkpoint.version is None and self.checkpoint.resume_point:
            return self.checkpoint.resume_point.version
        return self.checkpoint.version


@dataclass(frozen=True)
class Walk:
    """One list to page through, for all the streams that it feeds.

    `changes_since` is the version of its project from which on a member wants the changes. The walk over the
    project's activity that `leads` finds them, and every other walk that has the number waits for that one. `version`
    is the project's when the projects were listed, some time before the walk.

    `by_content`: the server does not tell all that changed in the project, so the rows are compared with those that
    were sent. If it tells no version, the leader finds one (of the newest activity) that is good enough to begin with
    the next time, and all other walks wait for it.
    """

    partition: Partition
    members: tuple[Member, ...]
    changes_since: int | None = None
    version: int | None = None
    leads: bool = False
    by_content: bool = False

    @property
    def endpoint(self) -> Endpoint:
        return self.partition.endpoint

    @property
    def parent(self) -> Parent | None:
        """The project or account that the list is asked for."""
        return self.partition.parent

    @property
    def names(self) -> str:
        """The streams that it feeds."""
        return ", ".join(member.stream.name for member in self.members)

    @property
    def state_key(self) -> StateKey:
        return StateKey(self.endpoint.name, self.partition.parent_id)

    @property
    def path(self) -> str:
        return self.partition.path

    def compares_rows(self, stream: TrackerStream) -> bool:
        """Whether the rows that a member is made of are compared with those that were sent, one by one."""
        has_ids = bool(self.endpoint.part_of or stream.deleted_kind)
        return self.by_content and has_ids and not self.endpoint.single

    def fields(self) -> Fields:
        """What all members need of a row."""
        wanted: Fields = {}
        for member in self.members:
            wanted = merge(wanted, member.stream.wanted_fields())
        return wanted
