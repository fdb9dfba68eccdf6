"""The bytes of the files in exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from source_pivotal_tracker.attachments.attachments import FileUnavailable, limited
from source_pivotal_tracker.attachments.file_store import BLOCK
from source_pivotal_tracker.streams.rows import Row
from tracker_server.downloads import FILE_ERRORS, problem_of


class FilesOfExports:
    """The files in exports, by their ids."""

    def __init__(self, open_file: Callable[[int], IO[bytes] | None]) -> None:
        self._open_file = open_file

    def __call__(self, row: Row, out: IO[bytes], most: int) -> None:
        """As `CopyTo`."""
        try:
            file = self._open_file(row["id"])
            if file is None:
                raise FileUnavailable("it is not among the exports")
            with file:
                write = limited(out, most)
                while block := file.read(BLOCK):
                    write(block)
        except FILE_ERRORS as error:
            raise FileUnavailable(
                f"it cannot be read from {row.get('archive', 'the export')}: {problem_of(error)}"
            ) from None
