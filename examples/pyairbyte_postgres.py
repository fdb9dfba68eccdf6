"""Syncs a Tracker v5 server into PostgreSQL with PyAirbyte: run it again, and it brings what changed since.

PGPASSWORD=… python examples/pyairbyte_postgres.py secrets/config.json postgresql://me@localhost/warehouse [STREAM …]
"""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlsplit

# Read at the import: else PyAirbyte asks Airbyte's registry about the connector, and reports that it was used.
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")

from airbyte._processors.sql.postgres import PostgresSqlProcessor
from airbyte.caches import PostgresCache
from pyairbyte_sync import arguments, sync
from sqlalchemy import text

SCHEMA = "tracker"
ROWS_AT_ONCE = 1000


class TypedPostgresProcessor(PostgresSqlProcessor):
    """Lets PostgreSQL turn what came into the types of the columns.

    PyAirbyte's own way leads through pandas, which guesses the types from the values: of the text `007` it makes
    `7`, or `7.0` where another row has none, and of the key `1027_36` the number 102736.
    """

    def _write_files_to_new_table(self, files: list[Path], stream_name: str, batch_id: str) -> str:
        name = self._create_table_for_loading(stream_name, batch_id)
        table = self._fully_qualified(name)
        records = f"json_populate_recordset(CAST(NULL AS {table}), CAST(:records AS json))"
        with self.get_sql_connection() as connection:
            for file in files:
                with gzip.open(file, "rt", encoding="utf-8") as lines:
                    while some := list(islice(lines, ROWS_AT_ONCE)):
                        insert = text(f"INSERT INTO {table} SELECT * FROM {records}")  # noqa: S608
                        connection.execute(insert, {"records": f"[{','.join(some)}]"})
        return name


class TypedPostgresCache(PostgresCache):
    """A PostgresCache whose tables hold exactly what came."""

    _sql_processor_class = TypedPostgresProcessor


def main() -> None:
    """Sync what the command line names, into the tables of one schema."""
    options = arguments(__doc__, "postgresql://USER@HOST:PORT/NAME; the password is in PGPASSWORD")
    url = urlsplit(options.database)
    if not (url.hostname and url.username and url.path.strip("/")):
        sys.exit(f"{options.database} names no user, host and database: give postgresql://USER@HOST:PORT/NAME.")
    with tempfile.TemporaryDirectory() as folder:
        cache = TypedPostgresCache(
            host=url.hostname,
            port=url.port or 5432,
            database=url.path.strip("/"),
            username=url.username,
            password=url.password or quote(os.environ.get("PGPASSWORD", ""), safe=""),
            schema_name=SCHEMA,
            cache_dir=Path(folder),
        )
        sync(cache, options)


if __name__ == "__main__":
    main()
