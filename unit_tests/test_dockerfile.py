"""What the Dockerfile writes down once more is what metadata.yaml says: a build takes nothing but the checkout."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
METADATA = yaml.safe_load((ROOT / "metadata.yaml").read_text(encoding="utf-8"))["data"]


def test_it_builds_on_the_base_image_of_the_metadata_pinned_by_its_digest() -> None:
    (base,) = re.findall(r"^ARG BASE_IMAGE=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert base == METADATA["connectorBuildOptions"]["baseImage"]
    assert re.search(r"@sha256:[0-9a-f]{64}$", base)


def test_both_stages_stand_on_that_image() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["${BASE_IMAGE}"] * 2


def test_its_labels_are_the_name_and_the_version_of_the_metadata() -> None:
    labels = dict(re.findall(r"\b(io\.airbyte\.\w+)=(\S+)", DOCKERFILE))
    assert labels == {
        "io.airbyte.name": METADATA["dockerRepository"],
        "io.airbyte.version": METADATA["dockerImageTag"],
    }


def test_whatever_it_copies_from_the_checkout_is_let_through_to_the_builder() -> None:
    copied = {
        source
        for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in sources.split()
    }
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert copied == {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert "*" in lines
