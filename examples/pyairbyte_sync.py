"""What both PyAirbyte examples do: sync into a cache, and make its tables equal the server."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import airbyte
from airbyte.caches.base import CacheBase
from airbyte_protocol.models import AirbyteStream, SyncMode
from sqlalchemy import text

CONNECTOR = "source-pivotal-tracker"
DELETED_AT = "_ab_cdc_deleted_at"


def arguments(description: str | None, database: str) -> argparse.Namespace:
    """The command line `CONFIG DATABASE [STREAM …]`; `database` says what the second one is."""
    beside_python = shutil.which(CONNECTOR, path=str(Path(sys.executable).parent))
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the connector's configuration, a JSON file")
    parser.add_argument("database", metavar="DATABASE", help=database)
    parser.add_argument("streams", nargs="*", metavar="STREAM", help="a stream to sync (all)")
    parser.add_argument(
        "--connector",
        type=Path,
        default=beside_python or shutil.which(CONNECTOR) or CONNECTOR,
        metavar="FILE",
        help="the connector's executable (%(default)s)",
    )
    return parser.parse_args()


def sync(cache: CacheBase, options: argparse.Namespace) -> None:
    """Bring what is new into the cache, and clear away what is old or gone, so that its tables equal the server.

    The cache keeps the connector's states, so the next sync goes on from there. Where a sync fails, nothing of it is
    loaded; the program ends and says why.
    """
    try:
        config = json.loads(options.config.read_text(encoding="utf-8"))
        source = airbyte.get_source(CONNECTOR, local_executable=options.connector, config=config)
        source.check()
        source.select_streams(options.streams or "*")
        catalog = source.get_configured_catalog()
        began = datetime.now(UTC).replace(tzinfo=None)
        # PyAirbyte's merge keeps any one of several rows with the same key, and tombstones. So everything is appended.
        result = source.read(cache, write_strategy="append")
    except (OSError, ValueError, airbyte.exceptions.PyAirbyteError) as error:
        sys.exit(f"The sync failed: {error}")
    for configured in catalog.streams:
        name = cache.processor.get_sql_table_name(configured.stream.name)
        with cache.get_sql_engine().begin() as connection:
            for statement in clearing(configured.stream, f'{cache.schema_name}."{name}"', began):
                connection.execute(text(statement))
    print(f"{result.processed_records} records came, of {len(catalog.streams)} streams.")


def clearing(stream: AirbyteStream, table: str, began: datetime) -> Iterator[str]:
    """What leaves in a table, to which a sync that `began` then has appended, each row that there is, once.

    `began` is in UTC without a zone, as all times in the tables.
    """
    key = ", ".join(f'"{column}"' for (column,) in stream.source_defined_primary_key or ())
    # A row may have come more than once, as it was and as it is. The ids of the records are in their order.
    columns = [*(stream.default_cursor_field or ()), "_airbyte_raw_id"]
    newest = ", ".join(f'"{column}" DESC NULLS LAST' for column in columns)
    yield f"""
        DELETE FROM {table} WHERE _airbyte_raw_id IN (
            SELECT _airbyte_raw_id
            FROM (
                SELECT _airbyte_raw_id, row_number() OVER (PARTITION BY {key} ORDER BY {newest}) AS place FROM {table}
            ) AS ranked
            WHERE place > 1
        )"""  # noqa: S608
    if DELETED_AT in stream.json_schema["properties"]:
        yield f"DELETE FROM {table} WHERE {DELETED_AT} IS NOT NULL"  # noqa: S608
    if SyncMode.incremental not in stream.supported_sync_modes:
        # Every sync brings all rows of such a stream: what did not come is gone.
        yield f"DELETE FROM {table} WHERE _airbyte_extracted_at < '{began.isoformat()}'"  # noqa: S608
