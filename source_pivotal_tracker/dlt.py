"""Tracker as a source for dlt: `pipeline.run(tracker_source())` brings what changed since the last run."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airbyte_cdk.logger import AirbyteLogFormatter
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateMessageSerializer,
    AirbyteStream,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams.rows import Row

try:
    import dlt
except ModuleNotFoundError as error:
    if error.name != "dlt":
        raise
    raise ModuleNotFoundError("dlt is not installed: pip install 'tracker-connector[dlt]'", name="dlt") from None

if TYPE_CHECKING:
    from dlt.common.schema.typing import TTableSchemaColumns
    from dlt.extract import DltResource

logger = logging.getLogger("airbyte")
logger.setLevel(logging.NOTSET)
for handler in list(logging.root.handlers):
    # The cdk gives the root logger one that prints Airbyte's messages: here the log goes where the program's goes.
    if isinstance(handler.formatter, AirbyteLogFormatter):
        logging.root.removeHandler(handler)

Page = tuple[str, Sequence[Row]]
"""Rows, and the name of their stream."""

TYPES = {
    ("integer", None): "bigint",
    ("number", None): "double",
    ("boolean", None): "bool",
    ("string", None): "text",
    ("string", "date"): "date",
    ("string", "date-time"): "timestamp",
}
"""dlt's types, by type and format of a JSON schema; what is not here has parts."""
DELETED_AT = "_ab_cdc_deleted_at"
ORDER = "_tracker_order"
"""A row may come more than once in a sync, as it was and as it is: the one with the greatest of these is the newest."""
STATE = "airbyte"
"""Where the state of a stream stands in dlt's state of its resource."""


def _tracker(
    api_token: str | None = dlt.secrets.value,
    api_url: str | None = None,
    allow_http: bool | None = None,
    export_archive: str | None = None,
    export_project_ids: dict[str, Any] | None = None,
    start_date: str | None = None,
    project_ids: list[Any] | None = None,
    lookback_window: str | None = None,
    full_sweep_days: int | None = None,
    requests_per_minute: int | None = None,
    num_workers: int | None = None,
    attachments_to: str | None = None,
    attachments_max_mb: int | None = None,
) -> Iterator[DltResource]:
    """A resource for each stream, with the stream's name. One read feeds all that are selected.

    The arguments are the connector's settings. dlt looks those that are not given up in its configuration, below
    `[sources.tracker]`; for the rest the connector has defaults. Where a sync fails, dlt loads nothing of it.

    Raises AirbyteTracedException, whose text is for the user, for settings that cannot be used. Makes no request.
    """
    config = {name: value for name, value in locals().items() if value is not None}
    streams = {stream.name: stream for stream in SourcePivotalTracker().discover(logger, config).streams}

    def pages() -> Iterator[Page]:
        selected = dlt.current.source().selected_resources
        if unknown := selected.keys() - streams.keys():
            raise ValueError(f"{', '.join(sorted(unknown))} is no stream: leave resources the names that they have")
        wanted = {name: stream for name, stream in streams.items() if name in selected}
        replaced = {name for name in wanted if _is_replaced(selected[name])}
        yield from _read(config, list(wanted.values()), replaced)

    source = dlt.resource(pages, name="pages", selected=False)
    for stream in streams.values():
        yield dlt.transformer(
            _rows_of(stream),
            data_from=source,
            name=stream.name,
            primary_key=_key_of(stream),
            write_disposition="merge" if _is_incremental(stream) else "replace",
            columns=_columns_of(stream),
        )


tracker_source = dlt.source(_tracker, name="tracker", section="tracker", max_table_nesting=0)


def _read(config: Mapping[str, Any], streams: Sequence[AirbyteStream], replaced: Collection[str]) -> Iterator[Page]:
    """What one sync brings, from the states in dlt's state on. The first page of a stream has no rows.

    The rows of the streams that are `replaced` come at the end, each once, and without what was deleted: dlt drops
    doubles and what was deleted only where it merges. Such a stream has no state, because a sync that went on from
    one would leave out what is replaced.
    """
    keys = {stream.name: _key_of(stream) for stream in streams if stream.name in replaced}
    merged = [stream.name for stream in streams if stream.name not in keys]
    states = {name: dlt.current.resource_state(name) for name in merged}
    known = [AirbyteStateMessageSerializer.load(state[STATE]) for state in states.values() if STATE in state]
    held: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in keys}
    yield from ((stream.name, ()) for stream in streams)
    for item in SourcePivotalTracker().sync(config, _catalog_of(streams, keys), known, lambda name, rows: (name, rows)):
        if isinstance(item, AirbyteMessage):
            if item.state and item.state.stream and (name := item.state.stream.stream_descriptor.name) in states:
                states[name][STATE] = AirbyteStateMessageSerializer.dump(item.state)
        elif (name := item[0]) in held:
            held[name].update((tuple(row[column] for column in keys[name]), row) for row in item[1])
        else:
            yield item
    for name, rows in held.items():
        if left := [row for row in rows.values() if not row.get(DELETED_AT)]:
            yield name, left


def _rows_of(stream: AirbyteStream) -> Callable[[Page], Iterator[Any]]:
    """Picks the rows of one stream out of the pages of all, and says of those to be merged how new they are.

    A page without rows makes the table, even if none comes.
    """
    cursor = stream.default_cursor_field[0] if _is_incremental(stream) and stream.default_cursor_field else None
    places = itertools.count()

    def rows_in(page: Page) -> Iterator[Any]:
        name, rows = page
        if name == stream.name and not rows:
            yield dlt.mark.materialize_table_schema()
        elif name == stream.name and cursor:
            yield [{**row, ORDER: f"{row.get(cursor) or ''} {next(places):012}"} for row in rows]
        elif name == stream.name:
            yield rows

    return rows_in


def _columns_of(stream: AirbyteStream) -> TTableSchemaColumns:
    """dlt's types by the stream's JSON schema, `json` for what has parts, and what it needs to know for merging."""
    columns: TTableSchemaColumns = {}
    if _is_incremental(stream):
        columns[ORDER] = {"name": ORDER, "data_type": "text", "dedup_sort": "desc"}
    for name, schema in stream.json_schema["properties"].items():
        (kind,) = (json_type for json_type in _listed(schema["type"]) if json_type != "null")
        data_type: Any = TYPES.get((kind, schema.get("format")), "json")
        columns[name] = {"name": name, "data_type": data_type, "hard_delete": name == DELETED_AT}
    return columns


def _catalog_of(streams: Iterable[AirbyteStream], replaced: Collection[str]) -> ConfiguredAirbyteCatalog:
    """Asks for all rows of the streams that are replaced, and for what changed in the others."""
    return ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(
                stream=stream,
                sync_mode=SyncMode.full_refresh if stream.name in replaced else SyncMode.incremental,
                destination_sync_mode=DestinationSyncMode.append_dedup,
            )
            for stream in streams
        ]
    )


def _is_replaced(resource: DltResource) -> bool:
    """Whether all of its rows are put in place of those that are there, as whoever runs the pipeline may ask for."""
    disposition = resource.write_disposition
    return (disposition.get("disposition") if isinstance(disposition, dict) else disposition) == "replace"


def _key_of(stream: AirbyteStream) -> list[str]:
    return [column for (column,) in stream.source_defined_primary_key or ()]


def _is_incremental(stream: AirbyteStream) -> bool:
    return SyncMode.incremental in stream.supported_sync_modes


def _listed(kinds: str | list[str]) -> list[str]:
    return [kinds] if isinstance(kinds, str) else kinds
