"""Reads what a live v5 server holds, project by project, into files on a disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.commands.fitting import is_text
from source_pivotal_tracker.commands.project_of_rows import STREAMS, people_in
from source_pivotal_tracker.commands.reading import FullRead, NotRead, TrackerClientOf
from source_pivotal_tracker.config import Config
from source_pivotal_tracker.streams.rows import Row
from tracker_server.commands import CommandError

MOST_READS = 5
"""How often a project is read that people keep changing."""
ALL = 0
"""The id under which the problems are that are of no one project."""
MOVED = "a story that came from another project may be missing"
OPTIONS = {
    "api_url": "--api-url", "api_token": "The token", "allow_http": "--allow-http", "project_ids": "projects",
    "attachments_to": "The folder for attached files",
}  # fmt: skip
"""What the command calls the keys of the configuration."""


class RowsOfProject(NamedTuple):
    """The rows of a project by stream, and the names of the streams that are not complete."""

    rows: Mapping[str, list[Row]]
    incomplete: Collection[str]


class LiveProjects:
    """Reads all that a server shows of its projects, or of those of the configuration; one is in memory at a time.

    `projects` are the rows of those that were read, by id, and `people` everybody whom some row names. `problems` has
    sentences on what could not be read, by the id of the project, or by ALL.
    """

    def __init__(self, config: Mapping[str, Any], folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._client_of = _within_one_limit()
        self._listed: dict[int, Row] = {}
        self._first_problems: list[str] = []
        self._incomplete: dict[int, set[str]] = {}
        self.projects: dict[int, Row] = {}
        self.people: dict[int, Row] = {}
        self.problems: dict[int, list[str]] = {}

    def read(self) -> None:
        """Read all projects, and again those that have changed meanwhile: a story may go from one to another.

        Without versions of the projects, which is how a change is seen, each is read once. Raises NotRead where there
        is no project, or where the server refuses everything before each has been read once.
        """
        found, problems, _ = self._read(["projects"], self._config)
        self._first_problems, self.problems[ALL] = problems, list(problems)
        if not found["projects"]:
            raise NotRead(" ".join(problems) or "The token sees no project.")
        # What cannot be read there is no loss: it adds names of people who have left, where one may see them.
        self._add_people(self._read(["account_memberships"], self._config)[0])
        waiting = self._noted(found["projects"])
        for row in waiting.values():
            self._read_project(row)
        for _ in range(MOST_READS - 1):
            waiting = self._changed()
            for row in waiting.values():
                self._read_again(row)
            if not waiting:
                return
        for project_id, row in self._changed().items():
            if project_id not in self.projects:
                self._read_again(row)
            self._add_problem(project_id, f"people kept changing it while it was read: {MOVED}.")

    def name_of(self, project_id: int) -> str:
        """What sentences call a project."""
        names = Counter(map(_name, self._listed.values()))
        name = _name(self._listed[project_id])
        return name if names[name] == 1 else f"{name} ({project_id})"

    @property
    def sentences(self) -> list[str]:
        """The problems, each with the name of its project."""
        return [
            f"{self.name_of(project_id)}: {problem}" if project_id != ALL else problem
            for project_id, problems in self.problems.items() for problem in problems
        ]  # fmt: skip

    def rows_of(self, project_id: int) -> RowsOfProject:
        """What was read of a project. Raises CommandError."""
        try:
            rows = orjson.loads(self._file(project_id).read_bytes())
        except OSError as error:
            raise CommandError(f"Cannot read {self._file(project_id)}: {error.strerror}.") from None
        return RowsOfProject(rows, self._incomplete[project_id])

    def _read_project(self, row: Row) -> None:
        """Read a project, unless an earlier time brought more of it. Raises NotRead and CommandError."""
        project_id = row["id"]
        rows, problems, incomplete = self._read(STREAMS, {**self._config, "project_ids": [project_id]})
        self._add_people(rows)
        if incomplete - self._incomplete.get(project_id, incomplete):
            raise NotRead(" ".join(problems))
        try:
            self._file(project_id).write_bytes(orjson.dumps(rows))
        except OSError as error:
            raise CommandError(f"Cannot write {self._file(project_id)}: {error.strerror}.") from None
        self.problems[project_id], self._incomplete[project_id] = problems, incomplete
        self.projects[project_id] = row

    def _read_again(self, row: Row) -> None:
        """As `_read_project`; where that cannot be, what was read before stays."""
        try:
            self._read_project(row)
        except NotRead as problem:
            if row["id"] in self.projects:
                words = f"people changed it while it was read, and it could not be read again, so {MOVED}: {problem}"
            else:
                words = f"left out: {problem}"
            self._add_problem(row["id"], words)

    def _add_problem(self, project_id: int, words: str) -> None:
        problems = self.problems.setdefault(project_id, [])
        if words not in problems:
            problems.append(words)

    def _changed(self) -> dict[int, Row]:
        """The projects that are not as they were when they were read, or were not there."""
        if not any(row.get("version") for row in self.projects.values()):
            return {}
        try:
            found, problems, _ = self._read(["projects"], self._config)
        except NotRead as problem:
            found, problems = {"projects": []}, [str(problem)]
        if problems and problems != self._first_problems:
            again = "The projects could not be looked at again; where people changed them meanwhile"
            self._add_problem(ALL, f"{again}, {MOVED}: {' '.join(problems)}")
        return {
            project_id: row for project_id, row in self._noted(found["projects"]).items()
            if project_id not in self.projects or row.get("version") != self.projects[project_id].get("version")
        }  # fmt: skip

    def _noted(self, rows: Sequence[Row]) -> dict[int, Row]:
        by_id: dict[int, Row] = {row["id"]: row for row in rows}
        self._listed |= by_id
        return by_id

    def _read(
        self, streams: Sequence[str], config: Mapping[str, Any]
    ) -> tuple[dict[str, list[Row]], list[str], set[str]]:
        """The rows of each stream, what could not be read, and which streams are not complete. Raises NotRead."""
        rows: dict[str, list[Row]] = {stream: [] for stream in streams}
        reading = FullRead(config, streams.__contains__, self._client_of, OPTIONS)
        for stream, page in reading.pages():
            rows[stream] += page
        return rows, reading.problems, reading.incomplete

    def _add_people(self, rows: Mapping[str, Sequence[Row]]) -> None:
        for person in people_in(rows):
            known = self.people.setdefault(person["id"], person)
            if is_text(person.get("name")) and not is_text(known.get("name")):
                self.people[person["id"]] = person

    def _file(self, project_id: int) -> Path:
        return self._folder / f"{project_id}.json"


def _name(row: Row) -> str:
    return str(row.get("name") or f"Project {row['id']}")


def _within_one_limit() -> TrackerClientOf:
    """Makes a client for each read that shares the rate limit with those before it."""
    limit_of = cache(RateLimiter)

    def client_of(settings: Config) -> TrackerClient:
        token, limit = settings.api_token.get_secret_value(), limit_of(settings.requests_per_minute)
        return TrackerClient(settings.api_url, token, limit)

    return client_of
