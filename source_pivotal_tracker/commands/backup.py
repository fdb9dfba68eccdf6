"""`tracker-server backup`: what a live v5 server holds, as an export with its files."""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import orjson

from tracker_server import arguments
from tracker_server.commands import CommandError
from tracker_server.exports import ExportWriter
from tracker_server.files import written_whole
from tracker_server.world import StoredFile, World

if TYPE_CHECKING:
    from source_pivotal_tracker.commands.reading import TrackerClientOf
    from source_pivotal_tracker.config import Config
    from source_pivotal_tracker.streams.rows import Row

TOKEN = "TRACKER_API_TOKEN"  # noqa: S105
"""The variable with the token: what stands on a command line is seen by all users of a machine."""
MOST_ROUNDS = 5
"""How often a project is read that people keep changing."""
INCOMPLETE = "incomplete"
"""Where the names of the streams are that are not complete, beside the rows; no stream is called so."""
ACCOUNT = "The account"
OPTIONS = {
    "api_url": "--api-url", "api_token": "The token", "allow_http": "--allow-http", "project_ids": "projects",
    "attachments_to": "The folder for attached files",
}  # fmt: skip
"""What the command calls the keys of the configuration."""
ALWAYS_COUNTED = ("projects", "stories", "epics", "files", "lines of history")


def add(commands: Any) -> None:
    """Add the command to those of `tracker-server`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "backup", help="write what a live Tracker v5 server holds as an export, with its files",
        description=f"Reads the token from the variable {TOKEN}, or from a file.",
        epilog="The exit code is 1 if anything cannot be read; what can be read is in the export.",
    )  # fmt: skip
    command.set_defaults(command=run)
    command.add_argument("--api-url", required=True, metavar="URL", help="https://app.litetracker.com/services/v5")
    command.add_argument(
        "--token-file", type=arguments.token, metavar="FILE", help="a file whose first line is the token"
    )
    command.add_argument(
        "--project", type=arguments.project_id, action="append", default=[], metavar="ID",
        help="the id of a project (all)",
    )  # fmt: skip
    command.add_argument(
        "--requests-per-minute", type=arguments.whole_number(1, 1000), default=200, metavar="N",
        help="at most (%(default)s)",
    )  # fmt: skip
    command.add_argument("--no-files", action="store_true", help="leave out the attached files")
    command.add_argument("--allow-http", action="store_true", help="send the token unencrypted to another machine")
    command.add_argument("out", type=Path, metavar="OUT.zip")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises CommandError."""
    # Imported here, because that takes a second.
    from source_pivotal_tracker.commands.reading import log_to_stderr

    log_to_stderr()
    with tempfile.TemporaryDirectory(prefix="backup-", ignore_cleanup_errors=True) as folder:
        backup = _Backup(_config(options, Path(folder) / "files"), Path(folder))
        try:
            with written_whole(options.out) as out:
                backup.write(out)
        except OSError as error:
            raise CommandError(f"Cannot write {options.out}: {error.strerror}.") from None
    for problem in backup.problems:
        print(problem, file=sys.stderr)
    print(f"Wrote {options.out}: {backup.counted}.")
    return 1 if backup.problems else 0


def _config(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The connector's configuration. Raises CommandError."""
    token = options.token_file or os.environ.get(TOKEN, "")
    if not token:
        raise CommandError(f"There is no token: set {TOKEN}, or name a file with --token-file.")
    return {
        "api_url": options.api_url, "api_token": token, "project_ids": options.project,
        "requests_per_minute": options.requests_per_minute, "allow_http": options.allow_http,
        "attachments_to": None if options.no_files else str(folder), "attachments_max_mb": 100_000,
    }  # fmt: skip


class _Backup:
    """Reads one project after the other into files, and once all are read, writes each: no more than one is in memory.

    `problems` are sentences on what is not in the export.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._client_of = _within_one_limit()
        self._world = World(datetime.now(UTC).replace(microsecond=0))
        self._counts: dict[str, int] = defaultdict(int)
        self._problems: dict[str, list[str]] = {}

    @property
    def problems(self) -> list[str]:
        return [f"{whose}: {problem}" for whose, found in self._problems.items() for problem in found]

    @property
    def counted(self) -> str:
        return ", ".join(f"{count:,} {what}" for what, count in self._counts.items())

    def write(self, out: IO[bytes]) -> None:
        """Raises CommandError where there is no project to be read, or nothing further can be read."""
        from source_pivotal_tracker.commands.project_of_rows import people_in

        projects = self._projects()
        self._meet(people_in(self._read(["account_memberships"], self._config, ACCOUNT)))
        self._problems.pop(ACCOUNT)  # it adds names of people who have left, where one may see them
        self._read_until_still(projects)
        with ExportWriter(self._world, out, history=None) as writer:
            for row in projects.values():
                try:
                    self._write(writer, row)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    problem = f"left out: the server sent rows of an unknown shape ({type(error).__name__}: {error})."
                    self._problems.setdefault(_called(row), []).append(problem)
        if not self._counts["projects"]:
            raise CommandError(" ".join(self.problems))

    def _projects(self) -> dict[int, Row]:
        """The rows of all projects by id. Raises CommandError where there is none."""
        rows = self._read(["projects"], self._config, "The projects")["projects"]
        if not rows:
            raise CommandError(" ".join(self.problems) or "The token sees no project.")
        return {row["id"]: row for row in rows}

    def _read_until_still(self, projects: dict[int, Row]) -> None:
        """Read all projects, and again those that have changed meanwhile: a story may go from one to another.

        Without versions of the projects, which is how a change is seen, each is read once.
        """
        waiting = dict(projects)
        for _ in range(MOST_ROUNDS):
            for row in waiting.values():
                self._read_project(row)
            now = self._projects() if any(row.get("version") for row in waiting.values()) else waiting
            waiting = {
                project_id: row for project_id, row in now.items()
                if project_id not in projects or row.get("version") != projects[project_id].get("version")
            }  # fmt: skip
            projects |= waiting
            if not waiting:
                return
        for row in waiting.values():
            problem = (
                "people kept changing it while it was read: a story that came from another project may be missing."
            )
            self._problems.setdefault(_called(row), []).append(problem)

    def _read_project(self, row: Row) -> None:
        from source_pivotal_tracker.commands.project_of_rows import STREAMS, people_in

        rows = self._read(STREAMS, {**self._config, "project_ids": [row["id"]]}, _called(row))
        self._meet(people_in(rows))
        self._rows_of(row).write_bytes(orjson.dumps(rows))

    def _write(self, writer: ExportWriter, row: Row) -> None:
        from source_pivotal_tracker.commands.project_of_rows import project_of, unnamed

        rows = orjson.loads(self._rows_of(row).read_bytes())
        problems = self._problems.setdefault(_called(row), [])
        if "stories" in rows[INCOMPLETE] and not rows["stories"]:
            problems.append("left out, because its stories cannot be read.")
            return
        project = project_of(row, rows)
        people = sorted(unnamed(project, self._world.people))
        self._world.people |= {person_id: {"id": person_id, "name": f"Person {person_id}"} for person_id in people}
        self._world.files = dict(_files(rows["file_attachments"]))
        writer.add(project)
        lost = len(rows["file_attachments"]) - len(self._world.files)
        if lost and self._config["attachments_to"] and "file_attachments" not in rows[INCOMPLETE]:
            problems.append(f"{lost:,} attached files could not be had, as the log says.")
        counts = {
            "projects": 1, "stories": len(project.stories), "epics": len(project.epics),
            "files": len(self._world.files), "lines of history": len(project.activity),
            "people whose names are not known": len(people),
            "files at Google Drive that an export cannot name": len(rows["google_attachments"]),
        }  # fmt: skip
        for what, count in counts.items():
            if count or what in ALWAYS_COUNTED:
                self._counts[what] += count

    def _rows_of(self, row: Row) -> Path:
        return self._folder / f"{row['id']}.json"

    def _read(self, streams: Sequence[str], config: Mapping[str, Any], whose: str) -> dict[str, Any]:
        """The rows of each stream, and the names of those that are not complete."""
        from source_pivotal_tracker.commands.reading import FullRead, NotRead

        rows: dict[str, Any] = {stream: [] for stream in streams}
        try:
            reading = FullRead(config, streams.__contains__, self._client_of, OPTIONS)
            for stream, page in reading.pages():
                rows[stream] += page
        except NotRead as problem:
            raise CommandError(str(problem)) from None
        self._problems[whose] = reading.problems
        return {**rows, INCOMPLETE: sorted(reading.incomplete)}

    def _meet(self, people: Iterator[Row]) -> None:
        for person in people:
            self._world.people.setdefault(person["id"], person)


def _called(row: Row) -> str:
    return str(row.get("name") or f"Project {row['id']}")


def _within_one_limit() -> TrackerClientOf:
    """Makes a client for each read that shares the rate limit with those before it."""
    from source_pivotal_tracker.api.client import TrackerClient
    from source_pivotal_tracker.api.rate_limit import RateLimiter

    limit_of = cache(RateLimiter)

    def client_of(settings: Config) -> TrackerClient:
        token, limit = settings.api_token.get_secret_value(), limit_of(settings.requests_per_minute)
        return TrackerClient(settings.api_url, token, limit)

    return client_of


def _files(rows: list[Row]) -> Iterator[tuple[int, StoredFile]]:
    """The copies of attached files, by the ids of their rows."""
    for row in rows:
        if url := row.get("file_url"):
            name = str(row.get("filename") or f"file {row['id']}")
            opened = partial(io.FileIO, unquote(urlsplit(url).path))
            yield row["id"], StoredFile(name, row["bytes"], row.get("content_type"), opened)
