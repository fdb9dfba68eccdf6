"""The files that may contain exports: those at a path on disk, or those that another store lists."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from tracker_server.exports.errors import ExportError
from tracker_server.exports.names import ENDINGS, base_name, readable

SYSTEM_NAMES = re.compile(
    r"[.]_.*|[.]DS_Store|[.]localized|[.]apdisk|[.]~lock[.].*|[.]nfs[0-9a-f]+|~[$].*|.*~|Thumbs[.]db|desktop[.]ini"
    r"|ehthumbs(?:_vista)?[.]db|Icon[\r\ufffd]|__MACOSX|[$]RECYCLE[.]BIN|lost[+]found|System Volume Information|@eaDir",
    re.IGNORECASE,
)
"""Names of files that an operating system or a program keeps for itself beside those of people."""


COPY_OF_PAGES = "tracker-site.txt"
"""The file in a folder to which `tracker-server site` wrote pages: nothing in it is an export."""
MOST_DEPTH = 100
"""Nested folders."""


@dataclass(frozen=True)
class Source:
    """A file that may be an export or a part of one.

    On a disk, `/exports/2024/p.csv` below the root `/exports` has the parts `2024` and `p.csv`; in an object store,
    `2024/p.csv` below the root `2024` is at home in `s3://bucket/2024`; in a ZIP, `/p.zip/1/a.png` below the root
    `/p.zip` is the member `1/a.png` of the archive `/p.zip`.

    `name` is its path, and `root` the part of it that the user named: a folder, or all of it. `open` opens the file
    again for reading bytes, with `seek`; it may raise OSError. `size` is in bytes. `stamp` changes when the bytes
    change. `home` is where the root lies, if `root` does not say that. `archive` is the ZIP that the file is in,
    `member` its path there; both are empty for a file outside of ZIPs. `is_folder`: a folder that is not read; opening
    it raises the reason.
    """

    name: str
    open: Callable[[], IO[bytes]]
    root: str = ""
    size: int = 0
    stamp: int = 0
    archive: str = ""
    member: str = ""
    home: str = ""
    is_folder: bool = False

    @classmethod
    def of(cls, path: Path, root: Path | None = None) -> Source:
        """A file on disk."""
        name, place = str(path), str(root or path)
        try:
            status = path.stat()
        except OSError as error:
            return cls(name, partial(_refused, error), place)
        if not stat.S_ISREG(status.st_mode):
            refused = partial(_refused, OSError(errno.EINVAL, "Is no file"))
            return cls(name, refused, place, is_folder=stat.S_ISDIR(status.st_mode))
        return cls(name, lambda: path.open("rb"), place, status.st_size, status.st_mtime_ns)

    @property
    def parts(self) -> tuple[str, ...]:
        """Its path below the root, folder by folder; only the name if the user named the file."""
        if self.is_named:
            return (base_name(self.name),)
        below = self.name.removeprefix(f"{self.root.rstrip('/')}/")
        return tuple(map(readable, filter(None, re.split(r"[/\\]", below))))

    @property
    def place(self) -> str:
        """Where it lies, in full."""
        home = readable(self.home or self.root or self.name)
        return home if self.is_named else f"{home.rstrip('/')}/{'/'.join(self.parts)}"

    @property
    def is_named(self) -> bool:
        """Whether the user named this very file."""
        return not self.root or self.name == self.root


def sources_at(path: Path) -> Iterator[Source]:
    """The file, or all files in the folder and in those below it, in the order of their names.

    A folder that cannot be read is one source that cannot be opened. A system folder is one source too, and is not
    read. Links are followed, and each folder is read once.
    """
    path = Path(os.path.abspath(path))
    if not path.is_dir():
        yield Source.of(path)
        return
    seen: set[tuple[int, int]] = set()

    def below(folder: Path, depth: int) -> Iterator[Source]:
        try:
            if depth > MOST_DEPTH:
                raise OSError(errno.ELOOP, f"It lies in {depth} folders")
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Source(str(folder), partial(_refused, error), str(path), is_folder=True)
            return
        if (status.st_dev, status.st_ino) in seen:
            return
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            found = Source.of(Path(entry.path), path)
            if found.is_folder and not is_system_file(entry.name, is_folder=True):
                yield from below(Path(entry.path), depth + 1)
            else:
                yield found

    yield from below(path, 0)


def require_exports(place: str, sources: Iterable[Source]) -> None:
    """Raises ExportError if no file at a place can be an export, by its name."""
    if not any(source.is_named or source.is_folder or source.parts[-1].lower().endswith(ENDINGS) for source in sources):
        raise ExportError(f"{place} holds no .zip and no .csv.")


def is_system_file(name: str, *, is_folder: bool = False) -> bool:
    """Whether a file or folder with this name belongs to the system; hidden folders count as such."""
    return bool(SYSTEM_NAMES.fullmatch(name)) or (is_folder and name.startswith("."))


def _refused(error: OSError) -> IO[bytes]:
    raise error
