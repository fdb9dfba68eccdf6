"""What goes to PyPI: each wheel is installed into an empty environment, and runs outside of the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from tools.distributions import DISTRIBUTIONS, ROOT, build, with_absolute_links
from tracker_server.exports import write_export
from tracker_server.sample import make_world

REPOSITORY = "https://git.example.com/team/tracker"
PACKAGES = {"tracker-archive": ["tracker_server"], "tracker-connector": ["source_pivotal_tracker", "tracker_report"]}
UV = str(Path(sys.executable).with_name("uv"))


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, without the checkout on the path of modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    build(REPOSITORY, out)
    return out


def wheel_of(name: str, built: Path) -> Path:
    (wheel,) = built.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def installed(name: str, built: Path, folder: Path) -> Path:
    """The programs of a new environment with this distribution, and what it needs from the registry."""
    made = run(UV, "venv", "--quiet", "--python", sys.executable, folder / "venv", folder=folder)
    assert made.returncode == 0, made.stderr
    programs = folder / "venv" / "bin"
    options = ["--quiet", "--python", str(programs / "python"), "--find-links", str(built)]
    ended = run(UV, "pip", "install", *options, wheel_of(name, built), folder=folder)
    if "Failed to fetch" in ended.stderr and not os.environ.get("CI"):
        pytest.skip(f"The registry cannot be reached: {ended.stderr.splitlines()[-1]}")
    assert ended.returncode == 0, ended.stderr
    return programs


def sample_export(path: Path) -> None:
    with path.open("wb") as file:
        write_export(make_world(1, 20), file)


def test_both_have_a_wheel_and_an_sdist_and_a_check_of_them_passes(built: Path) -> None:
    names = sorted(path.name for path in built.iterdir())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert names == [
        f"tracker_{kind}-{version}{end}"
        for kind in ("archive", "connector")
        for end in ("-py3-none-any.whl", ".tar.gz")
    ]
    twine = Path(sys.executable).with_name("twine")
    checked = run(twine, "check", "--strict", *built.iterdir(), folder=built)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.count("PASSED") == len(names)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_has_every_file_of_its_packages_and_no_other(name: str, built: Path) -> None:
    with zipfile.ZipFile(wheel_of(name, built)) as archive:
        found = {entry for entry in archive.namelist() if ".dist-info/" not in entry}
    listed = run(shutil.which("git") or "git", "ls-files", *PACKAGES[name], folder=ROOT)
    of_the_project = {"tracker_server/pyproject.toml", "tracker_server/README.md", "tracker_server/LICENSE"}
    assert found == set(listed.stdout.split()) - of_the_project


@pytest.mark.parametrize("name", PACKAGES)
def test_what_is_said_of_it_leads_to_the_repository(name: str, built: Path) -> None:
    metadata = metadata_of(wheel_of(name, built))
    urls = dict(url.split(", ", 1) for url in metadata.get_all("Project-URL", []))
    assert urls.keys() == {"Homepage", "Repository", "Changelog", "Issues", "Documentation"}
    assert all(
        url.startswith(("https://git.example.com/team/tracker", "https://docs.airbyte.com/")) for url in urls.values()
    )
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Keywords"]
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    text = str(metadata.get_payload())
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 2
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert f"{REPOSITORY}/raw/v" in text


@pytest.mark.parametrize("folder", DISTRIBUTIONS)
def test_a_link_of_a_readme_leads_to_a_file_that_is_there(folder: str) -> None:
    text = with_absolute_links((ROOT / folder / "README.md").read_text("utf-8"), Path(folder), REPOSITORY, "v1")
    places = re.findall(rf"{REPOSITORY}/(?:raw|blob)/v1/([^)#]+)", text)
    assert places
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_an_sdist_has_no_tests_and_no_files_of_ours(built: Path) -> None:
    for path in built.glob("*.tar.gz"):
        with tarfile.open(path) as archive:
            tops = {name.split("/")[1] for name in archive.getnames() if "/" in name}
        assert tops.isdisjoint({"unit_tests", "integration_tests", "benchmarks", "secrets", ".ci"})


def test_the_archive_alone_shows_an_export_and_brings_no_connector(built: Path, tmp_path: Path) -> None:
    programs = installed("tracker-archive", built, tmp_path)
    sample_export(tmp_path / "x.zip")
    inspected = run(programs / "tracker-server", "inspect", "x.zip", folder=tmp_path)
    assert inspected.returncode == 0, inspected.stderr
    assert "Project harbour_web_shop " in inspected.stdout
    site = run(programs / "tracker-server", "site", "x.zip", "site", folder=tmp_path)
    assert (site.returncode, (tmp_path / "site" / "index.html").is_file()) == (0, True), site.stderr
    packages = run(UV, "pip", "list", "--python", programs / "python", folder=tmp_path).stdout
    assert "jinja2" in packages.lower()
    assert "airbyte" not in packages
    assert "requests" not in packages
    helped = run(programs / "tracker-server", "--help", folder=tmp_path).stdout
    assert "inspect" in helped
    assert "convert" not in helped


def test_the_connector_brings_the_archive_and_reads_an_export(built: Path, tmp_path: Path) -> None:
    programs = installed("tracker-connector", built, tmp_path)
    sample_export(tmp_path / "x.zip")
    (tmp_path / "config.json").write_text('{"export_archive": "x.zip"}')
    checked = run(programs / "source-pivotal-tracker", "check", "--config", "config.json", folder=tmp_path)
    assert '"SUCCEEDED"' in checked.stdout, checked.stdout + checked.stderr
    converted = run(programs / "tracker-server", "convert", "x.zip", "x.db", "--to", "sqlite", folder=tmp_path)
    assert (converted.returncode, (tmp_path / "x.db").is_file()) == (0, True), converted.stderr
    (tmp_path / "x.duckdb").touch()
    report = run(programs / "tracker-report", "x.duckdb", "x.html", folder=tmp_path)
    assert report.returncode == 1
    assert "pip install 'tracker-connector[report]'" in report.stderr


def test_both_have_one_version_and_one_needs_the_very_other() -> None:
    archive, connector = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))["project"] for folder in DISTRIBUTIONS
    )
    assert archive["version"] == connector["version"]
    assert f"tracker-archive=={archive['version']}" in connector["dependencies"]
    known = {line.split(">")[0] for line in archive["dependencies"]}
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text("utf-8"), re.MULTILINE))
    assert known <= locked
