"""A cache of projects: each is read from its exports on request, and stays in memory while there is room."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tracker_server.derived import Figures
from tracker_server.world import Project


class ProjectCache:
    """The projects that were requested last: at most `most_stories` stories in total, or one larger project."""

    def __init__(self, most_stories: int) -> None:
        self._most_stories = most_stories
        self._projects: OrderedDict[int, Project] = OrderedDict()

    def put(self, project: Project) -> None:
        """Add a project, and evict those that were requested least recently until the rest fits."""
        self._projects[project.id] = project
        self._projects.move_to_end(project.id)
        while self._has_too_many:
            self._projects.popitem(last=False)

    def put_unrequested(self, project: Project) -> None:
        """Add a project while all are read, and evict those that were added last until the rest fits.

        Whoever requests all of them then finds the first ones, where those of `put` would each be evicted too early.
        """
        self._projects[project.id] = project
        self._projects.move_to_end(project.id, last=False)
        while self._has_too_many:
            self._projects.popitem()
        self._projects.move_to_end(project.id)

    @property
    def _has_too_many(self) -> bool:
        stories = sum(len(cached.stories) for cached in self._projects.values())
        return len(self._projects) > 1 and stories > self._most_stories

    def get(self, project_id: int, read: Callable[[], Project]) -> Project:
        """Returns the project, from memory or by calling `read`."""
        if project_id in self._projects:
            self._projects.move_to_end(project_id)
        else:
            self.put(read())
        return self._projects[project_id]


class CachedProject(Project):
    """A project that keeps what every list of projects shows in memory, and takes all else from the cache."""

    def __init__(self, project: Project, cache: ProjectCache, read: Callable[[], Project]) -> None:
        self.row = project.row
        self.version = project.version
        self.iteration_starts = project.iteration_starts
        # The class has defaults for these, so __getattr__ would not be called.
        self.as_of = project.as_of
        self.knows_days = project.knows_days
        # Lists of projects show the velocity.
        self.done_points = Figures(project, project.as_of).done_points if project.as_of else None
        self.complete_at = project.complete_at
        self.unavailable_attributes = project.unavailable_attributes
        self.state_history = project.state_history
        # Asked for before the project is read.
        self.unavailable_endpoints = project.unavailable_endpoints
        self._stories = sorted_ids(project.stories)
        self._epics = sorted_ids(project.epics)
        self._cache = cache
        self._read = read
        cache.put_unrequested(project)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._cache.get(self.id, self._read), name)

    @property
    def story_ids(self) -> Sequence[int]:
        return self._stories

    @property
    def story_count(self) -> int:
        return len(self._stories)

    def has_story(self, story_id: int) -> bool:
        return _holds(self._stories, story_id)

    def has_epic(self, epic_id: int) -> bool:
        return _holds(self._epics, epic_id)


def sorted_ids(ids: Iterable[int]) -> array[int]:
    """The ids in 8 bytes each."""
    return array("q", sorted(ids))


def _holds(ids: array[int], row_id: int) -> bool:
    place = bisect_left(ids, row_id)
    return place < len(ids) and ids[place] == row_id
