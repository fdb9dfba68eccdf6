"""A folder or an object store that files are written to."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from source_pivotal_tracker.object_stores import errors_of_the_store, listed, opened

BLOCK = 65_536
"""Bytes of a file that are read at a time."""


FOLDERS = ("files", "index", "missing")
"""What is written to a place, besides its mark."""


class NotOurs(OSError):
    """A place holds files, and nothing that says that they are copies: a sentence without its end."""


class Copy(NamedTuple):
    """A content in the store: its key, its size in bytes and its digest in hexadecimal."""

    key: str
    size: int
    sha256: str


def visible_in(folder: str) -> set[str]:
    """The names of what lies in a folder, but for what systems keep there. Raises OSError."""
    return {name for name in os.listdir(folder) if not name.startswith(".") and name != "lost+found"}


class Locks:
    """A lock for each key. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_key: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def of(self, key: str) -> threading.Lock:
        with self._lock:
            return self._by_key[key]


class FileStore:
    """Writes below a place: the path of a folder, or the URL of a folder in an object store, such as `s3://bucket/files`.

    Keys have `/` between their parts. A file is there whole or not at all. `files/` has each content once, by its
    SHA-256. All methods raise OSError, whose text is a reason.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._copies: dict[str, Copy] = {}
        self._locks = Locks()
        self._is_folder = "://" not in place
        if not self._is_folder:
            self._store, self._root, self._prefix = opened(place)
            return
        from obstore.store import LocalStore

        folder = Path(place).absolute()
        self._root, self._prefix = str(folder), ""
        with errors_of_the_store():
            folder.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(folder)

    def learn(self) -> None:
        """Look up which contents are there."""
        for key, size in self.sizes("files/"):
            _, *parts = key.split("/")
            if len(parts) == 3:
                self._copies[parts[1]] = Copy(key, size, parts[1])

    def copy_of(self, sha256: str) -> Copy | None:
        """The copy of a content that is there, whole or cut, as by a power failure."""
        return self._copies.get(sha256)

    def add(self, file: IO[bytes], name: str, content_type: object) -> Copy:
        """Write a content under a name, unless it is there under any. Safe to call from several threads."""
        file.seek(0)
        digest = hashlib.sha256()
        while block := file.read(BLOCK):
            digest.update(block)
        sha256, size = digest.hexdigest(), file.tell()
        file.seek(0)
        with self._locks.of(sha256):
            copy = self._copies.get(sha256)
            if copy is None or copy.size != size:
                key = copy.key if copy else f"files/{sha256[:2]}/{sha256}/{name}"
                copy = Copy(key, size, sha256)
                self.put(key, file, content_type)
                self._copies[sha256] = copy
        return copy

    def url_of(self, key: str) -> str:
        """Where a file is: a `file://` URL, or one as the store's own tools take it."""
        return (Path(self._root) / key).as_uri() if self._is_folder else f"{self._root}/{self._path(key)}"

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The keys that begin with a folder, each with the size of its file in bytes."""
        folder = self._path(prefix)
        start = len(folder) - len(prefix)
        for entry in listed(self._store, folder):
            yield str(entry["path"])[start:], int(entry["size"])

    def get(self, key: str) -> bytes | None:
        """The content of a file; None if it is not there, as where another sync has removed it."""
        import obstore

        with errors_of_the_store():
            try:
                return bytes(obstore.get(self._store, self._path(key)).bytes())
            except FileNotFoundError:
                return None

    def put(self, key: str, content: IO[bytes], content_type: object = None) -> None:
        """Write a file. A browser that opens it in a store shows pictures alone: all else is a stranger's."""
        import obstore

        from tracker_server.file_names import PICTURES

        attributes = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
        if isinstance(content_type, str) and content_type in PICTURES:
            attributes = {"Content-Type": content_type, "Content-Disposition": "inline"}
        with errors_of_the_store():
            obstore.put(self._store, self._path(key), content, attributes=None if self._is_folder else attributes)

    def delete(self, key: str) -> None:
        """Remove a file; one that is not there, as where another sync has removed it, is no error."""
        import obstore

        with errors_of_the_store(), suppress(FileNotFoundError):
            obstore.delete(self._store, self._path(key))

    def mark(self) -> None:
        """Write what says that this folder is ours, so that nobody reads what is in it as exports. Raises NotOurs."""
        from tracker_server.file_names import COPY_OF_FILES

        self.require_ours()
        self.put(COPY_OF_FILES, io.BytesIO(b"Attached files, copied by source-pivotal-tracker.\n"))

    def require_ours(self) -> None:
        """Raises NotOurs where somebody else's files are and no mark is: nobody would find exports among them again."""
        from tracker_server.file_names import COPY_OF_FILES, ROWS_OF_EXPORTS

        marks = (COPY_OF_FILES, ROWS_OF_EXPORTS)
        if self._holds_files() and all(self.get(mark) is None for mark in marks):
            raise NotOurs(
                f"{self._place} holds other files; name a new folder, or one that attached files were copied to"
            )

    def _holds_files(self) -> bool:
        if self._is_folder:
            return bool(visible_in(self._root))
        return any(True for _ in listed(self._store, self._prefix))

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key
