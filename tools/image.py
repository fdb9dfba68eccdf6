"""Builds the image and says what is in it: `python -m tools.image`. Needs an engine and the base image."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import orjson
from docker.errors import APIError, DockerException, ImageNotFound

from tools import inventory

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "airbyte/source-pivotal-tracker:dev"
FOLDER = "/airbyte"
"""Where in the image everything is that the base image does not have."""
CDK = "airbyte-cdk"
CONNECTOR = "tracker-connector"
OURS = {"tracker-archive", CONNECTOR}
MEGABYTE = 1_000_000
SET_UP = "on Debian, as root, `export BASE_IMAGE=$(tools/container_engine)` sets one up"


class NotReady(Exception):
    """There is no engine, or no base image; the sentence says which and how to get it."""


class BuildFailed(Exception):
    """The engine could not build the image; it has said why."""


@dataclass(frozen=True)
class Inventory:
    """What is in an image: its packages with their bytes, and who needs whom (see tools/inventory.py)."""

    python: str
    system: list[dict[str, str]]
    packages: dict[str, dict[str, Any]]
    requirements: dict[str, list[str]]
    bytes: int
    image_bytes: int

    def with_all_it_needs(self, name: str) -> set[str]:
        """The package of this name and those that it cannot do without."""
        found: set[str] = set()
        rest = [name]
        while rest:
            if (one := rest.pop()) not in found:
                found.add(one)
                rest += self.requirements[one]
        return found

    @property
    def cdk_bytes(self) -> int:
        """The cdk and its own dependencies, with what is compiled of them."""
        return sum(self.packages[name]["bytes"] for name in self.with_all_it_needs(CDK))

    @property
    def python_bytes(self) -> int:
        """What is compiled of Python's own library, nearly all of it for the cdk, and the environment's few files."""
        return self.bytes - sum(int(package["bytes"]) for package in self.packages.values())

    @property
    def added_bytes(self) -> int:
        """The packages that the cdk does not need: the connector with its server, and theirs."""
        return self.bytes - self.cdk_bytes - self.python_bytes

    def sizes(self) -> Iterator[str]:
        """A table of the image's parts in megabytes, line by line."""
        others = sorted(self.packages.keys() - self.with_all_it_needs(CDK) - OURS)
        parts = {
            "the base image": self.image_bytes - self.bytes,
            "airbyte-cdk and what it needs": self.cdk_bytes,
            "compiled parts of Python": self.python_bytes,
            f"the rest: this package, {', '.join(others)}": self.added_bytes,
            "in total": self.image_bytes,
        }
        return (f"{size / MEGABYTE:7.1f} MB  {part}" for part, size in parts.items())


@contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """A client of the container engine that the environment names. Raises NotReady where none answers."""
    try:
        asked = subprocess.run(["docker", "version"], capture_output=True, encoding="utf-8")  # noqa: S607
    except FileNotFoundError:
        raise NotReady(f"There is no program docker: install Docker; {SET_UP}.") from None
    if asked.returncode:
        reason = asked.stderr.strip().splitlines()[-1]
        raise NotReady(f"No container engine answers ({reason}): start Docker; {SET_UP}.")
    try:
        client = docker.from_env()
    except DockerException as error:
        raise NotReady(f"The engine of the program docker is not that of DOCKER_HOST ({error}): set it.") from None
    with closing(client):
        yield client


def base_image() -> str:
    """`BASE_IMAGE` of the environment, or else what the Dockerfile names."""
    default = re.search(r"^ARG BASE_IMAGE=(\S+)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert default  # noqa: S101
    return os.environ.get("BASE_IMAGE") or default[1]


def fetch(client: docker.DockerClient, base: str) -> None:
    """See that the engine has a base image. Raises NotReady where it can neither be found nor pulled."""
    try:
        client.images.get(base)
    except ImageNotFound:
        try:
            client.images.pull(base)
        except (APIError, ImageNotFound) as error:
            raise NotReady(f"The base image {base} cannot be pulled ({error.explanation}): {SET_UP}.") from None


def run_build(client: docker.DockerClient, tag: str, folder: Path, *options: str, **arguments: str) -> None:
    """Build an image from a folder, with the arguments of its Dockerfile; what the engine says goes to stderr.

    Raises BuildFailed where a step fails.
    """
    # An engine without a bridge has no network for a build but the machine's own.
    network = [] if client.networks.list(names=["bridge"]) else ["--network", "host"]
    given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    command = ["docker", "build", *network, *given, *options, "--tag", tag, str(folder)]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise BuildFailed("The image was not built: the lines above say why.")


def build(client: docker.DockerClient) -> None:
    """Build IMAGE from the checkout.

    Raises NotReady where the base image can neither be found nor pulled, BuildFailed where a step of the build fails.
    """
    base = base_image()
    fetch(client, base)
    run_build(client, IMAGE, ROOT, BASE_IMAGE=base)


def look_into(client: docker.DockerClient, image: str = IMAGE) -> Inventory:
    """What is in the image. Raises NotReady where it has not been built."""
    code = Path(inventory.__file__).read_text(encoding="utf-8")
    try:
        found = client.containers.run(
            image, ["-c", code, FOLDER], entrypoint="python", network_mode="none", remove=True
        )
    except ImageNotFound:
        raise NotReady(f"There is no image {image}: `make image` builds it.") from None
    return Inventory(**orjson.loads(found), image_bytes=client.images.get(image).attrs["Size"])


def main() -> int:
    """Build the image and print its size by parts; returns the exit status."""
    try:
        with engine() as client:
            build(client)
            print(f"Built: {IMAGE}", *look_into(client).sizes(), sep="\n")
    except (NotReady, BuildFailed) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
