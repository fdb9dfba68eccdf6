"""Without an engine or a base image, building the image and its tests say which is missing and how to get it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SET_UP = "on Debian, as root, `export BASE_IMAGE=$(tools/container_engine)` sets one up."
BASE_IMAGE = "nowhere.invalid/base:1"
MISSING = [
    pytest.param({"PATH": ""}, "There is no program docker: install Docker; ", id="no program docker"),
    pytest.param(
        {"DOCKER_HOST": "unix:///nowhere/docker.sock"},
        "No container engine answers (",
        id="no engine",
        marks=pytest.mark.image_tests,
    ),
    pytest.param(
        {"BASE_IMAGE": BASE_IMAGE},
        f"The base image {BASE_IMAGE} cannot be pulled (",
        id="no base image",
        marks=pytest.mark.image_tests,
    ),
]

each_that_is_missing = pytest.mark.parametrize(("environment", "sentence"), MISSING)


def run(environment: dict[str, str], *module: str) -> subprocess.CompletedProcess[str]:
    """`python -m` with this module, where `environment` is in place of what there is."""
    outside_ci = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, "-m", *module], capture_output=True, encoding="utf-8", cwd=ROOT, env=outside_ci | environment
    )


@each_that_is_missing
def test_building_says_what_is_missing_and_how_to_get_it(environment: dict[str, str], sentence: str) -> None:
    ended = run(environment, "tools.image")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.endswith(f"{SET_UP}\n")
    assert ended.stderr.count("\n") == 1


@each_that_is_missing
def test_the_tests_of_the_image_are_skipped_with_the_same_sentence(environment: dict[str, str], sentence: str) -> None:
    spec = "integration_tests/test_image.py::test_spec_prints_what_the_console_script_prints"
    ended = run(environment, "pytest", "-p", "no:cacheprovider", spec)
    assert ended.returncode == 0
    assert "1 skipped" in ended.stdout
    assert sentence in ended.stdout
    assert SET_UP in ended.stdout
