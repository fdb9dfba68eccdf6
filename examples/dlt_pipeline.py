"""Syncs a Tracker v5 server into a DuckDB file with dlt: run it again, and it brings what changed since.

python examples/dlt_pipeline.py secrets/config.json tracker.duckdb [STREAM …]
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

# Read at the import: else dlt reports that it was used.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

import dlt
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessageSerializer,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)
from airbyte_cdk.utils import AirbyteTracedException
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract import DltResource
from dlt.pipeline.exceptions import PipelineStepFailed

from source_pivotal_tracker.source import SourcePivotalTracker

logger = logging.getLogger("airbyte")

Row = dict[str, Any]
Page = tuple[str, Sequence[Row]]
"""Rows, and the name of their stream."""

TYPES: dict[tuple[str, str | None], TDataType] = {
    ("integer", None): "bigint",
    ("number", None): "double",
    ("boolean", None): "bool",
    ("string", None): "text",
    ("string", "date"): "date",
    ("string", "date-time"): "timestamp",
}
SCHEMA = "pivotal_tracker"
"""Not the name of the file: DuckDB could not tell the two apart in a query."""
DELETED_AT = "_ab_cdc_deleted_at"
ORDER = "_tracker_order"
"""A row may come more than once in a sync, as it was and as it is: dlt keeps the one with the greatest of these."""


def main() -> None:
    """Sync what the command line names. Where that fails, nothing is loaded, and the program ends and says why."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="the connector's configuration, a JSON file")
    parser.add_argument("database", type=Path, metavar="DATABASE", help="a DuckDB file, made where it is missing")
    parser.add_argument("streams", nargs="*", metavar="STREAM", help="a stream to sync (all)")
    options = parser.parse_args()
    logger.setLevel(logging.WARNING)
    try:
        config = json.loads(options.config.read_text(encoding="utf-8"))
        streams = discovered(config, options.streams)
        sync(config, streams, options.database)
    except PipelineStepFailed as failure:
        sys.exit(f"The sync failed: {failure.exception}")
    except (AirbyteTracedException, OSError, ValueError) as error:
        sys.exit(f"The sync failed: {error}")


def sync(config: Mapping[str, Any], streams: Sequence[AirbyteStream], database: Path) -> None:
    """Bring what is new into the tables of the streams, which then equal the server.

    dlt keeps the states of the connector with its own, in the database: any machine that has it goes on from there.
    """
    destination = dlt.destinations.duckdb(str(database.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline("tracker", pipelines_dir=folder, destination=destination, dataset_name=SCHEMA)
        loaded = pipeline.run(tracker(config, streams))
        came = ", ".join(f"'{load}'" for load in loaded.loads_ids)
        with pipeline.sql_client() as client:
            for stream in streams:
                if not is_incremental(stream):
                    # Every sync brings all rows of such a stream: what did not come is gone.
                    client.execute_sql(f'DELETE FROM "{stream.name}" WHERE _dlt_load_id NOT IN ({came})')  # noqa: S608
    print(loaded)


@dlt.source(name="tracker", max_table_nesting=0)
def tracker(config: Mapping[str, Any], streams: Sequence[AirbyteStream]) -> Iterator[DltResource]:
    """A resource for each stream, with its key. One read feeds them all, so no page is asked for twice."""

    @dlt.resource(selected=False)
    def pages() -> Iterator[Page]:
        states: dict[str, Any] = dlt.current.source_state().setdefault("states", {})
        known = [AirbyteStateMessageSerializer.load(state) for state in states.values()]
        catalog = catalog_of(streams)
        yield from ((stream.name, ()) for stream in streams)
        for item in SourcePivotalTracker().sync(config, catalog, known, lambda name, rows: (name, rows)):
            if not isinstance(item, AirbyteMessage):
                yield item
            elif item.state and item.state.stream:
                name = item.state.stream.stream_descriptor.name
                states[name] = AirbyteStateMessageSerializer.dump(item.state)

    for stream in streams:
        yield dlt.transformer(
            rows_of(stream),
            data_from=pages,
            name=stream.name,
            primary_key=[column for (column,) in stream.source_defined_primary_key or ()],
            write_disposition="merge",
            columns=columns_of(stream),
        )


def rows_of(stream: AirbyteStream) -> Callable[[Page], Iterator[Any]]:
    """Picks the rows of one stream out of the pages of all, and says of each how new it is.

    A page without rows makes the table, even if none comes.
    """
    (cursor,) = stream.default_cursor_field or [""]
    places = itertools.count()

    def rows_in(page: Page) -> Iterator[Any]:
        name, rows = page
        if name == stream.name and not rows:
            yield dlt.mark.materialize_table_schema()
        elif name == stream.name:
            yield [row | {ORDER: f"{row.get(cursor, '')} {next(places):012}"} for row in rows]

    return rows_in


def columns_of(stream: AirbyteStream) -> TTableSchemaColumns:
    """dlt's types by the stream's JSON schema, `json` for what has parts, and what it needs to know for merging."""
    columns: TTableSchemaColumns = {ORDER: {"name": ORDER, "data_type": "text", "dedup_sort": "desc"}}
    for name, schema in stream.json_schema["properties"].items():
        (kind,) = (json_type for json_type in _listed(schema["type"]) if json_type != "null")
        data_type = TYPES.get((kind, schema.get("format")), "json")
        columns[name] = {"name": name, "data_type": data_type, "hard_delete": name == DELETED_AT}
    return columns


def catalog_of(streams: Iterable[AirbyteStream]) -> ConfiguredAirbyteCatalog:
    """Asks for what changed, where a stream offers it."""
    return ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=stream,
                sync_mode=SyncMode.incremental if is_incremental(stream) else SyncMode.full_refresh,
                destination_sync_mode=DestinationSyncMode.append_dedup,
            )
            for stream in streams
        ]
    )


def discovered(config: Mapping[str, Any], names: Sequence[str]) -> list[AirbyteStream]:
    """The streams with these names, or all. Raises ValueError where one of them is none."""
    found = SourcePivotalTracker().discover(logger, config).streams
    streams = {stream.name: stream for stream in found}
    if unknown := set(names) - streams.keys():
        raise ValueError(f"there is no stream {', '.join(sorted(unknown))}. There are: {', '.join(streams)}.")
    return [streams[name] for name in names or streams]


def is_incremental(stream: AirbyteStream) -> bool:
    return SyncMode.incremental in stream.supported_sync_modes


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds


if __name__ == "__main__":
    main()
