"""Which types a field may have for Airbyte: one, of those that every destination knows, or that and null.

https://docs.airbyte.com/platform/understanding-airbyte/supported-data-types
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

TYPES = {"string", "boolean", "integer", "number", "object", "array"}
ANNOTATIONS: Mapping[tuple[object, object], set[object]] = {
    ("string", None): {None},
    ("string", "date"): {None},
    ("string", "date-time"): {None, "timestamp_with_timezone", "timestamp_without_timezone"},
    ("string", "time"): {None, "time_with_timezone", "time_without_timezone"},
    ("number", None): {None, "integer"},
}
"""What `airbyte_type` may say for a type and a format; for others there is neither."""
CHOICES = ("oneOf", "anyOf", "allOf", "not")


def unknown_types(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Each part of the schema whose type is none of Airbyte's, by its path, with the type."""
    declared, given = schema.get("type"), schema.get("format")
    kind = _kind(declared)
    choices = [keyword for keyword in CHOICES if keyword in schema]
    if choices:
        yield f"{path}: {', '.join(choices)}"
    elif kind is None:
        yield f"{path}: {declared}"
    elif schema.get("airbyte_type") not in ANNOTATIONS.get((kind, given), {None} if given is None else set()):
        yield f"{path}: {kind}, format {given}, airbyte_type {schema.get('airbyte_type')}"
    for name, field in schema.get("properties", {}).items():
        yield from unknown_types(field, f"{path}.{name}")
    items = schema.get("items", {} if kind == "array" else None)
    if isinstance(items, Mapping):
        yield from unknown_types(items, f"{path}[]")
    elif items is not None:
        yield f"{path}[]: {items}"


def _kind(declared: object) -> str | None:
    """The one type that is declared, beside null; None for more, for none, and for what is no type."""
    if isinstance(declared, list) and len(declared) == 2 and declared.count("null") == 1:
        (declared,) = (kind for kind in declared if kind != "null")
    return declared if isinstance(declared, str) and declared in TYPES else None
