"""Opens export files that are not on a disk: behind an https URL, or in an object store."""

from __future__ import annotations

import email.message
import email.utils
import errno
import io
import logging
import os
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import requests

from source_pivotal_tracker.api.answers import of_exception
from source_pivotal_tracker.api.errors import RetryableError
from source_pivotal_tracker.object_stores import errors_of_the_store, listed, opened
from tracker_server.exports.names import ENDINGS

logger = logging.getLogger("airbyte.tracker")

TIMEOUT = (10.0, 60.0)
CHUNK = 1024 * 1024


class NotOpened(Exception):
    """A file or folder that cannot be opened; the text is a sentence for the user."""


class File(NamedTuple):
    """A file by its name; `open` opens it for reading bytes, with `seek`, as often as needed. It may raise OSError.

    `root` is the folder that was listed, empty for a file that was named. `home` is where that lies, without what is
    secret. `size` is in bytes, and `stamp` another one when they change.
    """

    name: str
    open: Callable[[], IO[bytes]]
    home: str = ""
    root: str = ""
    size: int = 0
    stamp: int = 0


def files_at(url: str) -> list[File]:
    """Returns the file at an address, or all files in that folder and below. Raises NotOpened."""
    if urlsplit(url).scheme in ("http", "https"):
        return [_downloaded(url)]
    try:
        return list(_stored(url))
    except OSError as error:
        raise NotOpened(f"{url} cannot be read: {_reason(error)}.") from None


def _downloaded(url: str) -> File:
    """A copy in a temporary file: a ZIP is read from its end, which not every web server allows.

    The copy has no name, so nothing is left of it however the program ends.
    """
    try:
        with (
            tempfile.TemporaryFile() as out,
            _Downloads() as session,
            session.get(url, timeout=TIMEOUT, stream=True) as answer,
        ):
            if answer.status_code != requests.codes.ok:
                raise NotOpened(f"{_shown(url)} answers {answer.status_code} {answer.reason}.")
            name = _name_of(answer, url)
            for piece in answer.iter_content(CHUNK):
                out.write(piece)
            out.flush()
            copy = _Copy(os.dup(out.fileno()))
    except requests.RequestException as error:
        cause = of_exception(error, url)
        # Other errors have the URL's query in their words, which may be its signature.
        why = cause if isinstance(cause, RetryableError) else type(error).__name__
        raise NotOpened(f"{_shown(url)} cannot be downloaded ({why}).") from None
    except OSError as error:
        raise NotOpened(f"{_shown(url)} cannot be copied to {tempfile.gettempdir()}: {_reason(error)}.") from None
    return File(name, copy.open, _shown(url))


def _name_of(answer: requests.Response, url: str) -> str:
    """What the file is called: as the answer says, or else the addresses, whose ends often are something else."""
    header = email.message.Message()
    header["Content-Disposition"] = _as_text(answer.headers.get("Content-Disposition", ""))
    given = [value for name, value in header.get_params([], "Content-Disposition") if name == "filename"]
    # Of the two forms, `filename*` is the one that can hold all letters.
    given.sort(key=lambda value: isinstance(value, str))
    names = [
        *map(email.utils.collapse_rfc2231_value, given),
        *(unquote(urlsplit(address).path) for address in (url, answer.url)),
    ]
    return next((name for name in names if name.lower().endswith(ENDINGS)), "") or next(filter(None, names), url)


def _as_text(header: str) -> str:
    """Decodes a header that holds UTF-8, which `requests` reads as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


class _Downloads(requests.Session):
    """A session that goes from one host to another, as signed addresses do, but never from https to http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Returns where a redirect leads, or None if it is not followed: then its own status is the answer."""
        target = super().get_redirect_target(resp)
        try:
            schemes = [urlsplit(url).scheme for url in (resp.url, urljoin(resp.url, target or ""))]
        except ValueError:
            return None
        return target if schemes[1] == "https" or schemes == ["http", "http"] else None


def _stored(url: str) -> Iterator[File]:
    store, root, path = opened(url)
    # An address without the ending of an export is a folder.
    if path.lower().endswith(ENDINGS):
        yield File(path, partial(_StoredFile.opened, store, path), _shown(url))
        return
    for entry in sorted(listed(store, path), key=_path_of):
        name = str(entry["path"])
        stamp = zlib.crc32(str(entry.get("e_tag") or entry.get("last_modified")).encode())
        home = f"{root}/{path}".rstrip("/")
        yield File(name, partial(_StoredFile.opened, store, name), home, path or "/", int(entry["size"]), stamp)


def _path_of(entry: Any) -> str:
    return str(entry["path"])


class _Copy:
    """A file without a name, which is gone once nobody can open it any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)

    def open(self) -> IO[bytes]:
        return io.BufferedReader(_OpenedCopy(self))


class _OpenedCopy(io.RawIOBase):
    """A copy, read from a place of its own however many others read it."""

    def __init__(self, copy: _Copy) -> None:
        self._copy = copy
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        starts = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: os.fstat(self._copy.descriptor).st_size}
        place = starts[whence] + offset
        if place < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._place = place
        return place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        piece = os.pread(self._copy.descriptor, len(buffer), self._place)
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


class _StoredFile(io.RawIOBase):
    """A file in an object store, as Python's own buffers read it."""

    def __init__(self, store: Any, path: str) -> None:
        import obstore

        with errors_of_the_store():
            self._file = obstore.open_reader(store, path, buffer_size=CHUNK)

    @classmethod
    def opened(cls, store: Any, path: str) -> IO[bytes]:
        return io.BufferedReader(cls(store, path), CHUNK)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        with errors_of_the_store():
            piece = bytes(self._file.read(len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def _shown(url: str) -> str:
    return url.partition("?")[0]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
