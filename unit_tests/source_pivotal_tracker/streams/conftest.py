"""A world of three projects for all tests of a module, which none of them changes."""

from __future__ import annotations

import pytest

from tracker_server.sample import make_world
from tracker_server.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(projects=3, stories=24)


@pytest.fixture(scope="module")
def first(world: World) -> int:
    """The id of the project that comes first, for which most other answers are put in place."""
    return next(iter(world.projects))
