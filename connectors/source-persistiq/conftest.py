"""For the cdk's own tests of a connector: the sample server of acceptance-test-config.yml, while they run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
CONFIGS = HERE / "build" / "sample_server"


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
    if "scenario" in request.fixturenames:
        request.getfixturevalue("standard_configs")
