"""The reference of the streams: what discover tells of each, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from airbyte_cdk.models import SyncMode

from source_pivotal_tracker.streams.base import TrackerStream
from tools.costs import cost
from tools.markdown import table
from tools.replica import DELETED_AT

Schema = dict[str, Any]

_SOURCES = re.compile(r",?\s*(https?://\S+|\b[Rr]ecording \S+\.json\b\.?)")
"""Where the authors of a stream know it from: links to the documentation of the closed server, recorded answers."""


def reference(streams: Iterable[TrackerStream]) -> str:
    """A list of links, then a section for each stream, whose heading is its name."""
    streams = tuple(streams)
    links = "".join(f"- [`{stream.name}`](#{stream.name})\n" for stream in streams)
    return "\n".join([links, *map(section, streams)])


def section(stream: TrackerStream) -> str:
    """What one record is, how the stream is read, and its fields. Raises KeyError where one is not described."""
    facts = "".join(f"- {fact}\n" for fact in _facts(stream))
    schema = stream.as_airbyte_stream().json_schema
    fields = table(("Field", "Type", "Description"), _fields(schema))
    return "\n".join(
        [f"## {stream.name}\n", *(f"{paragraph}\n" for paragraph in sense(stream.__doc__ or "")), facts, fields]
    )


def sense(docstring: str) -> list[str]:
    """The paragraphs of a docstring, each on one line, without its links and the names of recordings."""
    paragraphs = (" ".join(_SOURCES.sub("", part).split()) for part in re.split(r"\n\s*\n", docstring))
    return [paragraph for paragraph in paragraphs if paragraph]


def columns(field: str | Iterable[str | Iterable[str]] | None) -> str:
    """A key or cursor as Airbyte declares it: a column, a list of columns, or a list of paths to columns."""
    if not field:
        return "–"
    names = [field] if isinstance(field, str) else field
    return ", ".join(f"`{name if isinstance(name, str) else '.'.join(name)}`" for name in names)


def kind_of(schema: Schema) -> str:
    """The type of a field in words: `date-time or null`, `array of integers`."""
    given = schema["type"]
    kinds = [given] if isinstance(given, str) else given
    words = [_word(kind, schema) for kind in kinds if kind != "null"]
    return " or ".join([*words, *(["null"] if "null" in kinds else [])])


def _facts(stream: TrackerStream) -> Iterator[str]:
    offered = stream.as_airbyte_stream()
    yield f"Key: {columns(stream.primary_key)}"
    yield f"Cursor: {columns(stream.cursor_field)}"
    if SyncMode.incremental in offered.supported_sync_modes:
        yield "Sync modes: full refresh, incremental"
        yield f"Deletions: {'tombstones' if DELETED_AT in offered.json_schema['properties'] else 'not told'}"
    else:
        yield "Sync modes: full refresh, which brings all that there is and leaves out what is gone"
    yield f"Read from: {', '.join(f'`{endpoint.path}`' for endpoint in stream.endpoints)}"
    yield f"Later syncs: {_later(stream)}"


def _later(stream: TrackerStream) -> str:
    """What a later sync asks for, as the planner plans it, although the project did not change."""
    if not cost(stream).unchanged:
        return "no request while the version of the project stands still"
    is_by_time = stream.cursor_field and any(endpoint.since for endpoint in stream.endpoints)
    return "asked for in each, from the cursor on" if is_by_time else "asked for in each"


def _fields(schema: Schema, above: str = "") -> Iterator[tuple[str, str, str]]:
    """A row for each field, those inside it after it: `labels`, `labels[].name`."""
    for name, field in schema.get("properties", {}).items():
        yield f"`{above}{name}`", kind_of(field), field["description"]
        yield from _fields(field, f"{above}{name}.")
        yield from _fields(field.get("items", {}), f"{above}{name}[].")


def _word(kind: str, schema: Schema) -> str:
    if kind == "array":
        return f"array of {kind_of(schema['items']).removesuffix(' or null')}s"
    return str(schema.get("format", kind)) if kind == "string" else kind
