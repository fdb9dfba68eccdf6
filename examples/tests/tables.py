"""What an example has put into a database: the rows as the server has them, and the types of the columns."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import duckdb
from airbyte_cdk.models import AirbyteStream
from postgres import Postgres

Row = dict[str, Any]
Schema = Mapping[str, Any]

PARTS = "object or array"
PYAIRBYTES = {"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"}
DLTS = {"_dlt_id", "_dlt_load_id", "_tracker_order"}


@dataclass(frozen=True)
class Table:
    """A table of a stream: the type of each column as the database calls it, and the rows."""

    types: Mapping[str, str]
    rows: Sequence[Row]


class Destination(ABC):
    """Where an example puts what it reads.

    `types` is what becomes of each kind of column, and `bookkeeping` are the columns that the server knows nothing of.
    """

    script: ClassVar[str]
    types: ClassVar[Mapping[str, str]]
    bookkeeping: ClassVar[set[str]]
    environment: Mapping[str, str] = {}

    @property
    @abstractmethod
    def database(self) -> str:
        """What the example is told of where to put it."""

    @abstractmethod
    def table(self, stream: str) -> Table:
        """What is there."""

    def rows(self, stream: AirbyteStream) -> list[Row]:
        """The rows of a stream, with values as the server has them."""
        kinds = kinds_of(stream)
        return [
            {name: self.served(kinds[name], value) for name, value in row.items() if name not in self.bookkeeping}
            for row in self.table(stream.name).rows
        ]

    def served(self, kind: str, value: object) -> object:
        """A value of the database as the server has it."""
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, str) and self.types[kind] == "JSON":
            return json.loads(value)
        return value


class DuckDB(Destination):
    """A DuckDB file."""

    schema: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self._file = folder / "tracker.duckdb"

    @property
    def database(self) -> str:
        return str(self._file)

    def table(self, stream: str) -> Table:
        with duckdb.connect(self.database, read_only=True) as connection:
            relation = connection.sql(f'FROM "{self.schema}"."{stream}"')
            types = dict(zip(relation.columns, map(str, relation.types), strict=True))
            return Table(types, [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()])


class PyAirbyteDuckDB(DuckDB):
    script = "pyairbyte_duckdb.py"
    schema = "main"
    bookkeeping = PYAIRBYTES
    types = {
        "integer": "BIGINT",
        "number": "DECIMAL(38,9)",
        "boolean": "BOOLEAN",
        "string": "VARCHAR",
        "date": "DATE",
        "date-time": "TIMESTAMP",
        PARTS: "JSON",
    }


class DltDuckDB(DuckDB):
    script = "dlt_pipeline.py"
    schema = "pivotal_tracker"
    bookkeeping = DLTS
    types = {
        "integer": "BIGINT",
        "number": "DOUBLE",
        "boolean": "BOOLEAN",
        "string": "VARCHAR",
        "date": "DATE",
        "date-time": "TIMESTAMP WITH TIME ZONE",
        PARTS: "JSON",
    }


class PyAirbytePostgres(Destination):
    script = "pyairbyte_postgres.py"
    bookkeeping = PYAIRBYTES
    types = {
        "integer": "bigint",
        "number": "numeric",
        "boolean": "boolean",
        "string": "character varying",
        "date": "date",
        "date-time": "timestamp without time zone",
        PARTS: "json",
    }

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self.environment = {"PGPASSWORD": server.password}

    @property
    def database(self) -> str:
        return self._server.url

    def table(self, stream: str) -> Table:
        with self._server.connect() as connection:
            types = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'tracker' AND table_name = %s",
                [stream],
            ).fetchall()
            cursor = connection.execute(f'SELECT * FROM tracker."{stream}"'.encode())
            columns = [column.name for column in cursor.description or ()]
            return Table(dict(types), [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()])


def kinds_of(stream: AirbyteStream) -> dict[str, str]:
    """What each column of a stream holds, by its JSON schema: the keys of `Destination.types`."""
    return {name: _kind(schema) for name, schema in stream.json_schema["properties"].items()}


def _kind(schema: Schema) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    (kind,) = (json_type for json_type in types if json_type != "null")
    return PARTS if kind in ("object", "array") else str(schema.get("format", kind))
