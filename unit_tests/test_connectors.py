"""The manifest-only connectors: each folder stands alone, and what they share is one text."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver

from unit_tests.airbyte_types import unknown_types
from unit_tests.test_floors import CONNECTOR, SERVER, WORKSHOPS, modules, packages_imported

ROOT = Path(__file__).parents[1]
HOME = ROOT / "connectors"
CONNECTORS = sorted(path.parent.name for path in HOME.glob("*/manifest.yaml"))
SHARED = ("components.py", "sample_server/serving.py", "unit_tests/declarative_runner.py")
"""What is the same in each folder, because a folder that is lifted out has to bring all that it needs."""
FILES = {
    *("README.md", "acceptance-test-config.yml", "components.py", "conftest.py", "icon.svg", "manifest.yaml"),
    *("metadata.yaml", "sample_server", "unit_tests"),
}
OF_SEVERAL_TYPES = {
    "source-persistiq": {"bounced", "optedout"},
    "source-rocketlane": {"fieldValue", "currency"},
}
"""The fields whose values come in more than one type: they are declared, and sent, as they come."""
SVG = "{http://www.w3.org/2000/svg}"

each_connector = pytest.mark.parametrize("name", CONNECTORS)


def loaded(name: str, file: str) -> Any:
    return yaml.safe_load((HOME / name / file).read_text(encoding="utf-8"))


def test_there_is_a_connector_for_persistiq_and_one_for_rocketlane() -> None:
    assert CONNECTORS == ["source-persistiq", "source-rocketlane"]


@each_connector
def test_its_folder_has_these_files_and_no_others(name: str) -> None:
    left_behind = {".tmp", "build", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
    left_behind |= {"config.json", "catalog.json", "state.json"}  # Its README has them made there.
    assert {path.name for path in (HOME / name).iterdir()} - left_behind == FILES


@pytest.mark.parametrize("file", SHARED)
def test_what_they_share_is_the_same_text_in_each(file: str) -> None:
    first, *others = ((HOME / name / file).read_text(encoding="utf-8") for name in CONNECTORS)
    assert [other == first for other in others] == [True] * len(others)


@each_connector
def test_it_imports_nothing_of_this_repository_but_its_own_folder(name: str) -> None:
    imported = {package for module in modules(f"connectors/{name}") for package in packages_imported(module)}
    assert imported.isdisjoint({CONNECTOR, SERVER, *WORKSHOPS} - {"unit_tests"})


def test_the_tracker_connector_and_its_server_know_nothing_of_them() -> None:
    texts = [(ROOT / module).read_text(encoding="utf-8") for module in [*modules(CONNECTOR), *modules(SERVER)]]
    assert [text for text in texts if re.search("rocketlane|persistiq", text, re.IGNORECASE)] == []


if sys.version_info < (3, 13):  # airbyte-connector-models does not support newer ones
    from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import ConnectorMetadataDefinitionV0

    @each_connector
    def test_its_metadata_has_the_form_that_airbytes_registry_reads(name: str) -> None:
        validated = ConnectorMetadataDefinitionV0.model_validate(loaded(name, "metadata.yaml"))
        assert validated.data.docker_repository == f"airbyte/{name}"


@each_connector
def test_its_metadata_is_true_of_its_manifest(name: str) -> None:
    data, manifest = loaded(name, "metadata.yaml")["data"], loaded(name, "manifest.yaml")
    cdk = version("airbyte-cdk")
    offered = [stream["name"] for stream in manifest["streams"] if stream["type"] == "DeclarativeStream"]
    assert set(data["suggestedStreams"]["streams"]) <= set(offered)
    assert data["documentationUrl"] == manifest["spec"]["documentation_url"]
    base = rf"docker\.io/airbyte/source-declarative-manifest:{re.escape(cdk)}(@sha256:[0-9a-f]{{64}})?"
    assert re.fullmatch(base, data["connectorBuildOptions"]["baseImage"])
    assert manifest["version"] == cdk
    (host,) = data["allowedHosts"]["hosts"]
    default = manifest["spec"]["connection_specification"]["properties"]["api_url"]["default"]
    assert default.startswith(f"https://{host}/")
    assert loaded(name, "acceptance-test-config.yml")["connector_image"] == f"airbyte/{name}:dev"


@each_connector
def test_every_type_is_one_of_airbytes_but_for_values_that_have_several(name: str) -> None:
    manifest = ManifestReferenceResolver().preprocess_manifest(loaded(name, "manifest.yaml"))
    schemas = dict(schemas_in(manifest, name))
    assert len(schemas) > 3
    unknown = {line for path, schema in schemas.items() for line in unknown_types(schema, path)}
    assert {re.sub(r"^.*[.\]](\w+)(\[])?: .*", r"\1", line) for line in unknown} == OF_SEVERAL_TYPES[name]


def schemas_in(part: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The schemas of a manifest's streams, by where they are."""
    if isinstance(part, dict) and part.get("type") == "InlineSchemaLoader":
        yield path, part["schema"]
    elif isinstance(part, dict | list):
        for key, inside in part.items() if isinstance(part, dict) else enumerate(part):
            yield from schemas_in(inside, f"{path}.{key}")


@each_connector
def test_its_icon_is_a_square_drawing_that_needs_no_other_file(name: str) -> None:
    drawing = Xml.parse(HOME / name / "icon.svg").getroot()  # noqa: S314
    assert drawing.tag == f"{SVG}svg"
    assert drawing.get("width") == drawing.get("height") == "250"
    assert [element for element in drawing.iter() if any("href" in key for key in element.attrib)] == []


@each_connector
def test_it_is_named_in_the_readme(name: str) -> None:
    assert f"(connectors/{name}/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
