"""The records of a CSV file, read within bounds, whatever the file is."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import IO

from tracker_server.exports.errors import ExportError

LONGEST_RECORD = 8_000_000
"""Bytes. A story of Tracker has 20,000 characters of description and as many in each comment."""
MOST_COLUMNS = 20_000
BLOCK = 65_536

BOM = b"\xef\xbb\xbf"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PROBLEMS = {
    "unexpected end of data": "a quote opens in this row and is never closed",
    "',' expected after '\"'": "a quote in a quoted field is not doubled, or one in an earlier row is not closed",
    "field larger": "a field is longer than any of Tracker's; perhaps a quote is not closed",
    "new-line": "a line ends in a carriage return alone; save the file with common line ends",
}
"""What the csv module's errors begin with, and what they mean."""


def records(file: IO[bytes], label: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with the number of the line on which it begins; `label` names the file in errors.

    Lines that are empty are passed over. Raises ExportError at what is no CSV in UTF-8.
    """
    room = [LONGEST_RECORD]
    reader = csv.reader(chain.from_iterable(_lines(file, room)), strict=True)
    begin = 1
    with damage_told(label):
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                _read_to_the_end(file)
                raise ExportError(f"{label}, line {begin}: {_problem(error)}.") from None
            except _TooLong:
                problem = f"a row of more than {LONGEST_RECORD:,} bytes begins here; perhaps a quote is not closed"
                raise ExportError(f"{label}, line {begin}: {problem}.") from None
            except (_NoText, UnicodeDecodeError):
                _read_to_the_end(file)
                raise ExportError(f"{label}{_what_is_no_text(file)}; save the file as CSV in UTF-8.") from None
            if cells:
                yield begin, cells
            begin = reader.line_num + 1
            room[0] = LONGEST_RECORD


@contextmanager
def damage_told(label: str) -> Iterator[None]:
    """Turns what a damaged ZIP raises into an ExportError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ExportError(f"{label} is damaged ({error}): fetch or copy it anew.") from None
    except NotImplementedError as error:
        raise ExportError(f"{label} is packed in an uncommon way ({error}): pack it as other ZIPs are.") from None


class _NoText(Exception):
    """There is a NUL byte."""


class _TooLong(Exception):
    """More bytes came than a record can have."""


def _lines(file: IO[bytes], room: list[int]) -> Iterator[Iterable[str]]:
    """The lines of the file, many at a time; `room` is how many more bytes may come until it is made larger again."""
    rest = file.read(len(BOM)).removeprefix(BOM)
    while block := file.read(BLOCK):
        room[0] -= len(block)
        if room[0] <= 0:
            raise _TooLong
        if b"\0" in block:
            raise _NoText
        block = rest + block
        end = block.rfind(b"\n") + 1
        rest = block[end:]
        yield map(bytes.decode, io.BytesIO(block[:end]))
    yield [rest.decode()]


def _read_to_the_end(file: IO[bytes]) -> None:
    """For what is in a ZIP: only there its checksum tells whether the ZIP is damaged, which goes before all else."""
    while file.read(BLOCK):
        pass


def _problem(error: csv.Error) -> str:
    found = (problem for start, problem in _PROBLEMS.items() if str(error).startswith(start))
    return next(found, f"this is no CSV ({error})")


def _what_is_no_text(file: IO[bytes]) -> str:
    """Where in a file with such a place the first byte is that is not in UTF-8."""
    file.seek(0)
    number = 0
    while line := file.readline(LONGEST_RECORD):
        number += 1
        if line.startswith(_UTF_16) and number == 1:
            return " is in UTF-16"
        if b"\0" in line:
            return f", line {number}: there is a NUL byte"
        try:
            line.decode()
        except UnicodeDecodeError as error:
            return f", line {number}: byte 0x{line[error.start]:02x} is not UTF-8"
    return " has changed while it was read"
