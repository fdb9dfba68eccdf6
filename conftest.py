"""For every run of tests: nothing is skipped in CI, and no warning passes; and what Airbyte's own tests need.

That is a server, the configurations that they name, and an image. It stands at the root because `airbyte-cdk connector
test` writes the module that it runs into `.tmp`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import orjson
import pytest
import yaml

from tools import program
from tools.program import SampleServer

if TYPE_CHECKING:
    from airbyte_cdk.test.models.scenario import ConnectorTestScenario, ScenarioCommand

ROOT = Path(__file__).parent
CONFIGS = ROOT / "build" / "sample_server" / os.environ.get("PYTEST_XDIST_WORKER", "")
"""Where acceptance-test-config.yml looks for the configurations of a running server, or a folder in it for a worker."""
IMAGE: str = yaml.safe_load((ROOT / "acceptance-test-config.yml").read_text(encoding="utf-8"))["connector_image"]

COMMANDS: dict[str, ScenarioCommand] = {
    "check": "check",
    "config_matches_spec": "spec",
    "discover": "discover",
    "read": "read",
    "bad_catalog": "read",
}
"""What the name of a test that takes a `scenario` ends with, and the command that it then runs."""

Report = TypeVar("Report", pytest.CollectReport, pytest.TestReport)

DOCKER = """\
#!/bin/sh
# Runs containers on this machine's network, where the sample server listens.
if [ "$1" = run ]; then
    shift
    set -- run --network host "$@"
fi
exec '{docker}' "$@"
"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", r"error:::airbyte_cdk\.test\.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not sampled, and what Airbyte's tests would skip anyway or cannot do without a registry."""
    left_out = {item for item in items if _compares_with_the_registry(item) or _has_nothing_to_run(item)}
    if not os.environ.get("WHOLE"):
        left_out |= _not_sampled(items)
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _failed_if_skipped_in_ci((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _failed_if_skipped_in_ci((yield))


@pytest.fixture(scope="session")
def sample_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleServer]:
    """A server, with the configurations for it: one that is right, one with a token that it does not accept.

    Another run of the tests in this checkout waits for the end of this one: the files have room for one server.
    """
    CONFIGS.mkdir(parents=True, exist_ok=True)
    log = tmp_path_factory.mktemp("sample_server") / "requests.jsonl"
    with (CONFIGS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with program.sample_server(log, projects=2, stories=120) as server:
            right = server.config()
            for name, config in {"config": right, "wrong_token": right | {"api_token": server.token[::-1]}}.items():
                (CONFIGS / f"{name}.json").write_bytes(orjson.dumps(config))
            yield server


@pytest.fixture(autouse=True)
def _sample_server_for_a_scenario(request: pytest.FixtureRequest) -> None:
    if "scenario" in request.fixturenames:
        request.getfixturevalue("sample_server")


@pytest.fixture
def connector_image_override(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The image for Airbyte's tests of one: it is not built anew for them, and its containers reach the sample server.

    They call the program `docker`, so one is put before it in the path.
    """
    image: str = request.config.getoption("--connector-image", None) or IMAGE
    docker = shutil.which("docker") or "docker"
    found = subprocess.run([docker, "image", "inspect", image], capture_output=True, encoding="utf-8")  # noqa: S603
    if found.returncode:
        pytest.skip(f"There is no image {image}; `make image` builds it. Docker says: {found.stderr.strip()}")
    wrapper = tmp_path / "docker"
    wrapper.write_text(DOCKER.format(docker=docker), encoding="utf-8")
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return image


@pytest.fixture
def connector_base_image_override() -> None:
    """No other base image: nothing is built."""


@pytest.fixture
def read_from_streams() -> str:
    """What the image is asked to read; Airbyte's default is nothing."""
    return "all"


@pytest.fixture
def read_scenarios() -> str:
    return "all"


def _failed_if_skipped_in_ci(report: Report) -> Report:
    """In CI there is all that a test may need, so one that skips itself has lost something."""
    if os.environ.get("CI") and report.outcome == "skipped":
        *_, reason = cast("tuple[str, int, str]", report.longrepr)
        report.outcome, report.longrepr = "failed", f"In CI nothing may be skipped. {reason}"
    return report


def _not_sampled(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Of each test with the marker `sampled(n, nth)`, all parameters but the nth of every n."""
    of_a_test: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            of_a_test[item.nodeid.partition("[")[0]].append(item)
    return {
        item
        for together in of_a_test.values()
        for place, item in enumerate(together)
        if (marker := item.get_closest_marker("sampled")) and not _is_nth(place, *marker.args)
    }


def _is_nth(place: int, every: int, nth: int = 0) -> bool:
    return place % every == nth


def _compares_with_the_registry(item: pytest.Item) -> bool:
    """Whether it fetches the published specification, which is of another program of the same name, from Airbyte."""
    return item.name == "test_docker_image_spec_backward_compatibility"


def _has_nothing_to_run(item: pytest.Item) -> bool:
    """Whether acceptance-test-config.yml does not list its configuration for its command."""
    if not isinstance(item, pytest.Function) or "scenario" not in item.fixturenames:
        return False
    scenario = cast("ConnectorTestScenario", item.callspec.params["scenario"])
    return not any(item.originalname.endswith(ending) and scenario.runs(run) for ending, run in COMMANDS.items())
