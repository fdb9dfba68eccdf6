"""Schemas as the tests read them: unknown fields are forbidden and formats are enforced."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jsonschema import Draft7Validator, FormatChecker

Schema = dict[str, Any]

FORMATS = FormatChecker(formats=["date"])


@FORMATS.checks("date-time", raises=ValueError)
def is_tracker_time(value: object) -> bool:
    """True for the one form in which Tracker writes times, `2017-05-03T23:30:01Z`, and for what is no string."""
    if isinstance(value, str):
        datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z")
        return value.endswith("Z")
    return True


def strict(schema: Schema) -> Schema:
    """A copy of `schema` in which no object, at any level, may hold a field that the schema does not declare.

    An object that declares no fields at all, like the `new_values` of a change, stays open.
    """
    closed = dict(schema)
    if "properties" in schema:
        closed["properties"] = {name: strict(field) for name, field in schema["properties"].items()}
        closed["additionalProperties"] = False
    if "items" in schema:
        closed["items"] = strict(schema["items"])
    return closed


def strict_validator(schema: Schema) -> Draft7Validator:
    """A validator of rows against `strict(schema)` that also checks `date` and `date-time`."""
    return Draft7Validator(strict(schema), format_checker=FORMATS)
