"""What metadata.yaml tells Airbyte's registry and platform is in their form, and true of this connector."""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

import pytest
import yaml

from source_pivotal_tracker.config import HOSTED_URL
from source_pivotal_tracker.source import SourcePivotalTracker

ROOT = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


METADATA: dict[str, Any] = yaml.safe_load(text("metadata.yaml"))
DATA: dict[str, Any] = METADATA["data"]
SPEC: dict[str, Any] = yaml.safe_load(text("source_pivotal_tracker/spec.yaml"))


if sys.version_info < (3, 13):  # airbyte-connector-models does not support newer ones
    from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import ConnectorMetadataDefinitionV0

    def test_it_has_the_form_that_airbytes_registry_reads() -> None:
        validated = ConnectorMetadataDefinitionV0.model_validate(METADATA)
        assert str(validated.data.definition_id) == "d60f5393-f99e-4310-8d05-b1876820f40e"

    def test_that_form_has_no_room_for_a_key_that_nobody_reads() -> None:
        misspelt = copy.deepcopy(METADATA)
        misspelt["data"]["suggestedStream"] = misspelt["data"].pop("suggestedStreams")
        with pytest.raises(ValueError, match="suggestedStream"):
            ConnectorMetadataDefinitionV0.model_validate(misspelt)


def test_its_version_is_that_of_the_package() -> None:
    (version,) = re.findall(r'^version = "(.+)"$', text("pyproject.toml"), re.MULTILINE)
    assert DATA["dockerImageTag"] == version


def test_its_version_is_the_newest_in_the_changelog() -> None:
    newest = re.findall(r"^## \[(\d.*?)\]", text("CHANGELOG.md"), re.MULTILINE)[0]
    assert DATA["dockerImageTag"] == newest


def test_its_image_is_the_one_that_airbytes_tests_run() -> None:
    assert yaml.safe_load(text("acceptance-test-config.yml"))["connector_image"] == f"{DATA['dockerRepository']}:dev"


def test_its_documentation_is_where_the_specification_says() -> None:
    assert DATA["documentationUrl"] == SPEC["documentationUrl"]


def test_the_hosts_it_allows_are_the_configured_one_and_the_default() -> None:
    assert DATA["allowedHosts"]["hosts"] == [urlsplit(HOSTED_URL).hostname, "${api_url}"]


def test_every_key_in_the_allowed_hosts_is_a_text_in_the_configuration() -> None:
    keys = [key for host in DATA["allowedHosts"]["hosts"] for key in re.findall(r"\$\{(.+?)\}", host)]
    properties = SPEC["connectionSpecification"]["properties"]
    assert {key: properties[key]["type"] for key in keys} == {"api_url": "string"}


def test_every_stream_that_it_suggests_exists() -> None:
    suggested = DATA["suggestedStreams"]["streams"]
    assert set(suggested) < {stream.name for stream in SourcePivotalTracker().streams({"api_token": "x"})}
    assert len(suggested) == len(set(suggested))


def test_the_breaking_change_of_its_version_has_a_chapter_in_the_migrations_page() -> None:
    changes = DATA["releases"]["breakingChanges"]
    assert list(changes) == [DATA["dockerImageTag"]]
    (change,) = changes.values()
    page, _, anchor = change["migrationDocumentationUrl"].partition("#")
    assert page == f"{DATA['documentationUrl']}-migrations"
    heads = re.findall(r"^## (.+)$", text("docs/pivotal-tracker-migrations.md"), re.MULTILINE)
    assert [re.sub(r"[^a-z0-9 ]", "", head.lower()).replace(" ", "-") for head in heads] == [anchor]


def test_the_breaking_change_names_the_streams_whose_data_has_to_be_read_anew() -> None:
    (change,) = DATA["releases"]["breakingChanges"].values()
    (scope,) = change["scopedImpact"]
    refreshed = set(re.findall(r"\| refresh `(\w+)`", text("docs/pivotal-tracker-migrations.md")))
    assert set(scope["impactedScopes"]) == refreshed
    assert [stream for stream in refreshed if f"`{stream}." not in change["message"]] == []


def test_every_suite_of_tests_that_it_names_is_here() -> None:
    where = {
        "unitTests": "unit_tests",
        "integrationTests": "integration_tests",
        "acceptanceTests": "acceptance-test-config.yml",
    }
    named = [option["suite"] for option in DATA["connectorTestSuitesOptions"]]
    assert named == list(where)
    assert [suite for suite in named if not (ROOT / where[suite]).exists()] == []


def test_its_tags_say_what_it_is_written_in() -> None:
    assert DATA["tags"] == ["language:python", "cdk:python"]


def test_its_icon_is_a_square_drawing_that_needs_no_other_file() -> None:
    drawing = Xml.parse(ROOT / DATA["icon"]).getroot()  # noqa: S314
    _, _, width, height = drawing.attrib["viewBox"].split()
    assert (drawing.tag, width) == (f"{SVG}svg", height)
    assert [key for part in drawing.iter() for key in part.attrib if key.endswith("href")] == []
