"""What is to be read: the selected streams, their state and the projects in, walks out. No request is made here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from source_pivotal_tracker.streams.activity import ACTIVITY
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, Parent, ParentKind, Partition
from source_pivotal_tracker.streams.parents import ProjectRef
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.sync.checkpoints import Checkpoint
from source_pivotal_tracker.sync.state import StreamState, today
from source_pivotal_tracker.sync.walks import DetectionMode, Member, Walk


class Selected(NamedTuple):
    """A stream that the catalog asks for, and what is known of it from before."""

    stream: TrackerStream
    state: StreamState


@dataclass(frozen=True)
class Sweeps:
    """When all rows of a list are compared with their digests: always, or every so many days, or never.

    `always` is for sources without any activity: only the rows themselves show what changed.
    """

    always: bool = False
    days: int = 0

    def is_due(self, checkpoint: Checkpoint) -> bool:
        """Always, too, where the last time did not succeed; a day in the future is none on which it did."""
        if self.always or checkpoint.swept is None:
            return True
        return self.days > 0 and not 0 <= today() - checkpoint.swept < self.days


@dataclass
class Plan:
    """The walks of a sync in the order in which to start them, and by project those that wait for its activity.

    `unchanged` has by stream the projects in which a list needs no request, `unchanged_projects` is how many need none
    at all. `gone` are the projects of the state that the server does not show.
    """

    ready: list[Walk] = field(default_factory=list)
    waiting: dict[int, list[Walk]] = field(default_factory=dict)
    unchanged: dict[str, set[int | None]] = field(default_factory=lambda: defaultdict(set))
    unchanged_projects: int = 0
    gone: set[int] = field(default_factory=set)

    def walks(self) -> Iterator[Walk]:
        yield from self.ready
        for walks in self.waiting.values():
            yield from walks


def plan(
    selected: Sequence[Selected], projects: Sequence[ProjectRef], accounts: Sequence[int], sweeps: Sweeps | None = None
) -> Plan:
    """Returns all walks but the one over the list of projects, which is done by then.

    Walks over stories come first: they are the longest, and the others fill the gaps.
    """
    return _Planner(selected, sweeps or Sweeps()).plan(projects, accounts)


class _Planner:
    def __init__(self, selected: Sequence[Selected], sweeps: Sweeps) -> None:
        self._selected = selected
        self._sweeps = sweeps
        self._plan = Plan()
        endpoints = list(dict.fromkeys(endpoint for stream, _ in selected for endpoint in stream.endpoints))
        endpoints.sort(key=lambda endpoint: endpoint != STORIES)
        self._in_projects = [endpoint for endpoint in endpoints if endpoint.parent is ParentKind.PROJECT]
        self._elsewhere = [endpoint for endpoint in endpoints if endpoint not in self._in_projects]

    def plan(self, projects: Sequence[ProjectRef], accounts: Sequence[int]) -> Plan:
        for project in projects:
            self._plan_project(project)
        for endpoint in self._elsewhere:
            by_account = endpoint.parent is ParentKind.ACCOUNT
            for parent in [Parent(ParentKind.ACCOUNT, account) for account in accounts] if by_account else [None]:
                self._plan.ready += self._walks(Walk(Partition(endpoint, parent), ()))
        self._plan.gone = self._known_projects() - {project.id for project in projects}
        return self._plan

    def _known_projects(self) -> set[int]:
        states = (state for stream, state in self._selected if not set(self._in_projects).isdisjoint(stream.endpoints))
        return {state_key.id for state in states for state_key in state.known_lists() if state_key.id is not None}

    def _plan_project(self, project: ProjectRef) -> None:
        compares_content = self._sweeps.always or project.revision is None
        walks = [
            walk
            for endpoint in self._in_projects
            for walk in self._walks(_walk(project, endpoint, compares_content=compares_content))
        ]
        self._plan.unchanged_projects += bool(self._in_projects) and not walks
        if self._sweeps.always:
            self._plan.ready += walks
        elif project.revision is None:
            self._plan_unversioned(project, walks)
        else:
            self._plan_versioned(project, walks)

    def _plan_versioned(self, project: ProjectRef, walks: list[Walk]) -> None:
        """The activity first, where the project has moved on: it shows all that the other lists have to bring."""
        revisions = [revision for walk in walks for revision in _behind(walk, project)]
        if not revisions:
            self._plan.ready += walks
            return
        # A version that is ahead of the project is of another history, and nothing is known of what happened since.
        since = max(revisions) if max(revisions) > (project.revision or 0) else min(revisions)
        finder = _taken_as_finder(walks, project)
        self._plan.ready.append(replace(finder, changes_since=since, finds_changes=True))
        self._plan.ready += [walk for walk in walks if not _behind(walk, project)]
        self._plan.waiting[project.id] = [
            replace(walk, changes_since=since) for walk in walks if _behind(walk, project)
        ]

    def _plan_unversioned(self, project: ProjectRef, walks: list[Walk]) -> None:
        """The activity first, in every sync: only it shows how far the project has come, which a later one needs."""
        self._plan.ready += [walk for walk in walks if not _is_continued_later(walk)]
        walks = [walk for walk in walks if _is_continued_later(walk)]
        if not walks:
            return
        revisions = [member.revision for walk in walks for member in walk.members if member.revision is not None]
        since = min(revisions, default=None)
        finder = _taken_as_finder(walks, project) if revisions else _lone_finder(project)
        self._plan.ready.append(replace(finder, changes_since=since, finds_changes=True))
        self._plan.waiting[project.id] = [replace(walk, changes_since=since) for walk in walks]

    def _walks(self, walk: Walk) -> list[Walk]:
        """The walk with the streams that need it, or none where nobody does."""
        members = []
        for stream, state in self._selected:
            if walk.endpoint not in stream.endpoints:
                continue
            checkpoint = state.checkpoint(walk.state_key)
            is_unchanged = checkpoint.revision == walk.revision and checkpoint.resume_point is None
            if is_unchanged and (checkpoint.done or (walk.revision is not None and not stream.changes_without_version)):
                self._plan.unchanged[stream.name].add(walk.partition.parent_id)
                continue
            mode = _mode(walk, stream, checkpoint)
            compares = mode is DetectionMode.BY_ROW_DIGESTS and checkpoint.is_base and self._sweeps.is_due(checkpoint)
            members.append(Member(stream, checkpoint, state.full_refresh, mode, compares_all_rows=compares))
        return [replace(walk, members=tuple(members))] if members else []


def _mode(walk: Walk, stream: TrackerStream, checkpoint: Checkpoint) -> DetectionMode:
    """How a stream finds out what changed in the list of a walk."""
    endpoint = walk.endpoint
    has_ids = bool(endpoint.part_of or stream.deleted_kind) and not endpoint.single
    if walk.compares_content and has_ids:
        return DetectionMode.BY_ROW_DIGESTS
    if endpoint.is_one_answer:
        return DetectionMode.BY_LIST_DIGEST
    if not checkpoint.is_base:
        return DetectionMode.FULL
    if endpoint.lookup_by_id:
        return DetectionMode.BY_ACTIVITY
    return DetectionMode.REREAD if endpoint.since is None else DetectionMode.BY_TIME


def _taken_as_finder(walks: list[Walk], project: ProjectRef) -> Walk:
    """The walk over the activity, out of the walks, if it reaches far enough back; else one for its own sake."""
    finder = next((walk for walk in walks if walk.endpoint.tells_changes and _serves_changes(walk)), None)
    if finder is None:
        return _lone_finder(project)
    walks.remove(finder)
    return finder


def _lone_finder(project: ProjectRef) -> Walk:
    return _walk(project, ACTIVITY, compares_content=project.revision is None)


def _walk(project: ProjectRef, endpoint: Endpoint, *, compares_content: bool) -> Walk:
    partition = Partition(endpoint, Parent(ParentKind.PROJECT, project.id))
    return Walk(partition, (), revision=project.revision, compares_content=compares_content)


def _is_continued_later(walk: Walk) -> bool:
    """Whether another sync may go on with it: from a resume point in its pages, or from what a member has."""
    return walk.endpoint.page_size is not None or not all(member.full_refresh for member in walk.members)


def _behind(walk: Walk, project: ProjectRef) -> list[Revision]:
    """The versions that members have, in whole or in part, where the project has moved on and that matters."""
    if _is_resumed(walk):
        return []
    revisions = (member.revision for member in walk.members)
    return [revision for revision in revisions if revision is not None and revision != project.revision]


def _is_resumed(walk: Walk) -> bool:
    """Whether a list with the newest first is read on from a resume point: what came since does not move it."""
    return walk.endpoint.newest_first and any(
        member.checkpoint.resume_point and member.checkpoint.resume_point.offset for member in walk.members
    )


def _serves_changes(walk: Walk) -> bool:
    """Whether the rows that the members want of the activity reach back to wherever changes are wanted from."""
    return not _is_resumed(walk) and all(
        member.has_base or member.stream.since(walk.partition) is None for member in walk.members
    )
