"""The files in a ZIP, as sources like any others. Nothing is unpacked to disk."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import IO, cast

from tracker_server.exports.errors import ExportError
from tracker_server.exports.names import ENDINGS
from tracker_server.exports.sources import MOST_DEPTH, Source
from tracker_server.exports.table import converting_zip_errors

MOST_EXPANSION = 200
"""Text shrinks to a tenth in a ZIP; a file larger than SMALL that shrinks to less than a 200th is a ZIP bomb."""
SMALL = 64_000_000
MOST_MEMBERS = 500_000

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""The first bytes of a ZIP: of a member, or of the end of an empty ZIP."""
BLOCK, LONGEST_HEADER = 1_048_576, 1024
_MEMBER = re.compile(rb"PK\x03\x04.{22}(..)..", re.DOTALL)
"""The header of a member, with the length of the path that follows it."""
_LEADS_OUT = re.compile(r"(?:^|/)[.][.](?:/|$)|^/|^[A-Za-z]:/")


def members(archive: Source, label: str) -> Iterator[Source]:
    """The files in a ZIP, in its order; `label` is its name in messages.

    Raises ExportError if it is damaged or encrypted, has a path that leads outside it, or expands more than any text.
    """
    with archive.open() as file, converting_zip_errors(label), _damage_as_one_error(), zipfile.ZipFile(file) as opened:
        infos = opened.infolist()
    if any(info.filename.count("/") > MOST_DEPTH for info in infos):
        raise ExportError(f"{label} has folders nested more than {MOST_DEPTH} deep, so it is not a Tracker export.")
    if len(infos) > MOST_MEMBERS:
        raise ExportError(f"{label} holds {len(infos):,} files, so it is not a Tracker export.")
    for info in infos:
        path = _path(info)
        if _LEADS_OUT.search(path):
            raise ExportError(f"{label} holds {path!r}, a path that leads outside it, so it is not a Tracker export.")
        if info.flag_bits & 1:
            raise ExportError(f"{label} is encrypted; unpack it with its password, and pack it again without one.")
        if path.endswith("/"):
            continue
        if path.lower().endswith(ENDINGS) and info.file_size > max(SMALL, MOST_EXPANSION * info.compress_size):
            raise ExportError(
                f"{label}/{path} would expand to {info.file_size:,} bytes from {info.compress_size:,}, which no text"
                " does: it is not a Tracker export."
            )
        yield Source(
            f"{archive.name}/{path}", partial(_member, archive, info), archive.name, info.file_size, info.CRC,
            archive.archive or archive.place, f"{archive.member}/{path}" if archive.member else path,
        )  # fmt: skip


def names_in(archive: Source) -> Iterator[str]:
    """The paths of members from their own headers, which can be read in a damaged or encrypted ZIP too."""
    try:
        with archive.open() as file:
            rest = b""
            while block := file.read(BLOCK):
                block = rest + block
                for found in _MEMBER.finditer(block):
                    length = int.from_bytes(found[1], "little")
                    yield block[found.end() : found.end() + length].decode(errors="replace").replace("\\", "/")
                rest = block[-LONGEST_HEADER:]
    except OSError:
        return


def _path(member: zipfile.ZipInfo) -> str:
    """The path of a member, with `/` between its parts.

    Names that are not marked as UTF-8 often are UTF-8 anyway, because the program that packed the ZIP did not say so.
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


def _member(archive: Source, member: zipfile.ZipInfo) -> IO[bytes]:
    with ExitStack() as opening:
        file = opening.enter_context(archive.open())
        with _damage_as_one_error():
            opened = opening.enter_context(zipfile.ZipFile(file))
            raw = opening.enter_context(opened.open(member))
        return _Member(raw, opening.pop_all())


@contextmanager
def _damage_as_one_error() -> Iterator[None]:
    """Raises BadZipFile for what zipfile takes for an error of the program: places that no file has, and odd names."""
    try:
        yield
    except (ValueError, OverflowError, struct.error) as error:
        raise zipfile.BadZipFile(f"its directory is wrong: {error}") from None
