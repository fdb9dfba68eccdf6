"""Files that are written whole or not at all, links that stay links, and what is no file."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tracker_server.exports import write_export
from tracker_server.files import made_whole, written_whole
from tracker_server.sample import make_world, sample_files
from tracker_server.world import World


@pytest.fixture
def world() -> World:
    world = make_world(2, 20, 1)
    world.files = sample_files(world)
    return world


def test_nobody_finds_a_part(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"of yesterday")
    with pytest.raises(OSError, match="full"):
        _write_until_the_disk_is_full(path)
    assert {found.name: found.read_bytes() for found in tmp_path.iterdir()} == {"out": b"of yesterday"}


def _write_until_the_disk_is_full(path: Path) -> None:
    with written_whole(path) as out:
        out.write(b"of to")
        out.flush()
        raise OSError("full")


ONE_OF_TWO = """
import sys
from pathlib import Path
from tracker_server.files import written_whole
with written_whole(Path(sys.argv[1])) as out:
    out.write(sys.argv[2].encode() * 3)
    out.flush()
    print("begun", flush=True)
    sys.stdin.readline()
    out.write(sys.argv[2].encode() * 3)
"""


def test_of_two_runs_at_once_the_one_that_ends_last_is_there_whole(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with _one_of_two(path, "a") as first, _one_of_two(path, "b") as second:
        for process, content in ((first, b"a" * 6), (second, b"b" * 6)):
            process.communicate("\n", timeout=20)
            assert process.returncode == 0
            assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@contextmanager
def _one_of_two(path: Path, letter: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has begun to write, and goes on after a line."""
    command = [sys.executable, "-c", ONE_OF_TWO, str(path), letter]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        yield process


@pytest.mark.parametrize("is_there", [True, False])
def test_a_link_stays_one_and_what_it_leads_to_is_written(is_there: bool, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "target", tmp_path / "link"
    link.symlink_to(target)
    if is_there:
        target.write_bytes(b"of yesterday")
    with written_whole(link) as out:
        out.write(b"of today")
    assert link.is_symlink()
    assert target.read_bytes() == b"of today"
    with made_whole(link) as part:
        assert part.parent == target.parent  # a disk of its own, perhaps
        part.write_bytes(b"of tomorrow")
    assert link.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["target"]
    assert target.read_bytes() == b"of tomorrow"


def test_a_device_that_keeps_nothing_takes_a_zip(world: World) -> None:
    with written_whole(Path(os.devnull)) as out:
        write_export(world, out, history=None)
    with written_whole(Path(os.devnull)) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", os.urandom(100_000))
    assert not Path(os.devnull).is_file()


def test_a_pipe_gets_a_zip_as_it_is_made(world: World, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    with written_whole(pipe) as out:
        write_export(world, out)
    reader.join()
    with zipfile.ZipFile(io.BytesIO(found[0])) as archive:
        assert archive.testzip() is None
        assert any(name.endswith(".csv") for name in archive.namelist())


def test_a_folder_is_refused_and_stays(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), written_whole(tmp_path):
        raise AssertionError("nothing is written to a folder")
    assert list(tmp_path.iterdir()) == []
