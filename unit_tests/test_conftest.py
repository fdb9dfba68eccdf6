"""What holds for every run of the tests, shown with a run of its own over a test that skips itself, or warns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WAYS_TO_SKIP = {
    "by a mark": '@pytest.mark.skip(reason="no such thing")\ndef test_it():\n    pass\n',
    "in a fixture": '@pytest.fixture\ndef it():\n    pytest.skip("no such thing")\n\ndef test_it(it):\n    pass\n',
    "on its way": 'def test_it():\n    pytest.skip("no such thing")\n',
    "as a whole module": 'pytest.skip("no such thing", allow_module_level=True)\n',
}

each_way_to_skip = pytest.mark.parametrize("test", WAYS_TO_SKIP.values(), ids=WAYS_TO_SKIP.keys())


WARNS = """
from pathlib import Path

from airbyte_cdk.test.standard_tests import SourceTestSuiteBase


class Suite(SourceTestSuiteBase):
    @classmethod
    def get_connector_root_dir(cls):
        return Path(__file__).parent


@pytest.mark.requires_creds
@pytest.mark.image_tests
def test_it():
    assert Suite.get_scenarios() == []
"""
"""A connector without scenarios, of which Airbyte's own tests warn."""


def run(test: str, folder: Path, ci: dict[str, str], *, conftest: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a module of tests, with one that passes beside what it is given, with or without this conftest.py."""
    module = folder / "test_skips.py"
    module.write_text(f"import pytest\n\n{test}\n", encoding="utf-8")
    (folder / "test_passes.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    plugins = ("-p", "conftest") if conftest else ()
    outside = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "pyproject.toml", *plugins, "-p", "no:cacheprovider", folder],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env=outside | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ci,
    )


@each_way_to_skip
def test_in_ci_a_test_that_is_skipped_fails_the_run_and_says_why(test: str, tmp_path: Path) -> None:
    ended = run(test, tmp_path, ci={"CI": "true"})
    assert ended.returncode not in (0, 5)
    assert "In CI nothing may be skipped. Skipped: no such thing" in ended.stdout


@each_way_to_skip
def test_elsewhere_a_test_that_is_skipped_does_not_fail_the_run(test: str, tmp_path: Path) -> None:
    ended = run(test, tmp_path, ci={})
    assert ended.returncode == 0
    assert "1 passed, 1 skipped" in ended.stdout
    assert "no such thing" in ended.stdout


def test_a_warning_of_airbytes_own_tests_fails_here_and_is_a_warning_for_whoever_runs_them_without_this_conftest(
    tmp_path: Path,
) -> None:
    here, elsewhere = (run(WARNS, tmp_path, ci={}, conftest=conftest) for conftest in (True, False))
    assert "UserWarning: Acceptance test config file not found" in here.stdout
    assert "1 failed, 1 passed" in here.stdout
    assert elsewhere.returncode == 0
    assert "2 passed, 1 warning" in elsewhere.stdout
