"""Attached files are copied once, from a server or out of exports, and a row is never lost for its file."""

from __future__ import annotations

import hashlib
import re
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import pytest
import requests
from airbyte_cdk.models import AirbyteConnectionStatus, Status
from requests.adapters import HTTPAdapter

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.rate_limit import UNLIMITED, RateLimiter
from source_pivotal_tracker.attachments.served_files import ATTEMPTS, MOST_FAILURES
from source_pivotal_tracker.config import Config
from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server import edits
from tracker_server.api.dialect import Dialect
from tracker_server.app import TrackerServer
from tracker_server.exports import write_export
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.world import Project, Row, StoredFile, World
from unit_tests.interception import json, path_of, query_of
from unit_tests.syncs import Sync, config_for, logger, unhurried, warnings
from unit_tests.tracker_server.pages.worlds import HOSTILE

FILES = "file_attachments"
OF_COPIES = {"file_url", "bytes", "sha256"}


@pytest.fixture
def world() -> World:
    world = make_world(2, 60, 1)
    world.files = sample_files(world)
    return world


@pytest.fixture
def server(world: World) -> Iterator[TrackerServer]:
    with TrackerServer(world) as server:
        yield server


def file_rows(world: World) -> Iterator[Row]:
    for project in world.projects.values():
        for owner in (*project.stories.values(), *project.epics.values()):
            for comment in owner["comments"]:
                yield from comment["file_attachments"]


def set_content(world: World, row: Row, content: bytes) -> None:
    """Let the file of a row be this."""
    file = world.files[row["id"]]
    world.files = {**world.files, row["id"]: replace(file, size=len(content), open=lambda: BytesIO(content))}


def content_of(file: StoredFile) -> bytes:
    with file.open() as opened:
        return opened.read()


def copied_bytes(row: Row) -> bytes:
    url = urlsplit(row["file_url"])
    assert url.scheme == "file"
    return Path(unquote(url.path)).read_bytes()


def downloads(server: TrackerServer) -> int:
    return sum(request.path.startswith("/file_attachments/") for request in server.log)


def contents_in(folder: Path) -> list[Path]:
    return [path for path in (folder / "files").rglob("*") if path.is_file()]


def assert_all_copied(sync: Sync, world: World, folder: Path) -> None:
    rows = sync.records[FILES]
    assert sorted(row["id"] for row in rows) == sorted(world.files)
    for row in rows:
        content = content_of(world.files[row["id"]])
        assert copied_bytes(row) == content
        assert (row["bytes"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    distinct = {hashlib.sha256(content_of(file)).hexdigest() for file in world.files.values()}
    assert len(contents_in(folder)) == len(distinct)


def any_file(world: World) -> int:
    return next(iter(world.files))


def test_every_file_is_copied_and_its_row_says_where_it_is(server: TrackerServer, world: World, tmp_path: Path) -> None:
    sync = Sync(config_for(server, attachments_to=str(tmp_path)))
    assert sync.failure is None
    assert_all_copied(sync, world, tmp_path)
    assert downloads(server) == len(world.files) > 15


def test_the_rows_are_else_those_of_a_sync_without_copies(server: TrackerServer, tmp_path: Path) -> None:
    def rows(sync: Sync) -> list[Row]:
        found = [{name: row[name] for name in row.keys() - OF_COPIES} for row in sync.records[FILES]]
        return sorted(found, key=lambda row: row["id"])

    plain = Sync(config_for(server), [FILES])
    assert not any(row.keys() & OF_COPIES for row in plain.records[FILES])
    assert rows(Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])) == rows(plain)


def test_a_later_sync_copies_new_files_only(server: TrackerServer, world: World, tmp_path: Path) -> None:
    config = config_for(server, attachments_to=str(tmp_path / "new" / "folder"))
    first = Sync(config, incremental=True)
    server.log.clear()
    again = Sync(config)
    assert_all_copied(again, world, tmp_path / "new" / "folder")
    assert downloads(server) == 0

    project = next(iter(world.projects.values()))
    story = project.stories[project.order[0]]
    new = {"filename": "new.png", "size": 300, "content_type": "image/png"}
    edits.create_comment(world, project, story["requested_by_id"], story_id=story["id"], file_attachments=[new])
    world.files = {**sample_files(world), **world.files}
    later = Sync(config, incremental=True, state=first.state)
    assert any(row["filename"] == "new.png" for row in later.records[FILES])
    assert all(copied_bytes(row) for row in later.records[FILES])
    assert downloads(server) == 1


def test_the_same_bytes_are_written_once(server: TrackerServer, world: World, tmp_path: Path) -> None:
    for row in file_rows(world):
        row["size"] = 4
        set_content(world, row, b"same")
    sync = Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    assert len({row["file_url"] for row in sync.records[FILES]}) == len(contents_in(tmp_path)) == 1
    assert all(copied_bytes(row) == b"same" for row in sync.records[FILES])


class Failing(BytesIO):
    """A file whose disk fails in the middle."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._left = len(content) // 2

    def read(self, most: int | None = -1) -> bytes:
        if self._left <= 0:
            raise OSError(5, "Input/output error")
        piece = super().read(min(self._left, 1_000))
        self._left -= len(piece)
        return piece


def failing(file: StoredFile, times: int) -> StoredFile:
    """The file, which fails when it is opened the first so many times."""
    content, opened = content_of(file), iter(range(times))

    def begin() -> IO[bytes]:
        return BytesIO(content) if next(opened, None) is None else Failing(content)

    return replace(file, open=begin)


def test_a_download_that_breaks_off_is_begun_again(server: TrackerServer, world: World, tmp_path: Path) -> None:
    file_id = max(world.files, key=lambda file_id: world.files[file_id].size)
    world.files = {**world.files, file_id: failing(world.files[file_id], 2)}
    sync = Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    world.files = {**world.files, file_id: failing(world.files[file_id], 0)}
    assert_all_copied(sync, world, tmp_path)
    assert downloads(server) == len(world.files) + 2


@pytest.mark.parametrize("loss", ["broken", "gone"])
def test_a_file_that_cannot_be_had_is_a_warning_and_comes_with_the_next_sync_that_can_have_it(
    loss: str, server: TrackerServer, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file_id = any_file(world)
    whole = dict(world.files)
    broken = failing(whole[file_id], 1_000)
    world.files = {**whole, file_id: broken} if loss == "broken" else {i: f for i, f in whole.items() if i != file_id}
    config = config_for(server, attachments_to=str(tmp_path))
    first = Sync(config, incremental=True)
    assert first.failure is None
    (row,) = (row for row in first.records[FILES] if row["id"] == file_id)
    assert {row[name] for name in OF_COPIES} == {None}
    (warning,) = (words for words in warnings(caplog) if "is not copied" in words)
    assert re.match(
        rf"The file '.*' \(id {file_id}\) of (story|epic) \d+ is not copied: GET /file_attachments/", warning
    )
    assert sum(bool(row["file_url"]) for row in first.records[FILES]) == len(whole) - 1

    still = Sync(config, incremental=True, state=first.state)
    assert still.records[FILES] == []

    world.files = whole
    server.log.clear()
    later = Sync(config, incremental=True, state=still.state)
    assert later.failure is None
    assert [row["id"] for row in later.records[FILES]] == [file_id]
    assert copied_bytes(later.records[FILES][0]) == content_of(whole[file_id])
    assert {name: later.records[FILES][0][name] for name in row.keys() - OF_COPIES} == {
        name: row[name] for name in row.keys() - OF_COPIES
    }
    assert later.statuses[FILES][-1] == "COMPLETE"
    assert downloads(server) == 1
    assert Sync(config, incremental=True, state=later.state).records[FILES] == []


def test_a_file_of_a_project_that_is_not_read_stays_missing(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    whole = dict(world.files)
    world.files = {}
    Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    world.files = whole
    project_id = next(iter(world.projects))
    config = config_for(server, attachments_to=str(tmp_path), project_ids=[project_id])
    one = Sync(config, [FILES])
    assert {row["project_id"] for row in one.records[FILES]} == {project_id}


def test_a_larger_file_is_named_and_left(
    server: TrackerServer, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    large, lying = list(world.files)[:2]
    for row in file_rows(world):
        content = b"x" * (1_500_000 if row["id"] in (large, lying) else 30)
        set_content(world, row, content)
        row["size"] = 30 if row["id"] == lying else len(content)
    sync = Sync(config_for(server, attachments_to=str(tmp_path), attachments_max_mb=1), [FILES])
    assert {row["id"] for row in sync.records[FILES] if row["file_url"] is None} == {large, lying}
    words = "\n".join(warnings(caplog))
    assert f"(id {large}) of story" in words or f"(id {large}) of epic" in words
    assert "it is larger (1.5 MB) than the 1 MB of attachments_max_mb" in words
    assert "it is larger than the 1 MB of attachments_max_mb" in words
    assert sync.failure is None


class Elsewhere(BaseHTTPRequestHandler):
    """Another host, which says what it was asked with and serves one file; `/lead` leads to the file."""

    asked: list[dict[str, str]]

    def do_GET(self) -> None:
        self.asked.append({name.lower(): value for name, value in self.headers.items()})
        self.send_response(302 if self.path == "/lead" else 200)
        if self.path == "/lead":
            self.send_header("Location", "/file")
        body = b"" if self.path == "/lead" else b"from elsewhere"
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextmanager
def elsewhere() -> Iterator[tuple[str, list[dict[str, str]]]]:
    asked: list[dict[str, str]] = []
    handler = type("Handler", (Elsewhere,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/file", "/lead"])
def test_another_host_is_never_asked_with_the_token(
    path: str, server: TrackerServer, world: World, tmp_path: Path
) -> None:
    with elsewhere() as (address, asked):
        for row in file_rows(world):
            row |= {"download_url": address + path, "size": len(b"from elsewhere")}
        sync = Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    assert {copied_bytes(row) for row in sync.records[FILES]} == {b"from elsewhere"}
    assert len(asked) >= len(world.files)
    assert not any({"x-trackertoken", "authorization"} & headers.keys() for headers in asked)


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://127.0.0.1/x", "//", "http://", "http://[", "javascript:x", "", None, 5, "/"],
)
def test_an_address_that_is_none_costs_its_file_alone(
    address: Any, server: TrackerServer, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for row in file_rows(world):
        row["download_url"] = address
    sync = Sync(config_for(server, attachments_to=str(tmp_path)))
    assert sync.failure is None
    assert {row["file_url"] for row in sync.records[FILES]} == {None}
    assert sum("is not copied" in words for words in warnings(caplog)) == len(world.files)


@pytest.mark.parametrize("name", [*HOSTILE, "../../up", "/etc/passwd", "a/b\\c", "CON", "ü" * 300, "", ".", "x.html"])
def test_a_strangers_name_becomes_a_safe_key(name: str, server: TrackerServer, world: World, tmp_path: Path) -> None:
    for row in file_rows(world):
        row["filename"] = name
    sync = Sync(config_for(server, attachments_to=str(tmp_path / "files_of_tracker")), [FILES])
    assert_all_copied(sync, world, tmp_path / "files_of_tracker")
    assert [path.name for path in tmp_path.iterdir()] == ["files_of_tracker"]
    for path in contents_in(tmp_path / "files_of_tracker"):
        assert re.fullmatch(r"[\w.-]{1,255}", path.name)
        assert path.suffix not in (".html", ".svg", ".js")


def test_a_sync_that_is_killed_goes_on_where_it_was(server: TrackerServer, world: World, tmp_path: Path) -> None:
    config = config_for(server, attachments_to=str(tmp_path), num_workers=1)
    state: list[Any] = []
    found: dict[int, Row] = {}
    for killed_after in (3, 6, 9, None):
        sync = Sync(config, [FILES], incremental=True, state=state, killed_after=killed_after, state_seconds=0)
        found |= {row["id"]: row for row in sync.records[FILES]}
        state = sync.state
    assert found.keys() == world.files.keys()
    assert all(copied_bytes(row) == content_of(world.files[row["id"]]) for row in found.values())
    assert downloads(server) == len(world.files)


def archived(world: World, path: Path) -> Path:
    with path.open("wb") as out:
        write_export(world, out)
    return path


def export_config(archive: Path, **settings: Any) -> dict[str, Any]:
    return {"export_archive": str(archive), **settings}


def test_files_come_out_of_exports_too(world: World, tmp_path: Path) -> None:
    archive = archived(world, tmp_path / "all_20250401_1212.zip")
    out = tmp_path / "files"
    sync = Sync(export_config(archive, attachments_to=str(out)))
    rows = sync.records[FILES]
    assert len(rows) == len(world.files)
    with zipfile.ZipFile(archive) as opened:
        for row in rows:
            assert copied_bytes(row) == opened.read(row["member"])
    assert sync.failure is None
    again = Sync(export_config(archive, attachments_to=str(out)))
    assert [row["file_url"] for row in again.records[FILES]] == [row["file_url"] for row in rows]


def test_a_damaged_file_in_an_export_costs_itself_alone(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = archived(world, tmp_path / "all_20250401_1212.zip")
    with zipfile.ZipFile(archive) as opened:
        damaged = next(info for info in opened.infolist() if not info.filename.endswith(".csv"))
    content = bytearray(archive.read_bytes())
    middle = damaged.header_offset + 30 + len(damaged.filename.encode()) + damaged.compress_size // 2
    content[middle] ^= 0xFF
    archive.write_bytes(content)
    sync = Sync(export_config(archive, attachments_to=str(tmp_path / "files")))
    lost = [row["member"] for row in sync.records[FILES] if row["file_url"] is None]
    assert lost == [damaged.filename]
    assert len(sync.records[FILES]) == len(world.files)
    assert any("is not copied: it cannot be read from" in words for words in warnings(caplog))
    assert sync.failure is None

    archived(world, archive)
    mended = Sync(export_config(archive, attachments_to=str(tmp_path / "files")))
    assert len(mended.records[FILES]) == len(world.files)
    assert all(row["file_url"] for row in mended.records[FILES])
    assert not any((tmp_path / "files" / "missing").iterdir())


def checked(config: dict[str, Any]) -> AirbyteConnectionStatus:
    return SourcePivotalTracker(unhurried).check(logger, config)


def test_the_check_says_where_nothing_can_be_written(server: TrackerServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    place = str(tmp_path / "file" / "folder")
    status = checked(config_for(server, attachments_to=place))
    assert status.status == Status.FAILED
    assert str(status.message).startswith(f"attachments_to: {place} cannot be written: ")
    assert checked(config_for(server, attachments_to=str(tmp_path / "new"))).status == Status.SUCCEEDED


def test_a_place_that_cannot_be_written_makes_the_stream_incomplete_and_loses_nothing(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    first = Sync(config_for(server, attachments_to=str(tmp_path / "file" / "folder")), incremental=True)
    assert first.failure is not None
    assert "1 streams are incomplete: file_attachments" in str(first.failure.message)
    assert first.statuses[FILES][-1] == "INCOMPLETE"
    assert {row["id"] for row in first.records[FILES]} == set(world.files)
    assert all(first.statuses[name][-1] == "COMPLETE" for name in first.statuses if name != FILES)
    later = Sync(config_for(server, attachments_to=str(tmp_path / "out")), incremental=True, state=first.state)
    assert_all_copied(later, world, tmp_path / "out")


def test_what_is_in_the_folder_and_is_not_ours_is_left_alone(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    for name in ("tracker-files.txt", "files/readme.txt", "index/x", "index/a/b/c", "missing/nonsense", "thesis.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"mine")
    sync = Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    assert all(copied_bytes(row) == content_of(world.files[row["id"]]) for row in sync.records[FILES])
    assert (tmp_path / "thesis.txt").read_bytes() == (tmp_path / "missing" / "nonsense").read_bytes() == b"mine"


def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(
    server: TrackerServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024" / "web.zip").write_bytes(b"an export")
    config = config_for(server, attachments_to=str(tmp_path))
    problem = f"{tmp_path} holds other files; name a new folder, or one that attached files were copied to."
    assert checked(config).message == f"attachments_to: {problem}"
    sync = Sync(config, [FILES])
    assert sync.failure is not None
    assert f"Stream {FILES}: attachments_to: {problem}" in {f"{record.getMessage()}." for record in caplog.records}
    assert [path.name for path in tmp_path.rglob("*")] == ["2024", "web.zip"]


def test_a_copy_that_is_gone_is_made_again(server: TrackerServer, world: World, tmp_path: Path) -> None:
    config = config_for(server, attachments_to=str(tmp_path))
    Sync(config, [FILES])
    contents_in(tmp_path)[0].unlink()
    assert_all_copied(Sync(config, [FILES]), world, tmp_path)


@pytest.mark.parametrize("size", ["told", "not told"])
def test_a_copy_that_was_cut_is_made_again(size: str, server: TrackerServer, world: World, tmp_path: Path) -> None:
    if size == "not told":
        for row in file_rows(world):
            set_content(world, row, content_of(world.files[row["id"]]))
            del row["size"]
    config = config_for(server, attachments_to=str(tmp_path))
    Sync(config, [FILES])
    for path in contents_in(tmp_path)[:3]:
        path.write_bytes(path.read_bytes()[:1])
    assert_all_copied(Sync(config, [FILES]), world, tmp_path)


@pytest.mark.parametrize("incremental", [False, True])
def test_after_an_outage_a_read_from_the_start_brings_and_copies_every_file_once(
    incremental: bool, server: TrackerServer, world: World, tmp_path: Path
) -> None:
    whole = dict(world.files)
    config = config_for(server, attachments_to=str(tmp_path))
    world.files = {}
    out_of_order = Sync(config, [FILES])
    assert {row["file_url"] for row in out_of_order.records[FILES]} == {None}
    world.files = whole
    server.log.clear()
    after = Sync(config, [FILES], incremental=incremental)
    assert after.failure is None
    assert_all_copied(after, world, tmp_path)
    assert downloads(server) == len(whole)
    assert not any((tmp_path / "missing").iterdir())


def test_two_syncs_at_once_copy_every_file(server: TrackerServer, world: World, tmp_path: Path) -> None:
    whole = dict(world.files)
    config = config_for(server, attachments_to=str(tmp_path))
    world.files = {}
    Sync(config, [FILES])
    world.files = whole
    with ThreadPoolExecutor(2) as threads:
        syncs = [future.result() for future in [threads.submit(Sync, config, [FILES]) for _ in range(2)]]
    for sync in syncs:
        assert sync.failure is None
        assert_all_copied(sync, world, tmp_path)


def story_with_a_file(world: World) -> tuple[Project, Row, Row]:
    """A project, a story of it, and the row of a file at that story."""
    return next(
        (project, story, row)
        for project in world.projects.values()
        for story in project.stories.values()
        for comment in story["comments"]
        for row in comment["file_attachments"]
    )


def test_a_missing_file_of_a_story_that_was_deleted_is_forgotten(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    whole, (project, story, row) = dict(world.files), story_with_a_file(world)
    world.files = {file_id: file for file_id, file in whole.items() if file_id != row["id"]}
    config = config_for(server, attachments_to=str(tmp_path))
    first = Sync(config, incremental=True)
    edits.delete_stories(world, project, world.tokens[SAMPLE_TOKEN], [story["id"]])
    world.files = whole
    later = Sync(config, incremental=True, state=first.state)
    assert row["id"] not in {file["id"] for file in later.records[FILES]}
    assert not any((tmp_path / "missing").iterdir())


def test_a_missing_file_of_a_story_that_was_moved_comes_with_its_new_project(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    whole, (project, story, row) = dict(world.files), story_with_a_file(world)
    other = next(one for one in world.projects.values() if one is not project)
    world.files = {file_id: file for file_id, file in whole.items() if file_id != row["id"]}
    config = config_for(server, attachments_to=str(tmp_path))
    first = Sync(config, incremental=True)
    edits.move_story_to_project(world, project, other, world.tokens[SAMPLE_TOKEN], story["id"])
    second = Sync(config, incremental=True, state=first.state)
    world.files = whole
    third = Sync(config, incremental=True, state=second.state)
    rows = [file for sync in (second, third) for file in sync.records[FILES] if file["id"] == row["id"]]
    assert {file["project_id"] for file in rows} == {other.id}
    assert rows[-1]["file_url"]


def test_a_missing_file_is_asked_for_where_it_is_now(server: TrackerServer, world: World, tmp_path: Path) -> None:
    *_, row = story_with_a_file(world)
    address = row["download_url"]
    row["download_url"] = "/gone?signature=old"
    config = config_for(server, attachments_to=str(tmp_path))
    first = Sync(config, incremental=True)
    row["download_url"] = address
    later = Sync(config, incremental=True, state=first.state)
    assert [(file["id"], bool(file["file_url"])) for file in later.records[FILES]] == [(row["id"], True)]


def after_an_outage(world: World, config: dict[str, Any]) -> Sync:
    """An incremental sync that could have no file; whoever asks after it can have all."""
    whole = dict(world.files)
    world.files = {}
    sync = Sync(config, [FILES], incremental=True)
    world.files = whole
    return sync


DAMAGES = [b"", b"{", b"[]", b"null", b'"x"', b"7", b"{}", b"\xff", b'{"id":5,"project_id":"x","comment_id":[]}']


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_whose_entry_is_damaged_comes_all_the_same(
    damage: bytes, server: TrackerServer, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = config_for(server, attachments_to=str(tmp_path))
    first = after_an_outage(world, config)
    for entry in (tmp_path / "missing").iterdir():
        entry.write_bytes(damage)
    later = Sync(config, [FILES], incremental=True, state=first.state)
    assert later.failure is None
    assert_all_copied(later, world, tmp_path)
    whole = {row["id"]: row for row in Sync(config, [FILES]).records[FILES]}
    assert {row["id"]: row for row in later.records[FILES]} == whole
    assert not any((tmp_path / "missing").iterdir())
    named = [
        words for words in warnings(caplog) if words.endswith("holds no row; the file is asked for by its comment")
    ]
    assert len(named) == (len(world.files) if not damage.startswith(b"{") or damage == b"{" else 0)


@pytest.mark.parametrize("killed_after", range(2, 9, 3))
def test_a_sync_that_is_killed_while_it_sends_missing_files_loses_none(
    killed_after: int, server: TrackerServer, world: World, tmp_path: Path
) -> None:
    for row in file_rows(world):
        row["size"] += 1
    config = config_for(server, attachments_to=str(tmp_path))
    first = after_an_outage(world, config)
    for row in file_rows(world):
        row["size"] -= 1
    killed = Sync(config, [FILES], incremental=True, state=first.state, killed_after=killed_after)
    rest = Sync(config, [FILES], incremental=True, state=killed.state)
    rows = [*killed.records[FILES], *rest.records[FILES]]
    assert len(killed.records[FILES]) > 0 or killed_after == 2
    assert sorted(row["id"] for row in rows) == sorted(world.files)
    assert all(row["file_url"] for row in rows)
    assert Sync(config, [FILES], incremental=True, state=rest.state).records[FILES] == []


def test_a_row_whose_size_is_mended_comes_once_with_its_file(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    *_, row = story_with_a_file(world)
    row["size"] += 1
    config = config_for(server, attachments_to=str(tmp_path))
    first = Sync(config, [FILES], incremental=True)
    row["size"] -= 1
    second = Sync(config, [FILES], incremental=True, state=first.state)
    assert [(file["id"], bool(file["file_url"])) for file in second.records[FILES]] == [(row["id"], True)]
    assert not any((tmp_path / "missing").iterdir())
    assert Sync(config, [FILES], incremental=True, state=second.state).records[FILES] == []


def test_a_row_whose_size_is_another_wrong_one_is_one_missing_file(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    *_, row = story_with_a_file(world)
    config = config_for(server, attachments_to=str(tmp_path))
    state: list[Any] = []
    for _ in range(3):
        row["size"] += 1
        state = Sync(config, [FILES], incremental=True, state=state).state
    (entry,) = (tmp_path / "missing").iterdir()
    assert entry.name.endswith(f"_{row['id']}-{row['size']}")


def test_a_file_that_a_walk_has_brought_by_another_size_is_not_sent_again(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    project, story, row = story_with_a_file(world)
    row["size"] += 1
    config = config_for(server, attachments_to=str(tmp_path))
    first = Sync(config, [FILES], incremental=True)
    row["size"] -= 1
    comment = next(comment for comment in story["comments"] if row in comment["file_attachments"])
    edits.update_comment(world, project, comment["person_id"], comment["id"], story_id=story["id"], text="Edited")
    second = Sync(config, [FILES], incremental=True, state=first.state)
    assert [file["id"] for file in second.records[FILES]].count(row["id"]) == 1
    assert not any((tmp_path / "missing").iterdir())
    assert Sync(config, [FILES], incremental=True, state=second.state).records[FILES] == []


def test_a_list_of_comments_that_is_cut_makes_nobody_forget_a_file(world: World, tmp_path: Path) -> None:
    def cut(request: Request) -> Response | None:
        return json([]) if path_of(request).endswith("/comments") else None

    with TrackerServer(world, before=cut) as server:
        config = config_for(server, attachments_to=str(tmp_path))
        first = after_an_outage(world, config)
        later = Sync(config, [FILES], incremental=True, state=first.state)
    assert_all_copied(later, world, tmp_path)


def test_where_fields_are_refused_a_missing_file_takes_one_request_for_its_comment(
    world: World, tmp_path: Path
) -> None:
    def refuse(request: Request) -> Response | None:
        refusal = {"kind": "error", "code": "invalid_parameter", "error": "One or more request parameters was missing"}
        return replace(json(refusal), status=400) if "fields" in query_of(request) else None

    with TrackerServer(world, dialect=Dialect(comment_attachments=True), before=refuse) as server:
        config = config_for(server, attachments_to=str(tmp_path))
        first = after_an_outage(world, config)
        server.log.clear()
        later = Sync(config, [FILES], incremental=True, state=first.state)
        asked = [request.path for request in server.log if "/comments" in request.path]
    assert_all_copied(later, world, tmp_path)
    assert len(world.files) < len(asked) <= len(world.files) + 2 * MOST_PROBES


MOST_PROBES = 5
"""So many requests show that an endpoint takes no `fields`: there is one for stories and one for epics."""


def test_where_no_comment_can_be_asked_for_a_missing_file_is_tried_as_it_was(world: World, tmp_path: Path) -> None:
    missing = frozenset({"stories/comments", "epics/comments"})
    with TrackerServer(world, dialect=Dialect(missing_endpoints=missing)) as server:
        config = config_for(server, attachments_to=str(tmp_path))
        first = after_an_outage(world, config)
        later = Sync(config, [FILES], incremental=True, state=first.state)
    assert_all_copied(later, world, tmp_path)


class Faulty(HTTPAdapter):
    """A network that has a bug wherever a single comment is asked for."""

    def send(self, request: requests.PreparedRequest, *arguments: Any, **named: Any) -> requests.Response:
        if "/comments/" in str(request.url):
            raise RuntimeError("no such thing")
        return super().send(request, *arguments, **named)


def test_a_bug_in_the_search_for_missing_files_ends_the_stream_and_not_the_others(
    server: TrackerServer, world: World, tmp_path: Path
) -> None:
    def client_of(settings: Config) -> TrackerClient:
        return TrackerClient(settings.api_url, SAMPLE_TOKEN, RateLimiter(UNLIMITED), adapter=Faulty())

    config = config_for(server, attachments_to=str(tmp_path))
    first = after_an_outage(world, config)
    later = Sync(config, [FILES, "stories"], incremental=True, state=first.state, client_of=client_of)
    assert later.statuses[FILES][-1] == "INCOMPLETE"
    assert later.statuses["stories"][-1] == "COMPLETE"
    assert later.errors == ["a bug in the connector: RuntimeError: no such thing"]
    assert_all_copied(Sync(config, [FILES], incremental=True, state=later.state), world, tmp_path)


@pytest.mark.parametrize("content_type", [["image/png"], {"a": 1}, 5, None])
def test_an_odd_type_of_content_costs_nothing(
    content_type: Any, server: TrackerServer, world: World, tmp_path: Path
) -> None:
    for row in file_rows(world):
        row["content_type"] = content_type
    sync = Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    assert sync.failure is None
    assert all(row["file_url"] for row in sync.records[FILES])


def test_the_query_of_an_address_is_in_no_message(
    server: TrackerServer, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for place, row in enumerate(file_rows(world)):
        row["download_url"] = f"{('/gone', 'http://127.0.0.1:9/x', 'http://127.0.0.1:99999/x')[place % 3]}?sig=SECRET"
    Sync(config_for(server, attachments_to=str(tmp_path)), [FILES])
    assert len(warnings(caplog)) >= len(world.files)
    assert "SECRET" not in "".join(warnings(caplog))


def test_where_downloads_are_out_of_order_each_is_tried_once(tmp_path: Path) -> None:
    world = make_world(1, 200, 1)
    world.files = sample_files(world)
    for row in file_rows(world):
        row["size"] = 2_000
        set_content(world, row, b"x" * 2_000)
    world.files = {file_id: failing(file, 1_000) for file_id, file in world.files.items()}
    with TrackerServer(world) as server:
        sync = Sync(config_for(server, attachments_to=str(tmp_path), num_workers=1), [FILES])
    assert {row["file_url"] for row in sync.records[FILES]} == {None}
    assert downloads(server) == len(world.files) + MOST_FAILURES * (ATTEMPTS - 1) < 2 * len(world.files)
