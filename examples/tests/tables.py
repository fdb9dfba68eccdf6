"""What an example has put into a database: the rows as the server has them, and the types of the columns."""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import duckdb
from airbyte_cdk.models import AirbyteStream, SyncMode
from postgres import Postgres

from unit_tests.expected_keys import Key
from unit_tests.syncs import Sync

Row = dict[str, Any]
Rows = dict[str, dict[Key, Row]]
"""The rows of each stream, by their key."""
Schema = Mapping[str, Any]

PARTS = "object or array"
DELETED_AT = "_ab_cdc_deleted_at"
PYAIRBYTES = {"_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta"}
DLTS = {"_dlt_id", "_dlt_load_id"}
MERGED = "_tracker_order"
"""The column of the tables that dlt merges into."""
NEWEST = """
    SELECT * EXCLUDE place FROM (
        SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY _dlt_load_id DESC, _tracker_order DESC) AS place
        FROM read_parquet('{files}', union_by_name = true)
    ) WHERE place = 1 AND _ab_cdc_deleted_at IS NULL"""
"""The rows of a table of files to which dlt has appended; examples/README.md has it for stories."""


@dataclass(frozen=True)
class Table:
    """A table of a stream: the type of each column as the database calls it, and the rows."""

    types: Mapping[str, str]
    rows: Sequence[Row]


class Destination(ABC):
    """Where an example puts what it reads.

    `types` is what becomes of each kind of column.
    """

    script: ClassVar[str]
    types: ClassVar[Mapping[str, str]]

    def command(self, config: Mapping[str, Any], folder: Path) -> list[str | Path]:
        """The arguments of the example; it runs in the folder."""
        file = folder / "config.json"
        file.write_text(json.dumps(config), encoding="utf-8")
        return [file, self.database]

    def environment(self, config: Mapping[str, Any], folder: Path) -> Mapping[str, str]:
        """What the example finds in its environment, over this one."""
        return {"HOME": str(folder)}

    @property
    @abstractmethod
    def database(self) -> str:
        """What the example is told of where to put it."""

    @abstractmethod
    def table(self, stream: AirbyteStream) -> Table:
        """What is there."""

    def bookkeeping(self, stream: AirbyteStream) -> set[str]:
        """The columns of a table that the server knows nothing of."""
        return PYAIRBYTES

    def rows(self, stream: AirbyteStream) -> list[Row]:
        """The rows of a stream, with values as the server has them."""
        kinds = kinds_of(stream)
        return [
            {name: self.served(kinds[name], value) for name, value in row.items() if name in kinds}
            for row in self.table(stream).rows
        ]

    def keyed_rows(self, streams: Iterable[AirbyteStream]) -> Rows:
        """The rows of the streams, each by its key."""
        return {stream.name: keyed(stream, self.rows(stream)) for stream in streams}

    def served(self, kind: str, value: object) -> object:
        """A value of the database as the server has it."""
        if isinstance(value, datetime):
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, Decimal):
            return float(value)
        if isinstance(value, str) and kind == PARTS:
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

    def table(self, stream: AirbyteStream) -> Table:
        with duckdb.connect(self.database, read_only=True) as connection:
            return _fetched(connection.sql(f'FROM "{self.schema}"."{stream.name}"'))


class Postgresql(Destination):
    """The database of a server of its own."""

    schema: ClassVar[str]

    def __init__(self, server: Postgres) -> None:
        self._server = server

    @property
    def database(self) -> str:
        return self._server.url

    def table(self, stream: AirbyteStream) -> Table:
        with self._server.connect() as connection:
            types = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = %s AND table_name = %s",
                [self.schema, stream.name],
            ).fetchall()
            cursor = connection.execute(f'SELECT * FROM {self.schema}."{stream.name}"'.encode())
            columns = [column.name for column in cursor.description or ()]
            return Table(dict(types), [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()])


class PyAirbyteDuckDB(DuckDB):
    script = "pyairbyte_duckdb.py"
    schema = "main"
    types = {
        "integer": "BIGINT",
        "number": "DECIMAL(38,9)",
        "boolean": "BOOLEAN",
        "string": "VARCHAR",
        "date": "DATE",
        "date-time": "TIMESTAMP",
        PARTS: "JSON",
    }


class PyAirbytePostgres(Postgresql):
    script = "pyairbyte_postgres.py"
    schema = "tracker"
    types = {
        "integer": "bigint",
        "number": "numeric",
        "boolean": "boolean",
        "string": "character varying",
        "date": "date",
        "date-time": "timestamp without time zone",
        PARTS: "json",
    }

    def environment(self, config: Mapping[str, Any], folder: Path) -> Mapping[str, str]:
        return {**super().environment(config, folder), "PGPASSWORD": self._server.password}


class Dlt(Destination):
    """One of dlt's. What dlt keeps beside it is gone before the next sync: its own states are all that is left."""

    script = "dlt_pipeline.py"
    schema: ClassVar[str] = "pivotal_tracker"
    kind: ClassVar[str]
    credentials: ClassVar[str] = "CREDENTIALS"

    def command(self, config: Mapping[str, Any], folder: Path) -> list[str | Path]:
        shutil.rmtree(folder / "dlt", ignore_errors=True)
        return [self.kind]

    def environment(self, config: Mapping[str, Any], folder: Path) -> Mapping[str, str]:
        return {
            "DLT_DATA_DIR": str(folder / "dlt"),
            f"DESTINATION__{self.kind.upper()}__{self.credentials}": self.database,
            **{f"SOURCES__TRACKER__{name.upper()}": str(value) for name, value in config.items()},
        }

    def bookkeeping(self, stream: AirbyteStream) -> set[str]:
        return DLTS | ({MERGED} if is_incremental(stream) else set())


class DltDuckDB(Dlt, DuckDB):
    kind = "duckdb"
    types = {
        "integer": "BIGINT",
        "number": "DOUBLE",
        "boolean": "BOOLEAN",
        "string": "VARCHAR",
        "date": "DATE",
        "date-time": "TIMESTAMP WITH TIME ZONE",
        PARTS: "JSON",
    }


class DltPostgres(Dlt, Postgresql):
    kind = "postgres"
    types = {
        "integer": "bigint",
        "number": "double precision",
        "boolean": "boolean",
        "string": "character varying",
        "date": "date",
        "date-time": "timestamp with time zone",
        PARTS: "jsonb",
    }

    @property
    def database(self) -> str:
        return self._server.url.replace("@", f":{quote(self._server.password, safe='')}@")


class DltParquet(Dlt):
    """A folder of Parquet files, to which dlt appends, or whose files it replaces."""

    kind = "filesystem"
    credentials = "BUCKET_URL"
    types = {**DltDuckDB.types, PARTS: "VARCHAR"}

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "lake"

    @property
    def database(self) -> str:
        return str(self._folder)

    def table(self, stream: AirbyteStream) -> Table:
        files = self._folder / self.schema / stream.name / "*.parquet"
        if is_incremental(stream):
            query = NEWEST.format(key=", ".join(key_of(stream)), files=files)
            if DELETED_AT not in kinds_of(stream):
                query = query.removesuffix(f" AND {DELETED_AT} IS NULL")
        else:
            query = f"FROM read_parquet('{files}')"
        with duckdb.connect() as connection:
            return _fetched(connection.sql(query))


def _fetched(relation: duckdb.DuckDBPyRelation) -> Table:
    types = dict(zip(relation.columns, map(str, relation.types), strict=True))
    return Table(types, [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()])


def key_of(stream: AirbyteStream) -> list[str]:
    return [column for (column,) in stream.source_defined_primary_key or ()]


def is_incremental(stream: AirbyteStream) -> bool:
    return SyncMode.incremental in stream.supported_sync_modes


def served(streams: Iterable[AirbyteStream], config: Mapping[str, Any]) -> Rows:
    """What a first read of a server brings now."""
    records = Sync(config).records
    return {
        stream.name: keyed(
            stream, [{name: record.get(name) for name in kinds_of(stream)} for record in records[stream.name]]
        )
        for stream in streams
    }


def keyed(stream: AirbyteStream, rows: list[Row]) -> dict[Key, Row]:
    """The rows by their key, which no two of them may share."""
    by_key = {tuple(row[column] for column in key_of(stream)): row for row in rows}
    assert len(by_key) == len(rows), f"{len(rows) - len(by_key)} rows of {stream.name} are there twice"
    return by_key


def kinds_of(stream: AirbyteStream) -> dict[str, str]:
    """What each column of a stream holds, by its JSON schema: the keys of `Destination.types`."""
    return {name: _kind(schema) for name, schema in stream.json_schema["properties"].items()}


def _kind(schema: Schema) -> str:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    (kind,) = (json_type for json_type in types if json_type != "null")
    return PARTS if kind in ("object", "array") else str(schema.get("format", kind))
