"""The records of a CSV file, read within bounds, whatever the file is."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import IO

from tracker_server.exports.columns import SINGLE, Cells, Columns, is_header, is_repeated_header
from tracker_server.exports.errors import ExportError

LONGEST_RECORD = 16 * 2**20
"""Bytes. A story of Tracker has 20,000 characters of description and as many in each comment."""
csv.field_size_limit(LONGEST_RECORD)
MOST_COLUMNS = 20_000
BLOCK = 65_536
DELIMITERS = (",", ";", "\t", "|")
"""Separators of cells: Tracker wrote commas, and spreadsheets write the separator of their country."""

MOST_BEFORE = 9
"""Records above the header, where people put a title."""

BOM = b"\xef\xbb\xbf"

UNSTORABLE = re.compile(
    "[\0\ufdd0-\ufdef" + "".join(chr(0x10000 * plane + last) for plane in range(17) for last in (0xFFFE, 0xFFFF)) + "]"
)
"""Characters that UTF-8 can hold and that some warehouse refuses: U+0000, and those that Unicode keeps for programs."""
_IN_UNSTORABLE = ((b"\xef", b"\xb7"), (b"\xbf", b"\xbe\xbf"))
"""Each of them but NUL contains in UTF-8 one of these, and behind it one of those; hardly any other character does."""
_IN_PLACE_OF_NUL = "\ufffe".encode()
"""Python's older csv modules refuse NUL; this one is not storable either."""

_SEPARATOR_LINE = re.compile(rb"sep=(.)\r?\n")
"""The line in which Excel names the separator."""
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PROBLEMS = {
    "unexpected end of data": "a quote opens in this row and is never closed",
    "',' expected after '\"'": "a quote in a quoted field is not doubled, or one in an earlier row is not closed",
    "field larger": "a field is longer than any of Tracker's; perhaps a quote is not closed",
    "new-line": "a line ends in a carriage return alone; save the file with LF or CRLF line ends",
}
"""What the csv module's errors begin with, and what they mean; the delimiter in them is a comma here."""


class Records:
    """The records of a CSV; `label` names the file in errors.

    `delimiter` is what stands between its cells, found out from its first lines. `may_be_unstorable` says whether a
    character came so far that matches UNSTORABLE: it may be in this record or in a later one. `ends_in_a_line` is
    known at the end.
    """

    def __init__(self, file: IO[bytes], label: str) -> None:
        self.may_be_unstorable = False
        self.ends_in_a_line = True
        self._file = file
        self._label = label
        self._room = LONGEST_RECORD
        with converting_zip_errors(label):
            head = file.read(BLOCK)
            if head.startswith(_UTF_16) or b"\0" in head[: head.find(b"\n") + 1 or None]:
                raise ExportError(f"{label} is in UTF-16; save the file as CSV in UTF-8.")
        head = head.removeprefix(BOM)
        separator = _SEPARATOR_LINE.match(head)
        self._skipped = 1 if separator else 0
        self._head = head[separator.end() :] if separator else head
        self.delimiter = _delimiter(self._head)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Each record with the number of the line on which it begins. Empty lines are skipped.

        Raises ExportError at what is no CSV in UTF-8.
        """
        label = self._label
        reader = csv.reader(chain.from_iterable(self._lines()), strict=True, delimiter=self.delimiter)
        begin = 1 + self._skipped
        with converting_zip_errors(label):
            try:
                for cells in reader:
                    if cells:
                        yield begin, cells
                    begin = reader.line_num + 1 + self._skipped
                    self._room = LONGEST_RECORD
            except csv.Error as error:
                self._read_to_the_end()
                problem = _problem(str(error).replace(f"'{self.delimiter}'", "','"))
                raise ExportError(f"{label}, line {begin}: {problem}.") from None
            except _TooLong:
                problem = f"a row of more than {LONGEST_RECORD:,} bytes begins here; perhaps a quote is not closed"
                raise ExportError(f"{label}, line {begin}: {problem}.") from None
            except UnicodeDecodeError:
                self._read_to_the_end()
                raise ExportError(f"{label}{self._what_is_no_text()}; save the file as CSV in UTF-8.") from None

    def _lines(self) -> Iterator[Iterable[str]]:
        """The lines of the file, many at a time."""
        rest = b""
        block = self._head
        while block:
            self._room -= len(block)
            if self._room <= 0:
                raise _TooLong
            if b"\0" in block:
                block = block.replace(b"\0", _IN_PLACE_OF_NUL)
            block = rest + block
            end = block.rfind(b"\n") + 1
            rest = block[end:]
            self.may_be_unstorable = self.may_be_unstorable or _may_be_unstorable(block)
            yield map(bytes.decode, io.BytesIO(block[:end]))
            block = self._file.read(BLOCK)
        self.ends_in_a_line = not rest
        yield [rest.decode()]

    def _read_to_the_end(self) -> None:
        """At its end, the checksum of a file in a ZIP shows whether it is damaged, which is the better error."""
        while self._file.read(BLOCK):
            pass

    def _what_is_no_text(self) -> str:
        """Where the first byte is that is not UTF-8."""
        self._file.seek(0)
        number = 0
        while line := self._file.readline(LONGEST_RECORD):
            number += 1
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return f", line {number}: byte 0x{line[error.start]:02x} is not UTF-8"
        return " changed while it was read"


@contextmanager
def converting_zip_errors(label: str) -> Iterator[None]:
    """Turns the errors of a damaged ZIP into an ExportError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ExportError(f"{label} is damaged ({error}): download or copy it again.") from None
    except NotImplementedError as error:
        problem = f"{label} is compressed in an unsupported way ({error})"
        raise ExportError(f"{problem}: pack it again with a common program.") from None


class _TooLong(Exception):
    """More bytes came than a record can have."""


class Sheet:
    """A CSV with a header: the names of its columns and its rows. Raises ExportError as Records does.

    `header` is the first of its first records that is one, or else the first; `before` are those above it, each with
    its line. `header` and `columns` change while the rows are read where another header follows.
    """

    def __init__(self, file: IO[bytes], label: str) -> None:
        self.records = Records(file, label)
        self._left = iter(self.records)
        first = list(islice(self._left, MOST_BEFORE + 1))
        place = next((place for place, (_, cells) in enumerate(first) if is_header(cells)), 0)
        self.above_header = first[:place]
        self._left = chain(first[place + 1 :], self._left)
        self._take(first[place][1] if first else [])

    def rows(self) -> Iterator[tuple[int, Cells | None]]:
        """Yields each row with its line; None for a repeated header, which applies to the rows after it."""
        for line, cells in self._left:
            # Most rows begin with a number, which no header does.
            if not cells[0].isdigit() and is_repeated_header(cells):
                self._take(cells)
                yield line, None
            else:
                yield line, cells

    def single_cells(self) -> Iterator[dict[str, str]]:
        """The cells of each row in the columns that Tracker wrote once, by their names."""
        for _, cells in self.rows():
            if cells is not None:
                self.columns.pad(cells)
                yield dict(zip(SINGLE, self.columns.single(cells), strict=True))

    def _take(self, header: Cells) -> None:
        self.header = header
        self.columns = Columns(header)


def _may_be_unstorable(block: bytes) -> bool:
    """Whether there may be a character that matches UNSTORABLE. To look for one byte is much faster than for two."""
    for byte, behind in _IN_UNSTORABLE:
        place = block.find(byte)
        while place >= 0:
            if block[place + 1 : place + 2] in behind and place + 1 < len(block):
                return True
            place = block.find(byte, place + 1)
    return False


def _delimiter(head: bytes) -> str:
    """The separator of a file with this beginning: the one that makes one of its first lines a header."""
    text = head.decode(errors="replace")
    for delimiter in DELIMITERS:
        if any(map(is_header, _first_records(text, delimiter))):
            return delimiter
    return DELIMITERS[0]


def _first_records(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        yield from islice(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), MOST_BEFORE + 1)
    except csv.Error:
        return


def _problem(error: str) -> str:
    found = (problem for start, problem in _PROBLEMS.items() if error.startswith(start))
    return next(found, f"this is not a CSV ({error})")
