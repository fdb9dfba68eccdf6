"""The audit of the lock asks an advisory service, here one of ours, and tells what it said, or that it did not."""

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

from tools.audit import LOCK, NOT_DONE, SOUND, VULNERABLE

ROOT = Path(__file__).parents[1]
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
def advisory_service(vulnerable: dict[str, Any], status: int = 200) -> Iterator[str]:
    """The address of a service that speaks as OSV does; `vulnerable` has a vulnerability for each package's name."""

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hole = vulnerable.get(asked["package"]["name"])
            body = json.dumps({"vulns": [hole]} if hole else {}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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


def audit(service: str) -> subprocess.CompletedProcess[str]:
    options = ["--vulnerability-service", "osv", "--osv-url", service]
    return subprocess.run(
        [sys.executable, "-m", "tools.audit", *options], capture_output=True, encoding="utf-8", cwd=ROOT
    )


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


def test_a_service_that_cannot_be_reached_is_no_audit() -> None:
    audited = audit(NOBODY_THERE)
    assert (audited.returncode, audited.stdout) == (NOT_DONE, "")
    assert audited.stderr.startswith("Not audited: the advisory service cannot be reached.")


def test_a_service_that_refuses_is_no_audit() -> None:
    with advisory_service({}, status=503) as service:
        audited = audit(service)
    assert (audited.returncode, audited.stdout) == (NOT_DONE, "")
    assert audited.stderr.startswith("Not audited: the advisory service ")
