"""Databases with rows that the connector wrote, and what dbt makes of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
from psycopg.types.json import Jsonb

PACKAGE = Path(__file__).resolve().parents[1]
DBT = Path(sys.executable).with_name("dbt")
PATIENCE = 600
POSTGRES_TYPES = {
    "VARCHAR": "text", "JSON": "jsonb", "TIMESTAMP": "timestamptz", "DOUBLE": "double precision", "BIGINT": "bigint",
    "BOOLEAN": "boolean", "DATE": "date",
}  # fmt: skip
"""As Airbyte's destination and PyAirbyte make them: times have a zone there."""


class Warehouse(Protocol):
    """A database that dbt works in."""

    environment: Mapping[str, str]
    target: str

    def rows(self, query: str) -> list[tuple[Any, ...]]: ...


@dataclass
class DuckDb:
    """A DuckDB file."""

    path: Path
    target: str = "duckdb"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment["TRACKER_DUCKDB"] = str(self.path)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def execute(self, statement: str) -> None:
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(statement)


@dataclass
class PostgresDatabase:
    """A PostgreSQL server, with the tables of a DuckDB file in the schema `raw`."""

    connect: Any
    environment: dict[str, str]
    target: str = "postgres"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute("SET TIME ZONE 'UTC'") and connection.execute(query).fetchall()

    def fill(self, source: DuckDb, schema: str = "main") -> None:
        """Copy all tables of a schema, with their types as Airbyte's destination has them."""
        tables = source.rows(f"SELECT table_name FROM duckdb_tables() WHERE schema_name = '{schema}'")
        with self.connect() as connection:
            connection.execute("CREATE SCHEMA raw")
            connection.execute("SET TIME ZONE 'UTC'")
            for (table,) in tables:
                columns = [(name, kind) for name, kind, *_ in source.rows(f'DESCRIBE {schema}."{table}"')]
                listed = ", ".join(f'"{name}" {POSTGRES_TYPES[kind]}' for name, kind in columns)
                connection.execute(f'CREATE TABLE raw."{table}" ({listed})')
                places = ", ".join(["%s"] * len(columns))
                kinds = [kind for _, kind in columns]
                rows = [list(map(_value, row, kinds)) for row in source.rows(f'FROM {schema}."{table}"')]
                with connection.cursor() as cursor:
                    cursor.executemany(f'INSERT INTO raw."{table}" VALUES ({places})', rows)


def _value(cell: Any, kind: str) -> Any:
    return Jsonb(json.loads(cell)) if kind == "JSON" and cell is not None else cell


def dbt(
    warehouse: Warehouse, command: str, folder: Path, variables: str, *more: str
) -> subprocess.CompletedProcess[str]:
    """Run dbt in the package; what it writes for itself goes to a folder."""
    return subprocess.run(
        [
            str(DBT), "--no-use-colors", command, "--target", warehouse.target,
            "--profiles-dir", str(Path(__file__).parent),
            "--target-path", str(folder / "target"), "--log-path", str(folder / "logs"), "--vars", variables, *more,
        ],
        cwd=PACKAGE, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", **warehouse.environment},
    )  # fmt: skip


def differing(one: Sequence[tuple[Any, ...]], other: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows that are in one of the two alone; numbers are the same if they differ by rounding."""
    return sorted(set(map(_rounded, one)) ^ set(map(_rounded, other)), key=str)[:10]


def _rounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        round(float(cell), 6) if isinstance(cell, float | Decimal | int) and not isinstance(cell, bool) else cell
        for cell in row
    )
