"""A full-text index of a world, in SQLite: on disk beyond a few megabytes, and gone with the process."""

from __future__ import annotations

import itertools
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from tracker_server.search.documents import (
    END,
    SEPARATOR,
    START,
    Document,
    Documents,
    attribute_token,
    without_separators,
)  # fmt: skip
from tracker_server.search.query import FIELDS, Query
from tracker_server.search.sql import Condition, condition, matched_words
from tracker_server.view import Views
from tracker_server.world import Project, UnreadableProject

AT_A_TIME = 200
"""Rows that are indexed at a time, which takes some hundredths of a second; requests are answered in between."""
MOST_RANKED = 2_000
"""Hits that are put in order by how well they fit; of more, the newest come first, because to rank them takes long."""
MOST_SECONDS = 3.0
"""A query that takes longer is given up."""
STEPS = 10_000
"""Instructions of SQLite's machine between two looks at the clock."""
SNIPPET_WORDS = 24
"""Words of an excerpt, at most."""
LONGEST_WORD = 100
"""Letters of a word of an excerpt; the rest of it is not shown."""
_LONG_WORD = re.compile(rf"([^\s{SEPARATOR}{START}{END}]{{{LONGEST_WORD}}})[^\s{SEPARATOR}{START}{END}]+")
WEIGHTS = (10, 3, 2, 2, 5, 1, 3)
"""How much a hit in each of FIELDS counts."""
CACHE_KB = 8_000

COLUMNS = (
    "project_id", "kind", "id", "place", "type", "state", "is_done", "estimate", "created", "updated", "accepted",
    "deadline",
)  # fmt: skip
_TOKENIZER = 'tokenize = "porter unicode61 remove_diacritics 2"'
_SCHEMA = f"""
    CREATE TABLE item ({", ".join(COLUMNS)});
    CREATE INDEX item_by_id ON item (id);
    CREATE INDEX item_by_place ON item (project_id, kind, place);
    CREATE INDEX item_by_update ON item (updated);
    CREATE VIRTUAL TABLE words USING fts5 ({", ".join(FIELDS)}, attributes, {_TOKENIZER});
    CREATE VIRTUAL TABLE page USING fts5 ({", ".join(FIELDS)}, {_TOKENIZER});
"""

_INSERT_ITEM = f"INSERT INTO item ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
_INSERT_WORDS = (
    f"INSERT INTO words (rowid, {', '.join(FIELDS)}, attributes) VALUES ({', '.join('?' * (2 + len(FIELDS)))})"
)


TOO_LONG = "This search takes too long; search for less"
BUSY = "Too many searches run at once; search again in a moment"


class SearchTooLong(Exception):
    """A search took longer than it may: what to do, in a sentence."""


@dataclass(frozen=True)
class Hit:
    """A story or an epic that was found. In `name` and `excerpt`, each hit stands between START and END.

    `excerpt` is from the field `where`; both are empty if only the name, or nothing of the text, was searched for.
    """

    project_id: int
    kind: str
    id: int
    type: str
    state: str | None
    estimate: float | None
    updated: str | None
    name: str
    excerpt: str = ""
    where: str = ""


@dataclass(frozen=True)
class Results:
    """A page of what was found, and how many there are in all."""

    total: int
    hits: Sequence[Hit]


@dataclass
class _Progress:
    """How far the index of a project has come: `done` of its `keys`. Once all are done, `documents` is None."""

    version: int
    documents: Documents | None
    keys: Sequence[tuple[str, int]] = ()
    done: int = 0


class SearchIndex:
    """The index of all projects of a world, brought up to date project by project when that is asked for.

    `search` and `ids` find what is indexed by then; one that takes longer than `most_seconds` is given up. Hold the
    world's lock for `update`. `update_all` and `update_slowly` take it for a few rows at a time, so that requests are
    answered in between.
    """

    def __init__(self, views: Views, most_seconds: float = MOST_SECONDS) -> None:
        self.views = views
        self._most_seconds = most_seconds
        self._lock = threading.Lock()
        self._progress: dict[int, _Progress] = {}

    @cached_property
    def _database(self) -> sqlite3.Connection:
        # A database without a name is a file that SQLite deletes at once, and that nobody else can open.
        database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = MEMORY")
        return database

    def today(self, project: Project | None = None) -> date:
        """The day of the world's state, from which a query counts `today`."""
        return ((project and project.as_of) or self.views.world.now).date()

    def update(self, project: Project) -> None:
        """Index what is not indexed of a project in its present version."""
        while not self._step(project):
            pass

    def update_all(self, stopped: Callable[[], bool] = lambda: False) -> list[str]:
        """Index what is not indexed of all projects, and forget those that are gone, until it is done or `stopped`.

        Returns a sentence on each project that cannot be read.
        """
        world = self.views.world
        with world.lock:
            for project_id in self._progress.keys() - world.projects.keys():
                self._forget(project_id)
            project_ids = list(world.projects)
        problems = []
        for project_id in project_ids:
            try:
                self.update_slowly(project_id, stopped)
            except UnreadableProject as error:
                problems.append(f"{error}.")
        return problems

    def update_slowly(self, project_id: int, stopped: Callable[[], bool]) -> None:
        """As `update`, but in steps, until it is done or `stopped`. Raises UnreadableProject."""
        is_done = False
        while not (is_done or stopped()):
            with self.views.world.lock:
                project = self.views.world.projects.get(project_id)
                is_done = project is None or self._step(project)

    def _step(self, project: Project) -> bool:
        """Index a few more rows; returns whether all are indexed now."""
        progress = self._progress.get(project.id)
        if progress is None or progress.version != project.version:
            self._forget(project.id)
            documents = Documents(self.views.of(project))
            progress = self._progress[project.id] = _Progress(project.version, documents, documents.keys())
        if progress.documents is not None:
            keys = progress.keys[progress.done : progress.done + AT_A_TIME]
            self._insert([progress.documents.document(*key, place) for place, key in enumerate(keys, progress.done)])
            progress.done += len(keys)
            if progress.done == len(progress.keys):
                progress.documents, progress.keys = None, ()
        return progress.documents is None

    def _insert(self, documents: Collection[Document]) -> None:
        with self._lock, self._database:
            self._database.execute("BEGIN")
            for document in documents:
                row = self._database.execute(_INSERT_ITEM, [document.columns[name] for name in COLUMNS])
                texts = (document.texts[name] for name in FIELDS)
                attributes = " ".join(sorted(itertools.starmap(attribute_token, document.attributes)))
                self._database.execute(_INSERT_WORDS, [row.lastrowid, *texts, attributes])

    def _forget(self, project_id: int) -> None:
        if self._progress.pop(project_id, None) is None:
            return
        items = "(SELECT rowid FROM item WHERE project_id = ?)"
        with self._lock, self._database:
            self._database.execute("BEGIN")
            self._database.execute(f"DELETE FROM words WHERE rowid IN {items}", [project_id])
            self._database.execute("DELETE FROM item WHERE project_id = ?", [project_id])

    def search(
        self, query: Query, project_id: int | None = None, offset: int = 0, limit: int = 50, *, done: bool = True
    ) -> Results:
        """A page of hits, the best first, in one project or in all that are indexed. Raises SearchTooLong.

        Without `done`, stories of iterations that are over are left out, unless the query asks for them.
        """
        where = _where(query, project_id, done=done)
        words = matched_words(query)
        with self._limited():
            few = f"SELECT rowid, updated FROM item WHERE {where.sql} LIMIT ?"
            updated = dict(self._rows(few, (*where.parameters, MOST_RANKED + 1))) if words else {}
            if words and len(updated) <= MOST_RANKED:
                total = len(updated)
                items = self._ranked(updated, words)[offset : offset + limit]
            else:
                (total,) = self._rows(f"SELECT count(*) FROM item WHERE {where.sql}", where.parameters)[0]
                by_time = f"SELECT rowid FROM item WHERE {where.sql} ORDER BY updated DESC, id LIMIT ? OFFSET ?"
                items = [item for (item,) in self._rows(by_time, (*where.parameters, limit, offset))]
            return Results(total, self._hits(items, words))

    def ids(self, query: Query, kind: str, project: Project, *, done: bool = True) -> list[int]:
        """The ids of what is found of a kind in a project, in the order of priority. Raises SearchTooLong."""
        where = Condition("item.kind = ?", (kind,)) & _where(query, project.id, done=done)
        with self._limited():
            rows = self._rows(f"SELECT id FROM item WHERE {where.sql} ORDER BY place", where.parameters)
        return [row_id for (row_id,) in rows]

    def _rows(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._database.execute(sql, parameters).fetchall()

    def _ranked(self, updated: Mapping[int, str | None], words: str) -> list[int]:
        """The items, the best first, and the newest first among equals; `updated` has the time of each."""
        # With the plus, SQLite walks once through what has these words; without it, it would do so for each row.
        ranks = dict(
            self._rows(
                f"SELECT rowid, bm25(words, {', '.join(map(str, WEIGHTS))}, 0) FROM words"
                f" WHERE words MATCH ? AND +rowid IN ({', '.join(map(str, updated))})",
                [words],
            )
        )
        newest_first = sorted(updated, key=lambda item: updated[item] or "", reverse=True)
        return sorted(newest_first, key=lambda item: round(ranks.get(item, 0.0), 2))

    def _hits(self, items: Sequence[int], words: str | None) -> list[Hit]:
        rows = self._rows(
            "SELECT item.rowid, project_id, kind, id, type, state, estimate, updated, name"
            " FROM item JOIN words ON words.rowid = item.rowid"
            f" WHERE item.rowid IN ({', '.join(map(str, items))})",
            (),
        )
        known = {item: row for item, *row in rows}
        marked = self._marked(items, words) if words else {}
        return [self._hit(known[item], marked.get(item)) for item in items]

    def _marked(self, items: Sequence[int], words: str) -> dict[int, Sequence[str]]:
        """By item, its name and an excerpt of each other field, with the hits marked."""
        # In a table of the page alone: in the whole index, SQLite would walk through all that has these words.
        fields = ", ".join(FIELDS)
        self._database.execute("DELETE FROM page")
        self._database.execute(
            f"INSERT INTO page (rowid, {fields}) SELECT rowid, {fields} FROM words"
            f" WHERE rowid IN ({', '.join(map(str, items))})"
        )
        excerpts = ", ".join(
            f"snippet(page, {place}, '{START}', '{END}', '…', {SNIPPET_WORDS})" for place in range(1, len(FIELDS))
        )
        rows = self._rows(
            f"SELECT rowid, highlight(page, 0, '{START}', '{END}'), {excerpts} FROM page WHERE page MATCH ?", [words]
        )
        return {item: texts for item, *texts in rows}

    def _hit(self, row: Sequence[Any], marked: Sequence[str] | None) -> Hit:
        project_id, kind, row_id, row_type, state, estimate, updated, name = row
        excerpt = where = ""
        if marked:
            name = marked[0]
            found = zip(FIELDS[1:], marked[1:], strict=True)
            where, excerpt = next(((field, text) for field, text in found if START in text), ("", ""))
        name, excerpt = without_separators(name), without_separators(_LONG_WORD.sub(r"\1…", excerpt))
        return Hit(project_id, kind, row_id, row_type, state, estimate, updated, name, excerpt, where)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        """Takes the lock, and gives up what takes longer than it may, the time that it waits included.

        So many slow searches at a time do not keep those who wait from all other pages. Raises SearchTooLong.
        """
        begin = time.monotonic()
        end = begin + self._most_seconds
        has_waited = not self._lock.acquire(blocking=False)
        if has_waited and not self._lock.acquire(timeout=self._most_seconds):
            raise SearchTooLong(BUSY)
        has_waited &= time.monotonic() - begin > self._most_seconds / 2
        try:
            self._database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
            yield
        except sqlite3.OperationalError as error:
            if time.monotonic() >= end:
                raise SearchTooLong(BUSY if has_waited else TOO_LONG) from error
            raise
        finally:
            self._database.set_progress_handler(None, 0)
            self._lock.release()


def _where(query: Query, project_id: int | None, *, done: bool) -> Condition:
    where = condition(query.node)
    if project_id is not None:
        where = Condition("item.project_id = ?", (project_id,)) & where
    if not (done if query.includes_done is None else query.includes_done):
        where &= Condition("NOT item.is_done")
    return where
