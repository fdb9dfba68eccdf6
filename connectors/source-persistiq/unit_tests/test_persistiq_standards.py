"""The cdk's own tests of a connector pass in a copy of this folder alone: it can be lifted out as it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as Xml

from persistiq_scene import FOLDER

COMMAND = Path(sys.executable).with_name("airbyte-cdk")
TESTS_THAT_RUN = {
    "test_basic_read": 1,
    "test_check": 2,
    "test_config_matches_spec": 1,
    "test_discover": 1,
    "test_fail_read_with_bad_catalog": 1,
    "test_spec": 1,
}
"""How many tests of each name run; the others have no configuration that acceptance-test-config.yml lists for them."""


def test_airbytes_command_runs_its_tests_in_the_folder_alone_and_they_pass(tmp_path: Path) -> None:
    copy = tmp_path / FOLDER.name
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "build"))

    ended = subprocess.run(
        [COMMAND, "connector", "test", "--pytest-arg=-m", "--pytest-arg=not image_tests"],
        cwd=copy,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
    )

    assert ended.returncode == 0, ended.stdout
    cases = Xml.parse(copy / "build" / "test-results" / "standard-tests-junit.xml").findall(".//testcase")  # noqa: S314
    passed = [str(case.get("name")).partition("[")[0] for case in cases if not len(case)]
    assert Counter(passed) == TESTS_THAT_RUN
