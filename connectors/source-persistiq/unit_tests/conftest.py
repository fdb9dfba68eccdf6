"""Puts the sample server, and what runs the connector, where the tests find them; makes scenes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "sample_server")]

if TYPE_CHECKING:
    from persistiq_scene import Scene


@pytest.fixture
def scenes(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes scenes, with a world of their own where none is given; their servers run until the test ends."""
    from persistiq_scene import Scene
    from persistiq_world import World, make_world

    made: list[Scene] = []

    def scene(world: World | None = None, **options: Any) -> Scene:
        made.append(Scene(tmp_path, world or make_world(), **options))
        made[-1].server.__enter__()
        return made[-1]

    yield scene
    for each in made:
        each.server.__exit__(None, None, None)
