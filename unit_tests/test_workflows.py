"""The workflows on GitHub run nothing that can change under them, and may do no more than they need."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
OURS = re.compile(r"\./\.github/workflows/(.+)")
WRITES = {
    "publish.yml": {
        "build": {"packages"},
        "publish": {"packages"},
        "publish-distributions": {"contents", "id-token"},
    }
}
"""The jobs that may write something, and what."""

each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def parsed(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return workflow


def test_there_is_one_for_changes_and_one_for_tags() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "publish.yml"]


@each_workflow
def test_every_action_is_a_commit_with_its_version_beside_it_or_a_workflow_of_this_repository(path: Path) -> None:
    used = re.findall(r"\buses: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    ours = [match[1] for action in used if (match := OURS.fullmatch(action))]
    assert used
    assert [action for action in used if not PINNED.fullmatch(action) and not OURS.fullmatch(action)] == []
    assert set(ours) <= {workflow.name for workflow in WORKFLOWS}


@each_workflow
def test_a_job_may_only_read_the_repository_unless_it_publishes(path: Path) -> None:
    workflow = parsed(path)
    assert workflow["permissions"] == {"contents": "read"}
    writes = {
        name: {scope for scope, right in job["permissions"].items() if right == "write"}
        for name, job in workflow["jobs"].items()
        if "write" in job.get("permissions", {}).values()
    }
    assert writes == WRITES.get(path.name, {})


def test_changes_are_tested_as_anywhere_else() -> None:
    (job,) = parsed(ROOT / ".github" / "workflows" / "ci.yml")["jobs"].values()
    assert job["steps"][-1]["run"].endswith(".ci/run")


def test_changes_are_tested_on_every_version_of_python_that_the_package_may_run_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = SpecifierSet(project["requires-python"])
    (job,) = parsed(ROOT / ".github" / "workflows" / "ci.yml")["jobs"].values()
    assert job["strategy"]["matrix"]["python"] == [f"3.{minor}" for minor in range(100) if f"3.{minor}" in supported]


def test_nothing_is_built_for_publishing_before_all_tests_have_passed() -> None:
    jobs = parsed(ROOT / ".github" / "workflows" / "publish.yml")["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/ci.yml"
    assert jobs["build"]["needs"] == "test"


def test_what_is_built_is_pushed_by_its_digest_alone() -> None:
    pushes = [
        step["with"]
        for step in parsed(ROOT / ".github" / "workflows" / "publish.yml")["jobs"]["build"]["steps"]
        if step.get("uses", "").startswith("docker/build-push-action@")
    ]
    assert [("tags" in push, "push-by-digest=true" in push["outputs"].split(",")) for push in pushes] == [(False, True)]


def test_the_name_goes_to_the_digest_that_was_tested_as_it_is_on_each_architecture() -> None:
    jobs = parsed(ROOT / ".github" / "workflows" / "publish.yml")["jobs"]
    digest = "${{ needs.build.outputs.digest }}"
    tested, named = jobs["test-image"], jobs["publish"]
    assert tested["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    assert tested["steps"][-1]["env"]["IMAGE"].endswith(f"@{digest}")
    assert tested["steps"][-1]["env"]["IMAGE_IS_BUILT"]
    assert "make image-test" in tested["steps"][-1]["run"]
    assert named["needs"] == ["build", "test-image"]
    assert named["steps"][-1]["env"]["DIGEST"] == digest
    assert named["steps"][-1]["run"].endswith('"$NAME@$DIGEST"')
