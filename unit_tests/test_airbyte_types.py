"""The law about types knows which of them Airbyte knows."""

from __future__ import annotations

from typing import Any

import pytest

from unit_tests.airbyte_types import unknown_types

KNOWN: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": ["null", "integer"]},
    {"type": ["number", "null"]},
    {"type": "string", "format": "date"},
    {"type": ["null", "string"], "format": "date-time"},
    {"type": "string", "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    {"type": "string", "format": "time"},
    {"type": "string", "format": "time", "airbyte_type": "time_with_timezone"},
    {"type": "number", "airbyte_type": "integer"},
    {"type": "object"},
    {"type": ["null", "object"], "properties": {"name": {"type": "string"}}},
    {"type": "array", "items": {"type": ["null", "boolean"]}},
]
UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"type": ["null", "integer", "string"]}, "it: ['null', 'integer', 'string']"),
    ({"type": ["string"]}, "it: ['string']"),
    ({"type": ["null"]}, "it: ['null']"),
    ({"type": ["null", "null"]}, "it: ['null', 'null']"),
    ({"type": "null"}, "it: null"),
    ({"type": "text"}, "it: text"),
    ({}, "it: None"),
    ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "it: oneOf"),
    ({"type": "string", "anyOf": [{"format": "date"}]}, "it: anyOf"),
    ({"type": "integer", "format": "date-time"}, "it: integer, format date-time, airbyte_type None"),
    ({"type": "string", "format": "uri"}, "it: string, format uri, airbyte_type None"),
    (
        {"type": "string", "format": "date", "airbyte_type": "timestamp_with_timezone"},
        "it: string, format date, airbyte_type timestamp_with_timezone",
    ),
    ({"type": "integer", "airbyte_type": "big"}, "it: integer, format None, airbyte_type big"),
    ({"type": "array"}, "it[]: None"),
    ({"type": "array", "items": [{"type": "string"}]}, "it[]: [{'type': 'string'}]"),
    ({"type": "array", "items": {"type": ["string", "number"]}}, "it[]: ['string', 'number']"),
    ({"type": "object", "properties": {"id": {"type": ["integer", "string"]}}}, "it.id: ['integer', 'string']"),
]


@pytest.mark.parametrize("schema", KNOWN, ids=str)
def test_a_type_of_airbytes_is_known(schema: dict[str, Any]) -> None:
    assert list(unknown_types(schema, "it")) == []


@pytest.mark.parametrize(("schema", "expected"), UNKNOWN, ids=[str(schema) for schema, _ in UNKNOWN])
def test_any_other_type_is_told_with_its_path(schema: dict[str, Any], expected: str) -> None:
    assert list(unknown_types(schema, "it")) == [expected]
