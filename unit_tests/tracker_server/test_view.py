"""What is derived of projects is kept for those that were used last."""

from __future__ import annotations

import gc
import weakref

import pytest

from tracker_server.sample import make_world
from tracker_server.view import Views

STORIES = 10


@pytest.mark.parametrize(("most_stories", "kept"), [(0, 1), (STORIES, 1), (2 * STORIES, 2), (9 * STORIES, 4)])
def test_what_is_derived_of_a_project_is_kept_while_there_is_room(most_stories: int, kept: int) -> None:
    world = make_world(4, STORIES)
    views = Views(world, most_stories)
    derived = []
    for project in world.projects.values():
        figures = views.of(project).figures
        assert len(figures.points) == STORIES
        derived.append(weakref.ref(figures))
    del figures
    gc.collect()
    assert [figures() is not None for figures in derived] == [False] * (4 - kept) + [True] * kept


def test_what_was_used_last_stays() -> None:
    world = make_world(3, STORIES)
    views = Views(world, 2 * STORIES)
    first, second, third = world.projects.values()
    one, two = views.of(first), views.of(second)
    assert views.of(first) is one
    views.of(third)
    assert views.of(first) is one
    assert views.of(second) is not two
