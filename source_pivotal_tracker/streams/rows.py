"""The rows of the API, and where they come from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from source_pivotal_tracker.api.errors import InvalidResponse
from source_pivotal_tracker.streams.endpoints import Endpoint, Partition

Row = dict[str, Any]
ATTACHED = frozenset({"file_attachments", "google_attachments"})
"""The attributes of a comment that hold what is attached to it."""


@dataclass(frozen=True)
class Deletion:
    """A thing that a project's activity says is gone: when it went, and what it hung on, as far as it tells.

    `moved_away`: it went to another project.
    """

    kind: str
    id: int
    at: str
    story_id: int | None = None
    epic_id: int | None = None
    story_type: str | None = None
    moved_away: bool = False


def rows_in(body: Any, endpoint: Endpoint) -> list[Row]:
    """The rows in an answer of the endpoint. Raises InvalidResponse where it holds none."""
    rows = [body] if endpoint.single else body
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidResponse(f"the answer is not {'an object' if endpoint.single else 'a list of objects'}")
    if endpoint.part_of and not all(type(row.get("id")) is int for row in rows):
        if any(row.get("id") is None for row in rows):
            raise InvalidResponse("a row came without its id")
        raise InvalidResponse("a row came with an id that is no number")
    return rows


def fingerprint_of(rows: Sequence[Row], content: bytes) -> int:
    """The same for the same page: by the ids of its rows, for what else they show may differ at every look.

    Where they have none that are numbers, by its bytes.
    """
    ids = tuple(row.get("id") for row in rows)
    return hash(ids if all(type(row_id) is int for row_id in ids) else content)


def identity_of(row: Row) -> object:
    """What tells a row from the others of its list, without a look at the stream's key."""
    identity = next((row[name] for name in ("id", "guid", "number") if isinstance(row.get(name), int | str)), None)
    return str(row) if identity is None else identity


def as_text(value: object) -> str | None:
    """A text as it is, nothing as nothing, and all else as JSON writes it."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def without(row: Row, attributes: frozenset[str]) -> Row:
    """The row less these attributes; the row itself, where it has none of them."""
    if row.keys().isdisjoint(attributes):
        return row
    rest = row.copy()
    for attribute in attributes:
        rest.pop(attribute, None)
    return rest


def filled(row: Row, **ids: object) -> Row:
    """The row, with these ids where it has none: what the server says of a row is never overridden."""
    for name, value in ids.items():
        if row.get(name) is None:
            row[name] = value
    return row


def ids_of_parts(row: Row, partition: Partition) -> dict[str, object]:
    """The ids that a part of a row gets where it has none: the row's own project, or else that of the list."""
    project_id = row.get("project_id")
    return {
        "project_id": partition.parent_id if project_id is None else project_id,
        partition.endpoint.part_of: row["id"],
    }


def objects(row: Row, attribute: str) -> Sequence[Row]:
    """What an attribute of a row holds: a list of objects, one object or nothing. Else raises InvalidResponse."""
    values = row.get(attribute)
    if values is None:
        return ()
    if not isinstance(values, list):
        values = [values]
    for value in values:
        if not isinstance(value, dict):
            raise InvalidResponse(f"`{attribute}` of {row.get('kind', 'row')} {row.get('id')} does not hold objects")
    return values
