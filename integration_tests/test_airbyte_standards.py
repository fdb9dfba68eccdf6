"""Airbyte's own tests of a connector, as the cdk ships them, against a sample server; and the files that they read.

conftest.py at the root starts the server, and leaves out the few tests that have nothing to run or need a registry.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import orjson
import pytest
import yaml
from airbyte_cdk.test.standard_tests import ConnectorTestScenario, SourceTestSuiteBase
from airbyte_cdk.test.standard_tests.pytest_hooks import pytest_generate_tests  # noqa: F401

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.program import CONNECTOR, Message, SampleServer, connector, every_stream, is_incremental

ROOT = Path(__file__).parents[1]
HERE = ROOT / "integration_tests"
NAME = "source-pivotal-tracker"
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
"""One of the processes that share the tests among them, each with a server of its own; empty without them."""


class TestSourcePivotalTracker(SourceTestSuiteBase):
    """All tests of the cdk's suite for sources, of the code and of the image."""

    connector = SourcePivotalTracker
    connector_name = NAME

    @classmethod
    def get_scenarios(cls) -> list[ConnectorTestScenario]:
        """As acceptance-test-config.yml lists them, with the files that conftest.py writes for this worker."""
        return [_of_this_worker(scenario) for scenario in super().get_scenarios()]


def _of_this_worker(scenario: ConnectorTestScenario) -> ConnectorTestScenario:
    path = scenario.config_path
    if path is None or path.parts[0] != "build":
        return scenario
    return scenario.model_copy(update={"config_path": path.parent / WORKER / path.name})


OF_THE_CODE = {
    "test_basic_read": 1,
    "test_check": 3,
    "test_config_matches_spec": 1,
    "test_discover": 1,
    "test_fail_read_with_bad_catalog": 1,
    "test_spec": 1,
}
OF_THE_IMAGE = {
    "test_docker_image_build_and_check": 3,
    "test_docker_image_build_and_config_matches_spec": 1,
    "test_docker_image_build_and_discover": 1,
    "test_docker_image_build_and_read": 1,
    "test_docker_image_build_and_spec": 1,
}
"""How many tests of each name Airbyte's command runs."""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of this checkout in a folder with the connector's name: the cdk takes it from there, past any link."""
    folder = tmp_path / NAME
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "secrets", "*.duckdb"))
    return folder


def test_airbytes_command_runs_the_tests_of_the_code_from_the_root_of_a_repository_and_they_pass(clone: Path) -> None:
    assert passed(clone, "--pytest-arg=-m", "--pytest-arg=not image_tests") == OF_THE_CODE


@pytest.mark.image_tests
def test_airbytes_command_runs_all_its_tests_from_the_root_of_a_repository_and_they_pass(clone: Path) -> None:
    assert passed(clone) == OF_THE_CODE | OF_THE_IMAGE


def passed(clone: Path, *arguments: str) -> Counter[str]:
    """How many tests of each name pass; none of them may do anything else."""
    ended = subprocess.run(
        [CONNECTOR.with_name("airbyte-cdk"), "connector", "test", *arguments],
        cwd=clone,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout
    report = Xml.parse(clone / "build" / "test-results" / "standard-tests-junit.xml")  # noqa: S314
    cases = report.findall(".//testcase")
    assert [case.get("name") for case in cases if len(case)] == [], "skipped, or worse"
    return Counter(str(case.get("name")).partition("[")[0] for case in cases)


@pytest.fixture(scope="module")
def offered() -> Message:
    """The catalog that discover prints, without the schemas."""
    streams = [stream.as_airbyte_stream() for stream in SourcePivotalTracker().streams({"api_token": "x"})]
    return {
        "streams": [
            {
                "name": stream.name,
                "json_schema": {},
                "supported_sync_modes": [mode.value for mode in stream.supported_sync_modes],
                **(
                    {"source_defined_cursor": True, "default_cursor_field": stream.default_cursor_field}
                    if stream.source_defined_cursor
                    else {}
                ),
                "source_defined_primary_key": stream.source_defined_primary_key,
            }
            for stream in streams
        ]
    }


def test_the_configured_catalog_has_every_stream_as_discover_offers_it(offered: Message) -> None:
    assert held_in("configured_catalog.json") == every_stream(offered)


def test_the_incremental_catalog_has_every_incremental_stream_as_discover_offers_it(offered: Message) -> None:
    incremental = {"streams": [stream for stream in offered["streams"] if is_incremental(stream)]}
    assert held_in("incremental_configured_catalog.json") == every_stream(incremental, incremental=True)


def test_the_abnormal_state_has_every_incremental_stream() -> None:
    catalog, states = held_in("incremental_configured_catalog.json"), held_in("abnormal_state.json")
    assert {state["stream"]["stream_descriptor"]["name"] for state in states} == names(catalog)


def test_what_is_declared_for_the_retired_suite_can_be_held() -> None:
    """At `high` it wants expected records, which the cdk's suite refuses; after a state ahead of the server, no row."""
    declared = yaml.safe_load((ROOT / "acceptance-test-config.yml").read_text(encoding="utf-8"))
    tests = [test for section in declared["acceptance_tests"].values() for test in section["tests"]]
    assert declared["test_strictness_level"] == "low"
    assert [test for test in tests if "expect_records" in test] == []
    (incremental,) = declared["acceptance_tests"]["incremental"]["tests"]
    assert incremental["future_state"].keys() == {"bypass_reason"}


def test_after_a_state_that_is_ahead_of_the_server_everything_is_read_anew(
    sample_server: SampleServer, tmp_path: Path
) -> None:
    catalog = held_in("incremental_configured_catalog.json")
    first = rows(sample_server, tmp_path, catalog, [])
    assert set(first) == names(catalog)

    again = rows(sample_server, tmp_path, catalog, held_in("abnormal_state.json"))
    assert again == first


def rows(server: SampleServer, folder: Path, catalog: Message, states: list[Message]) -> Counter[str]:
    """How many rows a read brings, by stream. Raises ProgramFailed where a stream is not complete."""
    with connector("read", folder, config=server.config(), catalog=catalog, state=states) as read:
        return Counter(message["record"]["stream"] for message in read.messages() if message["type"] == "RECORD")


def names(catalog: Message) -> set[str]:
    return {configured["stream"]["name"] for configured in catalog["streams"]}


def held_in(file: str) -> Any:
    return orjson.loads((HERE / file).read_bytes())
