"""The audit of the lock asks an advisory service, here one of ours, and tells what it said, or why it did not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tools.audit import FAILED, LOCK, OUT_OF_REACH, SOUND, VULNERABLE

ROOT = Path(__file__).parents[2]
NOBODY_THERE = "http://127.0.0.1:9/"
HOLE = {
    "id": "PYSEC-0",
    "summary": "It lets anybody in.",
    "affected": [
        {
            "package": {"name": "requests", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}],
        }
    ],
}


@contextmanager
def advisory_service(vulnerable: dict[str, Any], status: int = 200, body: bytes | None = None) -> Iterator[str]:
    """The address of a service that speaks as OSV does; `vulnerable` has a vulnerability for each package's name.

    With a `body`, it answers that to every question.
    """

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hole = vulnerable.get(asked["package"]["name"])
            answer = body or json.dumps({"vulns": [hole]} if hole else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """It says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            serving.join()


def audit(service: str, *lock: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.audit", "--osv", service, *lock], capture_output=True, encoding="utf-8", cwd=ROOT
    )


def assert_out_of_reach(audited: subprocess.CompletedProcess[str]) -> None:
    assert (audited.returncode, audited.stdout) == (OUT_OF_REACH, "")
    assert audited.stderr.startswith("Not audited: the advisory service cannot be reached. ")
    assert audited.stderr.count("\n") == 1


def assert_failed(audited: subprocess.CompletedProcess[str], reason: str) -> None:
    assert (audited.returncode, audited.stdout) == (FAILED, "")
    assert audited.stderr.startswith("The audit failed: ")
    assert reason in audited.stderr
    assert "Traceback" not in audited.stderr


def test_a_lock_without_known_vulnerabilities_is_sound() -> None:
    with advisory_service({}) as service:
        audited = audit(service)
    assert (audited.returncode, audited.stderr) == (SOUND, "")
    assert audited.stdout.endswith(" packages are locked, and no vulnerability of them is known.\n")


def test_a_vulnerability_is_told_with_its_package_and_the_version_that_mends_it() -> None:
    with advisory_service({"requests": HOLE}) as service:
        audited = audit(service)
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    (locked,) = [line.split()[0] for line in lines if line.startswith("requests==")]
    assert audited.returncode == VULNERABLE
    assert audited.stdout == f"{locked.replace('==', ' ')}: PYSEC-0, mended in 99.1. It lets anybody in.\n"


def test_where_nobody_listens_the_service_is_out_of_reach() -> None:
    assert_out_of_reach(audit(NOBODY_THERE))


def test_a_service_that_is_in_trouble_is_out_of_reach() -> None:
    with advisory_service({}, status=503) as service:
        assert_out_of_reach(audit(service))


def test_a_service_that_does_not_take_the_question_fails_the_audit() -> None:
    with advisory_service({}, status=400) as service:
        assert_failed(audit(service), "400 Client Error")


def test_a_service_that_answers_something_else_fails_the_audit() -> None:
    with advisory_service({}, body=b"<html>Sign in</html>") as service:
        assert_failed(audit(service), "JSONDecodeError")


BAD_LOCKS = {
    "not there": (None, "Could not open requirements file"),
    "without hashes": ("requests==2.32.5\n", "requests==2.32.5 does not contain a hash"),
    "no list of requirements": ("a b c\n", "Invalid requirement"),
}


@pytest.mark.parametrize(("content", "reason"), BAD_LOCKS.values(), ids=BAD_LOCKS.keys())
def test_a_lock_that_cannot_be_read_fails_the_audit(content: str | None, reason: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    if content is not None:
        lock.write_text(content, encoding="utf-8")
    assert_failed(audit(NOBODY_THERE, lock), reason)
