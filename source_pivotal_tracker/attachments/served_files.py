"""The bytes of the files on a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.attachments.attachments import FileUnavailable, limited
from source_pivotal_tracker.streams.rows import Row


class FilesOfServer:
    """The files of a server, by the addresses in their rows."""

    def __init__(self, client: TrackerClient) -> None:
        self._client = client

    def __call__(self, row: Row, out: IO[bytes], most: int) -> None:
        """As `CopyTo`."""
        url = row.get("download_url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise FileUnavailable("the server names no address for it")
        size = row.get("size")

        def begin() -> Callable[[bytes], object]:
            out.seek(0)
            out.truncate()
            return limited(out, most)

        self._client.download(url, begin, size if isinstance(size, int) else None)
