"""A PostgreSQL server of its own for a test: made, started, and stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

USER = "tracker"
PASSWORD = "pass/word@%"
"""With characters that must be escaped in a URL."""
DEBIANS_FOLDER = Path("/usr/lib/postgresql")
SECONDS_TO_START = 60
SECONDS_TO_STOP = 30


class NoPostgres(Exception):
    """The binaries are missing; the text says how to get them."""


@dataclass(frozen=True)
class Postgres:
    """A running server, on the loopback."""

    port: int
    password: str = PASSWORD

    @property
    def url(self) -> str:
        """Of its database, without the password."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres"

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, password=self.password)


@contextmanager
def postgres_or_skip() -> Iterator[Postgres]:
    """As `postgres`; skips the test where there are no binaries."""
    try:
        with postgres() as server:
            yield server
    except NoPostgres as reason:
        pytest.skip(str(reason))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Runs while the block does, in a folder that is gone afterwards. Its time zone is not UTC.

    Raises NoPostgres where there are no binaries. PostgreSQL does not run as root: as root, it runs as `postgres`,
    the user that Debian's package makes.
    """
    binaries = _binaries()
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        password = folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        if user:
            for path in (folder, password):
                shutil.chown(path, user, user)
        data = folder / "data"
        initdb: list[str | Path] = [binaries / "initdb", "-D", data, "-U", USER, "--no-sync", "--encoding=UTF8"]
        initdb += ["--auth=scram-sha-256", f"--pwfile={password}", "--locale=C"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd=folder, user=user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            server = Postgres(free.getsockname()[1])
        settings = {
            "port": server.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "timezone": "Asia/Kathmandu",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, user=user
            )
        try:
            _wait_for(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # What PostgreSQL calls a fast shutdown: it waits for nobody.
            process.wait(SECONDS_TO_STOP)


def _binaries() -> Path:
    on_path = shutil.which("initdb")
    folders = sorted(DEBIANS_FOLDER.glob("*/bin"), key=lambda folder: float(folder.parent.name))
    if not on_path and not folders:
        raise NoPostgres(
            "PostgreSQL's initdb is neither on the PATH nor below /usr/lib/postgresql: apt-get install postgresql"
        )
    return Path(on_path).parent if on_path else folders[-1]


def _wait_for(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            server.connect().close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(encoding='utf-8')}") from error
            time.sleep(0.1)
        else:
            return
