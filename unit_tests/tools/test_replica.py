"""The rows of one sync after the other are merged into a table for each stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tools.program import Message
from tools.replica import Differences, columns_of, create, differences, merge, rows_file

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


STORAGE_VERSION_OF_1_4 = 67
CATALOG_OF_ONE = {"streams": [{"name": "things", "json_schema": {"properties": {"id": {"type": "integer"}}}}]}


def test_a_database_is_of_a_version_that_duckdb_1_4_reads(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    create(CATALOG_OF_ONE, database)
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO things VALUES (1)")
    assert int.from_bytes(database.read_bytes()[12:20], "little") <= STORAGE_VERSION_OF_1_4


def test_the_first_rows_fill_the_table(tmp_path: Path) -> None:
    assert merged(tmp_path, "stories", [{"id": 1, "name": "größe"}, {"id": 2}]) == [(1, "größe"), (2, None)]


def test_a_row_takes_the_place_of_the_one_with_its_key(tmp_path: Path) -> None:
    rows = merged(tmp_path, "stories", [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], [{"id": 2, "name": "c"}])

    assert rows == [(1, "a"), (2, "c")]


@pytest.mark.parametrize("text", ["2026-11-20T09:00:00Z", "2026-11-20T14:30:00+05:30", "2026-11-20T02:00:00.000-07:00"])
def test_a_time_is_kept_in_utc_whatever_its_offset(text: str, tmp_path: Path) -> None:
    stream: Message = {
        "name": "events",
        "supported_sync_modes": ["full_refresh"],
        "source_defined_primary_key": [["id"]],
        "json_schema": {"properties": {"id": {"type": "integer"}, "at": {"type": "string", "format": "date-time"}}},
    }
    database = tmp_path / "demo.duckdb"
    create({"streams": [stream]}, database)
    rows_file(tmp_path, "events").write_text(json.dumps({"id": 1, "at": text}), encoding="utf-8")
    merge({"streams": [stream]}, tmp_path, database)

    with duckdb.connect(str(database), read_only=True) as connection:
        ((kept,),) = connection.execute("SELECT strftime(events.at, '%H:%M') FROM events").fetchall()
    assert kept == "09:00"


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


EVENTS: Message = {
    "name": "events",
    "json_schema": {
        "properties": {
            "id": {"type": "integer"},
            "happened": {"type": ["null", "string"], "format": "date-time"},
            "lead": {"type": ["null", "object"]},
            "_seen_at": {"type": "string"},
        }
    },
}
IN_TABLE = """
    CREATE TABLE events AS SELECT * FROM (
        VALUES (1, TIMESTAMP '2026-11-20 09:00:00', '{"id":7}'::JSON, 'now'), (2, NULL, NULL, 'now')
    ) AS held(id, happened, lead, _seen_at)"""
ONE = {"id": 1, "happened": "2026-11-20T11:00:00+02:00", "lead": {"id": 7}}
TWO = {"id": 2, "happened": None}


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([ONE, TWO], Differences(0, 0, set())),
        ([TWO], Differences(0, 1, set())),
        ([ONE, TWO, {"id": 3}], Differences(1, 0, set())),
        ([ONE, TWO | {"lead": {"id": 9}}], Differences(1, 1, set())),
        ([ONE | {"colour": "red"}, TWO], Differences(0, 0, {"colour"})),
        ([], Differences(0, 2, set())),
    ],
    ids=["the same", "one gone", "one new", "one changed", "an unknown attribute", "none"],
)
def test_a_table_is_compared_with_the_rows_of_a_server_in_the_columns_that_the_server_fills(
    rows: Rows, found: Differences
) -> None:
    with duckdb.connect() as connection:
        connection.execute(IN_TABLE)
        assert differences(EVENTS, rows, connection) == found
