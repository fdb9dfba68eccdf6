"""Projects that are read from their export when somebody asks, and kept as long as there is room."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tracker_server.world import Project


class Shelf:
    """The projects that were asked for last, with at most `most` stories in them, or a single larger one."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, Project] = OrderedDict()

    def put(self, project: Project) -> None:
        """Keep a project; those that were not asked for the longest go for it."""
        self._kept[project.id] = project
        self._kept.move_to_end(project.id)
        while len(self._kept) > 1 and sum(len(kept.stories) for kept in self._kept.values()) > self._most:
            self._kept.popitem(last=False)

    def get(self, project_id: int, read: Callable[[], Project]) -> Project:
        """The project, which is read where it is not kept."""
        if project_id in self._kept:
            self._kept.move_to_end(project_id)
        else:
            self.put(read())
        return self._kept[project_id]


class ShelvedProject(Project):
    """A project of which only what every list of projects shows is in memory all the time; the rest is on the shelf."""

    def __init__(self, whole: Project, shelf: Shelf, read: Callable[[], Project]) -> None:
        self.row = whole.row
        self.version = whole.version
        self.iteration_starts = whole.iteration_starts
        # The class has defaults of these, so __getattr__ would not be asked.
        self.as_of = whole.as_of
        self.knows_days = whole.knows_days
        self.whole_at = whole.whole_at
        self._stories = sorted_ids(whole.stories)
        self._epics = sorted_ids(whole.epics)
        self._shelf = shelf
        self._read = read
        shelf.put(whole)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._shelf.get(self.id, self._read), name)

    @property
    def story_ids(self) -> Sequence[int]:
        return self._stories

    def has_story(self, story_id: int) -> bool:
        return _holds(self._stories, story_id)

    def has_epic(self, epic_id: int) -> bool:
        return _holds(self._epics, epic_id)


def sorted_ids(ids: Iterable[int]) -> array[int]:
    """The ids in little memory."""
    return array("q", sorted(ids))


def _holds(ids: array[int], row_id: int) -> bool:
    place = bisect_left(ids, row_id)
    return place < len(ids) and ids[place] == row_id
