"""What lies in an export file, a ZIP or a CSV: the tables, and the files of stories. Nothing is unpacked to disk."""

from __future__ import annotations

import io
import mimetypes
import re
import zipfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, cast

from tracker_server.exports.columns import Columns
from tracker_server.exports.errors import ExportError, Finding
from tracker_server.exports.names import named, named_inside
from tracker_server.exports.table import MOST_COLUMNS, damage_told, records
from tracker_server.world import StoredFile

MOST_EXPANSION = 200
"""Text shrinks to a tenth in a ZIP; a table that is larger than SMALL and shrinks to less than this is a bomb."""
SMALL = 64_000_000

_ZIP = b"PK"
_LEADS_OUT = re.compile(r"(?:^|/)[.][.](?:/|$)|^/|^[A-Za-z]:/")
_MACOS = "__MACOSX/"
_TYPES = mimetypes.MimeTypes()


@dataclass(frozen=True)
class Source:
    """A file that may be an export: its name, and a function that opens it anew for reading bytes, with `seek`."""

    name: str
    open: Callable[[], IO[bytes]]

    @classmethod
    def of(cls, path: Path) -> Source:
        """A file on disk."""
        return cls(str(path), lambda: path.open("rb"))


@dataclass(frozen=True)
class Table:
    """A CSV of stories: its name in messages, and the project and time that its file's name says."""

    label: str
    project: str
    stamp: datetime | None
    open: Callable[[], IO[bytes]]


class Attachment(NamedTuple):
    """A file in the folder of a story or an epic; `checksum` is that of its bytes."""

    owner_id: int
    label: str
    checksum: int
    file: StoredFile


@dataclass
class Contents:
    """What lies in one source. `findings` tells of what is neither a table of stories nor a file of one."""

    tables: list[Table] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def contents(source: Source, label: str) -> Contents:
    """What lies in the source, of which the tables are not read yet; `label` is what messages call it.

    Raises ExportError where it is no export.
    """
    with source.open() as file:
        start = file.read(2)
        if start == _ZIP or label.lower().endswith(".zip"):
            with damage_told(label), zipfile.ZipFile(file) as archive:
                found = _in_zip(source, label, archive.infolist())
            if not found.tables:
                raise ExportError(f"{label} is no export of Tracker: there is no CSV with stories in it.")
            return found
    table = Table(label, *named(source.name), source.open)
    if not _has_stories(table):
        raise ExportError(
            f"{label} is no export of Tracker: its first line must name the columns, and Title (or Story) among them."
        )
    return Contents([table])


def _in_zip(source: Source, label: str, members: list[zipfile.ZipInfo]) -> Contents:
    found = Contents()
    of_macos = 0
    for member in members:
        path = _path(member)
        if _LEADS_OUT.search(path):
            raise ExportError(f"{label} holds {path!r}, a path that leads out of it, so it is no export of Tracker.")
        if member.flag_bits & 1:
            raise ExportError(f"{label} is encrypted; unpack it with its password, and pack it again without one.")
        if path.startswith(_MACOS):
            of_macos += 1
        elif not path.endswith("/"):
            _sort_in(source, label, member, path, found)
    if of_macos:
        reason = f"{of_macos} entries that macOS put there are not read"
        found.findings.append(Finding(f"{label}/{_MACOS}", 0, "", reason))
    return found


def _sort_in(source: Source, label: str, member: zipfile.ZipInfo, path: str, found: Contents) -> None:
    """Puts a member of a ZIP where it belongs in `found`."""
    place = f"{label}/{path}"
    opened = partial(_member, source, member)
    *folders, filename = path.split("/")
    owner = next((index for index, folder in enumerate(folders) if re.fullmatch("[0-9]{1,15}", folder)), None)
    if owner is not None:
        name = "/".join([*folders[owner + 1 :], filename])
        file = StoredFile(name, member.file_size, _TYPES.guess_type(filename)[0], opened)
        found.attachments.append(Attachment(int(folders[owner]), place, member.CRC, file))
        return
    if filename.lower().endswith(".csv"):
        if member.file_size > max(SMALL, MOST_EXPANSION * member.compress_size):
            raise ExportError(
                f"{place} would expand to {member.file_size:,} bytes from {member.compress_size:,}, which no text does:"
                " it is no export of Tracker."
            )
        table = Table(place, *named_inside(filename, named(source.name)), opened)
        if _has_stories(table):
            found.tables.append(table)
            return
        reason = "not read: its columns are not those of stories (a project's history is not)"
    else:
        reason = "not read: it is no CSV, and not in the folder of a story"
    found.findings.append(Finding(place, 0, "", reason))


def _has_stories(table: Table) -> bool:
    with table.open() as file:
        for _, header in records(file, table.label):
            if len(header) > MOST_COLUMNS:
                raise ExportError(f"{table.label} has {len(header):,} columns, so it is no export of Tracker.")
            return Columns(header).are_of_stories
    return False


def _path(member: zipfile.ZipInfo) -> str:
    """The path of a member, with `/` between its parts.

    Names that are not marked as UTF-8 often are so all the same: what packed the ZIP did not say.
    """
    name = member.filename
    if not member.flag_bits & 0x800:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()
    return name.replace("\\", "/")


class _Member(io.BufferedReader):
    """A file in a ZIP; closing it closes the ZIP too."""

    def __init__(self, raw: IO[bytes], opened: ExitStack) -> None:
        super().__init__(cast("io.RawIOBase", raw))
        self._opened = opened

    def close(self) -> None:
        super().close()
        self._opened.close()


def _member(source: Source, member: zipfile.ZipInfo) -> IO[bytes]:
    with ExitStack() as opening:
        archive = opening.enter_context(zipfile.ZipFile(opening.enter_context(source.open())))
        raw = opening.enter_context(archive.open(member))
        return _Member(raw, opening.pop_all())
