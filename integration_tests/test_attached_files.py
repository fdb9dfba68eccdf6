"""The program copies attached files into an object store, and says what a full disk costs."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from moto.server import ThreadedMotoServer

from integration_tests.command_line import Ended, catalog_of
from tools.program import CONNECTOR
from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.exports import write_export
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.world import World
from unit_tests.file_server import answering, credentials
from unit_tests.syncs import config_for

FILES = "file_attachments"
PATIENCE = 120
BUCKET = "files"
SOMEBODY = "AWS4-HMAC-SHA256 Credential=somebody/20260101/us-east-1/s3/aws4_request"
"""Whoever asks with a header like this may read; moto does not verify it."""


@pytest.fixture(scope="module")
def world() -> World:
    world = make_world(2, 40, 1)
    world.files = sample_files(world)
    return world


@pytest.fixture
def store() -> Iterator[str]:
    """The address of an S3 server with an empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    requests.post(f"{address}/moto-api/reset", timeout=PATIENCE).raise_for_status()
    requests.put(f"{address}/{BUCKET}", timeout=PATIENCE).raise_for_status()
    yield address
    server.stop()


@contextmanager
def refusing(store: str, refuses: Callable[[str, str], bool]) -> Iterator[str]:
    """The address of the store behind a gateway that refuses some requests, by their methods and paths."""

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if refuses(self.command, self.path):
                self.reply(403, b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", {})
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            found = requests.request(self.command, store + self.path, data=body, headers=headers, timeout=PATIENCE)
            kept = ("etag", "last-modified", "content-type", "x-amz-")
            self.reply(
                found.status_code,
                found.content,
                {name: value for name, value in found.headers.items() if name.lower().startswith(kept)},
            )

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with answering(Gateway) as address:
        yield address


def read(
    folder: Path, config: Mapping[str, Any], *streams: str, environment: Mapping[str, str] | None = None,
    largest_file: int | None = None, state: Any = None,
) -> Ended:  # fmt: skip
    """Run the program; `largest_file`, in kilobytes, is all that it may write to one, as on a disk that is full."""
    catalog = catalog_of(*streams)
    for stream in catalog["streams"]:
        stream["sync_mode"] = "incremental"
    paths = []
    for name, content in (("config", config), ("catalog", catalog), ("state", state)):
        if content is not None:
            (folder / f"{name}.json").write_bytes(orjson.dumps(content))
            paths += [f"--{name}", str(folder / f"{name}.json")]
    command = shlex.join([str(CONNECTOR), "read", *paths])
    limit = f"ulimit -f {largest_file}; " if largest_file else ""
    ended = subprocess.run(
        ["/bin/sh", "-c", f"{limit}exec {command}"],
        capture_output=True, encoding="utf-8", timeout=PATIENCE, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def rows(ended: Ended, stream: str = FILES) -> list[dict[str, Any]]:
    records = (message["record"] for message in ended.of_type("RECORD"))
    return [record["data"] for record in records if record["stream"] == stream]


def in_store(address: str, url: str) -> requests.Response:
    assert url.startswith(f"s3://{BUCKET}/")
    place = f"{address}/{BUCKET}/{url.removeprefix(f's3://{BUCKET}/')}"
    return requests.get(place, headers={"Authorization": SOMEBODY}, timeout=PATIENCE)


@pytest.mark.parametrize("source", ["server", "export"])
def test_files_go_into_an_object_store_and_only_once(source: str, store: str, world: World, tmp_path: Path) -> None:
    archive = tmp_path / "all_20250401_1212.zip"
    with archive.open("wb") as out:
        write_export(world, out)
    with TrackerServer(world) as server:
        place = {"attachments_to": f"s3://{BUCKET}/tracker/of us/"}
        config = config_for(server, **place) if source == "server" else {"export_archive": str(archive), **place}
        first = read(tmp_path, config, FILES, environment=credentials(store))
        again = read(tmp_path, config, FILES, environment=credentials(store))
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert len(rows(first)) == len(world.files)
    for row in rows(first):
        answer = in_store(store, row["file_url"])
        assert hashlib.sha256(answer.content).hexdigest() == row["sha256"]
        assert row["bytes"] == row["size"] == len(answer.content)
        is_picture = str(row.get("content_type")).startswith("image/")
        assert (answer.headers["Content-Type"] == "application/octet-stream") != is_picture
    assert {row["id"]: row["file_url"] for row in rows(again)} == {row["id"]: row["file_url"] for row in rows(first)}
    log = [message["log"]["message"] for message in again.of_type("LOG")]
    assert f"Files: 0 copied, {len(world.files)} copied before, 0 not copied" in log


def test_a_bucket_that_is_not_there_is_one_sentence_and_costs_the_other_streams_nothing(
    store: str, world: World, tmp_path: Path
) -> None:
    with TrackerServer(world) as server:
        config = config_for(server, attachments_to="s3://nobodys/files")
        ended = read(tmp_path, config, FILES, "stories", environment=credentials(store))
    assert ended.exit_code == 1
    assert ended.last_statuses == {FILES: "INCOMPLETE", "stories": "COMPLETE"}
    assert len(rows(ended, "stories")) == 80
    (error, _) = ended.errors
    assert error["message"].startswith("attachments_to: what was copied before cannot be looked up: ")
    assert "\n" not in error["message"]


def test_a_full_disk_is_an_error_and_the_next_sync_copies_the_rest(world: World, tmp_path: Path) -> None:
    files = tmp_path / "files"
    with TrackerServer(world) as server:
        config = config_for(server, attachments_to=str(files))
        full = read(tmp_path, config, FILES, "stories", largest_file=64)
        after = read(tmp_path, config, FILES, "stories", state=last_states(full))
    assert full.exit_code == 1
    assert full.last_statuses == {FILES: "INCOMPLETE", "stories": "COMPLETE"}
    assert "File too large" in full.errors[0]["message"]
    assert len(rows(full)) == len(world.files)
    assert after.exit_code == 0
    found = {row["id"]: row for row in [*rows(full), *rows(after)]}
    assert found.keys() == world.files.keys()
    assert all(row["file_url"] for row in found.values())
    copies = [path for path in (files / "files").rglob("*") if path.is_file()]
    assert sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in copies) == sorted(
        {row["sha256"] for row in found.values()}
    )


def last_states(ended: Ended) -> list[dict[str, Any]]:
    states = [message["state"] for message in ended.of_type("STATE")]
    return list({state["stream"]["stream_descriptor"]["name"]: state for state in states}.values())


def deletes(method: str, path: str) -> bool:
    return method == "DELETE" or (method == "POST" and "delete" in path)


@pytest.mark.parametrize("loss", ["an outage", "a deleted story"])
def test_a_store_that_deletes_nothing_costs_no_file_and_ends_no_sync(loss: str, store: str, tmp_path: Path) -> None:
    world = make_world(2, 40, 1)
    world.files = whole = sample_files(world)
    with TrackerServer(world) as server, refusing(store, deletes) as gateway:
        config = config_for(server, attachments_to=f"s3://{BUCKET}/tracker")
        world.files = {}
        first = read(tmp_path, config, FILES, environment=credentials(gateway))
        world.files = whole
        if loss == "a deleted story":
            for project in world.projects.values():
                edits.delete_stories(world, project, world.tokens[SAMPLE_TOKEN], list(project.stories))
        second = read(tmp_path, config, FILES, environment=credentials(gateway), state=last_states(first))
        third = read(tmp_path, config, FILES, environment=credentials(gateway), state=last_states(second))
    left = {row["id"] for row in rows(first) if loss == "an outage" or row["epic_id"]}
    assert [ended.exit_code for ended in (first, second, third)] == [0, 0, 0]
    assert {ended.last_statuses[FILES] for ended in (first, second, third)} == {"COMPLETE"}
    assert sorted(row["id"] for row in rows(second)) == sorted(left)
    assert all(row["file_url"] for row in rows(second))
    assert rows(third) == []
    log = [message["log"]["message"] for message in second.of_type("LOG")]
    assert sum("cannot be deleted: " in words for words in log) == 1


def test_a_store_that_does_not_show_what_is_missing_makes_the_stream_incomplete(store: str, tmp_path: Path) -> None:
    def reads_an_entry(method: str, path: str) -> bool:
        return method == "GET" and f"/{BUCKET}/tracker/missing/" in path

    world = make_world(2, 40, 1)
    world.files = whole = sample_files(world)
    with TrackerServer(world) as server, refusing(store, reads_an_entry) as gateway:
        config = config_for(server, attachments_to=f"s3://{BUCKET}/tracker")
        world.files = {}
        first = read(tmp_path, config, FILES, environment=credentials(gateway))
        world.files = whole
        second = read(tmp_path, config, FILES, environment=credentials(gateway), state=last_states(first))
        third = read(tmp_path, config, FILES, environment=credentials(store), state=last_states(second))
    assert second.last_statuses == {FILES: "INCOMPLETE"}
    assert second.errors[0]["message"].startswith("attachments_to: the list of what is missing cannot be read: ")
    assert sorted(row["id"] for row in rows(third)) == sorted(whole)
