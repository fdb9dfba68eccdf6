"""The rows of one sync after the other are merged into a table for each stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tools.program import Message
from tools.replica import columns_of, create, merge, rows_file

Rows = Sequence[dict[str, Any]]

STORIES: Message = {
    "name": "stories",
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_primary_key": [["id"]],
    "json_schema": {
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": ["null", "string"]},
            "_ab_cdc_deleted_at": {"type": ["null", "string"], "format": "date-time"},
        }
    },
}
ITERATIONS: Message = {
    "name": "iterations",
    "supported_sync_modes": ["full_refresh"],
    "source_defined_primary_key": [["project_id"], ["number"]],
    "json_schema": {"properties": {"project_id": {"type": "integer"}, "number": {"type": "integer"}}},
}
CATALOG: Message = {"streams": [STORIES, ITERATIONS]}
DELETED = {"_ab_cdc_deleted_at": "2026-11-20T09:00:00Z"}


def merged(folder: Path, table: str, *syncs: Rows) -> list[tuple[Any, ...]]:
    """What a table holds, without the last column of `stories`, after syncs that brought these rows of its stream."""
    database = folder / "demo.duckdb"
    create(CATALOG, database)
    for rows in syncs:
        for stream in CATALOG["streams"]:
            lines = [f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows if stream["name"] == table]
            rows_file(folder, stream["name"]).write_text("".join(lines), encoding="utf-8")
        merge(CATALOG, folder, database)
    columns = {"stories": "id, name", "iterations": "project_id, number"}[table]
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.execute(f"SELECT {columns} FROM {table} ORDER BY ALL").fetchall()  # noqa: S608


def test_the_first_rows_fill_the_table(tmp_path: Path) -> None:
    assert merged(tmp_path, "stories", [{"id": 1, "name": "größe"}, {"id": 2}]) == [(1, "größe"), (2, None)]


def test_a_row_takes_the_place_of_the_one_with_its_key(tmp_path: Path) -> None:
    rows = merged(tmp_path, "stories", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], [{"id": 2, "name": "c"}])

    assert rows == [(1, "a"), (2, "c")]


def test_an_attribute_that_the_new_row_lacks_is_emptied(tmp_path: Path) -> None:
    assert merged(tmp_path, "stories", [{"id": 1, "name": "a"}], [{"id": 1}]) == [(1, None)]


def test_a_tombstone_takes_its_row_away(tmp_path: Path) -> None:
    rows = merged(tmp_path, "stories", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], [{"id": 1, **DELETED}])

    assert rows == [(2, "b")]


def test_a_tombstone_of_a_row_that_never_came_leaves_no_row(tmp_path: Path) -> None:
    assert merged(tmp_path, "stories", [{"id": 1, "name": "a"}], [{"id": 7, **DELETED}]) == [(1, "a")]


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], [(1, "b")]),
        ([{"id": 1, "name": "a"}, {"id": 1, **DELETED}], []),
        ([{"id": 1, **DELETED}, {"id": 1, "name": "back"}], [(1, "back")]),
    ],
    ids=["twice", "deleted", "deleted and back"],
)
def test_of_several_rows_with_one_key_the_last_counts(rows: Rows, left: list[tuple[Any, ...]], tmp_path: Path) -> None:
    assert merged(tmp_path, "stories", rows) == left
    assert merged(tmp_path, "stories", [{"id": 1, "name": "before"}], rows) == left


def test_a_stream_that_is_read_in_full_replaces_all_its_rows(tmp_path: Path) -> None:
    rows = merged(
        tmp_path,
        "iterations",
        [{"project_id": 1, "number": 1}, {"project_id": 1, "number": 2}],
        [{"project_id": 1, "number": 2}, {"project_id": 2, "number": 1}],
    )

    assert rows == [(1, 2), (2, 1)]


def test_a_database_that_is_made_anew_has_empty_tables(tmp_path: Path) -> None:
    merged(tmp_path, "stories", [{"id": 1}])

    assert merged(tmp_path, "stories", []) == []


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "integer"}, "BIGINT"),
        ({"type": ["null", "number"]}, "DOUBLE"),
        ({"type": "boolean"}, "BOOLEAN"),
        ({"type": ["null", "string"]}, "VARCHAR"),
        ({"type": "string", "format": "date"}, "DATE"),
        ({"type": ["null", "string"], "format": "date-time"}, "TIMESTAMP"),
        ({"type": "array", "items": {"type": "integer"}}, "JSON"),
        ({"type": ["null", "object"]}, "JSON"),
        ({"type": ["null", "integer", "string"]}, "JSON"),
    ],
)
def test_a_column_has_the_type_of_its_schema_and_json_where_it_has_parts_or_more_than_one(
    schema: Message, kind: str
) -> None:
    assert columns_of({"json_schema": {"properties": {"it": schema}}}) == {"it": kind}
