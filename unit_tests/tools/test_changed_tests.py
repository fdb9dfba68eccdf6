"""`make check` runs the tests that import or name what changed, the nearest first, for a limited time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.changed_tests import changed_files, nearest_tests
from tools.time_limit import SECONDS

ROOT = Path(__file__).parents[2]
SOURCES = {
    Path(name): source
    for name, source in {
        "house/__init__.py": "",
        "house/room.py": "import os",
        "house/hall.py": "from house.room import door",
        "house/words.py": 'text("words.yaml")',
        "house/plans.py": 'folder("plans")',
        "tests/__init__.py": "",
        "tests/conftest.py": "from house import words",
        "tests/visit.py": "from house import hall",
        "tests/test_hall.py": "def test_it():\n    from house.hall import lamp",
        "tests/test_room.py": "import house.room",
        "tests/test_visit.py": "from .visit import visit",
        "tests/test_nothing.py": "import re",
        "tests/test_plans.py": "import house.plans",
        "connectors/one/api.py": "",
        "connectors/one/unit_tests/test_api.py": "from api import answer",
        "connectors/two/api.py": "",
        "connectors/two/unit_tests/test_api.py": "from api import answer",
    }.items()
}


def found(*changed: str) -> list[str]:
    return [path.stem for path in nearest_tests([Path(name) for name in changed], SOURCES)]


def test_the_nearest_tests_a_module_are_those_that_import_it_through_others_too_the_nearest_first() -> None:
    assert found("house/room.py") == ["test_room", "test_hall", "test_visit"]


def test_a_test_that_changed_comes_before_all_others() -> None:
    assert found("house/room.py", "tests/test_visit.py") == ["test_visit", "test_room", "test_hall"]


def test_a_package_is_needed_by_whatever_imports_a_module_of_it() -> None:
    assert {"test_room", "test_hall"} <= set(found("house/__init__.py"))


def test_a_conftest_is_needed_by_the_tests_below_it() -> None:
    tests = {"test_hall", "test_room", "test_visit", "test_nothing", "test_plans"}
    assert set(found("tests/conftest.py")) == set(found("house/words.py")) == tests


def test_a_file_that_is_no_module_belongs_to_whatever_names_it_or_its_folder() -> None:
    assert "test_nothing" in found("house/words.yaml")
    assert found("house/plans/cellar.json") == ["test_plans"]


def test_a_file_that_nothing_names_has_no_tests() -> None:
    assert found("LICENSE") == []


def test_connectors_with_modules_of_the_same_name_do_not_know_each_other() -> None:
    changed = [Path("connectors/one/api.py")]
    assert nearest_tests(changed, SOURCES) == [Path("connectors/one/unit_tests/test_api.py")]


def test_what_changed_is_what_is_not_as_in_the_commit_new_files_included(tmp_path: Path) -> None:
    def git(*command: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.com")
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True, capture_output=True)  # noqa: S607

    for name in ("as_it_was.py", "changed.py", "committed.py", "deleted.py"):
        (tmp_path / name).write_text("")
    git("init")
    git("add", ".")
    git("commit", "--message", "All")
    git("tag", "before")
    for name in ("changed.py", "committed.py", "new.py"):
        (tmp_path / name).write_text("1")
    (tmp_path / "deleted.py").unlink()
    git("commit", "--message", "One", "committed.py")
    assert [path.stem for path in changed_files(tmp_path, "before")] == ["changed", "committed", "new"]


@pytest.mark.parametrize(
    ("seconds", "test", "outcome"),
    [
        ("60", "pass", "2 passed"),
        ("0", "pass", "2 skipped"),
        ("2", "__import__('time').sleep(60)", "2 skipped"),
    ],
)
def test_no_test_starts_or_goes_on_when_the_time_is_over(seconds: str, test: str, outcome: str, tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(f"def test_one():\n    {test}\n\ndef test_other():\n    {test}\n")
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "tools.time_limit", tmp_path],
        capture_output=True,
        encoding="utf-8",
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
        | {SECONDS: seconds, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        timeout=50,
    )
    assert outcome in ended.stdout
    assert ended.returncode == 0
