"""A DuckDB database with a table for each stream, into which the rows of one sync after the other are merged."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import orjson

from tools.program import Message, is_incremental

TIME = "TIMESTAMP"
TYPES = {
    ("integer", None): "BIGINT",
    ("number", None): "DOUBLE",
    ("boolean", None): "BOOLEAN",
    ("string", None): "VARCHAR",
    ("string", "date"): "DATE",
    ("string", "date-time"): TIME,
}
OLDEST_READER = "v1.4.0"
"""The oldest DuckDB that can open the database: PyAirbyte and dbt bring versions of their own."""
DELETED_AT = "_ab_cdc_deleted_at"


def rows_file(folder: Path, stream: str) -> Path:
    """Where the rows of a stream are kept, one JSON object a line."""
    return folder / f"{stream}.jsonl"


def create(catalog: Message, database: Path) -> None:
    """Make the database anew: an empty table for each stream of what discover found, with the columns of its schema."""
    for old in (database, database.with_name(f"{database.name}.wal")):
        old.unlink(missing_ok=True)
    with duckdb.connect(str(database), config={"storage_compatibility_version": OLDEST_READER}) as connection:
        for stream in catalog["streams"]:
            columns = ", ".join(f'"{column}" {kind}' for column, kind in columns_of(stream).items())
            connection.execute(f'CREATE TABLE "{stream["name"]}" ({columns})')


def merge(catalog: Message, folder: Path, database: Path) -> None:
    """Bring the rows of a sync, which are in the files of `folder`, into the tables.

    A row takes the place of the one with its key, and a tombstone takes it away. A stream that has no incremental
    mode was read in full: its rows take the place of all.
    """
    with duckdb.connect(str(database)) as connection:
        for stream in catalog["streams"]:
            if not is_incremental(stream):
                connection.execute(f'DELETE FROM "{stream["name"]}"')  # noqa: S608
            columns = columns_of(stream)
            connection.register("came", _rows(rows_file(folder, stream["name"]), columns, connection))
            connection.execute(_merge_statement(stream, DELETED_AT in columns))


class Differences(NamedTuple):
    """How a table differs from the rows that a server holds.

    `missing` rows are not in the table as they are on the server, `beyond` ones are in the table and not on the server.
    A row that was changed counts in both. The table has no column for the `unknown` attributes.
    """

    missing: int
    beyond: int
    unknown: set[str]


def differences(stream: Message, rows: Sequence[Message], connection: duckdb.DuckDBPyConnection) -> Differences:
    """Compare a stream's table with the rows that the server holds.

    Columns that no row of the server has are left out, because it is the connector that fills them.
    """
    shown = set[str]().union(*rows)
    columns = {name: kind for name, kind in columns_of(stream).items() if name in shown}
    table = connection.table(f'"{stream["name"]}"')
    if not columns:
        return Differences(len(rows), len(table), shown)
    with tempfile.TemporaryDirectory() as folder:
        file = rows_file(Path(folder), stream["name"])
        file.write_bytes(b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows))
        held = _rows(file, columns, connection)
        there = table.select(*map(duckdb.ColumnExpression, columns))
        return Differences(len(held.except_(there)), len(there.except_(held)), shown - columns.keys())


def columns_of(stream: Message) -> dict[str, str]:
    """DuckDB's type of each column, by the stream's JSON schema; JSON for what has parts or more than one type."""
    return {name: _column_type(schema) for name, schema in stream["json_schema"]["properties"].items()}


def _rows(file: Path, columns: dict[str, str], connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
    """The rows of a file, with every time in UTC: a TIMESTAMP that is read from a text loses the text's offset."""
    kinds = {name: "TIMESTAMPTZ" if kind == TIME else kind for name, kind in columns.items()}
    rows = connection.read_json(str(file), format="newline_delimited", columns=kinds)
    utc = duckdb.ConstantExpression("UTC")
    as_they_are = {name: duckdb.ColumnExpression(name) for name in columns}
    in_utc = {
        name: duckdb.FunctionExpression("timezone", utc, as_they_are[name]).alias(name)
        for name, kind in columns.items()
        if kind == TIME
    }
    return rows.select(*(as_they_are | in_utc).values())


def _merge_statement(stream: Message, has_tombstones: bool) -> str:
    key = ", ".join(column for (column,) in stream["source_defined_primary_key"])
    is_gone = f"came.{DELETED_AT} IS NOT NULL" if has_tombstones else "false"
    return f"""
        MERGE INTO "{stream["name"]}" USING (
            SELECT DISTINCT ON ({key}) * EXCLUDE place
            FROM (SELECT *, row_number() OVER () AS place FROM came) ORDER BY place DESC
        ) AS came USING ({key})
        WHEN MATCHED AND {is_gone} THEN DELETE
        WHEN MATCHED THEN UPDATE
        WHEN NOT MATCHED AND NOT {is_gone} THEN INSERT"""  # noqa: S608


def _column_type(schema: Message) -> str:
    kinds = schema.get("type", [])
    named = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    return TYPES.get((named[0], schema.get("format")), "JSON") if len(named) == 1 else "JSON"
