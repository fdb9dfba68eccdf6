"""What happened in a project since a version, read off its activity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from source_pivotal_tracker.streams.rows import Deletion

Activity = Mapping[str, Any]

SWEEPING = frozenset({"label_update_activity", "label_merge_activity", "project_update_activity"})
"""Kinds that change what a story shows without moving its `updated_at`: a label's new name, another point scale."""

MOVED_AWAY = "story_move_from_project_activity"


@dataclass
class Changes:
    """The changes of a project after version `since`, up to `version`, the project's when its activity was read.

    `stories` are the ids of the stories that were touched, or whose parts were, and are still there; `touched` is how
    many they were with those that are not. `deleted` has the things that are gone at the end, by kind and id: one that
    came back is not in it. `missing` is how many versions have no activity (or how many the project fell behind):
    unless it is 0, there were changes that are not told here.
    """

    since: int
    version: int
    stories: set[int] = field(default_factory=set)
    deleted: dict[tuple[str, int], Deletion] = field(default_factory=dict)
    touched: int = 0
    sweeping: bool = False
    missing: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether what is not named here surely did not change."""
        return self.missing == 0 and not self.sweeping


class ChangesReader:
    """Collects Changes from pages of activity in any order, some rows of which may come twice."""

    def __init__(self, since: int, version: int) -> None:
        self._changes = Changes(since, version)
        self._versions: set[int] = set()
        self._events: list[tuple[int, int, Deletion | None, tuple[str, int]]] = []

    def add(self, activities: Iterable[Activity]) -> None:
        changes = self._changes
        for activity in activities:
            version = activity["project_version"]
            if not changes.since < version <= changes.version or version in self._versions:
                continue
            self._versions.add(version)
            changes.sweeping |= activity["kind"] in SWEEPING
            self._add_changes(activity, version)

    def changes(self) -> Changes:
        changes = self._changes
        changes.missing = abs(changes.version - changes.since) - len(self._versions)
        for _, _, deletion, thing in sorted(self._events, key=lambda event: event[:2]):
            if deletion:
                changes.deleted[thing] = deletion
            else:
                changes.deleted.pop(thing, None)
        gone = {thing for kind, thing in changes.deleted if kind == "story"}
        changes.touched = len(changes.stories | gone)
        changes.stories -= gone
        return changes

    def _add_changes(self, activity: Activity, version: int) -> None:
        resources = [each for each in activity.get("primary_resources") or () if "id" in each]
        stories = {each["id"] for each in resources if each.get("kind") == "story"}
        epics = {each["id"] for each in resources if each.get("kind") == "epic"}
        self._changes.stories |= stories
        for position, change in enumerate(activity.get("changes") or ()):
            kind, thing = change.get("kind"), change.get("id")
            values = {**(change.get("original_values") or {}), **(change.get("new_values") or {})}
            if values.get("story_id") is not None:
                self._changes.stories.add(values["story_id"])
            if kind == "story" and thing is not None:
                self._changes.stories.add(thing)
                self._note_type(activity, version, position, change)
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
            self._events.append((version, position, deletion, (kind, thing)))

    def _note_type(self, activity: Activity, version: int, position: int, change: Mapping[str, Any]) -> None:
        """A story that is no release any more is gone as a release, and only so."""
        was = (change.get("original_values") or {}).get("story_type")
        becomes = (change.get("new_values") or {}).get("story_type")
        if "release" in (was, becomes):
            gone = None if becomes == "release" else Deletion("release", change["id"], activity["occurred_at"])
            self._events.append((version, position, gone, ("release", change["id"])))


def _only(ids: set[int]) -> int | None:
    return next(iter(ids)) if len(ids) == 1 else None
