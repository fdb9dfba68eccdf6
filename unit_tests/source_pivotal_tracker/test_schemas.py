"""The schemas keep the laws of the house, accept what Airbyte's own connector accepted, and fit what Tracker sent."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from airbyte_cdk.sources.utils.schema_helpers import ResourceSchemaLoader
from jsonschema import Draft7Validator

import source_pivotal_tracker
from unit_tests.airbyte_types import unknown_types
from unit_tests.recordings import ORIGIN, exchanges, needs_recordings
from unit_tests.strict_schema import Schema, strict_validator
from unit_tests.syncs import BY_NAME

Row = dict[str, Any]

FOLDER = Path(source_pivotal_tracker.__file__).parent / "schemas"
NAMES = sorted(file.stem for file in FOLDER.glob("*.json"))
SHARED_NAMES = sorted(file.stem for file in (FOLDER / "shared").glob("*.json"))
ROOT = Path(__file__).resolve().parents[2]
CATALOG = ROOT.parent / "shared" / "compat" / "airbyte-0.3-catalog.json"

KEYS = {
    name: (stream.primary_key,) if isinstance(stream.primary_key, str) else tuple(stream.primary_key)
    for name, stream in BY_NAME.items()
}
CURSORS = {name: str(stream.cursor_field) for name, stream in BY_NAME.items() if stream.cursor_field}
ADDED_PARENTS = {
    "epic_comments": ("project_id", "epic_id"),
    "story_tasks": ("project_id", "story_id"),
    "story_comments": ("project_id", "story_id"),
    "story_blockers": ("project_id", "story_id"),
    "story_reviews": ("project_id", "story_id"),
    "story_pull_requests": ("project_id", "story_id"),
    "story_branches": ("project_id", "story_id"),
    "file_attachments": ("project_id", "comment_id", "comment_updated_at"),
    "google_attachments": ("project_id", "comment_id", "comment_updated_at"),
    "account_memberships": ("account_id",),
    "my_activity": ("project_id",),
}
SECRETS = {
    "me": ("api_token",),
    "webhooks": ("last_response_body",),
    "integrations": (
        "account",
        "api_password",
        "api_username",
        "basic_auth_password",
        "basic_auth_username",
        "external_api_token",
        "zendesk_user_email",
        "zendesk_user_password",
    ),
}


@cache
def schema_of(stream: str) -> Schema:
    return ResourceSchemaLoader("source_pivotal_tracker").get_schema(stream)


def subschemas(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """(path, schema) of `schema` and of all that it is made of, `path` being the names on the way, with dots."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from subschemas(field, f"{path}.{name}")
    if "items" in schema:
        yield from subschemas(schema["items"], f"{path}[]")


def types_in(schema: Schema) -> set[str]:
    types = schema["type"]
    return {types} if isinstance(types, str) else set(types)


def test_there_is_one_schema_for_each_stream() -> None:
    without_schema, without_stream = sorted(BY_NAME.keys() - set(NAMES)), sorted(set(NAMES) - BY_NAME.keys())
    assert without_schema == [], f"add {', '.join(f'{name}.json' for name in without_schema)} to {FOLDER.name}/"
    assert without_stream == [], f"add these streams to STREAMS in streams/__init__.py: {', '.join(without_stream)}"


@pytest.mark.parametrize("stream", NAMES)
def test_a_schema_is_valid_draft_07(stream: str) -> None:
    schema = schema_of(stream)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert schema["type"] == "object"
    Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("stream", NAMES)
def test_a_schema_uses_only_keywords_that_destinations_understand(stream: str) -> None:
    known = {"$schema", "type", "format", "description", "properties", "additionalProperties", "items"}
    assert [path for path, schema in subschemas(schema_of(stream), stream) if set(schema) - known] == []


@pytest.mark.parametrize("stream", NAMES)
def test_every_type_is_one_of_airbytes(stream: str) -> None:
    assert list(unknown_types(schema_of(stream), stream)) == []


@pytest.mark.parametrize("stream", NAMES)
def test_every_field_is_described_in_a_sentence(stream: str) -> None:
    undescribed = [
        path
        for path, schema in subschemas(schema_of(stream), stream)
        if not path.endswith("[]") and not re.fullmatch(r"\S.*\.", schema.get("description", ""))
    ]
    assert undescribed == []


@pytest.mark.parametrize("stream", NAMES)
def test_every_object_lets_unknown_fields_through(stream: str) -> None:
    closed = [
        path
        for path, schema in subschemas(schema_of(stream), stream)
        if "object" in types_in(schema) and schema.get("additionalProperties") is not True
    ]
    assert closed == []


@pytest.mark.parametrize("stream", NAMES)
def test_every_array_says_what_it_holds(stream: str) -> None:
    vague = [
        path
        for path, schema in subschemas(schema_of(stream), stream)
        if "array" in types_in(schema) and "items" not in schema
    ]
    assert vague == []


@pytest.mark.parametrize("stream", NAMES)
def test_formats_are_on_strings_only(stream: str) -> None:
    misplaced = [
        path
        for path, schema in subschemas(schema_of(stream), stream)
        if "format" in schema and types_in(schema) - {"null"} != {"string"}
    ]
    assert misplaced == []


@pytest.mark.parametrize("stream", NAMES)
def test_every_field_that_is_named_like_a_time_has_its_format(stream: str) -> None:
    unformatted = [
        path
        for path, schema in subschemas(schema_of(stream), stream)
        if re.search(r"(_at|_date|\.date|\.deadline|_completion|\.start|\.finish|start_time)$", path)
        and schema.get("format") != ("date" if path.endswith("date") else "date-time")
    ]
    assert unformatted == []


@pytest.mark.parametrize("stream", NAMES)
def test_ids_are_integers(stream: str) -> None:
    of_another_tool = {
        "external_id",
        "filter_id",
        "view_id",
        "bin_id",
        "external_project_id",
        "google_id",
        "resource_id",
    }
    wrong = [
        path
        for path, schema in subschemas(schema_of(stream), stream)
        if re.search(r"(\.|_)id$|_ids\[\]$", path)
        and path.split(".")[-1] not in of_another_tool
        and types_in(schema) - {"null"} != {"integer"}
    ]
    assert wrong == []


@pytest.mark.parametrize("stream", NAMES)
def test_a_primary_key_is_scalar_and_never_null(stream: str) -> None:
    fields = schema_of(stream)["properties"]
    assert {key: types_in(fields[key]) for key in KEYS[stream]} == {
        key: {"string"} if key in ("guid", "date") else {"integer"} for key in KEYS[stream]
    }


@pytest.mark.parametrize("stream", sorted(CURSORS))
def test_a_cursor_is_a_time_or_a_date(stream: str) -> None:
    cursor = schema_of(stream)["properties"][CURSORS[stream]]
    assert types_in(cursor) - {"null"} == {"string"}
    assert cursor["format"] == ("date" if CURSORS[stream] == "date" else "date-time")


@pytest.mark.parametrize("stream", sorted(ADDED_PARENTS))
def test_what_a_row_takes_over_from_its_parent_is_never_null(stream: str) -> None:
    fields = schema_of(stream)["properties"]
    assert [name for name in ADDED_PARENTS[stream] if "null" in types_in(fields[name])] == []


@pytest.mark.parametrize("stream", sorted(SECRETS))
def test_a_schema_has_no_field_for_a_secret(stream: str) -> None:
    assert schema_of(stream)["properties"].keys() & set(SECRETS[stream]) == set()


@pytest.mark.parametrize("name", SHARED_NAMES)
def test_a_shared_schema_is_used_more_than_once(name: str) -> None:
    uses = sum(file.read_text(encoding="utf-8").count(f'"{name}.json"') for file in FOLDER.rglob("*.json"))
    assert uses > 1


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"id": 1, "number": 1}, "Additional properties are not allowed ('number' was unexpected)"),
        ({"labels": [{"id": 1, "colour": "red"}]}, "Additional properties are not allowed ('colour' was unexpected)"),
        ({"updated_at": "2017-05-03"}, "'2017-05-03' is not a 'date-time'"),
        ({"id": None}, "None is not of type 'integer'"),
    ],
)
def test_the_strict_schema_of_stories_refuses_what_is_not_declared(row: Row, complaint: str) -> None:
    assert [error.message for error in strict_validator(schema_of("stories")).iter_errors(row)] == [complaint]


def test_the_strict_schema_of_activity_leaves_the_changed_values_open() -> None:
    row = {"guid": "1_2", "changes": [{"kind": "story", "new_values": {"anything": 1}}]}
    assert strict_validator(schema_of("activity")).is_valid(row)


needs_catalog = pytest.mark.skipif(not CATALOG.is_file(), reason=f"there is no catalog at {CATALOG}")


@cache
def airbyte_streams() -> dict[str, Any]:
    """The streams of Airbyte's own connector by name; none where its catalog is missing."""
    if not CATALOG.is_file():
        return {}
    return {stream["name"]: stream for stream in json.loads(CATALOG.read_text(encoding="utf-8"))["streams"]}


DIFFERENCES = {
    "activity.guid": ("string or null", "string"),
    "activity.performed_by": ("object", "object or null"),
    "activity.secondary_resources[]": ("string or null", "object"),
    "epics.id": ("integer or null", "integer"),
    "epics.label": ("object", "object or null"),
    "labels.id": ("integer or null", "integer"),
    "project_memberships.id": ("integer or null", "integer"),
    "project_memberships.person": ("object", "object or null"),
    "projects.id": ("integer or null", "integer"),
    "releases.id": ("integer or null", "integer"),
    "releases.labels[]": ("object", "object or null"),
    "stories.estimate": ("integer or null", "number or null"),
    "stories.id": ("integer or null", "integer"),
    "stories.labels[]": ("object", "object or null"),
}
"""The type of each field in Airbyte's own connector and here, where they are not the same.

Keys are never null, an estimate may be fractional, secondary resources always were objects, and an object that a
server may not show may be null.
"""


def differences(theirs: Schema, ours: Schema | None, path: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Every part of a schema of theirs that has another type or format here, or that is missing here."""
    types = (type_of(theirs), type_of(ours) if ours else "missing")
    if types[0] != types[1]:
        yield path, types
    parts = {
        f"{path}.{name}": (field, (ours or {}).get("properties", {}).get(name))
        for name, field in theirs.get("properties", {}).items()
    }
    if "items" in theirs:
        parts[f"{path}[]"] = (theirs["items"], (ours or {}).get("items"))
    for name, (their, our) in parts.items():
        yield from differences(their, our, name)


def type_of(schema: Schema) -> str:
    """`date-time or null` for a text of that format that may be null."""
    types = sorted(types_in(schema), key=lambda kind: (kind == "null", kind))
    words = [schema.get("format", kind) if kind == "string" else kind for kind in types]
    return " or ".join(map(str, words))


def test_a_difference_is_of_type_or_format_or_a_field_that_is_missing_however_deep() -> None:
    time, text = {"type": ["null", "string"], "format": "date-time"}, {"type": "string"}
    theirs: Schema = {
        "type": "object",
        "properties": {
            "at": time,
            "who": {"type": "object", "properties": {"name": text}},
            "ids": {"type": "array", "items": {"type": "integer"}},
        },
    }
    ours: Schema = {
        "type": "object",
        "properties": {"at": text, "who": {"type": "object"}, "ids": {"type": "array"}, "new": text},
    }
    assert dict(differences(theirs, theirs, "it")) == {}
    assert dict(differences(theirs, ours, "it")) == {
        "it.at": ("date-time or null", "string"),
        "it.who.name": ("string", "missing"),
        "it.ids[]": ("integer", "missing"),
    }


@needs_catalog
def test_every_stream_of_airbytes_connector_is_here_with_its_key() -> None:
    theirs = {
        name: tuple(path for (path,) in stream["source_defined_primary_key"])
        for name, stream in airbyte_streams().items()
    }
    assert theirs
    assert {name: KEYS.get(name) for name in theirs} == theirs


@needs_catalog
def test_its_fields_have_the_same_types_but_for_the_differences_that_are_known() -> None:
    found = {
        path: types
        for name, stream in airbyte_streams().items()
        for path, types in differences(stream["json_schema"], schema_of(name), name)
    }
    assert found == DIFFERENCES


def test_the_migrations_page_names_every_difference() -> None:
    page = (ROOT / "docs" / "pivotal-tracker-migrations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| .+ \|$", page, re.MULTILINE)
    assert {field: (theirs, ours) for field, theirs, ours in rows} == DIFFERENCES
    assert len(rows) == len(DIFFERENCES)


STREAM_OF_KIND = {
    "project": "projects",
    "label": "labels",
    "epic": "epics",
    "release": "releases",
    "iteration": "iterations",
    "story": "stories",
    "task": "story_tasks",
    "review": "story_reviews",
    "pull_request": "story_pull_requests",
    "cycle_time_details": "story_cycle_times",
    "story_transition": "story_transitions",
    "review_type": "review_types",
    "me": "me",
    "workspace": "workspaces",
    "notification": "notifications",
}
OF_SEVERAL_KINDS = {
    "activity",
    "my_activity",
    "project_history_days",
    "story_comments",
    "epic_comments",
    "file_attachments",
}
RECORDED = sorted({*STREAM_OF_KIND.values(), *OF_SEVERAL_KINDS})
STORY_PARTS = {"story_tasks", "story_reviews", "story_pull_requests", "story_cycle_times"}
NEVER_IN_A_ROW = {
    "projects": {"epics", "labels"},
    "epics": {"label_id"},
    "iterations": {"stories"},
    "stories": {"owned_by", "owners", "pull_requests", "tasks"},
    "story_reviews": {"review_type"},
    "me": {"api_token"},
    "workspaces": {"projects"},
}


def without(row: Row, names: Iterable[str]) -> Row:
    return {name: value for name, value in row.items() if name not in set(names)}


def resources_in(body: Any) -> Iterator[Row]:
    """Every resource in `body`, however deep, but not the short forms inside notifications and activity."""
    if isinstance(body, list):
        for item in body:
            yield from resources_in(item)
    elif isinstance(body, dict):
        yield body
        if not body.get("kind", "").endswith(("notification", "_activity")):
            yield from resources_in(list(body.values()))


def rows_of(resource: Row, project_id: int | None) -> Iterator[tuple[str, Row]]:
    """(stream, row as the connector emits it) of one resource; none where it has no kind, as under narrow `fields`."""
    kind = resource.get("kind", "")
    if kind.endswith("_activity"):
        row = {**resource, "project_id": resource["project"]["id"]}
        yield from (("activity", row), ("my_activity", row))
    elif kind == "comment":
        yield from rows_of_comment(resource, project_id)
    elif kind == "daily_history_container":
        for day in resource["data"]:
            row = dict(zip(resource["header"], day, strict=True))
            yield "project_history_days", {**row, "project_id": project_id}
    elif kind in STREAM_OF_KIND:
        stream = STREAM_OF_KIND[kind]
        row = without(resource, NEVER_IN_A_ROW.get(stream, ()))
        if stream == "projects":
            row["project_id"] = row["id"]
        if stream in STORY_PARTS:
            row["project_id"] = project_id
        yield stream, row


def rows_of_comment(comment: Row, project_id: int | None) -> Iterator[tuple[str, Row]]:
    row = {**without(comment, ["file_attachments"]), "project_id": project_id}
    yield ("epic_comments" if "epic_id" in comment else "story_comments"), row
    for attachment in comment.get("file_attachments", []):
        row = {
            **attachment,
            "download_url": ORIGIN + attachment["download_url"],
            "project_id": project_id,
            "story_id": comment.get("story_id"),
            "epic_id": comment.get("epic_id"),
            "comment_id": comment["id"],
            "comment_updated_at": comment["updated_at"],
        }
        yield "file_attachments", row


@cache
def recorded_rows() -> dict[str, list[Row]]:
    rows = defaultdict(list)
    for exchange in exchanges():
        project = re.match(r"/projects/(\d+)", exchange.path)
        for resource in resources_in(exchange.body):
            for stream, row in rows_of(resource, int(project[1]) if project else None):
                rows[stream].append(row)
    return rows


@needs_recordings
@pytest.mark.parametrize("stream", RECORDED)
def test_every_recorded_row_fits_its_strict_schema(stream: str) -> None:
    validator = strict_validator(schema_of(stream))
    rows = recorded_rows()[stream]
    assert rows
    assert {f"{error.json_path}: {error.message}" for row in rows for error in validator.iter_errors(row)} == set()


@needs_recordings
@pytest.mark.parametrize("stream", RECORDED)
def test_every_recorded_row_has_its_key(stream: str) -> None:
    assert [row for row in recorded_rows()[stream] if not row.keys() >= set(KEYS[stream])] == []
