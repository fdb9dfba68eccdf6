"""`tracker-server backup`: what a live v5 server holds, as an export with its files."""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from source_pivotal_tracker.commands.sentences import listed
from tracker_server import arguments
from tracker_server.commands import CommandError, require_writable
from tracker_server.exports import OF_BACKUP, OF_SAMPLE, ExportError, ExportWriter, inspect, sources_at
from tracker_server.files import written_whole
from tracker_server.world import Project, StoredFile, World

if TYPE_CHECKING:
    from source_pivotal_tracker.commands.live_projects import LiveProjects
    from source_pivotal_tracker.streams.rows import Row

TOKEN = "TRACKER_API_TOKEN"  # noqa: S105
"""The variable with the token: what stands on a command line is seen by all users of a machine."""
ALWAYS_COUNTED = ("projects", "stories", "epics", "files", "lines of history")
MOST_NAMED = 5
"""Labels that a sentence names; it counts the others."""


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
    from source_pivotal_tracker.commands.live_projects import LiveProjects
    from source_pivotal_tracker.commands.reading import NotRead, log_to_stderr

    require_writable(options.out, OF_BACKUP, OF_SAMPLE)
    log_to_stderr()
    with tempfile.TemporaryDirectory(prefix="backup-", ignore_cleanup_errors=True) as folder:
        live = LiveProjects(_config(options, Path(folder) / "files"), Path(folder))
        try:
            live.read()
        except NotRead as reason:
            raise CommandError(str(reason)) from None
        backup = _Backup(live, has_files=not options.no_files)
        try:
            with written_whole(options.out) as out:
                backup.write(out)
        except OSError as error:
            raise CommandError(f"Cannot write {options.out}: {error.strerror}.") from None
    problems = [*live.sentences, *_unreadable(options.out)]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"Wrote {options.out}: {backup.counted}.")
    for note in backup.notes:
        print(note)
    return 1 if problems else 0


def _unreadable(out: Path) -> Iterator[str]:
    """Sentences on what of a backup cannot be read as an export; none for what is no file, such as a pipe."""
    for found in inspect(sources_at(out), lambda _: None) if out.is_file() else ():
        if isinstance(found, ExportError):
            yield f"It was written, but cannot be read: {found}"


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
    """Writes the projects that were read as an export, one after the other.

    `notes` are sentences on what an export cannot say; what could not be read is among the problems of the reader.
    """

    def __init__(self, live: LiveProjects, *, has_files: bool) -> None:
        self._live = live
        self._has_files = has_files
        self._now = datetime.now(UTC).replace(microsecond=0)
        self._counts: dict[str, int] = defaultdict(int)
        self._names: dict[str, int] = {}
        self._people: dict[int, str] = {}
        self._labels: list[str] = []

    @property
    def counted(self) -> str:
        return ", ".join(f"{count:,} {what}" for what, count in self._counts.items())

    @property
    def notes(self) -> Iterator[str]:
        yield from self._labels
        ids_of: dict[str, list[int]] = defaultdict(list)
        for person_id, name in sorted(self._people.items()):
            ids_of[name].append(person_id)
        for name, ids in ids_of.items():
            if len(ids) > 1:
                which = listed(ids, MOST_NAMED)
                yield f"{len(ids):,} people are called {name} (ids {which}); an export makes one of them."
        options = " ".join(f"--project {shlex.quote(f'{name}={number}')}" for name, number in self._names.items())
        yield f"An export does not say the ids of projects. For serve, site and convert, note: {options}"
        yield f'For the connector, note: "export_project_ids": {json.dumps(self._names, ensure_ascii=False)}'

    def write(self, out: IO[bytes]) -> None:
        """Raises CommandError where no project can be written."""
        with ExportWriter(out, self._now, history=None, comment=OF_BACKUP) as writer:
            for project_id, row in self._live.projects.items():
                problems = self._live.problems[project_id]
                try:
                    problems += self._write(writer, row)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    problems.append(
                        f"left out: the server sent rows of an unknown shape ({type(error).__name__}: {error})."
                    )
        if not self._names:
            raise CommandError(" ".join(self._live.sentences))

    def _write(self, writer: ExportWriter, row: Row) -> list[str]:
        """Write a project; returns sentences on what of it is not written."""
        from source_pivotal_tracker.commands.fitting import Fitting, is_text
        from source_pivotal_tracker.commands.project_of_rows import name_of, people_of, project_of

        rows, incomplete = self._live.rows_of(row["id"])
        if "stories" in incomplete and not rows["stories"]:
            return ["left out, because its stories cannot be read."]
        fitting = Fitting()
        project = project_of(row, rows, fitting)
        ids = people_of(project)
        named = {person_id: name for person_id, person in self._live.people.items() if (name := name_of(person))}
        unnamed = {person_id: f"Person {person_id}" for person_id in sorted(ids - named.keys())}
        names = named | unnamed
        for activity in project.activity:
            person = activity["performed_by"]
            if person and not is_text(person.get("name")):
                activity["performed_by"] = {**person, "name": names.get(person.get("id") or 0, "")}
        files = dict(_files(rows["file_attachments"]))
        people = {person_id: {"id": person_id, "name": name} for person_id, name in names.items()}
        self._names[writer.add(World(self._now, people=people, files=files), project)] = project.id
        self._note_labels(project)
        counts = {
            "projects": 1, "stories": len(project.stories), "epics": len(project.epics), "files": len(files),
            "lines of history": len(project.activity),
            "people whose names are not known": len(unnamed.keys() - self._people.keys()),
            "files at Google Drive that an export cannot name": len(rows["google_attachments"]),
        }  # fmt: skip
        self._people |= {person_id: names[person_id] for person_id in ids}
        for what, count in counts.items():
            if count or what in ALWAYS_COUNTED:
                self._counts[what] += count
        lost = len(rows["file_attachments"]) - len(files)
        if lost and self._has_files and "file_attachments" not in incomplete:
            return [*fitting.sentences, f"{lost:,} attached files could not be had, as the log says."]
        return fitting.sentences

    def _note_labels(self, project: Project) -> None:
        names = sorted({str(label["name"]) for label in project.labels.values() if "," in str(label["name"])})
        if names:
            words = "labels with a comma in their names become several in an export"
            self._labels.append(
                f"{self._live.name_of(project.id)}: {words}: {listed(list(map(repr, names)), MOST_NAMED)}."
            )


def _files(rows: Sequence[Row]) -> Iterator[tuple[int, StoredFile]]:
    """The copies of attached files, by the ids of their rows."""
    for row in rows:
        if url := row.get("file_url"):
            name = str(row.get("filename") or f"file {row['id']}")
            opened = partial(io.FileIO, unquote(urlsplit(url).path))
            yield row["id"], StoredFile(name, row["bytes"], row.get("content_type"), opened)
