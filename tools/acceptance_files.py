"""The files that Airbyte's tests of a connector read: catalogs of all streams, and a state ahead of the server."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, ParentKind
from tools.program import Message, every_stream, is_incremental

SAMPLE_PROJECTS = (1027, 1678)
"""The ids of the first two projects of a sample server."""
FAR_VERSION = 10**9
FAR_DAY = "2999-12-31"


def configured_catalog(streams: Iterable[TrackerStream]) -> str:
    """Every stream, each in full."""
    return _catalog(every_stream(_offered(streams)))


def incremental_catalog(streams: Iterable[TrackerStream]) -> str:
    """Every stream that can be read incrementally, so."""
    offered = {"streams": [stream for stream in _offered(streams)["streams"] if is_incremental(stream)]}
    return _catalog(every_stream(offered, incremental=True))


def abnormal_state(streams: Iterable[TrackerStream]) -> str:
    """A state of every incremental stream whose versions and cursors no server has reached."""
    incremental = sorted((stream for stream in streams if stream.cursor_field), key=lambda stream: stream.name)
    return _lines("[", map(_state, incremental), "]", indent=2)


def _offered(streams: Iterable[TrackerStream]) -> Message:
    """What discover prints of the streams, without their schemas."""
    return {"streams": [_stream(stream) for stream in streams]}


def _stream(stream: TrackerStream) -> Message:
    offered = stream.as_airbyte_stream()
    cursor = {"source_defined_cursor": True, "default_cursor_field": offered.default_cursor_field}
    return {
        "name": offered.name,
        "json_schema": {},
        "supported_sync_modes": [mode.value for mode in offered.supported_sync_modes],
        **(cursor if offered.source_defined_cursor else {}),
        "source_defined_primary_key": offered.source_defined_primary_key,
    }


def _state(stream: TrackerStream) -> Message:
    schema = stream.as_airbyte_stream().json_schema
    is_day = schema["properties"][str(stream.cursor_field)]["format"] == "date"
    cursor = FAR_DAY if is_day else f"{FAR_DAY}T23:59:59Z"
    by_endpoint = {endpoint.name: _checkpoint(endpoint, cursor) for endpoint in stream.endpoints}
    checkpoint = by_endpoint if len(by_endpoint) > 1 else next(iter(by_endpoint.values()))
    in_projects = stream.endpoints[0].parent is ParentKind.PROJECT
    blob = {"projects": {str(project): checkpoint for project in SAMPLE_PROJECTS}}
    return {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": stream.name},
            "stream_state": {"stream": stream.name, **(blob if in_projects else {"server": checkpoint})},
        },
    }


def _checkpoint(endpoint: Endpoint, cursor: str) -> dict[str, Any]:
    version = {"version": FAR_VERSION} if endpoint.parent is ParentKind.PROJECT else {}
    digest = {"digest": "0123456789abcdef"} if endpoint.is_one_answer else {}
    return {**version, "cursor": cursor, **digest}


def _catalog(catalog: Message) -> str:
    return _lines('{\n  "streams": [', catalog["streams"], "  ]\n}", indent=4)


def _lines(begin: str, rows: Iterable[Message], end: str, *, indent: int) -> str:
    """JSON with a row on each line, so that a difference shows which one it is of."""
    lines = ",\n".join(" " * indent + _spaced(row) for row in rows)
    return f"{begin}\n{lines}\n{end}\n"


def _spaced(row: Message) -> str:
    return json.dumps(row)
