"""Exports behind a URL: on a web server, and in an object store that the environment gives the credentials for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from source_pivotal_tracker.exports.remote_files import NotOpened, files_at
from tools.docs import ROOT
from unit_tests.file_server import credentials, serving
from unit_tests.scripted_server import RESET, ScriptedServer, answer

CATALOG = {
    "streams": [
        {
            "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
        for name in ("stories", "labels", "me")
    ]
}
CONTENT = bytes(range(256)) * 9000
"""More than is read at once."""
SECRET = "sig=5c054d0de344"
STORE = {"/b/exports/one.zip": CONTENT, "/b/exports/TWO.CSV": bytes(range(256)), "/b/exports/notes.txt": b"no export"}
READS = """
import json, sys
from source_pivotal_tracker.exports.remote_files import NotOpened, files_at
for url in map(str.strip, sys.stdin):
    printed = []
    try:
        for file in files_at(url):
            with file.open() as opened:
                opened.seek(-9, 2)
                end = opened.read(9)
                opened.seek(0)
                content = opened.read()
            as_told = file.size in (0, len(content)) and content.endswith(end)
            printed.append(f"{file.name} {file.root} {file.home} {as_told} {len(content)}")
    except (NotOpened, OSError) as problem:
        printed.append(str(problem))
    print(json.dumps(printed), flush=True)
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(STORE) as found:
        yield found


@pytest.fixture(scope="module")
def stored(address: str) -> Iterator[Callable[[str], list[str]]]:
    """What a program of its own reads at a URL of the store: the store's library looks at the environment."""
    with subprocess.Popen(
        [sys.executable, "-c", READS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **credentials(address)},
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        questions, answers = program.stdin, program.stdout

        def ask(url: str) -> list[str]:
            print(url, file=questions, flush=True)
            printed: list[str] = json.loads(answers.readline())
            return printed

        yield ask
        _, trouble = program.communicate(timeout=60)
        assert (program.returncode, trouble) == (0, "")


def test_a_file_on_a_web_server_is_named_without_its_query_and_read_from_any_place(address: str) -> None:
    (file,) = files_at(f"{address}/b/exports/one.zip?{SECRET}")
    with file.open() as opened:
        opened.seek(-256, 2)
        assert (file.name, opened.read()) == ("/b/exports/one.zip", bytes(range(256)))


KILLED = """
import os, sys
from source_pivotal_tracker.exports.remote_files import files_at
(file,) = files_at(sys.argv[1])
with file.open() as opened:
    print(len(opened.read()), os.listdir(os.environ["TMPDIR"]), flush=True)
    os.kill(os.getpid(), 9)
"""


def test_the_copy_of_a_file_on_a_web_server_is_in_no_folder_so_nothing_is_left_of_it(
    address: str, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, f"{address}/b/exports/one.zip"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert ended.stdout == f"{len(STORE['/b/exports/one.zip'])} []\n"
    assert list(tmp_path.iterdir()) == []


def test_several_read_the_copy_of_a_file_on_a_web_server_each_at_its_own_place(address: str) -> None:
    (file,) = files_at(f"{address}/b/exports/one.zip")
    content = STORE["/b/exports/one.zip"]
    with file.open() as one, file.open() as other:
        assert one.read(10) == content[:10]
        assert other.read(20) == content[:20]
        assert one.seek(5, os.SEEK_CUR) == 15
        assert one.read() == content[15:]
        with pytest.raises(OSError, match="Invalid argument"):
            other.seek(-1)


def test_a_file_that_a_web_server_has_not_is_a_sentence_without_the_query(address: str) -> None:
    with pytest.raises(NotOpened) as caught:
        files_at(f"{address}/missing.zip?{SECRET}")
    assert str(caught.value) == f"{address}/missing.zip answers 404 Not Found."


def test_a_web_server_that_is_not_there_is_a_sentence_without_the_query() -> None:
    with pytest.raises(NotOpened) as caught:
        files_at(f"http://127.0.0.1:9/one.zip?{SECRET}")
    refused = "no connection: [Errno 111] Connection refused"
    assert str(caught.value) == f"http://127.0.0.1:9/one.zip cannot be downloaded ({refused})."


def redirect(to: str) -> bytes:
    return answer(302, b"", f"Location: {to}")


@pytest.mark.parametrize("host", ["", "another"])
def test_a_redirect_is_followed_on_the_same_host_and_to_another(host: str, address: str) -> None:
    to = f"{address}/b/exports/one.zip?{SECRET}"
    answers = [redirect(to)] if host else [redirect(f"/there?{SECRET}"), answer(200, CONTENT)]
    with ScriptedServer(answers) as server:
        (file,) = files_at(f"{server.url}/here.zip?{SECRET}")
    with file.open() as opened:
        assert (file.name, opened.read()) == ("/services/v5/here.zip", CONTENT)


BAD_DOWNLOADS = {
    "cut short": (answer(200, b"PK", length=9), "the answer was cut short: IncompleteRead(2 bytes read, 7 more"),
    "reset": (RESET, "no connection: Remote end closed connection without response"),
    "going in circles": (redirect(f"/here.zip?{SECRET}"), "TooManyRedirects"),
    "another scheme": (redirect(f"ftp://host/one.zip?{SECRET}"), "answers 302 Said."),
    "no address": (redirect(f"http://[::1/one.zip?{SECRET}"), "answers 302 Said."),
    "nowhere": (answer(302, b""), "answers 302 Said."),
    "refused": (answer(403, SECRET.encode()), "answers 403 Said."),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_DOWNLOADS)
def test_a_download_that_fails_is_one_sentence_without_the_query(name: str) -> None:
    bytes_sent, words = BAD_DOWNLOADS[name]
    with ScriptedServer([bytes_sent]) as server:
        url = server.url.replace("/services/v5", "/here.zip")
        with pytest.raises(NotOpened) as caught:
            files_at(f"{url}?{SECRET}")
    assert str(caught.value).startswith(f"{url} ")
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_download_that_is_cut_short_ends_a_read_in_one_sentence_and_leaves_no_copy(tmp_path: Path) -> None:
    bytes_sent, words = BAD_DOWNLOADS["cut short"]
    with ScriptedServer([bytes_sent]) as server:
        url = server.url.replace("/services/v5", "/here.zip")
        (tmp_path / "config.json").write_text(json.dumps({"export_archive": f"{url}?{SECRET}"}), encoding="utf-8")
        (tmp_path / "catalog.json").write_text(json.dumps(CATALOG), encoding="utf-8")
        (tmp_path / "copies").mkdir()
        files = ("--config", tmp_path / "config.json", "--catalog", tmp_path / "catalog.json")
        ended = subprocess.run(
            [sys.executable, ROOT / "main.py", "read", *files],
            capture_output=True, text=True, timeout=60, env={**os.environ, "TMPDIR": str(tmp_path / "copies")},
        )  # fmt: skip
    traces = [message["trace"]["error"] for message in map(json.loads, ended.stdout.splitlines()) if "trace" in message]
    (message,) = (trace["message"] for trace in traces)
    assert message.startswith(f"export_archive: {url} ")
    assert words in message
    assert ended.returncode == 1
    assert "Traceback" not in ended.stdout
    assert SECRET not in ended.stdout + ended.stderr
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_file_in_an_object_store_is_read_from_any_place(stored: Callable[[str], list[str]]) -> None:
    assert stored("s3://b/exports/one.zip") == [f"exports/one.zip  s3://b/exports/one.zip True {len(CONTENT)}"]


@pytest.mark.parametrize(
    ("url", "root"), [("s3://b", "/"), ("s3://b/exports", "exports"), ("s3://b/exports/", "exports")]
)
def test_a_folder_of_an_object_store_is_all_that_is_below_it(
    url: str, root: str, stored: Callable[[str], list[str]]
) -> None:
    assert stored(url) == [
        f"exports/TWO.CSV {root} {url.rstrip('/')} True 256",
        f"exports/notes.txt {root} {url.rstrip('/')} True 9",
        f"exports/one.zip {root} {url.rstrip('/')} True {len(CONTENT)}",
    ]


def test_a_file_that_an_object_store_has_not_is_one_sentence(stored: Callable[[str], list[str]]) -> None:
    (message,) = stored("s3://b/exports/missing.zip")
    assert "\n" not in message
    assert "not found" in message


def test_an_empty_folder_of_an_object_store_holds_nothing(stored: Callable[[str], list[str]]) -> None:
    assert stored("s3://b/other/") == []


NAMES = {
    'attachment; filename="my_project_20250401_1212.csv"': "my_project_20250401_1212.csv",
    "attachment; filename=\"gr.zip\"; filename*=UTF-8''gr%C3%BCn.zip": "grün.zip",
    "attachment; filename=grün.zip": "grün.zip",
    "inline": "/services/v5/uc",
    'attachment; filename="export"': "export",
    "": "/services/v5/uc",
}
"""By the header Content-Disposition, what a file is called that comes from an address like `/uc?id=1`."""


@pytest.mark.parametrize("header", NAMES)
def test_a_download_is_called_as_the_answer_says(header: str) -> None:
    with ScriptedServer([answer(200, CONTENT, f"Content-Disposition: {header}")]) as server:
        (file,) = files_at(f"{server.url}/uc?id=1&{SECRET}")
    assert (file.name, file.home) == (NAMES[header], f"{server.url}/uc")


def test_a_download_whose_answer_names_nothing_is_called_as_the_address_that_was_redirected_to(address: str) -> None:
    with ScriptedServer([redirect(f"{address}/b/exports/one.zip?{SECRET}")]) as server:
        (file,) = files_at(f"{server.url}/uc?id=1")
    assert file.name == "/b/exports/one.zip"
