"""A folder or an object store that files are written to."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from source_pivotal_tracker.object_stores import errors_of_the_store, listed, opened


class FileStore:
    """Writes below a place: the path of a folder, or the URL of a folder in an object store, such as `s3://bucket/files`.

    Keys have `/` between their parts. A file is there whole or not at all. All methods raise OSError, whose text is a
    reason.
    """

    def __init__(self, place: str) -> None:
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

    def url_of(self, key: str) -> str:
        """Where a file is: a `file://` URL, or one as the store's own tools take it."""
        return (Path(self._root) / key).as_uri() if self._is_folder else f"{self._root}/{self._path(key)}"

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The keys that begin with a folder, each with the size of its file in bytes."""
        folder = self._path(prefix)
        start = len(folder) - len(prefix)
        for entry in listed(self._store, folder):
            yield str(entry["path"])[start:], int(entry["size"])

    def get(self, key: str) -> bytes:
        import obstore

        with errors_of_the_store():
            return bytes(obstore.get(self._store, self._path(key)).bytes())

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
        """Write what says that this folder is ours, so that nobody reads what is in it as exports."""
        from tracker_server.file_names import COPY_OF_FILES

        self.put(COPY_OF_FILES, io.BytesIO(b"Attached files, copied by source-pivotal-tracker.\n"))

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key
