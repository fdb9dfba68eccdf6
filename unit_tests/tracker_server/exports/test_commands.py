"""The commands that read exports, as programs."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
import requests

from tracker_server.exports import OF_BACKUP, ExportWriter
from tracker_server.exports.ids import hashed_id
from tracker_server.sample import make_world
from unit_tests.tracker_server.exports.exported import NAME, modern, packed

PATIENCE = 60
"""Seconds; what takes longer hangs."""
PROGRAM = str(Path(sys.executable).with_name("tracker-server"))
MODULE = (sys.executable, "-m", "tracker_server")


def _backed_up() -> bytes:
    out = io.BytesIO()
    world = make_world(1, 1)
    with ExportWriter(out, world.now, comment=OF_BACKUP) as writer:
        writer.add(world, next(iter(world.projects.values())))
    return out.getvalue()


BACKED_UP = _backed_up()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "my_project_20250401_1212.zip"
    path.write_bytes(packed({NAME: modern({"Owned By": "Ann"}, {"Type": "epic"}), "1000/größe.png": b"PNG" * 100_000}))
    return path


def run(*arguments: str | Path, program: tuple[str, ...] = (PROGRAM,)) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*program, *map(str, arguments)], capture_output=True, encoding="utf-8", timeout=PATIENCE)


@contextmanager
def serving(*arguments: str | Path, program: tuple[str, ...] = (PROGRAM,), number: int = 5) -> Iterator[list[str]]:
    """The first lines that `serve` prints. The server runs while the block does, and has to end with 0 at SIGTERM."""
    command = [*program, "serve", *map(str, arguments), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline().rstrip("\n") for _ in range(number)]
            yield lines
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize("program", [(PROGRAM,), MODULE], ids=["tracker-server", "python -m tracker_server"])
def test_serve_prints_where_and_what_it_serves(archive: Path, program: tuple[str, ...]) -> None:
    with serving(archive, "--project", "my_project=99", program=program) as (url, token, hint, any_token, project):
        assert [row["id"] for row in requests.get(f"{url}/projects", timeout=PATIENCE).json()] == [99]
        headers = {"X-TrackerToken": token}
        stories = requests.get(f"{url}/projects/99/stories", headers=headers, timeout=PATIENCE)
        assert stories.headers["X-Tracker-Pagination-Total"] == "1"
    assert hint == f"Try: curl -H 'X-TrackerToken: {token}' '{url}/me'"
    assert any_token == "Any token works, and so does none."
    assert project == "my_project (id 99) as of 2025-04-01: 1 feature, 1 epic"


def test_a_file_is_downloaded_from_the_host_of_the_api(archive: Path) -> None:
    with serving(archive) as (url, *_):
        (project,) = requests.get(f"{url}/projects", timeout=PATIENCE).json()
        fields = {"fields": "comments(file_attachments)"}
        stories = requests.get(f"{url}/projects/{project['id']}/stories", fields, timeout=PATIENCE).json()
        (file,) = stories[0]["comments"][0]["file_attachments"]
        response = requests.get(requests.compat.urljoin(url, file["download_url"]), timeout=PATIENCE)
    assert response.content == b"PNG" * 100_000
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Length"] == str(file["size"]) == "300000"
    assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.png"


def test_a_folder_stands_for_the_exports_in_it(archive: Path) -> None:
    (archive.parent / "notes.txt").write_text("not an export")
    (archive.parent / "other.csv").write_bytes(modern({}))
    with serving(archive.parent) as (*_, first):
        assert first.startswith("my_project ")


@pytest.mark.parametrize("command", ["serve", "inspect"])
def test_a_file_that_is_not_there_is_reported_in_one_sentence(tmp_path: Path, command: str) -> None:
    ended = run(command, tmp_path / "a.zip")
    assert ended.returncode == 1
    assert "a.zip cannot be read: No such file or directory." in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_serve_refuses_what_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Name,Points\na,1\n")
    ended = run("serve", tmp_path / "a.csv")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "a.csv is not a Tracker export: its first line must name the columns, with Title (or Story) among them.\n"
    )


def test_a_folder_without_exports_is_reported_in_one_sentence(tmp_path: Path) -> None:
    ended = run("serve", tmp_path)
    assert (ended.returncode, ended.stderr) == (1, f"{tmp_path} holds no .zip and no .csv.\n")


@pytest.mark.parametrize("project", ["my_project", "=7", "my_project=x", "my_project=0", f"my_project={2**53}"])
def test_a_project_that_is_not_name_and_id_is_a_usage_error(archive: Path, project: str) -> None:
    ended = run("serve", archive, "--project", project)
    assert ended.returncode == 2
    assert "argument --project" in ended.stderr


@pytest.mark.parametrize("command", ["serve", "site", "convert"])
@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("my_project", "--project gives 'my_project' two ids; give it one."),
        ("My Project", "'my_project' and 'My Project' are one project; give it one id."),
    ],
)
def test_two_ids_for_one_project_are_refused(
    command: str, second: str, problem: str, archive: Path, tmp_path: Path
) -> None:
    ids = ("--project", "my_project=5", "--project", f"{second}=6")
    places = {"serve": ("--port", "0"), "site": (tmp_path / "out",), "convert": (tmp_path / "out", "--to", "jsonl")}
    ended = run(command, archive, *places[command], *ids)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.endswith(f"{problem}\n")
    assert ended.stderr.count("\n") == 1


INSPECTED = """\
a.csv, line 3, Estimate: 'five' is not a number of points; left out
Project a (id {id}), from a.csv
  rows        1 feature, 1 bug, 1 epic
  parts       2 tasks, 1 comments
  files       0 of 0 bytes
  iterations  3 to 3
  days        2014-11-22 to 2014-12-01
  exported    2014-12-01, or soon after
  labels      2
  people      2: Ann, Bob
1 findings, 0 unreadable files.
"""


def test_inspect_prints_what_was_understood_and_what_was_not(tmp_path: Path) -> None:
    rows = (
        {"Task": ["a", "b"], "Comment": "x (Bob - Dec 1, 2014)", "Labels": "a, b"},
        {"Type": "bug", "Estimate": "five", "Owned By": "Ann", "Iteration": "3"},
        {"Type": "epic", "Labels": "a"},
    )
    (tmp_path / "a.csv").write_bytes(modern(*rows))
    ended = run("inspect", tmp_path / "a.csv")
    (export,) = (
        json.loads(line)["export"] for line in run("inspect", "--json", tmp_path / "a.csv").stdout.splitlines()[1:]
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == INSPECTED.format(id=export["project_id"])


def test_inspect_goes_on_after_a_file_that_cannot_be_read_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK nothing")
    (tmp_path / "b.csv").write_bytes(modern({}))
    ended = run("inspect", tmp_path / "a.zip", tmp_path / "b.csv")
    first, second, *_, last = ended.stdout.splitlines()
    assert first == "a.zip is damaged (File is not a zip file): download or copy it again."
    assert second.startswith("Project b ")
    assert last == "0 findings, 1 unreadable files."
    assert ended.returncode == 1


def test_inspect_tells_each_thing_as_json_if_asked(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(modern({"Type": "spike", "Owned By": "Ann"}))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    ended = run("inspect", "--json", tmp_path)
    finding, export, error = map(json.loads, ended.stdout.splitlines())
    assert finding == {
        "finding": {
            "file": "a.csv", "line": 2, "column": "Type",
            "reason": "'spike' is none of feature, bug, chore, release, epic; left out",
        }
    }  # fmt: skip
    assert (export["export"]["name"], export["export"]["rows"]) == ("a", {"feature": 1})
    assert error == {"error": "b.csv is in UTF-16; save the file as CSV in UTF-8."}
    assert ended.returncode == 1


def test_inspect_tells_which_of_several_exports_would_be_served(tmp_path: Path) -> None:
    for name in ("p_20240101_0000.csv", "p_20250101_0000.csv"):
        (tmp_path / name).write_bytes(modern({}))
    ended = run("inspect", tmp_path)
    assert "p_20240101_0000.csv: not served: p_20250101_0000.csv is a newer export of 'p'" in ended.stdout


def test_export_writes_the_sample_world_which_can_be_inspected(tmp_path: Path) -> None:
    written = run("export", tmp_path / "a.zip", "--projects", "2", "--stories", "20", "--seed", "5")
    assert (written.returncode, written.stdout) == (
        0, f"Wrote {tmp_path / 'a.zip'}: 2 projects with 20 stories each.\n",
    )  # fmt: skip
    lines = run("inspect", "--json", tmp_path / "a.zip").stdout.splitlines()
    exports = [json.loads(line)["export"] for line in lines]
    assert [export["name"] for export in exports] == ["ferry_mobile_app", "harbour_web_shop"]
    assert [sum(export["rows"].values()) - export["rows"]["epic"] for export in exports] == [20, 20]
    assert all(export["attachments"] for export in exports)


@pytest.mark.parametrize("content", [b"", b"years of work", packed({NAME: modern({})}), BACKED_UP])
def test_export_overwrites_sample_data_and_nothing_else(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "precious.zip").write_bytes(content)
    ended = run("export", tmp_path / "precious.zip", "--projects", "1", "--stories", "1")
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        1, "", f"{tmp_path / 'precious.zip'} does not say that this command wrote it; name a new file.\n",
    )  # fmt: skip
    assert (tmp_path / "precious.zip").read_bytes() == content
    for _ in range(2):
        assert run("export", tmp_path / "a.zip", "--projects", "1", "--stories", "1").returncode == 0


def test_export_leaves_out_files_if_asked(tmp_path: Path) -> None:
    run("export", tmp_path / "a.zip", "--projects", "1", "--stories", "20", "--no-files")
    (line,) = run("inspect", "--json", tmp_path / "a.zip").stdout.splitlines()
    assert json.loads(line)["export"]["attachments"] == 0


def test_export_tells_in_one_sentence_where_it_cannot_write(tmp_path: Path) -> None:
    ended = run("export", tmp_path / "no" / "a.zip", "--projects", "1", "--stories", "1")
    assert (ended.returncode, ended.stderr) == (
        1, f"Cannot write {tmp_path / 'no' / 'a.zip'}: No such file or directory.\n",
    )  # fmt: skip


def test_an_export_that_cannot_be_written_to_its_end_leaves_what_was_there(tmp_path: Path) -> None:
    run("export", tmp_path / "a.zip", "--projects", "1", "--stories", "1", "--no-files")
    of_yesterday = (tmp_path / "a.zip").read_bytes()
    limited = f"ulimit -f 8; exec {shlex.join([PROGRAM, 'export', str(tmp_path / 'a.zip')])}"
    ended = subprocess.run(["/bin/sh", "-c", limited], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.returncode, ended.stderr) == (1, f"Cannot write {tmp_path / 'a.zip'}: File too large.\n")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.zip": of_yesterday}


def test_the_requests_of_serve_are_logged(archive: Path, tmp_path: Path) -> None:
    with serving(archive, "--request-log", tmp_path / "log.jsonl", "--keep", "1") as (url, *_):
        requests.get(f"{url}/me", timeout=PATIENCE)
        requests.get(url.removesuffix("/services/v5") + "/file_attachments/1/download", timeout=PATIENCE)
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(request["path"], request["status"]) for request in logged] == [
        ("/me", 200),
        ("/file_attachments/1/download", 404),
    ]


def test_a_request_log_that_cannot_be_written_holds_up_no_answer_and_gets_one_warning(archive: Path) -> None:
    command = [PROGRAM, "serve", str(archive), "--port", "0", "--request-log", "/dev/full"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        statuses = [requests.get(f"{url}/projects", timeout=PATIENCE).status_code for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert statuses == [200, 200, 200]
    words = "Not all requests are in the log /dev/full, which cannot be written: No space left on device\n"
    assert (process.returncode, errors) == (0, words)


def test_serve_tells_of_the_first_things_that_were_not_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(modern(*({"Estimate": "x"} for _ in range(7))))
    with serving(path, number=11) as lines:
        pass
    assert lines[5] == "Not understood: a.csv, line 2, Estimate: 'x' is not a number of points; left out"
    assert lines[10] == "And 2 more; tracker-server inspect lists all."


def test_the_help_says_what_each_command_is_for() -> None:
    helped = run("--help").stdout
    for command in ("serve", "site", "inspect", "export", "convert", "backup", "sample"):
        assert re.search(rf"^    {command}\s+\w+ ", helped, re.MULTILINE), command
    assert helped.startswith("usage: tracker-server ")


@pytest.mark.parametrize("command", ["serve", "site", "inspect", "export", "convert", "backup", "sample"])
def test_each_command_has_a_help_of_its_own(command: str) -> None:
    ended = run(command, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"usage: tracker-server {command} ")


def test_the_version_is_that_of_the_distribution() -> None:
    assert run("--version").stdout == f"tracker-archive {version('tracker-archive')}\n"


def test_inspect_ends_quietly_when_nobody_reads_on(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(modern(*({"Estimate": "x"} for _ in range(20_000))))
    with subprocess.Popen([PROGRAM, "inspect", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (1, b"")


LATIN = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
"""An environment in which Python takes names of files and stdout for ASCII."""


@pytest.mark.parametrize("environment", [{}, LATIN], ids=["UTF-8", "ASCII"])
@pytest.mark.parametrize("program", [(PROGRAM,), MODULE], ids=["tracker-server", "python -m tracker_server"])
def test_the_locale_of_the_machine_changes_nothing(
    tmp_path: Path, program: tuple[str, ...], environment: dict[str, str]
) -> None:
    file = tmp_path / "grün_20250401_1212.csv"
    file.write_bytes(modern({"Owned By": "Zoë 😀"}))
    command = [*program, "inspect", str(file)]
    ended = subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=PATIENCE, env={**os.environ, **environment}
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *others = ended.stdout.splitlines()
    assert first == f"Project grün (id {hashed_id('project', 'grün')}), from grün_20250401_1212.csv"
    assert "  people      1: Zoë 😀" in others


def test_serve_serves_what_can_be_read_and_says_what_cannot(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(modern({}))
    (tmp_path / "b.zip").write_bytes(b"PK nothing")
    with serving(tmp_path, number=6) as lines:
        pass
    assert lines[4].startswith("a (id ")
    assert lines[5] == "Not read: b.zip is damaged (File is not a zip file): download or copy it again."


def test_inspect_and_serve_tell_the_same_of_several_exports_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "p_20240101_0000.csv").write_bytes(modern({}, {}))
    (tmp_path / "p_20250101_0000.csv").write_bytes(modern({"Title": "New"}))
    lines = run("inspect", tmp_path).stdout.splitlines()
    line = (
        "p_20240101_0000.csv: 1 of its rows are not in p_20250101_0000.csv, which is newer; they stay, because"
        " nothing proves that p_20250101_0000.csv is complete: it has no epic, no attached file and no history, so it"
        " may be a selection of stories"
    )
    assert lines[0] == line
    assert lines[2:4] == ["  of p_20250101_0000.csv: 1 rows are used", "  of p_20240101_0000.csv: 1 rows are used"]
    with serving(tmp_path) as lines:
        assert lines[4].endswith("as of 2025-01-01: 2 feature")


def test_whoever_opens_the_address_sees_the_projects_as_a_page(archive: Path) -> None:
    with serving(archive, number=6) as lines:
        address = lines[5].removeprefix("To look at it, open ").removesuffix(" in a browser.")
        page = requests.get(address, timeout=PATIENCE)
    assert "<h1>1 project</h1>" in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_with_a_password_neither_pages_nor_api_answer_without_it(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("open sesame\nnot this\n")
    with serving(archive, "--password-file", tmp_path / "password", number=2) as (url, hint):
        page = url.removesuffix("services/v5")
        without = [requests.get(place, timeout=PATIENCE) for place in (page, f"{url}/projects", f"{page}files/1/x")]
        wrong = requests.get(page, auth=("anybody", "not this"), timeout=PATIENCE)
        right = requests.get(page, auth=("anybody", "open sesame"), timeout=PATIENCE)
        token = requests.get(f"{url}/projects", headers={"X-TrackerToken": "open sesame"}, timeout=PATIENCE)
    assert hint == "The token is the password in the file."
    assert [answer.status_code for answer in [*without, wrong]] == [401] * 4
    assert without[0].headers["WWW-Authenticate"].startswith("Basic ")
    assert (right.status_code, token.status_code) == (200, 200)


def test_where_others_can_listen_a_server_without_a_password_warns(archive: Path) -> None:
    with serving(archive, "--host", "0.0.0.0", number=6) as lines:  # noqa: S104
        assert lines[5] == "Anybody who reaches 0.0.0.0 can read all of it; --password-file asks for a password."


NO_PASSWORDS = {
    "no file": (None, "cannot be read: No such file or directory"),
    "an empty one": ("", "holds no password in its first line"),
    "an empty first line": ("\nlater\n", "holds no password in its first line"),
}


@pytest.mark.parametrize(("content", "words"), NO_PASSWORDS.values(), ids=NO_PASSWORDS.keys())
def test_a_password_file_without_a_password_is_refused(
    content: str | None, words: str, archive: Path, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "password").write_text(content)
    ended = run("serve", archive, "--password-file", tmp_path / "password")
    assert ended.returncode == 2
    assert words in ended.stderr


COMMANDS = {
    "inspect": ("inspect", "{archive}"),
    "site": ("site", "{archive}", "{out}"),
    "convert": ("convert", "{archive}", "{out}", "--to", "sqlite"),
    "export": ("export", "{out}", "--stories", "5"),
    "help": ("--help",),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        (">/dev/full", "Cannot write to stdout: No space left on device.\n"),
        (">&-", "There is no stdout to write to.\n"),
    ],
)
def test_a_command_whose_output_cannot_be_written_ends_with_1_and_a_sentence(
    command: str, to: str, sentence: str, archive: Path, tmp_path: Path
) -> None:
    words = [word.format(archive=archive, out=tmp_path / "out") for word in COMMANDS[command]]
    ran = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.join([PROGRAM, *words])} {to}"], stderr=subprocess.PIPE, text=True, timeout=PATIENCE
    )
    assert (ran.returncode, ran.stderr[-len(sentence) :]) == (1, sentence)
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr


def test_a_server_without_a_stdout_serves(archive: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" >&2\n')
    browser.chmod(0o755)
    words = [PROGRAM, "serve", str(archive), "--port", "0", "--open"]
    with subprocess.Popen(
        ["/bin/sh", "-c", f"exec {shlex.join(words)} >&-"],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BROWSER": str(browser)},
    ) as process:
        assert process.stderr
        address = process.stderr.readline().strip()
        assert requests.get(address, timeout=PATIENCE).ok
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")


INTERRUPTED = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from tracker_server.__main__ import main
main()
"""
"""The program, with a SIGINT at the moment at which it begins to load a module."""


@pytest.mark.parametrize("module", ["tracker_server.command_line", "argparse", "waitress", "jinja2"])
def test_sigint_ends_the_program_quietly_while_it_loads(module: str) -> None:
    ran = run(module, program=(sys.executable, "-c", INTERRUPTED))
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, "")
