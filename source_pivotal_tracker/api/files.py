"""Opens the files of export archives, wherever they lie: on a disk, behind an https URL, in an object store."""

from __future__ import annotations

import io
import logging
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import requests

from source_pivotal_tracker.api.errors import Passing, of_exception

logger = logging.getLogger("airbyte.tracker")

ENDINGS = (".zip", ".csv")
TIMEOUT = (10.0, 60.0)
CHUNK = 1024 * 1024
APPLE_DOUBLE = "._"
"""What macOS begins the names with under which it keeps attributes of files, on disks of others."""


class NotOpened(Exception):
    """A file or folder that cannot be had; a sentence tells the user what is wrong with it."""


class File(NamedTuple):
    """A file by its name, and how to open it anew for reading bytes, with `seek`. Opening may raise OSError."""

    name: str
    open: Callable[[], IO[bytes]]


def files_at(place: str) -> list[File]:
    """The file at a path or URL, or the ZIPs and CSVs in that folder. Raises NotOpened.

    The credentials for an object store come from the environment, as they do for the store's own tools.
    """
    scheme = urlsplit(place).scheme
    if scheme in ("http", "https"):
        return [_downloaded(place)]
    try:
        files = list(_stored(place) if "://" in place else _on_disk(Path(place)))
    except OSError as error:
        raise NotOpened(f"{place} cannot be read: {_reason(error)}.") from None
    if not files:
        raise NotOpened(f"{place} holds no .zip and no .csv.")
    return files


def _on_disk(path: Path) -> Iterator[File]:
    if not path.is_dir():
        path.open("rb").close()
        yield _file(path)
        return
    for each in sorted(path.iterdir()):
        if _is_export(each):
            yield _file(each)
        elif _holds_exports(each):
            logger.warning("Not read, for only the folder itself is: the exports in %s", each)


def _is_export(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(APPLE_DOUBLE)


def _holds_exports(folder: Path) -> bool:
    """Whether it does, if it may be looked into: a mounted disk has a `lost+found`, which may not."""
    try:
        return folder.is_dir() and any(map(_is_export, folder.iterdir()))
    except PermissionError:
        return False


def _file(path: Path) -> File:
    return File(str(path), lambda: path.open("rb"))


def _downloaded(url: str) -> File:
    """A copy in a temporary file: a ZIP is read from its end, which not every web server allows."""
    with tempfile.NamedTemporaryFile(prefix="export-", delete=False) as copy:
        file = _file(Path(copy.name))
        # The copy is there for as long as somebody may open it, and no longer than the program runs.
        weakref.finalize(file.open, Path(copy.name).unlink, missing_ok=True)
        try:
            with _Downloads() as session, session.get(url, timeout=TIMEOUT, stream=True) as answer:
                if answer.status_code != requests.codes.ok:
                    raise NotOpened(f"{_shown(url)} answers {answer.status_code} {answer.reason}.")
                for piece in answer.iter_content(CHUNK):
                    copy.write(piece)
                copy.flush()
        except requests.RequestException as error:
            told = of_exception(error)
            # Other errors have the URL's query in their words, which may be its signature.
            why = told if isinstance(told, Passing) else type(error).__name__
            raise NotOpened(f"{_shown(url)} cannot be had ({why}).") from None
        except OSError as error:
            raise NotOpened(f"{_shown(url)} cannot be copied to {copy.name}: {_reason(error)}.") from None
    return file._replace(name=unquote(urlsplit(url).path))


class _Downloads(requests.Session):
    """A session that goes from one host to another, as signed addresses do, but never from https to http."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where a redirect leads; None, by which its own status is the answer, where that is no place to follow to."""
        target = super().get_redirect_target(resp)
        try:
            schemes = [urlsplit(url).scheme for url in (resp.url, urljoin(resp.url, target or ""))]
        except ValueError:
            return None
        return target if schemes[1] == "https" or schemes == ["http", "http"] else None


def _stored(url: str) -> Iterator[File]:
    # Loaded only where it is needed: it is large.
    from obstore.store import from_url

    parts = urlsplit(url)
    path = unquote(parts.path).strip("/")
    with _store_told():
        store = from_url(f"{parts.scheme}://{parts.netloc}")
        paths = [path] if path.lower().endswith(ENDINGS) else _listed(store, path)
    for each in paths:
        yield File(each, partial(_StoredFile.opened, store, each))


def _listed(store: Any, folder: str) -> list[str]:
    import obstore

    listed = (str(each["path"]) for batch in obstore.list(store, folder or None) for each in batch)
    return sorted(each for each in listed if each.lower().endswith(ENDINGS))


@contextmanager
def _store_told() -> Iterator[None]:
    """Turns what an object store raises into an OSError with the first line of it: its innards follow that."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise OSError(str(error).partition("\n")[0].rstrip(".: ")) from None


class _StoredFile(io.RawIOBase):
    """A file in an object store, as Python's own buffers read it."""

    def __init__(self, store: Any, path: str) -> None:
        import obstore

        with _store_told():
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
        with _store_told():
            piece = bytes(self._file.read(len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def _shown(url: str) -> str:
    return url.partition("?")[0]


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
