"""The manifest describes every setting and field, in types that Airbyte knows, and a Builder reads it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rocketlane_api import expected
from rocketlane_scene import FOLDER, STREAMS, Scene

NINE = ("projects", "tasks", "users", "fields", "time_offs", "spaces", "phases", "time_entries", "space_documents")
KNOWN_TYPES = {"null", "string", "integer", "number", "boolean", "object", "array"}


def without_custom_code(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with the changes that README.md gives for a Builder without custom code."""
    definitions = manifest["definitions"]
    definitions["key"] = {
        "type": "ApiKeyAuthenticator",
        "api_token": "{{ config['api_key'] }}",
        "inject_into": {"type": "RequestOption", "inject_into": "header", "field_name": "api-key"},
    }
    definitions["backoff"] = {"type": "ExponentialBackoffStrategy", "factor": 1}
    definitions["list"]["type"] = "SimpleRetriever"
    for name in ("class_name", "more_path", "count_path", "created_time"):
        del definitions["list"][name]
    del definitions["changes_list"]["cursor_time"]
    definitions["known_states"] = definitions["known_states_of_projects"] = []
    del manifest["spec"]["config_normalization_rules"]
    return manifest


def test_a_builder_without_custom_code_reads_an_account_that_stands_still(scenes: Any, tmp_path: Path) -> None:
    scene: Scene = scenes()
    manifest = without_custom_code(yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8")))
    plain = tmp_path / "plain.yaml"
    plain.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    assert "components" not in plain.read_text(encoding="utf-8")

    first = replace(scene.connector, manifest=plain).read(scene.config())
    second = replace(scene.connector, manifest=plain).read(scene.config(), ["tasks", "phases"], first.states)

    assert first.exit_code == second.exit_code == 0
    assert first.counts == {stream: len(expected(scene.world, stream)) for stream in STREAMS}
    assert second.counts["tasks"] < 10


def test_the_missions_nine_are_offered_first(scenes: Any) -> None:
    catalog = scenes().connector.catalog({"api_key": "any"})

    assert [stream["name"] for stream in catalog["streams"]] == list(STREAMS)
    assert STREAMS[:9] == NINE


def test_every_field_of_every_stream_is_described_in_a_type_that_airbyte_knows(scenes: Any) -> None:
    catalog = scenes().connector.catalog({"api_key": "any"})

    for stream in catalog["streams"]:
        ((key,),) = stream["source_defined_primary_key"]
        for path, schema in fields(stream["json_schema"], stream["name"]):
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            assert schema.get("description"), path
            assert set(kinds) <= KNOWN_TYPES, path
            assert "null" in kinds or path == f"{stream['name']}.{key}", path


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}.{name}", part
        yield from fields(part, f"{path}.{name}")
        yield from fields(part.get("items", {}), f"{path}.{name}[]")


SPEC: dict[str, Any] = yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))["spec"][
    "connection_specification"
]


@pytest.mark.parametrize("name", SPEC["properties"])
def test_every_setting_has_a_title_and_a_description_and_stands_in_the_readme(name: str) -> None:
    setting = SPEC["properties"][name]
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")

    assert setting["title"]
    assert setting["description"]
    assert setting.get("airbyte_hidden") or f"| `{name}` |" in readme


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_stands_in_the_readme(stream: str) -> None:
    assert f"| `{stream}` |" in (FOLDER / "README.md").read_text(encoding="utf-8")
