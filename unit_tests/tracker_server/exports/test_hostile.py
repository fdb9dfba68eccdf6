"""Files that are damaged, or made to do harm: one clear sentence, bounded memory, and nothing is written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tracker_server.exports import ExportError, Source, inspect, read_exports
from unit_tests.tracker_server.exports.exported import MODERN, NAME, modern, packed, source

ZIP = "my_project.zip"
MEMBER = f"{ZIP}/{NAME}"
OTHER_COLUMNS = " is not a Tracker export: its first line must name the columns, with Title (or Story) among them."
LONE_RETURN = "a line ends in a carriage return alone; save the file with LF or CRLF line ends."
MOST_MEMORY = 150_000_000
"""Bytes, of the program that inspects."""
PATIENCE = 300


def damaged(content: bytes, *, at: float) -> bytes:
    """The content with some bytes in it turned over."""
    place = int(len(content) * at)
    return content[:place] + bytes(byte ^ 0xFF for byte in content[place : place + 8]) + content[place + 8 :]


def encrypted(content: bytes) -> bytes:
    """A ZIP that says that its members are encrypted."""
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    marked = bytearray(content)
    marked[local + 6] |= 1
    marked[central + 8] |= 1
    return bytes(marked)


def uncommon(content: bytes) -> bytes:
    """A ZIP with a method of compression that there is not."""
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    marked = bytearray(content)
    marked[local + 8] = marked[central + 10] = 99
    return bytes(marked)


def bomb(size: int) -> bytes:
    """A ZIP with a CSV of nothing but commas."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(NAME, "w") as member:
        member.write(b"Id,Title\n")
        for _ in range(size // 1_000_000):
            member.write(b"1,aaaaaaa\n" * 100_000)
    return out.getvalue()


GOOD = packed({NAME: modern(*({"Description": Random(n).randbytes(500).hex()} for n in range(50)))})  # noqa: S311
QUOTED = modern({"Description": 'a, "b" and c'})


@pytest.mark.parametrize(
    ("content", "name", "problem"),
    [
        (GOOD[: len(GOOD) // 2], ZIP, f"{ZIP} is damaged (File is not a zip file): download or copy it again."),
        (b"", ZIP, f"{ZIP} is damaged (File is not a zip file): download or copy it again."),
        (encrypted(GOOD), ZIP, f"{ZIP} is encrypted; unpack it with its password, and pack it again without one."),
        (packed({}), ZIP, f"{ZIP} is not a Tracker export: there is no CSV with stories in it."),
        (packed({"1/a.png": b""}), ZIP, f"{ZIP} is not a Tracker export: there is no CSV with stories in it."),
        (b"", NAME, f"{NAME}{OTHER_COLUMNS}"),
        (
            b"Name\na\n", NAME,
            f"{NAME}{OTHER_COLUMNS}",
        ),
        (
            b"Id," * 20_000 + b"Title\n", NAME,
            f"{NAME} has 20,001 columns, so it is not a Tracker export.",
        ),
        (
            modern({}).decode().encode("utf-16"), NAME,
            f"{NAME} is in UTF-16; save the file as CSV in UTF-8.",
        ),
        (
            modern({}, {"Title": "Größe"}).decode().encode("latin-1"), NAME,
            f"{NAME}, line 3: byte 0xf6 is not UTF-8; save the file as CSV in UTF-8.",
        ),
        (
            QUOTED + b'7,"never closed\nand so on\n', NAME,
            f"{NAME}, line 3: a quote opens in this row and is never closed.",
        ),
        (
            b'Id,Title\n1,"never closed\n2,"B"\n', NAME,
            f"{NAME}, line 2: a quote in a quoted field is not doubled, or one in an earlier row is not closed.",
        ),
        (
            b"Id,Title\n1," + b"a" * 17_000_000 + b"\n", NAME,
            f"{NAME}, line 2: a row of more than 16,777,216 bytes begins here; perhaps a quote is not closed.",
        ),
        (
            b"Id,Title\n1,A\n2" + b",a" * 9_000_000 + b"\n", NAME,
            f"{NAME}, line 3: a row of more than 16,777,216 bytes begins here; perhaps a quote is not closed.",
        ),
        (
            b"Id,Title\n1,A\n2," + b'"a\nb",' * 3_000_000 + b"\n", NAME,
            f"{NAME}, line 3: a row of more than 16,777,216 bytes begins here; perhaps a quote is not closed.",
        ),
        (b"Id,Title\n1,A\rB\n", NAME, f"{NAME}, line 2: {LONE_RETURN}"),
        (
            b"Id,Title\n" + b"".join(b"%d,a\n" % number for number in range(1, 200_002)), NAME,
            f"{NAME} has more than 200,000 rows, so it is not a Tracker export.",
        ),
        (
            b"Id,Title,Requested By\n" + b"".join(b"%d,a,p%d\n" % (n, n) for n in range(1, 50_002)), NAME,
            f"{NAME} has more than 50,000 names of one kind, so it is not a Tracker export.",
        ),
    ],
    ids=[
        "cut short", "empty ZIP file", "encrypted", "ZIP without members", "ZIP without CSV", "empty CSV file",
        "other columns", "many columns", "UTF-16", "Latin-1", "quote at the end", "quote inside", "long field",
        "long line", "long row", "carriage return", "many rows", "many names",
    ],
)  # fmt: skip
def test_it_is_one_error_that_names_the_file(content: bytes, name: str, problem: str) -> None:
    with pytest.raises(ExportError) as refused:
        read_exports([source(content, name)])
    assert str(refused.value) == problem
    *_, last = inspect([source(content, name)], lambda _: None)
    assert str(last) == problem


@pytest.mark.parametrize("at", [place / 20 for place in range(1, 20)])
def test_a_zip_with_turned_bytes_is_damaged(at: float) -> None:
    with pytest.raises(ExportError, match=rf"^{ZIP}(/{NAME})? is damaged \(.+\): download or copy it again\.$"):
        read_exports([source(damaged(GOOD, at=at), ZIP)])


def with_an_odd_name(content: bytes) -> bytes:
    """A ZIP whose directory has a name that is not the UTF-8 that it is marked as."""
    central = content.index(b"PK\x01\x02")
    marked = bytearray(content)
    marked[central + 9] |= 8
    marked[central + 46] = 0xFF
    return bytes(marked)


@pytest.mark.parametrize("content", [GOOD[1:], with_an_odd_name(GOOD)], ids=["its first byte is missing", "odd name"])
def test_a_zip_whose_directory_is_wrong_is_damaged(content: bytes) -> None:
    with pytest.raises(ExportError, match=rf"^{ZIP}(/{NAME})? is damaged \(.+\): download or copy it again\.$"):
        read_exports([source(content, ZIP)])


def test_a_zip_with_an_unknown_compression_is_an_error() -> None:
    with pytest.raises(
        ExportError,
        match=rf"^{ZIP}(/{NAME})? is compressed in an unsupported way \(.+\): pack it again with a common program\.$",
    ):
        read_exports([source(uncommon(GOOD), ZIP)])


@pytest.mark.parametrize(
    "path",
    [
        "../evil.csv",
        "1000/../../evil.png",
        "/etc/evil.csv",
        "..\\evil.csv",
        "C:\\evil.csv",
        "\\\\host\\evil.csv",
        "a/..",
    ],
)
def test_a_path_that_leads_out_of_a_zip_is_an_error(path: str) -> None:
    with pytest.raises(ExportError, match=r"a path that leads outside it, so it is not a Tracker export\.$"):
        read_exports([source(packed({NAME: modern({}), path: b"Id,Title\n1,A\n"}), ZIP)])


@pytest.mark.parametrize("path", ["1000/..png", "1000/a..b", "...csv", "1000/a:b.png"])
def test_dots_and_colons_in_a_name_lead_nowhere(path: str) -> None:
    world, _ = read_exports([source(packed({NAME: modern({}), path: b"x"}), ZIP)])
    assert len(world.projects) == 1


def test_a_zip_that_expands_a_thousandfold_is_not_read() -> None:
    with pytest.raises(
        ExportError, match=rf"^{MEMBER} would expand to 100,000,009 bytes from [0-9,]+, which no text does"
    ):
        read_exports([source(bomb(100_000_000), ZIP)])


def test_a_zip_whose_directory_tells_a_smaller_size_is_damaged() -> None:
    content = bytearray(packed({NAME: modern({}, {}, {})}))
    central = content.index(b"PK\x01\x02")
    content[central + 24 : central + 28] = (300).to_bytes(4, "little")
    with pytest.raises(ExportError, match=f"{MEMBER} is damaged"):
        read_exports([source(bytes(content), ZIP)])


def test_a_name_that_is_not_marked_as_utf_8_is_read_as_that_if_it_is() -> None:
    content = packed({NAME: modern({}), "1000/größe.png": b"x"})
    unmarked = bytearray(content)
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        place = content.rindex(start) + (7 if start == b"PK\x03\x04" else 9)
        unmarked[place] &= ~0x08
    world, _ = read_exports([source(bytes(unmarked), ZIP)])
    assert [file.filename for file in world.files.values()] == ["größe.png"]


PEAK = r"""
import re, resource, sys
from pathlib import Path
from tracker_server.__main__ import main

code = main(sys.argv[1:])
status = Path("/proc/self/status")
if status.exists():  # elsewhere the peak is that of the process that started this one, where that is higher
    print(int(re.search(r"VmHWM:\s+([0-9]+) kB", status.read_text())[1]) * 1024, file=sys.stderr)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def inspected(path: Path) -> tuple[subprocess.CompletedProcess[str], int]:
    """What the program said of a file, and the most memory that it took, in bytes."""
    command = [sys.executable, "-c", PEAK, "inspect", str(path)]
    ended = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=PATIENCE, cwd=path.parent)
    return ended, int(ended.stderr.split()[-1])


def rows_of(size: int, row_size: int) -> Iterator[bytes]:
    yield MODERN.encode() + b"\n"
    for number in range(1, size // row_size + 1):
        yield b'%d,Story,,,,,feature,1,,started,"Nov 22, 2014",,,Ann,%s\n' % (number, b"words " * (row_size // 6))


@pytest.mark.parametrize("row_size", [20_000, 1_200] if os.environ.get("WHOLE") else [20_000])
def test_200_mb_of_csv_are_inspected_in_little_memory(tmp_path: Path, row_size: int) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as out:
        out.writelines(rows_of(200_000_000, row_size))
    ended, memory = inspected(path)
    path.unlink()
    assert f"rows        {200_000_000 // row_size:,} feature" in ended.stdout
    assert (ended.returncode, memory < MOST_MEMORY) == (0, True), memory


def test_a_line_without_an_end_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("wb") as out:
        out.write(b"Id,Title\n1,A\n")
        out.truncate(500_000_000)
    ended, memory = inspected(path)
    assert "a.csv, line 3: a row of more than 16,777,216 bytes begins here" in ended.stdout
    assert (ended.returncode, memory < MOST_MEMORY) == (1, True), memory


def test_nothing_is_written_anywhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    path = tmp_path / ZIP
    path.write_bytes(packed({NAME: modern({}), "1000/photo.png": b"PNG" * 100_000, "other.txt": b"x"}))
    before = sorted(tmp_path.rglob("*"))
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "tracker_server", "inspect", str(path)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE, cwd=home, env=environment)
    world, _ = read_exports([Source.of(path)])
    for file in world.files.values():
        with file.open() as opened:
            assert opened.read() == b"PNG" * 100_000
    assert sorted(tmp_path.rglob("*")) == before


def test_files_stay_closed_when_nobody_reads_them(tmp_path: Path) -> None:
    path = tmp_path / ZIP
    path.write_bytes(packed({NAME: modern({}), "1000/photo.png": b"PNG"}))
    opened = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    world, _ = read_exports([Source.of(path)])
    list(inspect([Source.of(path)], lambda _: None))
    with next(iter(world.files.values())).open() as file:
        file.read()
    assert (len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0) == opened


LONG = 100_000
"""Characters, nearly as many as a cell may have."""
NASTY = {
    "Blocker": (".tracker", "#1", "x/projects/", "1:", "a/stories/1"),
    "URL": ("https://a/", "https://a/stories/1/"),
    "Git Branch": ("https://a/b/c/tree/", "https://a/b/c/-/"),
    "Pull Request": ("https://a/b/c/pull/1/", "/"),
    "Created at": (" ", "1/"),
    "Comment": ("(", " - ", ")"),
}


@pytest.mark.parametrize("column", NASTY)
def test_a_long_text_takes_no_longer_for_what_is_in_it(column: str, tmp_path: Path) -> None:
    texts = [piece * ((LONG - 10) // len(piece)) for piece in NASTY[column]]
    cells = [cell for text in texts for cell in (text, f"a{text} b", f"https://x/y{text} b")]
    (tmp_path / NAME).write_bytes(modern(*({column: cell, "Current State": "started"} for cell in cells)))
    assert _read_with_patience(tmp_path) == 0


@pytest.mark.parametrize("piece", [" ", ",", "1:11 ", "state ", "the ", "added ", " as a "])
def test_a_long_line_of_a_history_takes_no_longer_for_what_is_in_it(piece: str, tmp_path: Path) -> None:
    text = f"a{piece * (LONG // len(piece))}b"
    (tmp_path / NAME).write_bytes(modern({}))
    lines = (
        "ID,Type,Message,Performed By,Occurred At",
        f'1000,Story,m,Ann,"{text}"',
        f'1000,Story,"{text}",Ann,2025-01-01',
    )
    (tmp_path / "my_project_history.csv").write_text("\n".join(lines))
    assert _read_with_patience(tmp_path) == 0


@pytest.mark.parametrize("piece", [" ", "_", "-", "20250101", "a_", "(1)", "part"])
@pytest.mark.parametrize("end", ["b", ""])
def test_a_long_name_in_a_zip_takes_no_longer_for_what_is_in_it(piece: str, end: str, tmp_path: Path) -> None:
    name = f"a{piece * (60_000 // len(piece))}{end}.csv"
    (tmp_path / ZIP).write_bytes(packed({NAME: modern({}), name: modern({"Id": "7"})}))
    assert _read_with_patience(tmp_path) == 0


def _read_with_patience(folder: Path) -> int:
    """The exit code of a program that reads exports as a server does. A text that costs its square would hang it."""
    program = "import sys, pathlib; from tracker_server.exports import *; "
    program += "read_exports(sources_at(pathlib.Path(sys.argv[1])))"
    return subprocess.run([sys.executable, "-c", program, str(folder)], timeout=PATIENCE, check=False).returncode
