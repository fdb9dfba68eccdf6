"""What happened in a project since a version, read off its activity."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from source_pivotal_tracker.api.errors import InvalidResponse
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Deletion
from source_pivotal_tracker.streams.times import moment

Activity = Mapping[str, Any]

SWEEPING = frozenset({"label_update_activity", "label_merge_activity", "project_update_activity"})
"""Kinds that change what a story shows without moving its `updated_at`: a label's new name, another point scale."""

MOVED_AWAY = "story_move_from_project_activity"
MOVED_HERE = "story_move_into_project"
"""What the kinds begin with that bring a story from another project; one of them sets its priority too."""


@dataclass
class Changes:
    """The changes of a project after version `since`, up to `revision`, the project's when its activity was read.

    `stories` are the ids of the stories that were touched, or whose parts were, and are still there; `touched` is how
    many they were with those that are not. `moved` came from another project, `moved_on` are in another replicated one
    now. `epics` are those that were touched. `deleted` has the things that are gone at the end, by kind and id: one
    that came back is not in it. `missing` is how many versions have no activity (or how many the project fell behind):
    unless it is 0, there were changes that are not here. `known_from` is the time from which on all of them are here,
    None where that is not known.

    Where the activity has no versions, its times stand for them, in seconds since 1970.
    """

    since: Revision
    revision: Revision
    stories: set[int] = field(default_factory=set)
    moved: set[int] = field(default_factory=set)
    moved_on: set[int] = field(default_factory=set)
    epics: set[int] = field(default_factory=set)
    deleted: dict[tuple[str, int], Deletion] = field(default_factory=dict)
    touched: int = 0
    sweeping: bool = False
    missing: int = 0
    known_from: Revision | None = None

    @property
    def is_whole(self) -> bool:
        """Whether what is not named here surely did not change."""
        return self.missing == 0 and not self.sweeping

    def covers(self, part: str) -> bool:
        """Whether rows that are not named here surely did not change: this part of a row, or with `""` the row itself.

        What sweeps over all stories, like a new name of a label, does not change their parts.
        """
        return self.missing == 0 and (not self.sweeping or bool(part))

    def named(self, kind: str) -> Collection[int]:
        """The ids of the things of this kind that were touched."""
        return {"story": self.stories, "epic": self.epics}.get(kind, ())


def has_version(activity: Activity) -> bool:
    return isinstance(activity.get("project_version"), int)


def has_clock(activity: Activity) -> bool:
    """Whether it tells its place among the others: by a version, or else by a time, with its guid for a name."""
    try:
        return has_version(activity) or (bool(activity["guid"]) and bool(moment(activity["occurred_at"])))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def refuse_unordered(rows: Sequence[Activity], *, by_time: bool) -> None:
    """Raises InvalidResponse where some activities have their place among the others and some have not.

    Of an activity without a place it is not known whether its changes are in the destination.
    """
    has_place = [has_clock(row) if by_time else has_version(row) for row in rows]
    if any(has_place) and not all(has_place):
        lacking = "a row came without its guid and time" if by_time else "a row came without its project_version"
        raise InvalidResponse(lacking)


def clock_of(activity: Activity) -> Revision:
    """The version that it made of the project; where it has none, the second in which it occurred."""
    if has_version(activity):
        return Revision(activity["project_version"])
    return Revision(int(moment(activity["occurred_at"]).timestamp()))


class ChangesReader:
    """Collects Changes from pages of activity, newest first, some rows of which may come twice.

    Where times stand for versions, those of the last `slack` seconds before `since` count too: a second may hold
    several, and the clock of a server may go back a little. If one page has a later time at its end than at its start,
    either the clock went back further or the oldest comes first: all pages are to be read, and nothing is sure.

    An activity of a shape that v5 does not have counts as if it were missing.

    `since` is None where only the version is wanted, to know the changes from it on.
    """

    def __init__(self, since: Revision | None, revision: Revision, slack: int = 0) -> None:
        self._changes = Changes(revision if since is None else since, revision)
        self._wants_changes = since is not None
        self._slack = slack
        self._is_out_of_order = False
        self._has_odd_ones = False
        self._clocks: set[int] = set()
        self._seen: set[Any] = set()
        self._is_timed = False
        self._reaches_back = since == 0
        self._events: list[tuple[tuple[int, int, int], Deletion | None, tuple[str, int]]] = []

    def add(self, page: Iterable[Activity]) -> None:
        changes = self._changes
        activities = [activity for activity in page if has_clock(activity)]
        clocks = [clock_of(activity) for activity in activities]
        self._is_timed |= not all(map(has_version, activities))
        self._is_out_of_order |= self._is_timed and bool(clocks) and clocks[0] < clocks[-1]
        if self._is_out_of_order:
            changes.revision = max([changes.revision, *clocks])
            if not self._wants_changes:
                changes.since = changes.revision
        for activity, clock in zip(activities, clocks, strict=True):
            self._reaches_back |= clock <= changes.since
            since = changes.since - self._slack if self._is_timed else changes.since
            identity = str(activity.get("guid") or clock) if self._is_timed else clock
            if not since < clock <= changes.revision or identity in self._seen:
                continue
            if not _is_understood(activity):
                self._has_odd_ones = True
                continue
            self._seen.add(identity)
            self._clocks.add(clock)
            changes.sweeping |= activity["kind"] in SWEEPING
            self._add_changes(activity, (clock, -len(self._seen)))

    def is_enough(self, last: Activity) -> bool:
        """Whether nothing that is wanted comes after this one."""
        if self._is_out_of_order:
            return False
        since = self._changes.since - (self._slack if self._is_timed else 0)
        return not self._wants_changes or (has_clock(last) and clock_of(last) <= since)

    def changes(self) -> Changes:
        changes = self._changes
        if self._is_timed:
            # If the clock went back, changes may have times that are known already.
            has_gone_back = changes.revision + self._slack < changes.since
            is_doubtful = has_gone_back or self._is_out_of_order or self._has_odd_ones
            changes.missing = 1 if is_doubtful or not self._reaches_back else 0
            changes.known_from = Revision(min(self._clocks)) if self._clocks and not is_doubtful else None
        else:
            changes.missing = abs(changes.revision - changes.since) - len(self._clocks)
        for _, deletion, thing in sorted(self._events, key=lambda event: event[0]):
            if deletion:
                changes.deleted[thing] = deletion
            else:
                changes.deleted.pop(thing, None)
        gone = {thing for kind, thing in changes.deleted if kind == "story"}
        changes.touched = len(changes.stories | gone)
        changes.stories -= gone
        return changes

    def _add_changes(self, activity: Activity, place: tuple[int, int]) -> None:
        resources = activity.get("primary_resources") or ()
        stories = _ids(resources, "story")
        epics = _ids(resources, "epic")
        self._changes.stories |= stories
        self._changes.epics |= epics
        if activity["kind"].startswith(MOVED_HERE):
            self._changes.moved |= stories
        for position, change in enumerate(activity.get("changes") or ()):
            kind, thing = change.get("kind"), change.get("id")
            values = {**(change.get("original_values") or {}), **(change.get("new_values") or {})}
            if values.get("story_id") is not None:
                self._changes.stories.add(values["story_id"])
            if kind == "story" and thing is not None:
                self._changes.stories.add(thing)
                self._note_type(activity, (*place, position), change)
            if kind is None or thing is None or change.get("change_type") == "update":
                continue
            deletion = None
            if change.get("change_type") == "delete":
                deletion = Deletion(
                    kind,
                    thing,
                    activity["occurred_at"],
                    story_id=_only(stories) if kind != "story" else None,
                    epic_id=_only(epics) if kind != "epic" else None,
                    story_type=change.get("story_type"),
                    moved_away=activity["kind"] == MOVED_AWAY,
                )
            self._events.append(((*place, position), deletion, (kind, thing)))

    def _note_type(self, activity: Activity, place: tuple[int, int, int], change: Mapping[str, Any]) -> None:
        """A story that is no release any more is gone as a release, and only so."""
        was = (change.get("original_values") or {}).get("story_type")
        becomes = (change.get("new_values") or {}).get("story_type")
        if "release" in (was, becomes):
            gone = None if becomes == "release" else Deletion("release", change["id"], activity["occurred_at"])
            self._events.append((place, gone, ("release", change["id"])))


def _is_understood(activity: Activity) -> bool:
    """Whether all that is looked for in an activity is of the type that v5 has there."""
    resources, changes = activity.get("primary_resources") or [], activity.get("changes") or []
    return (
        isinstance(activity.get("kind"), str)
        and isinstance(activity.get("occurred_at"), str)
        and isinstance(resources, list)
        and isinstance(changes, list)
        and all(map(_names_a_thing, [*resources, *changes]))
        and all(map(_has_values, changes))
    )


def _names_a_thing(thing: Any) -> bool:
    return (
        isinstance(thing, dict)
        and isinstance(thing.get("id"), int | None)
        and isinstance(thing.get("kind"), str | None)
        and isinstance(thing.get("change_type"), str | None)
        and isinstance(thing.get("story_type"), str | None)
    )


def _has_values(change: Mapping[str, Any]) -> bool:
    values = [change.get("original_values") or {}, change.get("new_values") or {}]
    return all(isinstance(group, dict) and isinstance(group.get("story_id"), int | None) for group in values)


def _ids(resources: Iterable[Mapping[str, Any]], kind: str) -> set[int]:
    return {thing["id"] for thing in resources if thing.get("kind") == kind and thing.get("id") is not None}


def _only(ids: set[int]) -> int | None:
    return next(iter(ids)) if len(ids) == 1 else None
