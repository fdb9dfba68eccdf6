"""Says what the image is made of, from the image itself: `python -m tools.sbom FOLDER`.

`sbom.cdx.json` is a CycloneDX bill of materials, of Python, its packages with their licences and of Debian's packages;
`licences.md` is the table of the licences of all that this project adds to the base image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from tools.image import CONNECTOR, IMAGE, Inventory, NotReady, engine, look_into
from tools.markdown import table

BILL, LICENCES = "sbom.cdx.json", "licences.md"
UNKNOWN = "unknown"


def licence(declared: dict[str, Any]) -> str:
    """One licence from what a package's metadata says of it, which may be an SPDX expression, a name, or a whole text.

    A name is the package's own words, and `unknown` stands where it says nothing.
    """
    if declared["expression"]:
        return str(declared["expression"])
    text = (declared["text"] or "").strip()
    with suppress(InvalidLicenseExpression):
        return canonicalize_license_expression(text)
    names = [classifier.rpartition(" :: ")[2] for classifier in declared["classifiers"]]
    return ", ".join(names) or text.partition("\n")[0] or UNKNOWN


def bill(found: Inventory, image: str) -> Bom:
    """The bill of materials of the image, with who needs whom among the Python packages."""
    licences = LicenseFactory()
    components = {
        name: Component(
            type=ComponentType.LIBRARY,
            name=package["name"],
            version=package["version"],
            description=package["summary"],
            licenses=[
                licences.make_from_string(
                    licence(package["licence"]), license_acknowledgement=LicenseAcknowledgement.DECLARED
                )
            ],
            purl=PackageURL("pypi", None, name, package["version"]),
            bom_ref=f"pypi:{name}",
        )
        for name, package in found.packages.items()
    }
    ours = components.pop(CONNECTOR)
    ours.type = ComponentType.CONTAINER
    ours.purl = None
    ours.name = image.partition(":")[0]
    bom = Bom(components=[*components.values(), _interpreter(found.python), *map(_of_debian, found.system)])
    bom.metadata.component = ours
    for name, needed in found.requirements.items():
        bom.register_dependency(
            ours if name == CONNECTOR else components[name], [components[other] for other in needed]
        )
    return bom


def licence_table(found: Inventory) -> str:
    """The Python packages of the image, one line each, as Markdown."""
    return table(
        ("Package", "Version", "Licence"),
        ((package["name"], package["version"], licence(package["licence"])) for package in found.packages.values()),
    )


def _interpreter(version: str) -> Component:
    return Component(type=ComponentType.PLATFORM, name="python", version=version, bom_ref="python")


def _of_debian(package: dict[str, str]) -> Component:
    name, version = package["name"], package["version"]
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL("deb", "debian", name, version, {"arch": package["architecture"]}),
        bom_ref=f"deb:{name}:{package['architecture']}",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Write both files; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.sbom", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where the two files are written")
    parser.add_argument("--image", default=IMAGE, help="what to look into (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        with engine() as client:
            found = look_into(client, options.image)
    except NotReady as problem:
        print(problem, file=sys.stderr)
        return 1
    options.folder.mkdir(parents=True, exist_ok=True)
    _write(options.folder / BILL, JsonV1Dot6(bill(found, options.image)).output_as_string(indent=2))
    _write(options.folder / LICENCES, licence_table(found))
    return 0


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    print(f"Written: {path}")


if __name__ == "__main__":
    sys.exit(main())
