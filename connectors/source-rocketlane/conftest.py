"""Fixtures: scenes for the tests here, and a sample server for the cdk's own tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

HERE = Path(__file__).resolve().parent
CONFIGS = HERE / "build" / "sample_server"
"""Where acceptance-test-config.yml looks for configurations."""

sys.path[:0] = [str(HERE / "unit_tests"), str(HERE / "sample_server")]

if TYPE_CHECKING:
    from rocketlane_scene import Scene
    from rocketlane_world import World


@pytest.fixture
def scenes(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes scenes, with a world of their own where none is given; their servers run until the test ends."""
    from rocketlane_scene import Scene
    from rocketlane_world import make_world

    with ExitStack() as servers:

        def scene(world: World | None = None, **options: Any) -> Scene:
            created = Scene(tmp_path, world or make_world(), **options)
            servers.enter_context(created.server)
            return created

        yield scene


@pytest.fixture(scope="session")
def standard_configs() -> Iterator[None]:
    """The configurations of a running sample server: one that is right, one with a key that it does not accept."""
    command = [sys.executable, str(HERE / "sample_server"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as server:  # noqa: S603
        assert server.stdout  # noqa: S101
        url, key = server.stdout.readline().strip(), server.stdout.readline().strip()
        CONFIGS.mkdir(parents=True, exist_ok=True)
        for name, given in {"config": key, "wrong_key": key[::-1]}.items():
            config = {"api_url": url, "api_key": given}
            (CONFIGS / f"{name}.json").write_text(json.dumps(config), encoding="utf-8")
        yield
        server.terminate()


@pytest.fixture(autouse=True)
def _sample_server_for_a_scenario(request: pytest.FixtureRequest) -> None:
    """A `scenario` is what each of the cdk's own tests takes."""
    if "scenario" in request.fixturenames:
        request.getfixturevalue("standard_configs")
