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
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.sync.state import Checkpoint, StreamState, today
from source_pivotal_tracker.sync.walks import Member, Walk


class Selected(NamedTuple):
    """A stream that the catalog asks for, and what is known of it from before."""

    stream: TrackerStream
    state: StreamState


@dataclass(frozen=True)
class Sweeps:
    """When all rows of lists that are compared by their content are looked at: always, or every so many days, or never.

    `always` is for servers whose activity tells nothing: what a project of a new version holds is all there is to know.
    """

    always: bool = False
    days: int = 0

    def is_due(self, checkpoint: Checkpoint) -> bool:
        """Always, too, where the last time did not succeed."""
        if self.always or checkpoint.swept is None:
            return True
        return self.days > 0 and today() - checkpoint.swept >= self.days


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
    """Plan all walks but the one over the list of projects, which is done by then.

    Walks over stories come first: they are the longest, and the others fill the gaps.
    """
    made = Plan()
    endpoints = list(dict.fromkeys(endpoint for each in selected for endpoint in each.stream.endpoints))
    endpoints.sort(key=lambda endpoint: endpoint != STORIES)
    in_projects = [endpoint for endpoint in endpoints if endpoint.parent is ParentKind.PROJECT]
    for project in projects:
        _plan_project(made, project, selected, in_projects, sweeps or Sweeps())
    for endpoint in endpoints:
        if endpoint not in in_projects:
            by_account = endpoint.parent is ParentKind.ACCOUNT
            for parent in [Parent(ParentKind.ACCOUNT, account) for account in accounts] if by_account else [None]:
                made.ready += _walks(made, Partition(endpoint, parent), selected, None)
    known = {project.id for project in projects}
    for each in selected:
        if any(endpoint in in_projects for endpoint in each.stream.endpoints):
            made.gone |= {state_key.id for state_key in each.state.known_lists() if state_key.id is not None} - known
    return made


def _plan_project(
    made: Plan, project: ProjectRef, selected: Sequence[Selected], endpoints: Sequence[Endpoint], sweeps: Sweeps
) -> None:
    walks = [
        walk
        for endpoint in endpoints
        for walk in _walks(made, Partition(endpoint, _parent(project)), selected, project.version)
    ]
    made.unchanged_projects += bool(endpoints) and not walks
    if sweeps.always:
        made.ready += [_by_content(walk, sweeps) for walk in walks]
    elif project.version is None:
        _plan_unversioned(made, project, [_by_content(walk, sweeps) for walk in walks])
    else:
        _plan_versioned(made, project, walks)


def _plan_versioned(made: Plan, project: ProjectRef, walks: list[Walk]) -> None:
    """The activity first, where the project has moved on: it tells all that the other lists have to bring."""
    versions = [version for walk in walks for version in _behind(walk, project)]
    if not versions:
        made.ready += walks
        return
    # A version that is ahead of the project is of another history, and nothing is known of what happened since.
    since = max(versions) if max(versions) > (project.version or 0) else min(versions)
    leader = _taken_as_leader(walks, project)
    made.ready.append(replace(leader, changes_since=since, leads=True))
    made.ready += [walk for walk in walks if not _behind(walk, project)]
    made.waiting[project.id] = [replace(walk, changes_since=since) for walk in walks if _behind(walk, project)]


def _plan_unversioned(made: Plan, project: ProjectRef, walks: list[Walk]) -> None:
    """The activity first, in every sync: only it tells how far the project has come, which a later one has to know."""
    made.ready += [walk for walk in walks if not _is_taken_up_later(walk)]
    walks = [walk for walk in walks if _is_taken_up_later(walk)]
    if not walks:
        return
    versions = [member.version for walk in walks for member in walk.members if member.version is not None]
    since = min(versions, default=None)
    leader = _taken_as_leader(walks, project) if versions else _lone_leader(project)
    made.ready.append(replace(leader, changes_since=since, leads=True, by_content=True))
    made.waiting[project.id] = [replace(walk, changes_since=since) for walk in walks]


def _taken_as_leader(walks: list[Walk], project: ProjectRef) -> Walk:
    """The walk over the activity, out of the walks, if it reaches far enough back; else one for its own sake."""
    leader = next((walk for walk in walks if walk.endpoint == ACTIVITY and _serves_changes(walk)), None)
    if leader is None:
        return _lone_leader(project)
    walks.remove(leader)
    return leader


def _lone_leader(project: ProjectRef) -> Walk:
    return Walk(Partition(ACTIVITY, _parent(project)), (), version=project.version)


def _parent(project: ProjectRef) -> Parent:
    return Parent(ParentKind.PROJECT, project.id)


def _is_taken_up_later(walk: Walk) -> bool:
    """Whether another sync may go on with it: from a place in its pages, or from what a member has."""
    return walk.endpoint.page_size is not None or not all(member.full_refresh for member in walk.members)


def _by_content(walk: Walk, sweeps: Sweeps) -> Walk:
    walk = replace(walk, by_content=True)
    swept = (
        walk.compares_rows(each.stream) and each.has_base and sweeps.is_due(each.checkpoint) for each in walk.members
    )
    members = tuple(member._replace(is_swept=is_swept) for member, is_swept in zip(walk.members, swept, strict=True))
    return replace(walk, members=members)


def _walks(made: Plan, partition: Partition, selected: Sequence[Selected], version: int | None) -> list[Walk]:
    """The walk over one list, or none where nobody needs it."""
    members = []
    walk = Walk(partition, (), version=version)
    for stream, state in selected:
        if partition.endpoint not in stream.endpoints:
            continue
        checkpoint = state.checkpoint(walk.state_key)
        is_unchanged = checkpoint.version == version and checkpoint.resume_point is None
        if is_unchanged and (checkpoint.done or (version is not None and not stream.changes_without_version)):
            made.unchanged[stream.name].add(partition.parent_id)
        else:
            members.append(Member(stream, checkpoint, state.full_refresh))
    return [replace(walk, members=tuple(members))] if members else []


def _behind(walk: Walk, project: ProjectRef) -> list[int]:
    """The versions that members have, in whole or up to a place, where the project has moved on and that matters."""
    if _goes_on(walk):
        return []
    versions = (member.version for member in walk.members)
    return [version for version in versions if version is not None and version != project.version]


def _goes_on(walk: Walk) -> bool:
    """Whether a list is read from a place on, whatever came before that since."""
    return walk.endpoint.newest_first and any(
        member.checkpoint.resume_point and member.checkpoint.resume_point.offset for member in walk.members
    )


def _serves_changes(walk: Walk) -> bool:
    """Whether the rows that the members want of the activity reach back to wherever changes are wanted from."""
    return not _goes_on(walk) and all(
        member.has_base or member.stream.since(walk.partition) is None for member in walk.members
    )
