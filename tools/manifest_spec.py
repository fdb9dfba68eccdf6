"""Prints the settings that a manifest-only connector declares, as its image does for `spec`.

`python -m tools.manifest_spec connectors/source-rocketlane`. The cdk's own command line, `source-declarative-manifest`,
prints for `spec` what any manifest needs, whichever it is given.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from airbyte_cdk.entrypoint import launch
from airbyte_cdk.sources.declarative.parsers.custom_code_compiler import SDM_COMPONENTS_MODULE_NAME
from airbyte_cdk.sources.declarative.yaml_declarative_source import YamlDeclarativeSource


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the message of the connector in a folder; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.manifest_spec", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where manifest.yaml and components.py are")
    folder: Path = parser.parse_args(arguments).folder
    _load_components(folder / "components.py")
    launch(YamlDeclarativeSource(str(folder / "manifest.yaml")), ["spec"])
    return 0


def _load_components(path: Path) -> None:
    """Load the module under the name by which manifests call its classes."""
    found = importlib.util.spec_from_file_location(SDM_COMPONENTS_MODULE_NAME, path)
    assert found is not None  # noqa: S101
    assert found.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(found)
    sys.modules[SDM_COMPONENTS_MODULE_NAME] = module
    found.loader.exec_module(module)


if __name__ == "__main__":
    sys.exit(main())
