"""The Airbyte protocol as the tests read it: unknown fields are forbidden, and what is not there is left out.

No package on PyPI ships `airbyte_protocol.yaml` itself. `airbyte-protocol-models-pdv2` has models that are generated
from it, and the schema is made of these again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from airbyte_protocol.models import AirbyteMessage
from jsonschema import Draft202012Validator

Schema = dict[str, Any]

NULL = {"type": "null"}
FIELD_OF_TYPE = {
    "LOG": "log",
    "SPEC": "spec",
    "CONNECTION_STATUS": "connectionStatus",
    "CATALOG": "catalog",
    "RECORD": "record",
    "STATE": "state",
    "TRACE": "trace",
    "CONTROL": "control",
}
"""Where a message of each type that a source may print has what it says."""


def closed(schema: Schema) -> Schema:
    """A copy of a schema of pydantic's in which no object that declares fields may hold another one, or null for one.

    Pydantic lets a field that may be missing be null too, which the protocol does not say.
    """
    copy = dict(schema)
    if schema.get("properties"):
        copy["properties"] = {name: _not_null(closed(field)) for name, field in schema["properties"].items()}
        copy["additionalProperties"] = False
    if "items" in schema:
        copy["items"] = closed(schema["items"])
    if "$defs" in schema:
        copy["$defs"] = {name: closed(definition) for name, definition in schema["$defs"].items()}
    return copy


def _not_null(field: Schema) -> Schema:
    choices = [closed(choice) for choice in field.get("anyOf", ()) if choice != NULL]
    return choices[0] if len(choices) == 1 else {**field, "anyOf": choices} if choices else field


PROTOCOL = Draft202012Validator(closed(AirbyteMessage.model_json_schema()))


def violations(message: object) -> Iterator[str]:
    """What is wrong with a message of a source, each with its path."""
    for error in PROTOCOL.iter_errors(message):
        yield f"{error.json_path}: {error.message[:200]}"
    if isinstance(message, dict):
        fields, expected = message.keys() - {"type"}, {FIELD_OF_TYPE.get(str(message.get("type")))}
        if fields != expected:
            yield f"$: {message.get('type')} with {sorted(fields)}"
