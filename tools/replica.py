"""A DuckDB database with a table for each stream, into which the rows of one sync after the other are merged."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tools.program import Message, is_incremental

TYPES = {
    ("integer", None): "BIGINT",
    ("number", None): "DOUBLE",
    ("boolean", None): "BOOLEAN",
    ("string", None): "VARCHAR",
    ("string", "date"): "DATE",
    ("string", "date-time"): "TIMESTAMP",
}
DELETED_AT = "_ab_cdc_deleted_at"


def rows_file(folder: Path, stream: str) -> Path:
    """Where the rows of a stream are kept, one JSON object a line."""
    return folder / f"{stream}.jsonl"


def create(catalog: Message, database: Path) -> None:
    """Make the database anew: an empty table for each stream of what discover found, with the columns of its schema."""
    for old in (database, database.with_name(f"{database.name}.wal")):
        old.unlink(missing_ok=True)
    with duckdb.connect(str(database)) as connection:
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
            rows = connection.read_json(
                str(rows_file(folder, stream["name"])), format="newline_delimited", columns=columns
            )
            connection.register("came", rows)
            connection.execute(_merge_statement(stream, DELETED_AT in columns))


def columns_of(stream: Message) -> dict[str, str]:
    """DuckDB's type of each column, by the stream's JSON schema; JSON for what has parts or more than one type."""
    return {name: _column_type(schema) for name, schema in stream["json_schema"]["properties"].items()}


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
    told = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    return TYPES.get((told[0], schema.get("format")), "JSON") if len(told) == 1 else "JSON"
