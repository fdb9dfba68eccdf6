"""The server over HTTP on a free port: what it logs, how it limits, and how its command line behaves."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
import requests

from tracker_server import arguments, command_line
from tracker_server.app import EVERY_ADDRESS, LOOPBACK, RateLimit, TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.world import StoredFile, World

TOKEN = "f" * 32
PATIENCE = 60
"""Seconds; what takes longer hangs."""


def make_world() -> World:
    world = World(now=datetime(2024, 1, 24, 12, tzinfo=UTC), tokens={TOKEN: 1, "other": 2})
    for person_id, name in ((1, "Ann Ünsal"), (2, "Bob")):
        world.people[person_id] = {"kind": "person", "id": person_id, "name": name}
    return world


def get(server: TrackerServer, path: str, token: str = TOKEN) -> requests.Response:
    return requests.get(server.url + path, headers={"X-TrackerToken": token}, timeout=PATIENCE)


@pytest.fixture
def server() -> Iterator[TrackerServer]:
    with TrackerServer(make_world()) as running:
        yield running


def test_a_request_is_answered_in_utf_8_json(server: TrackerServer) -> None:
    response = get(server, "/me")
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.json()["name"] == "Ann Ünsal"
    assert server.url.endswith("/services/v5")


def test_a_server_that_listens_on_every_address_tells_the_url_for_this_machine() -> None:
    with TrackerServer(make_world(), EVERY_ADDRESS) as server:
        assert server.url.startswith(f"http://{LOOPBACK}:")
        for address in (LOOPBACK, "127.0.0.2"):
            me = server.url.replace(LOOPBACK, address) + "/me"
            assert requests.get(me, headers={"X-TrackerToken": TOKEN}, timeout=PATIENCE).ok


def test_every_request_is_logged_with_what_it_asked_and_got(server: TrackerServer) -> None:
    started = time.time()
    size = len(get(server, "/me?fields=name,%20x&envelope=").content)
    logged = server.log[0]
    assert started - 1 <= logged.at <= time.time()
    assert (logged.method, logged.path, logged.status, logged.bytes) == ("GET", "/me", 400, size)
    assert logged.query == {"fields": "name, x", "envelope": ""}


def test_the_request_log_file_has_a_line_for_each_request_and_no_token(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    with TrackerServer(make_world(), request_log=file) as server:
        get(server, f"/me?token={TOKEN}&api={TOKEN}")
        get(server, "/projects?fields=id")
        text = file.read_text(encoding="utf-8")
    first, second = (json.loads(line) for line in text.splitlines())
    assert (first["path"], first["status"], first["query"]) == ("/me", 400, {})
    assert second == {
        "at": server.log[1].at,
        "method": "GET",
        "path": "/projects",
        "query": {"fields": "id"},
        "status": 200,
        "bytes": 2,
    }
    assert TOKEN not in text


def test_requests_are_answered_side_by_side() -> None:
    all_are_here = threading.Barrier(8, timeout=PATIENCE)

    def wait_for_the_others(_: Request) -> None:
        all_are_here.wait()

    with TrackerServer(make_world(), before=wait_for_the_others) as server:
        threads = [threading.Thread(target=get, args=(server, "/me")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [logged.status for logged in server.log] == [200] * 8


def test_latency_is_added_to_every_request() -> None:
    with TrackerServer(make_world(), latency=0.3) as server:
        started = time.monotonic()
        get(server, "/me")
        assert time.monotonic() - started >= 0.3


def test_connections_that_many_clients_keep_open_hold_up_nobody(server: TrackerServer) -> None:
    with ExitStack() as kept:
        for _ in range(150):
            session = kept.enter_context(requests.Session())
            assert (
                session.get(f"{server.url}/me", headers={"X-TrackerToken": TOKEN}, timeout=PATIENCE).status_code == 200
            )


def test_beyond_the_rate_limit_a_token_gets_429_and_others_do_not() -> None:
    with TrackerServer(make_world(), rate_limit=(2, 3600.0)) as server:
        statuses = [get(server, "/me").status_code for _ in range(2)]
        refused = get(server, "/me")
        assert (statuses, refused.status_code) == ([200, 200], 429)
        assert 1 <= int(refused.headers["Retry-After"]) <= 3600
        assert refused.json()["kind"] == "error"
        assert get(server, "/me", token="other").status_code == 200
        assert [logged.status for logged in server.log] == [200, 200, 429, 200]


def test_the_rate_limit_looks_back_over_a_window_that_slides() -> None:
    limit = RateLimit(2, 10.0)
    assert [limit.wait("a", now) for now in (0.0, 6.0, 9.0, 10.0, 15.0, 16.0)] == [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]


def test_a_response_that_is_put_before_a_request_is_sent_in_its_place() -> None:
    def fail_once(request: Request) -> Response | None:
        first = not seen
        seen.append(request.path)
        return Response(503, {"Retry-After": "1"}, b"busy") if first else None

    seen: list[str] = []
    with TrackerServer(make_world(), before=fail_once) as server:
        refused, served = get(server, "/me"), get(server, "/me")
    assert (refused.status_code, refused.reason, refused.content) == (503, "Service Unavailable", b"busy")
    assert served.status_code == 200
    assert seen == ["/services/v5/me", "/services/v5/me"]


def test_the_world_may_change_before_a_request() -> None:
    world = make_world()

    def rename(request: Request) -> None:
        world.people[1]["name"] = request.query

    with TrackerServer(world, before=rename) as server:
        assert get(server, "/me?fields=name").json()["name"] == "fields=name"


def test_a_failure_of_the_server_itself_is_a_500_in_trackers_json(caplog: pytest.LogCaptureFixture) -> None:
    world = make_world()
    world.people.clear()
    with TrackerServer(world) as server:
        response = get(server, "/me")
    assert (response.status_code, response.json()["code"]) == (500, "unhandled_condition")
    assert "no answer to GET /services/v5/me" in caplog.text


def test_it_stops_while_clients_hold_connections_and_frees_its_port() -> None:
    with requests.Session() as session, TrackerServer(make_world()) as server:
        session.get(server.url + "/me", timeout=PATIENCE)
        server.__exit__(None, None, None)
        port = int(server.url.split(":")[2].split("/")[0])
        with TrackerServer(make_world(), port=port) as another:
            assert another.url == server.url


def test_nothing_is_printed_for_a_request(capfd: pytest.CaptureFixture[str]) -> None:
    with TrackerServer(make_world()) as server:
        get(server, "/me")
        get(server, "/nowhere")
    assert capfd.readouterr() == ("", "")


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tracker_server", "--projects", "1", "--stories", "20", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_url_and_token_and_ends_with_0_when_told_to(number: signal.Signals) -> None:
    with run("--port", "0") as process:
        try:
            assert process.stdout is not None
            url, token, hint = (process.stdout.readline().strip() for _ in range(3))
            response = requests.get(url + "/projects", headers={"X-TrackerToken": token}, timeout=PATIENCE)
            process.send_signal(number)
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert (response.status_code, len(response.json())) == (200, 1)
    assert token in hint
    assert f"{url}/me" in hint
    assert (process.returncode, errors) == (0, "")


def test_a_port_in_use_ends_the_command_with_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with run("--port", str(port)) as process:
            printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert (printed, errors) == ("", f"Cannot use 127.0.0.1:{port}: Address already in use.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--port", "70000"), ("--port", "web"), ("--stories", "0"), ("--projects", "-1"), ("--latency-ms", "nan"),
        ("--latency-ms", "-1"), ("--rate-limit", "200"), ("--rate-limit", "0/60"), ("--rate-limit", "10/0"),
        ("--page-cap", "0"), ("--failing", "1.1"), ("--failing", "often"), ("--missing-endpoints", "stories,nowhere"),
    ],
)  # fmt: skip
def test_a_bad_number_is_a_usage_error(arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(list(arguments))
    assert ended.value.code == 2
    assert f"argument {arguments[0]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "written", [b"p\xc3\xa4ss:word\r\nmore", b"\xef\xbb\xbfp\xc3\xa4ss:word", b" pa\xcc\x88ss:word \n"]
)
def test_a_password_is_what_a_person_sees_in_the_file(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(written)
    seen = "p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss:word".encode()
    with TrackerServer(make_world(), password=arguments.password(str(tmp_path / "password"))) as server:
        for user in (b"", b"ann"):
            for given, status in ((seen, 200), (seen + b"x", 401)):
                basic = f"Basic {b64encode(user + b':' + given).decode()}"
                answer = requests.get(server.pages_url, headers={"Authorization": basic}, timeout=PATIENCE)
                assert answer.status_code == status
        assert requests.get(server.pages_url, headers={"X-TrackerToken": seen}, timeout=PATIENCE).ok
        assert requests.get(server.pages_url, timeout=PATIENCE).status_code == 401


def test_an_odd_password_costs_no_time() -> None:
    given = b64encode(b":" + ("a" + "\N{COMBINING ACUTE ACCENT}\N{COMBINING DOT BELOW}" * 40_000).encode()).decode()
    with TrackerServer(make_world(), password="geheim") as server:
        begin = time.process_time()
        answer = requests.get(server.pages_url, headers={"Authorization": f"Basic {given}"}, timeout=PATIENCE)
        assert answer.status_code == 401
        assert time.process_time() - begin < 2


def test_the_password_of_the_sample_is_its_token(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim")
    options = ["--port", "0", "--projects", "1", "--stories", "1", "--password-file", str(tmp_path / "password")]
    with ExitStack() as stopping:
        process = stopping.enter_context(
            subprocess.Popen([sys.executable, "-m", "tracker_server", *options], stdout=subprocess.PIPE, text=True)
        )
        stopping.callback(process.terminate)
        assert process.stdout
        url, hint = process.stdout.readline().strip(), process.stdout.readline().strip()
        assert hint == "The token is the password in the file."
        assert requests.get(f"{url}/me", headers={"X-TrackerToken": "geheim"}, timeout=PATIENCE).ok


def test_clients_that_take_large_files_slowly_hold_up_nobody_else() -> None:
    world = make_world()
    content = bytes(range(256)) * 130_000
    world.files = {5: StoredFile("a.png", len(content), "image/png", lambda: BytesIO(content))}
    with TrackerServer(world) as server, ExitStack() as closing:
        host = (LOOPBACK, int(server.pages_url.rsplit(":", 1)[1].strip("/")))
        for _ in range(20):
            slow = closing.enter_context(socket.create_connection(host))
            slow.sendall(b"GET /files/5/a.png HTTP/1.1\r\nHost: x\r\n\r\n")
        assert requests.get(server.pages_url, timeout=10).ok
        assert requests.get(f"{server.pages_url}files/5/a.png", timeout=PATIENCE).content == content


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_048_576, 1_048_577, 3_000_000])
def test_a_file_is_sent_byte_by_byte(size: int) -> None:
    world = make_world()
    content = (b"0123456789" * 300_000)[:size]
    world.files = {5: StoredFile("a.png", size, "image/png", lambda: BytesIO(content))}
    with TrackerServer(world) as server, requests.Session() as session:
        for _ in range(2):
            assert session.get(f"{server.pages_url}files/5/a.png", timeout=PATIENCE).content == content
            assert session.head(f"{server.pages_url}files/5/a.png", timeout=PATIENCE).headers["Content-Length"] == str(
                size
            )


def test_a_file_that_is_cut_while_it_is_sent_is_not_taken_for_whole() -> None:
    world = make_world()
    world.files = {5: StoredFile("a.png", 3_000_000, "image/png", lambda: BytesIO(b"x" * 100_000))}
    with TrackerServer(world) as server:
        with pytest.raises(requests.exceptions.RequestException):
            requests.get(f"{server.pages_url}files/5/a.png", timeout=PATIENCE)
        assert requests.get(server.pages_url, timeout=PATIENCE).ok


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("127.0.0.1:8080", 200), ("[::1]:8080", 200), ("tracker", 200),
        ("host.docker.internal", 200),
        ("www.pivotaltracker.com", 200), ("", 200), ("elsewhere.example", 421), ("elsewhere.example.:80", 421),
        ("127.0.0.1.elsewhere.example", 421), ("notpivotaltracker.com", 421),
    ],
)  # fmt: skip
def test_a_server_for_this_machine_answers_to_no_name_that_a_stranger_can_own(host: str, status: int) -> None:
    for options, expected in (({}, status), ({"password": "geheim"}, 200), ({"host": EVERY_ADDRESS}, 200)):
        headers = {"Host": host, "X-TrackerToken": "geheim"}
        with TrackerServer(make_world(), **options) as server:  # type: ignore[arg-type]
            assert requests.get(server.pages_url, headers=headers, timeout=PATIENCE).status_code == expected


def test_a_large_body_is_refused(server: TrackerServer) -> None:
    answer = requests.post(server.pages_url, data=b"x", headers={"Connection": "close"}, timeout=PATIENCE)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    host = (LOOPBACK, int(server.pages_url.rsplit(":", 1)[1].strip("/")))
    with socket.create_connection(host) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
        client.settimeout(PATIENCE)
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_server_for_people_remembers_no_requests() -> None:
    with TrackerServer(make_world(), keeps_log=False) as server:
        assert requests.get(server.pages_url, timeout=PATIENCE).ok
        assert server.log == []
