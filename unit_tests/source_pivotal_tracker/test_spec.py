"""The form in spec.yaml and the model in config.py tell the same."""

from __future__ import annotations

import pkgutil
from typing import Any

import jsonschema
import pytest
import yaml

from source_pivotal_tracker.config import Config, ConfigError, parse_config

TOKEN = {"api_token": "5c054d0de3440452190fdc5d5a04d871"}


def load_spec() -> dict[str, Any]:
    text = pkgutil.get_data("source_pivotal_tracker", "spec.yaml")
    assert text
    spec: dict[str, Any] = yaml.safe_load(text)["connectionSpecification"]
    return spec


SPEC = load_spec()
PROPERTIES: dict[str, dict[str, Any]] = SPEC["properties"]
MODEL = Config.model_json_schema()
BESIDE = {"export_project_ids": {"export_archive": "/exports"}}
"""What another key needs beside it."""
every_key = pytest.mark.parametrize("key", PROPERTIES)


def test_the_form_is_a_valid_draft_07_schema() -> None:
    jsonschema.Draft7Validator.check_schema(SPEC)

    assert SPEC["$schema"] == jsonschema.Draft7Validator.META_SCHEMA["$schema"]


def test_the_form_and_the_model_have_the_same_keys() -> None:
    assert PROPERTIES.keys() == Config.model_fields.keys()


def test_the_form_requires_nothing_for_the_model_wants_a_token_only_where_there_is_no_export() -> None:
    assert "required" not in SPEC
    assert MODEL["required"] == ["api_token"]


@every_key
def test_the_form_and_the_model_have_the_same_type_and_bounds(key: str) -> None:
    field = MODEL["properties"][key]
    field = next((kind for kind in field.get("anyOf", []) if kind["type"] != "null"), field)

    for fact in ("type", "minimum", "maximum", "items"):
        assert PROPERTIES[key].get(fact) == field.get(fact), fact


@every_key
def test_the_default_in_the_form_is_the_default_of_the_model(key: str) -> None:
    default = {key: PROPERTIES[key]["default"]} if "default" in PROPERTIES[key] else {}

    assert parse_config(TOKEN | default) == parse_config(TOKEN)


def test_only_what_is_the_users_own_has_no_default() -> None:
    without = [key for key, part in PROPERTIES.items() if "default" not in part]
    assert without == ["api_token", "export_archive", "start_date", "attachments_to"]


@every_key
def test_the_form_and_the_model_accept_every_default_and_example(key: str) -> None:
    part = PROPERTIES[key]
    suggested = [part["default"]] if "default" in part else []

    for value in [*suggested, *part.get("examples", [])]:
        config = TOKEN | BESIDE.get(key, {}) | {key: value}
        jsonschema.validate(config, SPEC)
        assert isinstance(parse_config(config), Config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("api_url", "tracker.example.com"),
        ("api_url", "ftp://tracker.example.com"),
        ("api_url", "https://tracker.example.com?a=b"),
        ("api_url", "https://tracker.example.com#top"),
        ("api_url", "https://tracker.example.com /"),
        ("lookback_window", "60"),
        ("lookback_window", "P"),
        ("lookback_window", "P1DT"),
        ("lookback_window", "P1Y"),
        ("lookback_window", "P1M"),
        ("lookback_window", "-PT1M"),
        ("project_ids", [0]),
        ("project_ids", [2**53 + 1]),
        ("project_ids", ["59f921"]),
        ("project_ids", ["0"]),
        ("project_ids", ["99, 100"]),
        ("project_ids", ["https://app.litetracker.com/n/projects/59f921"]),
        ("requests_per_minute", 0),
        ("requests_per_minute", 1001),
        ("num_workers", 0),
        ("num_workers", 21),
    ],
)
def test_what_the_form_refuses_is_refused_by_the_model(key: str, value: object) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(TOKEN | {key: value}, SPEC)
    with pytest.raises(ConfigError):
        parse_config(TOKEN | {key: value})


@pytest.mark.parametrize("ids", [[1027488], ["1027488"], [" 1027488 ", 1027494], []], ids=repr)
def test_the_form_takes_project_ids_as_numbers_and_as_texts_of_digits(ids: list[object]) -> None:
    jsonschema.validate(TOKEN | {"project_ids": ids}, SPEC)

    assert len(parse_config(TOKEN | {"project_ids": ids}).project_ids) == len(ids)


def test_the_form_says_how_to_find_the_id_of_a_project() -> None:
    description = PROPERTIES["project_ids"]["description"]
    assert "run the check: it lists each project with its name and id" in description
    assert "/n/projects/59f921" in description


def test_the_form_takes_the_config_of_airbytes_own_connector() -> None:
    jsonschema.validate(TOKEN, SPEC)

    assert parse_config(TOKEN).api_token.get_secret_value() == TOKEN["api_token"]


def test_the_form_allows_the_keys_that_the_platform_adds() -> None:
    assert SPEC["additionalProperties"] is True


@every_key
def test_a_property_has_what_the_form_shows_of_it(key: str) -> None:
    assert PROPERTIES[key]["title"]
    assert PROPERTIES[key]["description"].endswith(".")
    assert PROPERTIES[key]["group"] in [group["id"] for group in SPEC["groups"]]


def test_the_properties_are_written_in_the_order_of_the_form() -> None:
    assert [part["order"] for part in PROPERTIES.values()] == list(range(len(PROPERTIES)))


def test_every_group_has_a_title_and_a_property() -> None:
    assert all(group["title"] for group in SPEC["groups"])
    assert {group["id"] for group in SPEC["groups"]} == {part["group"] for part in PROPERTIES.values()}


@every_key
def test_a_pattern_is_explained(key: str) -> None:
    assert ("pattern" in PROPERTIES[key]) == ("pattern_descriptor" in PROPERTIES[key])


def test_the_token_and_nothing_else_is_a_secret() -> None:
    assert [key for key, part in PROPERTIES.items() if part.get("airbyte_secret")] == ["api_token"]


def test_the_token_has_no_pattern_that_an_error_of_a_json_validator_would_print_it_with() -> None:
    assert "pattern" not in PROPERTIES["api_token"]


def test_the_description_of_the_url_tells_of_the_closing_and_of_litetracker() -> None:
    assert "2025-04-30" in PROPERTIES["api_url"]["description"]
    assert "https://app.litetracker.com/services/v5" in PROPERTIES["api_url"]["description"]
