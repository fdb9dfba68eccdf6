"""Builds the image of a manifest-only connector and says what is in it: `python -m tools.manifest_image CONNECTOR`.

Needs an engine, and the base image that the connector's metadata.yaml names. Where that cannot be pulled, a stand-in
for it is made on the base image of source-pivotal-tracker.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import docker
import yaml

from tools.image import (
    CDK,
    MEGABYTE,
    ROOT,
    BuildFailed,
    Inventory,
    NotReady,
    base_image,
    engine,
    fetch,
    look_into,
    run_build,
)
from tools.program import MANIFEST_CONNECTORS

STAND_IN = "source-declarative-manifest:stand-in"
PACKAGES = "source-pivotal-tracker:builder"
FILES = ("manifest.yaml", "components.py")
"""What a connector adds to its base image."""


@dataclass(frozen=True)
class Built:
    """The image of a connector; `base` is what it stands on, and `named` what metadata.yaml wants it to stand on."""

    image: str
    base: str
    named: str

    @property
    def is_on_stand_in(self) -> bool:
        return self.base != self.named


def connectors() -> list[str]:
    """The names of the manifest-only connectors."""
    return sorted(path.parent.name for path in MANIFEST_CONNECTORS.glob("*/manifest.yaml"))


def metadata(connector: str) -> dict[str, Any]:
    """What metadata.yaml says of a connector."""
    text = (MANIFEST_CONNECTORS / connector / "metadata.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)["data"]
    return data


def build(client: docker.DockerClient, connector: str) -> Built:
    """Build the image of a connector from its folder; what the engine says goes to stderr.

    Raises NotReady where there is neither the base image nor one to make a stand-in on, BuildFailed where a step of the
    build fails.
    """
    data = metadata(connector)
    named = data["connectorBuildOptions"]["baseImage"]
    built = Built(f"{data['dockerRepository']}:dev", _base(client, named), named)
    labels = {"io.airbyte.name": data["dockerRepository"], "io.airbyte.version": data["dockerImageTag"]}
    options = [part for name, value in labels.items() for part in ("--label", f"{name}={value}")]
    dockerfile = str(MANIFEST_CONNECTORS / "Dockerfile")
    folder = MANIFEST_CONNECTORS / connector
    run_build(client, built.image, folder, "--file", dockerfile, *options, BASE_IMAGE=built.base)
    return built


def contents(built: Built, base_bytes: int, found: Inventory) -> Iterator[str]:
    """What the image stands on, and its parts in megabytes, line by line."""
    yield (
        f"On a stand-in for {built.named}, which cannot be pulled here" if built.is_on_stand_in else f"On {built.named}"
    )
    needed = found.with_all_it_needs(CDK)
    parts = {
        f"Python {found.python} and what else the base image has": base_bytes - found.cdk_bytes,
        f"airbyte-cdk {found.packages[CDK]['version']} and what it needs, {len(needed)} packages": found.cdk_bytes,
        " and ".join(FILES): found.image_bytes - base_bytes,
        "in total": found.image_bytes,
    }
    yield from (f"{size / MEGABYTE:8.2f} MB  {part}" for part, size in parts.items())


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the image and print its size by parts; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.manifest_image", description=__doc__)
    parser.add_argument("connector", choices=connectors(), metavar="CONNECTOR", help=", ".join(connectors()))
    connector: str = parser.parse_args(arguments).connector
    try:
        with engine() as client:
            built = build(client, connector)
            base_bytes = client.images.get(built.base).attrs["Size"]
            print(f"Built: {built.image}", *contents(built, base_bytes, look_into(client, built.image)), sep="\n")
    except (NotReady, BuildFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


def _base(client: docker.DockerClient, named: str) -> str:
    """The base image of this name, or the stand-in for it."""
    try:
        fetch(client, named)
    except NotReady:
        print(f"The base image {named} cannot be pulled here, so a stand-in takes its place.", file=sys.stderr)
    else:
        return named
    python = base_image()
    fetch(client, python)
    run_build(client, PACKAGES, ROOT, "--target", "builder", BASE_IMAGE=python)
    dockerfile = str(MANIFEST_CONNECTORS / "Dockerfile.stand-in")
    arguments = {"BASE_IMAGE": python, "PACKAGES_IMAGE": PACKAGES}
    run_build(client, STAND_IN, MANIFEST_CONNECTORS, "--file", dockerfile, **arguments)
    return STAND_IN


if __name__ == "__main__":
    sys.exit(main())
