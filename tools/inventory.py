"""What is in an image, as one JSON object. It runs inside, with the image's own Python: nothing else of ours is there.

`packages` are the Python distributions, `system` the packages of Debian, `bytes` all that is under the given folder.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import Distribution, distributions
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def package(distribution: Distribution) -> dict[str, Any]:
    """One distribution; `bytes` are those of its files that are there, with what is compiled from them."""
    metadata = distribution.metadata.json
    classifiers = metadata.get("classifier", [])
    return {
        "name": distribution.name,
        "version": distribution.version,
        "summary": metadata.get("summary"),
        "licence": {
            "expression": metadata.get("license_expression"),
            "text": metadata.get("license"),
            "classifiers": [classifier for classifier in classifiers if classifier.startswith("License ::")],
        },
        "modules": sorted({module for file in distribution.files or () if (module := _module(file.parts))}),
        "bytes": sum(_with_compiled(Path(str(file.locate()))) for file in distribution.files or ()),
    }


def requirements(installed: list[Distribution]) -> dict[str, list[str]]:
    """Which distributions each one needs here: names in PyPI's normal form, with what the wanted extras need."""
    wanted = {
        canonicalize_name(package.name): [Requirement(line) for line in package.requires or ()] for package in installed
    }
    extras: defaultdict[str, set[str]] = defaultdict(lambda: {""})
    for needed in wanted.values():
        for requirement in needed:
            extras[canonicalize_name(requirement.name)] |= requirement.extras
    return {
        one: sorted(
            {
                canonicalize_name(requirement.name)
                for requirement in needed
                if not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in extras[one])
            }
            & wanted.keys()
        )
        for one, needed in wanted.items()
    }


def system_packages() -> list[dict[str, str]]:
    """The packages of Debian; none where the image is made of something else."""
    fields = ("name", "version", "architecture")
    try:
        listed = subprocess.run(
            ["dpkg-query", "--show", "--showformat", r"${Package}\t${Version}\t${Architecture}\n"],  # noqa: S607
            capture_output=True,
            check=True,
            encoding="utf-8",
        )
    except FileNotFoundError:
        return []
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in listed.stdout.splitlines()]


def _module(parts: tuple[str, ...]) -> str | None:
    """The top-level module that a file belongs to: a package's folder, or a file of its own."""
    top = parts[0]
    if parts[-1] == "__init__.py" and len(parts) == 2:
        return top
    return top.removesuffix(".py") if len(parts) == 1 and top.endswith(".py") else None


def _with_compiled(path: Path) -> int:
    compiled = [Path(cache_from_source(str(path)))] if path.suffix == ".py" else []
    return sum(_size(file) for file in (path, *compiled))


def _size(path: Path) -> int:
    return path.lstat().st_size if path.exists() else 0


def _all_below(folder: Path) -> int:
    return sum(os.lstat(os.path.join(inner, file)).st_size for inner, _, files in os.walk(folder) for file in files)


def main(folder: Path) -> None:
    installed = sorted(distributions(), key=lambda found: canonicalize_name(found.name))
    found = {
        "python": platform.python_version(),
        "system": system_packages(),
        "packages": {canonicalize_name(found.name): package(found) for found in installed},
        "requirements": requirements(installed),
        "bytes": _all_below(folder),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
