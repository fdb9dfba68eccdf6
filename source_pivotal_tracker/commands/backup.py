"""`tracker-server backup`: what a live v5 server holds, as an export with its files."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tracker_server.exports import ExportError, ExportWriter
from tracker_server.files import written_whole
from tracker_server.world import Project, StoredFile, World

if TYPE_CHECKING:
    from source_pivotal_tracker.commands.reading import TrackerClientOf
    from source_pivotal_tracker.config import Config
    from source_pivotal_tracker.streams.rows import Row

TOKEN = "TRACKER_API_TOKEN"  # noqa: S105
"""The variable with the token: what stands on a command line is seen by all users of a machine."""


def add(commands: Any) -> None:
    """Add the command to those of `tracker-server`."""
    command: argparse.ArgumentParser = commands.add_parser(
        "backup", help="write what a live Tracker v5 server holds as an export, with its files",
        description=f"Reads the token from the variable {TOKEN}, or from a file.",
        epilog="The exit code is 1 if anything cannot be read; all else is in the export.",
    )  # fmt: skip
    command.set_defaults(command=run)
    command.add_argument("--api-url", required=True, metavar="URL", help="https://app.litetracker.com/services/v5")
    command.add_argument("--token-file", type=Path, metavar="FILE", help="a file whose first line is the token")
    command.add_argument(
        "--project", type=int, action="append", default=[], metavar="ID", help="the id of a project (all)"
    )
    command.add_argument("--requests-per-minute", type=int, default=200, metavar="N", help="at most (%(default)s)")
    command.add_argument("--no-files", action="store_true", help="leave out the attached files")
    command.add_argument("--allow-http", action="store_true", help="send the token unencrypted to another machine")
    command.add_argument("out", type=Path, metavar="OUT.zip")


def run(options: argparse.Namespace) -> int:
    """Returns the exit code. Raises ExportError."""
    # Imported here, because that takes a second.
    from source_pivotal_tracker.commands.reading import log_to_stderr

    log_to_stderr()
    with tempfile.TemporaryDirectory(prefix="backup-", ignore_cleanup_errors=True) as folder:
        backup = _Backup(_config(options, Path(folder)))
        try:
            with written_whole(options.out) as out:
                backup.write(out)
        except OSError as error:
            raise ExportError(f"Cannot write {options.out}: {error.strerror}.") from None
    for problem in backup.problems:
        print(problem, file=sys.stderr)
    print(f"Wrote {options.out}: {backup.counted}.")
    return 1 if backup.problems else 0


def _config(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The connector's configuration. Raises ExportError."""
    token = os.environ.get(TOKEN, "")
    if options.token_file is not None:
        try:
            token = options.token_file.read_text("utf-8").partition("\n")[0].strip()
        except (OSError, UnicodeError) as error:
            raise ExportError(f"Cannot read {options.token_file}: {error}.") from None
    if not token:
        raise ExportError(f"There is no token: set {TOKEN}, or name a file with --token-file.")
    return {
        "api_url": options.api_url, "api_token": token, "project_ids": options.project,
        "requests_per_minute": options.requests_per_minute, "allow_http": options.allow_http,
        "attachments_to": None if options.no_files else str(folder), "attachments_max_mb": 100_000,
    }  # fmt: skip


class _Backup:
    """Reads one project after the other, so that no more than one is in memory, and writes each.

    `problems` are sentences on what is not in the export.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._client_of = _within_one_limit()
        self._world = World(datetime.now(UTC).replace(microsecond=0))
        self._counts: dict[str, int] = defaultdict(int)
        self.problems: list[str] = []

    @property
    def counted(self) -> str:
        return ", ".join(f"{count:,} {what}" for what, count in self._counts.items())

    def write(self, out: IO[bytes]) -> None:
        """Raises ExportError where there is no project to be read."""
        from source_pivotal_tracker.commands.project_of_rows import people_in

        rows = self._read(["projects", "account_memberships"], self._config)
        if not rows["projects"]:
            raise ExportError(" ".join(self.problems) or "The token sees no project.")
        self._meet(people_in(rows))
        with ExportWriter(self._world, out, history=None) as writer:
            for row in rows["projects"]:
                writer.add(self._project(row))

    def _project(self, row: Row) -> Project:
        from source_pivotal_tracker.commands.project_of_rows import STREAMS, people_in, project_of, unnamed

        rows = self._read(STREAMS, {**self._config, "project_ids": [row["id"]]})
        self._meet(people_in(rows))
        project = project_of(row, rows)
        for person_id in sorted(unnamed(project, self._world.people)):
            name = f"Person {person_id}"
            self._world.people[person_id] = {"id": person_id, "name": name}
            self._counts["people who have left and whose names are not known"] += 1
        self._world.files = dict(_files(rows["file_attachments"]))
        self._counts["projects"] += 1
        self._counts["stories"] += len(project.stories)
        self._counts["epics"] += len(project.epics)
        self._counts["files"] += len(self._world.files)
        self._counts["lines of history"] += len(project.activity)
        if rows["google_attachments"]:
            self._counts["files at Google Drive that an export cannot name"] += len(rows["google_attachments"])
        lost = [file for file in rows["file_attachments"] if file["id"] not in self._world.files]
        if lost and self._config["attachments_to"]:
            self.problems.append(f"{row['name']}: {len(lost):,} attached files could not be had, as the log says.")
        return project

    def _read(self, streams: Sequence[str], config: Mapping[str, Any]) -> dict[str, list[Row]]:
        from source_pivotal_tracker.commands.reading import NotRead, Reading

        try:
            reading = Reading(config, streams, self._client_of)
        except NotRead as problem:
            raise ExportError(str(problem)) from None
        rows: dict[str, list[Row]] = defaultdict(list)
        for stream, page in reading.pages():
            rows[stream] += page
        self.problems += reading.problems
        return rows

    def _meet(self, people: Iterator[Row]) -> None:
        for person in people:
            self._world.people.setdefault(person["id"], person)


def _within_one_limit() -> TrackerClientOf:
    """Makes a client for each read that shares the rate limit with those before it."""
    from source_pivotal_tracker.api.client import TrackerClient
    from source_pivotal_tracker.api.rate_limit import RateLimiter

    limits: dict[int, RateLimiter] = {}

    def client_of(settings: Config) -> TrackerClient:
        pace = settings.requests_per_minute
        limiter = limits.setdefault(pace, RateLimiter(pace))
        return TrackerClient(settings.api_url, settings.api_token.get_secret_value(), limiter)

    return client_of


def _files(rows: list[Row]) -> Iterator[tuple[int, StoredFile]]:
    """The copies of attached files, by the ids of their rows."""
    for row in rows:
        if url := row.get("file_url"):
            path = Path(unquote(urlsplit(url).path))
            opened = partial(_opened, path)
            yield row["id"], StoredFile(str(row["filename"]), row["bytes"], row.get("content_type"), opened)


def _opened(path: Path) -> IO[bytes]:
    return path.open("rb")
