"""The manifest describes every setting and field, in types that Airbyte knows, and a Builder reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_cdk.sources.declarative.models import declarative_component_schema as models
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from persistiq_api import expected
from persistiq_scene import FOLDER, STREAMS, Scene
from pydantic.v1 import Extra

REPLACED = (
    "authenticator",
    "backoff_strategy",
    "retriever",
    "state_migrations",
    "transformations",
    "config_normalization_rules",
)
"""What a Builder without custom code needs replaced."""
KNOWN_TYPES = {"null", "string", "integer", "number", "boolean", "object", "array"}


def without_custom_code(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest with the changes that README.md gives for a Builder without custom code."""
    definitions = manifest["definitions"]
    definitions["authenticator"] = {
        "type": "ApiKeyAuthenticator",
        "api_token": "{{ config['api_key'] }}",
        "inject_into": {"type": "RequestOption", "inject_into": "header", "field_name": "x-api-key"},
    }
    definitions["backoff_strategy"] = {"type": "ExponentialBackoffStrategy", "factor": 1}
    definitions["retriever"]["type"] = "SimpleRetriever"
    for name in ("class_name", "has_more_path"):
        del definitions["retriever"][name]
    (campaigns,) = definitions["campaign_partitions"]["parent_stream_configs"]
    del campaigns["extra_fields"], campaigns["stream"]["retriever"]["is_of_parents"]
    leads, events = (stream for stream in manifest["streams"] if stream.get("name") in ("leads", "events"))
    (replies,) = manifest["streams"][-1]["streams"]
    time_of_event = "{{ format_datetime(record.get('event_at') or record.get('created_at') or '1970-01-01T00:00:00Z', "
    time_of_event += "'%Y-%m-%dT%H:%M:%S.%fZ') }}"
    field = {"type": "AddedFieldDefinition", "path": ["_event_at"], "value_type": "string", "value": time_of_event}
    events["transformations"] = [{"type": "AddFields", "fields": [field]}]
    for stream in (leads, events, replies):
        del stream["state_migrations"]
    del manifest["spec"]["config_normalization_rules"]
    return manifest


def test_a_builder_without_custom_code_reads_an_account_that_stands_still(scenes: Any, tmp_path: Path) -> None:
    scene: Scene = scenes()
    manifest = without_custom_code(yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8")))
    plain = tmp_path / "plain.yaml"
    plain.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    assert "components" not in plain.read_text(encoding="utf-8")

    first = replace(scene.connector, manifest=plain).read(scene.config())
    second = replace(scene.connector, manifest=plain).read(scene.config(), ["leads", "events"], first.states)

    assert first.exit_code == second.exit_code == 0
    assert first.counts == {stream: len(expected(scene.world, stream)) for stream in STREAMS}
    assert second.counts["leads"] == 0


def test_the_streams_are_offered_in_their_order(scenes: Any) -> None:
    catalog = scenes().connector.catalog({"api_key": "any-key-will-do", "include_replies": True})

    assert [stream["name"] for stream in catalog["streams"]] == list(STREAMS)


def test_every_field_of_every_stream_is_described_in_a_type_that_airbyte_knows(scenes: Any) -> None:
    catalog = scenes().connector.catalog({"api_key": "any-key-will-do", "include_replies": True})

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


@pytest.mark.parametrize("name", REPLACED)
def test_what_a_builder_needs_replaced_stands_in_the_readme(name: str) -> None:
    assert re.search(rf"(?m)^[|] [^|]*`{name}`[^|]* [|] ", (FOLDER / "README.md").read_text(encoding="utf-8"))


def test_every_key_of_the_manifest_is_one_that_the_cdk_knows() -> None:
    """A model of the cdk drops a key that it does not know without a word."""
    manifest = yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))
    resolved = ManifestReferenceResolver().preprocess_manifest(manifest)
    assert list(unknown_keys(resolved["streams"], "streams")) == []


def unknown_keys(part: Any, path: str) -> Iterator[str]:
    if isinstance(part, list):
        for place, item in enumerate(part):
            yield from unknown_keys(item, f"{path}[{place}]")
    elif isinstance(part, dict):
        model = getattr(models, part["type"], None) if isinstance(part.get("type"), str) else None
        if model is not None and model.Config.extra is not Extra.allow:
            known = {field.alias for field in model.__fields__.values()} | set(model.__fields__)
            yield from (f"{path}.{key}" for key in part.keys() - known)
        for key, item in part.items():
            if key != "schema":
                yield from unknown_keys(item, f"{path}.{key}")
