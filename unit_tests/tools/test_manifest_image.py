"""The images of the manifest-only connectors: what they are built from, and what is said of one that was built."""

from __future__ import annotations

import re

import pytest

from tools.image import Inventory
from tools.manifest_image import FILES, Built, connectors, contents, main
from tools.program import MANIFEST_CONNECTORS, ROOT

DOCKERFILE = (MANIFEST_CONNECTORS / "Dockerfile").read_text(encoding="utf-8")
STAND_IN = (MANIFEST_CONNECTORS / "Dockerfile.stand-in").read_text(encoding="utf-8")
OF_THE_TRACKER = (ROOT / "Dockerfile").read_text(encoding="utf-8")
BASE = "docker.io/airbyte/source-declarative-manifest:7.39.1@sha256:00"

each_connector = pytest.mark.parametrize("connector", connectors())


def test_the_image_of_a_connector_names_no_base_of_its_own() -> None:
    assert re.findall(r"^ARG (.+)$", DOCKERFILE, re.MULTILINE) == ["BASE_IMAGE"]
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE_IMAGE}"] * 2


def test_it_copies_two_files_and_keeps_the_entrypoint_of_the_base() -> None:
    assert re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) == [" ".join(FILES)]
    assert "\nENTRYPOINT" not in DOCKERFILE


@pytest.mark.parametrize("dockerfile", [DOCKERFILE, STAND_IN], ids=["connector", "stand-in"])
def test_it_runs_as_a_number_that_is_not_roots(dockerfile: str) -> None:
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE)[-1] == "1000:1000"


def test_the_stand_in_has_the_packages_of_a_stage_that_is_there_and_installs_by_hash() -> None:
    builder = OF_THE_TRACKER.partition(" AS builder\n")[2].partition("\nFROM ")[0]
    (folder,) = re.findall(r"^COPY --from=packages (\S+) ", STAND_IN, re.MULTILINE)
    assert folder == "/airbyte/dependencies"
    assert "--require-hashes --requirement requirements.txt" in builder


def test_the_stand_in_has_the_entrypoint_that_airbyte_gives_the_base() -> None:
    assert 'AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"' in STAND_IN
    assert 'ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]' in STAND_IN


def inventory() -> Inventory:
    def package(name: str, size: int) -> dict[str, object]:
        return {"name": name, "version": "7.39.1", "bytes": size}

    return Inventory(
        python="3.13.5",
        system=[],
        packages={"airbyte-cdk": package("airbyte-cdk", 20_000_000), "pandas": package("pandas", 60_000_000)},
        requirements={"airbyte-cdk": ["pandas"], "pandas": []},
        bytes=90_000_000,
        image_bytes=200_050_000,
    )


def test_an_image_is_told_by_its_base_and_the_sizes_of_its_parts() -> None:
    assert list(contents(Built("airbyte/source-x:dev", BASE, BASE), 200_000_000, inventory())) == [
        f"On {BASE}",
        "  120.00 MB  Python 3.13.5 and what else the base image has",
        "   80.00 MB  airbyte-cdk 7.39.1 and what it needs, 2 packages",
        "    0.05 MB  manifest.yaml and components.py",
        "  200.05 MB  in total",
    ]


def test_a_stand_in_is_told() -> None:
    first, *_ = contents(Built("airbyte/source-x:dev", "stand-in", BASE), 200_000_000, inventory())
    assert first == f"On a stand-in for {BASE}, which cannot be pulled here"


def test_a_connector_that_is_not_there_is_told_with_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["source-nothing"])
    assert ended.value.code == 2
    assert "source-persistiq" in capsys.readouterr().err
