"""Dependabot looks after everything that is pinned here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
GITHUB = ROOT / ".github"
CONFIG: dict[str, Any] = yaml.safe_load((GITHUB / "dependabot.yml").read_text(encoding="utf-8"))


def folders(ecosystem: str) -> set[Path]:
    """Where it looks for versions of this kind."""
    return {
        ROOT / folder.removeprefix("/")
        for update in CONFIG["updates"]
        if update["package-ecosystem"] == ecosystem
        for folder in update.get("directories", [update.get("directory")])
    }


def test_its_file_has_the_version_that_it_reads() -> None:
    assert CONFIG["version"] == 2


def test_every_entry_has_a_schedule() -> None:
    assert [update["schedule"] for update in CONFIG["updates"]] == [{"interval": "weekly"}] * len(CONFIG["updates"])


def test_it_finds_every_lock_file() -> None:
    locks = [path for depth in ("", "*/", "*/*/") for path in ROOT.glob(f"{depth}requirements*.txt")]
    assert {path.parent for path in locks} == folders("pip")


def test_it_finds_the_actions_of_the_workflows() -> None:
    assert folders("github-actions") == {ROOT}


def test_it_finds_the_base_image_that_the_dockerfile_names() -> None:
    (folder,) = folders("docker")
    watched = re.findall(r"^FROM (\S+)$", (folder / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert watched == re.findall(
        r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
