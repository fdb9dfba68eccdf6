"""Sends the files that comments hold: slow clients hold up nobody, and no browser takes a file for a page of ours."""

from __future__ import annotations

import io
import logging
import zipfile
import zlib
from typing import IO
from urllib.parse import quote

from tracker_server.file_names import PICTURES
from tracker_server.world import StoredFile

logger = logging.getLogger(__name__)

BLOCK = 65_536
AT_A_TIME = 16 * BLOCK
"""Bytes that are sent before others have their turn."""

FILE_ERRORS = (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
"""What opening and reading a file may raise: it may lie in a ZIP that has changed since."""


def problem_of(error: Exception) -> str:
    """Why a file cannot be read, in words, by one of FILE_ERRORS."""
    return str(getattr(error, "strerror", None) or error)


class SentFile:
    """An open file of `size` bytes for the `wsgi.file_wrapper` of waitress, whose loop reads it as a client takes it.

    So a slow client holds no thread, and a block in memory. Waitress goes back in a file to what was not sent, which in
    a ZIP would mean to unpack all of it again: the last block is kept for that. It sends as long as a client takes
    more, so now and then there is nothing to be read, and others have their turn.
    """

    def __init__(self, file: IO[bytes], size: int, name: str) -> None:
        self._file = file
        self._size = size
        self._name = name
        self._block = b""
        self._begin = self._at = 0
        self._until_others = AT_A_TIME

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        self._at = place + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, most: int) -> bytes:
        """Up to `most` bytes from the last block or the next one. Raises OSError if the file has fewer than it had."""
        if self._at == self._begin + len(self._block):
            if self._until_others <= 0:
                self._until_others = AT_A_TIME
                return b""
            self._begin, self._block = self._at, self._next_block()
            self._until_others -= len(self._block)
        start = self._at - self._begin
        part = self._block[start : start + most]
        self._at += len(part)
        return part

    def _next_block(self) -> bytes:
        problem = "it is shorter than it was"
        try:
            if block := self._file.read(BLOCK):
                return block
        except FILE_ERRORS as error:
            problem = str(error)
        logger.warning("%s cannot be sent to its end: %s", self._name, problem)
        raise OSError(problem)

    def close(self) -> None:
        self._file.close()


def download_headers(file: StoredFile, *, inline: bool) -> dict[str, str]:
    """The headers of a file: only a picture is shown in place, and only if that is asked for."""
    place = "inline" if inline and file.content_type in PICTURES else "attachment"
    return {
        "Content-Type": file.content_type or "application/octet-stream",
        "Content-Length": str(file.size),
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(file.filename, safe='', errors='replace')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
