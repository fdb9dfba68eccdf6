"""Which files are copied, where to, and what their rows say of it."""

from __future__ import annotations

import io
import logging
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO

from source_pivotal_tracker.api.errors import IncompleteError, TrackerError
from source_pivotal_tracker.attachments.file_store import Copy, FileStore, Locks, NotOurs
from source_pivotal_tracker.attachments.missing_files import MissingFile, MissingFiles, identity_of
from source_pivotal_tracker.streams.rows import Row

logger = logging.getLogger("airbyte.tracker")

FILES = "file_attachments"
"""The stream whose rows are files."""
MEGABYTE = 1_000_000
IN_MEMORY = 4 * MEGABYTE
"""Bytes of a file that are kept in memory until it is written; more of them are kept on the disk."""


class FileUnavailable(Exception):
    """A file that cannot be had: why, as the end of a sentence."""


CopyTo = Callable[[Row, IO[bytes], int], None]
"""Writes the bytes of the file of a row, at most so many. Raises FileUnavailable, a TrackerError or `CopyFailed`."""


RefreshRow = Callable[[Row], Row | None]
"""The row of a file as it is now, None if there is no such file any more. Raises a TrackerError if nobody can tell."""


class CopyFailed(Exception):
    """What was read of a file cannot be written: why."""


class Attachments:
    """Copies files to a store, and tells their rows where they are. Safe to call from several threads.

    The store has three folders. `files/` has each content once, by its SHA-256. `index/` has an empty file for each
    attachment, whose name says which content is its, of how many bytes: what is named there has been copied, and is not
    asked for again. `missing/` has the row of each attachment that could not be had, for the next sync. An entry of
    `index/` is written after the content: a sync that is killed goes on where it was.

    `problem` is why the store cannot be written. From then on nothing is copied, and what is read does not count as
    read.
    """

    def __init__(
        self, store_of: Callable[[], FileStore], copy_to: CopyTo, most_bytes: int, refresh: RefreshRow
    ) -> None:
        self._store_of = store_of
        self._copy_to = copy_to
        self._refresh = refresh
        self._most_bytes = most_bytes
        self._store: FileStore | None = None
        self._indexed: dict[str, Copy] = {}
        self._missing: MissingFiles | None = None
        self._locks = Locks()
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
            except NotOurs as error:
                self._give_up(str(error))
            except OSError as error:
                self._give_up(f"what was copied before cannot be looked up: {error}")

    def _learn(self, store: FileStore) -> None:
        store.learn()
        for key, _ in store.sizes("index/"):
            _, *parts = key.split("/")
            sha256, _, size = parts[1].partition("-") if len(parts) == 2 else ("", "", "")
            copy = store.copy_of(sha256)
            # A copy of another size was cut, as by a power failure: it is made again.
            if copy and size == str(copy.size):
                self._indexed[parts[0]] = copy
        self._missing = MissingFiles(store)

    @property
    def error(self) -> IncompleteError | None:
        """The `problem`, as the error of the stream."""
        return IncompleteError(f"attachments_to: {self.problem}") if self.problem else None

    def copy_files(self, rows: Sequence[Row]) -> None:
        """Copy the files of these rows, and set `file_url`, `bytes` and `sha256`: to null where one cannot be had."""
        self.open()
        for row in rows:
            self._describe(row, None if self.problem else self._copy_of(row))

    def _describe(self, row: Row, copy: Copy | None) -> None:
        row["file_url"] = self._store.url_of(copy.key) if copy and self._store else None
        row["bytes"] = copy.size if copy else None
        row["sha256"] = copy.sha256 if copy else None

    def missed_before(self, projects: Collection[int]) -> Iterator[tuple[Row, Callable[[], None]]]:
        """The rows of files in these projects that an earlier sync left out, and that can be had now, with their files.

        To be called after all rows of the sync have been here: what these brought does not come again. No state covers
        these rows. So each comes with what is to be called once it has been sent: it comes again otherwise.
        """
        self.open()
        for file in self._missing.of_earlier_syncs() if self._missing else ():
            if self.problem:
                return
            if file.identity in self._indexed:
                self._forget(file)
            elif file.project_id in projects and (row := self._current(file)):
                yield row, partial(self._note_sent, row, file)

    def _current(self, file: MissingFile) -> Row | None:
        """The row of a missing file with its copy; None where it cannot be had, or where a sync has brought it."""
        assert self._missing is not None  # noqa: S101  # open has been called
        try:
            known = self._missing.row_of(file)
        except OSError as error:
            self._give_up(f"the list of what is missing cannot be read: {error}")
            return None
        if known is None:
            return None
        try:
            row = self._refresh(known)
        except TrackerError as error:
            logger.warning("%s is still missing: %s", _named(known), error)
            return None
        if row and identity_of(row) not in self._indexed:
            self._describe(row, self._copy_of(row, is_sent=False))
            if row["file_url"]:
                return row
        # One whose row has another size by now is another file: that one was brought, or is missing in its place.
        if not self.problem and (row is None or MissingFile.of(row) != file):
            self._forget(file)
        return None

    def _note_sent(self, row: Row, file: MissingFile) -> None:
        try:
            self._index(row, self._indexed[identity_of(row)])
            self._forget(file)
        except OSError as error:
            logger.warning("%s comes once more with the next sync: %s", _named(row), error)

    def __str__(self) -> str:
        counts = self._counts
        return f"{counts['new']:,} copied, {counts['known']:,} copied before, {counts['missing']:,} not copied"

    def _copy_of(self, row: Row, *, is_sent: bool = True) -> Copy | None:
        """What the store has of the file of a row, which is copied if it has nothing; None if it cannot be had.

        `is_sent`: a state covers the row, so nothing has to wait until it is sent.
        """
        identity = identity_of(row)
        # Two threads may come by the same file: one that is missing, and whose row has changed.
        with self._locks.of(f"index/{identity}"):
            try:
                if copy := self._indexed.get(identity):
                    self._counts["known"] += 1
                    return copy
                copy = self._copied(row)
                if is_sent:
                    self._index(row, copy)
                self._indexed[identity] = copy
                self._counts["new"] += 1
                return copy
            except (FileUnavailable, TrackerError) as error:
                self._counts["missing"] += 1
                logger.warning("%s is not copied: %s", _named(row), error)
                self._note_missing(row)
            except (CopyFailed, OSError) as error:
                self._give_up(f"{_named(row)} cannot be written: {error}")
        return None

    def _copied(self, row: Row) -> Copy:
        assert self._store is not None  # noqa: S101  # open has been called
        size = row.get("size")
        if isinstance(size, int) and size > self._most_bytes:
            raise _too_large(size, self._most_bytes)
        # Where no file is copied, the connector needs nothing of the server.
        from tracker_server.file_names import safe_name

        with SpooledTemporaryFile(IN_MEMORY) as file:
            self._copy_to(row, file, self._most_bytes)
            return self._store.add(file, safe_name(str(row.get("filename") or "file")), row.get("content_type"))

    def _index(self, row: Row, copy: Copy) -> None:
        assert self._store is not None  # noqa: S101
        self._store.put(f"index/{identity_of(row)}/{copy.sha256}-{copy.size}", io.BytesIO())
        self._forget(MissingFile.of(row))

    def _note_missing(self, row: Row) -> None:
        assert self._missing is not None  # noqa: S101
        try:
            self._missing.note(row)
        except OSError as error:
            self._give_up(f"the list of what is missing cannot be written: {error}")

    def _forget(self, file: MissingFile) -> None:
        assert self._missing is not None  # noqa: S101
        self._missing.forget(file)

    def _give_up(self, problem: str) -> None:
        self.problem = self.problem or problem


def limited(out: IO[bytes], most: int) -> Callable[[bytes], None]:
    """Writes what it is called with to `out`. Raises FileUnavailable after so many bytes, and CopyFailed."""
    written = 0

    def write(block: bytes) -> None:
        nonlocal written
        written += len(block)
        if written > most:
            raise _too_large(None, most)
        try:
            out.write(block)
        except OSError as error:
            raise CopyFailed(error.strerror or str(error)) from error

    return write


def _too_large(size: int | None, most: int) -> FileUnavailable:
    more = f" ({size / MEGABYTE:.1f} MB)" if size else ""
    return FileUnavailable(f"it is larger{more} than the {most // MEGABYTE} MB of attachments_max_mb")


def _named(row: Row) -> str:
    owner = f"story {row['story_id']}" if row.get("story_id") else f"epic {row.get('epic_id')}"
    return f"The file {row.get('filename') or '?'!r} (id {row['id']}) of {owner}"
