"""The rows of streams as tables of an SQLite database, with full-text search."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.rows import Row

APPLICATION_ID = 0x54524B72
"""What the header of a database says that is ours, which may be written anew."""
TYPES = {"integer": "INTEGER", "number": "REAL", "boolean": "INTEGER", "string": "TEXT"}
"""SQLite's types; a list or an object is a TEXT with JSON."""
OTHERS = "other_attributes"
"""The column of what a row has and its schema does not know, as a JSON object; only where there is any."""
LARGEST = 2**63 - 1
"""The largest integer that SQLite holds; a larger one is stored as text."""

TEXTS: Mapping[str, tuple[str, ...]] = {
    "stories": ("name", "description"),
    "epics": ("name", "description"),
    "story_tasks": ("description",),
    "story_comments": ("text",),
    "epic_comments": ("text",),
    "story_blockers": ("description",),
    "file_attachments": ("filename",),
}
"""The columns that are searched, by table. Each has a table `…_fts` beside it, and all are in the table `search`."""
REFERENCES = {"project_id": "projects", "story_id": "stories", "epic_id": "epics"}
TOKENIZER = "porter unicode61 remove_diacritics 2"

VIEWS: Mapping[str, tuple[str, str]] = {
    "people": (
        "project_memberships",
        "SELECT DISTINCT json_extract(person, '$.id') AS id, json_extract(person, '$.name') AS name,"
        " json_extract(person, '$.initials') AS initials, json_extract(person, '$.username') AS username,"
        " json_extract(person, '$.email') AS email"
        " FROM project_memberships WHERE person IS NOT NULL",
    ),
    "story_owners": (
        "stories",
        "SELECT stories.id AS story_id, owner.value AS person_id FROM stories, json_each(owner_ids) AS owner",
    ),
    "story_labels": (
        "stories",
        "SELECT stories.id AS story_id, json_extract(label.value, '$.id') AS label_id,"
        " json_extract(label.value, '$.name') AS name"
        " FROM stories, json_each(labels) AS label",
    ),
}
"""What the lists in rows say, as rows: by name the table that a view is of, and its query."""


def is_ours(path: Path) -> bool:
    """Whether a file is a database that was written here. Raises OSError."""
    with path.open("rb") as file:
        header = file.read(72)
    return header.startswith(b"SQLite format 3\0") and int.from_bytes(header[68:72], "big") == APPLICATION_ID


class SqliteTables:
    """A new database at a path, with a table for each stream: as a context manager, which closes it.

    Raises sqlite3.Error.
    """

    def __init__(self, path: Path, streams: Iterable[TrackerStream]) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        # The file is no database until it is whole, so nothing is lost if this process dies.
        self._database.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        self._tables = {stream.name: _Table(stream) for stream in streams}
        for table in self._tables.values():
            self._database.execute(table.definition(self._tables))

    def __enter__(self) -> SqliteTables:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def write(self, stream: str, rows: Sequence[Row]) -> None:
        """Add rows to a table; one with the key of another takes its place."""
        table = self._tables[stream]
        if not table.has_others and any(row.keys() - table.columns.keys() for row in rows):
            table.has_others = True
            self._database.execute(f"ALTER TABLE {stream} ADD COLUMN {OTHERS} TEXT")
        self._database.executemany(table.insertion, map(table.values, rows))

    def finish(self) -> dict[str, int]:
        """Make the indexes, the full-text tables and the views; returns how many rows each table has that has some."""
        for name, table in self._tables.items():
            for column in REFERENCES.keys() & table.columns.keys():
                self._database.execute(f"CREATE INDEX {name}_by_{column} ON {name} ({column})")
        self._make_searchable({name: TEXTS[name] for name in TEXTS if name in self._tables})
        for name, (table_name, query) in VIEWS.items():
            if table_name in self._tables:
                self._database.execute(f"CREATE VIEW {name} AS {query}")
        self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._database.execute("COMMIT")
        self._database.execute("ANALYZE")
        counts = {name: self._database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in self._tables}
        return {name: count for name, count in counts.items() if count}

    def _make_searchable(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Beside each table its own full-text index, as datasette finds it, and one over all of them."""
        about = ("kind", "id", "project_id", "story_id", "epic_id")
        columns = ", ".join(f"{column} UNINDEXED" for column in about)
        self._database.execute(f"CREATE VIRTUAL TABLE search USING fts5 ({columns}, text, tokenize = '{TOKENIZER}')")
        for name, searched in texts.items():
            listed = ", ".join(searched)
            self._database.execute(
                # datasette finds it by just this form of content="…".
                f"CREATE VIRTUAL TABLE {name}_fts USING fts5"
                f' ({listed}, content="{name}", content_rowid="id", tokenize="{TOKENIZER}")'
            )
            self._database.execute(f"INSERT INTO {name}_fts ({name}_fts) VALUES ('rebuild')")
            own = {"stories": "story_id", "epics": "epic_id"}.get(name)
            known = self._tables[name].columns
            values = [
                f"'{name}'", "id", "project_id",
                *("id" if column == own else column if column in known else "NULL" for column in about[3:]),
                " || char(10) || ".join(f"coalesce({column}, '')" for column in searched),
            ]  # fmt: skip
            self._database.execute(f"INSERT INTO search SELECT {', '.join(values)} FROM {name}")


class _Table:
    """The columns of a stream's table by name, with their types. `has_others`: one is for what is in no schema."""

    def __init__(self, stream: TrackerStream) -> None:
        self._name = stream.name
        properties: Mapping[str, Any] = stream.get_json_schema()["properties"]
        self.columns = {name: _type_of(about["type"]) for name, about in properties.items() if name[0] != "_"}
        self._key = [stream.primary_key] if isinstance(stream.primary_key, str) else list(stream.primary_key)
        self.has_others = False

    def definition(self, tables: Iterable[str]) -> str:
        """The statement that makes the table, with references to those of these `tables` that it hangs on."""
        parts = []
        for name, kind in self.columns.items():
            other = REFERENCES.get(name, self._name)
            refers = f" REFERENCES {other} (id)" if other in tables and other != self._name else ""
            parts.append(f"{name} {kind}{' PRIMARY KEY' if self._key == [name] else ''}{refers}")
        if len(self._key) > 1:
            parts.append(f"PRIMARY KEY ({', '.join(self._key)})")
        return f"CREATE TABLE {self._name} ({', '.join(parts)})"

    @property
    def insertion(self) -> str:
        columns = [*self.columns, *([OTHERS] if self.has_others else [])]
        return f"INSERT OR REPLACE INTO {self._name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

    def values(self, row: Row) -> list[Any]:
        values = [_value(row.get(name)) for name in self.columns]
        if self.has_others:
            others = {name: value for name, value in row.items() if name not in self.columns}
            values.append(_value(others or None))
        return values


def _type_of(types: str | Sequence[str]) -> str:
    names = [types] if isinstance(types, str) else [name for name in types if name != "null"]
    return TYPES.get(names[0], "TEXT") if len(names) == 1 else "TEXT"


def _value(value: Any) -> Any:
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if isinstance(value, int) and not -LARGEST <= value <= LARGEST:
        return str(value)
    return value
