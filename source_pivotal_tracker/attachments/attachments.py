"""Which files are copied, where to, and what their rows say of it."""

from __future__ import annotations

import hashlib
import io
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

import orjson

from source_pivotal_tracker.api.errors import IncompleteError, TrackerError
from source_pivotal_tracker.attachments.file_store import FileStore
from source_pivotal_tracker.streams.rows import Row

logger = logging.getLogger("airbyte.tracker")

FILES = "file_attachments"
"""The stream whose rows are files."""
MEGABYTE = 1_000_000
IN_MEMORY = 4 * MEGABYTE
"""Bytes of a file that are kept in memory until it is written; more of them are kept on the disk."""
BLOCK = 65_536
UNKNOWN = "unknown"
"""What stands for the size of a file whose row has none."""


class FileUnavailable(Exception):
    """A file that cannot be had: why, as the end of a sentence."""


CopyTo = Callable[[Row, IO[bytes], int], None]
"""Writes the bytes of the file of a row, at most so many. Raises FileUnavailable, a TrackerError or `NotKept`."""


Refreshed = Callable[[Row], Row | None]
"""The row of a file as it is now, None if there is no such file any more. Raises a TrackerError if nobody can tell."""


class NotKept(Exception):
    """What was read of a file cannot be written: why."""


class Kept(NamedTuple):
    """A file in the store: its key, its size in bytes and its digest in hexadecimal."""

    key: str
    size: int
    sha256: str


class Attachments:
    """Copies files to a store, and tells their rows where they are. Safe to call from several threads.

    The store has three folders. `files/` has each content once, by its SHA-256. `index/` has an empty file for each
    attachment, whose name says which content is its: what is named there has been copied, and is not asked for again.
    `missing/` has the row of each attachment that could not be had, for the next sync. An entry of `index/` is
    written after the content: a sync that is killed goes on where it was.

    `problem` is why the store cannot be written. From then on nothing is copied, and what is read does not count as
    read.
    """

    def __init__(
        self, store_of: Callable[[], FileStore], copy_to: CopyTo, most_bytes: int, refreshed: Refreshed
    ) -> None:
        self._store_of = store_of
        self._copy_to = copy_to
        self._refreshed = refreshed
        self._most_bytes = most_bytes
        self._store: FileStore | None = None
        self._known: dict[str, Kept] = {}
        self._contents: dict[str, Kept] = {}
        self._missing: set[str] = set()
        self._noted: set[str] = set()
        self._missed_before: Sequence[str] = ()
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self.problem: str | None = None

    def open(self) -> None:
        """Learn what was copied before. A store that cannot be read is the `problem`."""
        with self._lock:
            if self._store or self.problem:
                return
            try:
                store = self._store_of()
                self._learn(store)
                store.mark()
                self._store = store
            except OSError as error:
                self._give_up(f"what was copied before cannot be looked up: {error}")

    def _learn(self, store: FileStore) -> None:
        for key, size in store.sizes("files/"):
            _, *parts = key.split("/")
            if len(parts) == 3:
                self._contents[parts[1]] = Kept(key, size, parts[1])
        for key, _ in store.sizes("index/"):
            _, *parts = key.split("/")
            kept = self._contents.get(parts[1]) if len(parts) == 2 else None
            # A copy of another size was cut, as by a power failure: it is made again.
            if kept and parts[0].rpartition("-")[2] in (str(kept.size), UNKNOWN):
                self._known[parts[0]] = kept
        self._missing = {key.rpartition("/")[2] for key, _ in store.sizes("missing/")}
        self._missed_before = sorted(self._missing)

    @property
    def error(self) -> IncompleteError | None:
        """The `problem`, as the error of the stream."""
        return IncompleteError(f"attachments_to: {self.problem}") if self.problem else None

    def describe(self, rows: Sequence[Row]) -> None:
        """Copy the files of these rows, and set `file_url`, `bytes` and `sha256`: to null where one cannot be had."""
        self.open()
        for row in rows:
            kept = None if self.problem else self._kept(row)
            row["file_url"] = self._store.url_of(kept.key) if kept and self._store else None
            row["bytes"] = kept.size if kept else None
            row["sha256"] = kept.sha256 if kept else None

    def missed_before(self, projects: Collection[int]) -> Iterator[Row]:
        """The rows of files in these projects that an earlier sync left out, and that can be had now, described."""
        for identity in self._missed_before:
            if self.problem or self._store is None:
                return
            if identity in self._known:
                continue
            try:
                row: Row = orjson.loads(self._store.get(f"missing/{identity}"))
            except (OSError, orjson.JSONDecodeError):
                continue
            if row.get("project_id") not in projects:
                continue
            try:
                current = self._refreshed(row)
            except TrackerError as error:
                logger.warning("%s is still missing: %s", _named(row), error)
                continue
            if current is None:
                with self._lock_of(f"index/{identity}"):
                    # A walk may have come by it meanwhile, as where its story has moved.
                    if identity not in self._noted:
                        self._forget_missing(identity)
                continue
            self.describe([current])
            if current["file_url"]:
                yield current

    def __str__(self) -> str:
        counts = self._counts
        return f"{counts['new']:,} copied, {counts['known']:,} copied before, {counts['missing']:,} not copied"

    def _kept(self, row: Row) -> Kept | None:
        """What the store has of the file of a row, which is copied if it has nothing; None if it cannot be had."""
        identity = _identity(row)
        # Two threads may come by the same file: one that is missing, and whose row has changed.
        with self._lock_of(f"index/{identity}"):
            try:
                if kept := self._known.get(identity):
                    self._counts["known"] += 1
                    return kept
                kept = self._copied(row, identity)
                self._counts["new"] += 1
                return kept
            except (FileUnavailable, TrackerError) as error:
                self._counts["missing"] += 1
                logger.warning("%s is not copied: %s", _named(row), error)
                self._note_missing(row, identity)
            except (NotKept, OSError) as error:
                self._give_up(f"{_named(row)} cannot be written: {error}")
        return None

    def _copied(self, row: Row, identity: str) -> Kept:
        assert self._store is not None  # noqa: S101  # open has been called
        size = row.get("size")
        if isinstance(size, int) and size > self._most_bytes:
            raise _too_large(size, self._most_bytes)
        with SpooledTemporaryFile(IN_MEMORY) as copy:
            self._copy_to(row, copy, self._most_bytes)
            copy.seek(0)
            digest = hashlib.sha256()
            while block := copy.read(BLOCK):
                digest.update(block)
            sha256, size = digest.hexdigest(), copy.tell()
            copy.seek(0)
            # Where no file is copied, the connector needs nothing of the server.
            from tracker_server.file_names import safe_name

            name = safe_name(str(row.get("filename") or "file"))
            with self._lock_of(sha256):
                kept = self._contents.get(sha256)
                if kept is None or kept.size != size:
                    kept = Kept(kept.key if kept else _content_key(sha256, name), size, sha256)
                    self._store.put(kept.key, copy, row.get("content_type"))
                    self._contents[sha256] = kept
        self._store.put(f"index/{identity}/{sha256}", io.BytesIO())
        self._known[identity] = kept
        self._forget_missing(identity)
        return kept

    def _lock_of(self, key: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())

    def _note_missing(self, row: Row, identity: str) -> None:
        """Keep the row for the next sync; a newer one takes the place of an older one, whose address may be void."""
        try:
            assert self._store is not None  # noqa: S101
            self._store.put(f"missing/{identity}", io.BytesIO(orjson.dumps(row)))
            self._missing.add(identity)
            self._noted.add(identity)
        except orjson.JSONEncodeError:
            pass  # then nobody can write the row itself either, and the sync says so
        except OSError as error:
            self._give_up(f"the list of what is missing cannot be written: {error}")

    def _forget_missing(self, identity: str) -> None:
        if self._store and identity in self._missing:
            self._missing.discard(identity)
            self._store.delete(f"missing/{identity}")

    def _give_up(self, problem: str) -> None:
        self.problem = self.problem or problem


def limited(out: IO[bytes], most: int) -> Callable[[bytes], None]:
    """Writes what it is called with to `out`. Raises FileUnavailable after so many bytes, and NotKept."""
    written = 0

    def write(block: bytes) -> None:
        nonlocal written
        written += len(block)
        if written > most:
            raise _too_large(None, most)
        try:
            out.write(block)
        except OSError as error:
            raise NotKept(error.strerror or str(error)) from error

    return write


def _too_large(size: int | None, most: int) -> FileUnavailable:
    more = f" ({size / MEGABYTE:.1f} MB)" if size else ""
    return FileUnavailable(f"it is larger{more} than the {most // MEGABYTE} MB of attachments_max_mb")


def _content_key(sha256: str, name: str) -> str:
    return f"files/{sha256[:2]}/{sha256}/{name}"


def _identity(row: Row) -> str:
    """What tells a file from all others; one of another size is another, whatever its id."""
    size = row.get("size")
    return f"{int(row['id'])}-{size if isinstance(size, int) else UNKNOWN}"


def _named(row: Row) -> str:
    owner = f"story {row['story_id']}" if row.get("story_id") else f"epic {row.get('epic_id')}"
    return f"The file {row.get('filename')!r} (id {row['id']}) of {owner}"
