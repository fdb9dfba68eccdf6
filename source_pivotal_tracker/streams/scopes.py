"""What a token can see, asked once a sync: the projects and the accounts that streams are sliced over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import Failed, Unreadable
from source_pivotal_tracker.api.fields import render, select

logger = logging.getLogger("airbyte.tracker")

PROJECT_FIELDS = render(select("id", "start_time", "created_at"))


class ProjectRef(NamedTuple):
    """A project's id and the first day of its history (`2014-02-10`), where the server tells one."""

    id: int
    first_day: str | None


class Scopes:
    """The ids that requests are made for. They are fetched at the first call, kept, and never fetched again.

    With `project_ids` the list of projects is not asked for: each is fetched by its id, and one that cannot be
    read is left out with a warning.
    """

    def __init__(self, client: TrackerClient, project_ids: Iterable[int] = ()) -> None:
        self.project_ids = tuple(project_ids)
        self._client = client
        self._lock = threading.RLock()
        self._projects: tuple[ProjectRef, ...] | None = None
        self._accounts: tuple[int, ...] | None = None

    def projects(self) -> tuple[ProjectRef, ...]:
        """Raises a TrackerError where there is no list of projects, or none of `project_ids` can be read."""
        with self._lock:
            if self._projects is None:
                rows = list(self._named()) if self.project_ids else self._listed("projects", PROJECT_FIELDS)
                self._projects = tuple(ProjectRef(int(row["id"]), _first_day(row)) for row in rows)
                logger.info("%d projects to read", len(self._projects))
            return self._projects

    def accounts(self) -> tuple[int, ...]:
        """None where the server shows no accounts to this token, which is said in the log."""
        with self._lock:
            if self._accounts is None:
                try:
                    self._accounts = tuple(int(row["id"]) for row in self._listed("accounts", "id"))
                except Unreadable as error:
                    logger.warning("No account is read: %s", error)
                    self._accounts = ()
            return self._accounts

    def _listed(self, path: str, fields: str) -> list[Mapping[str, Any]]:
        rows = self._client.get(path, {"fields": fields}).parsed
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "id" in row for row in rows):
            raise Failed(f"GET /{path}: the answer is no list of things with an id: is this a Tracker v5 server?")
        return rows

    def _named(self) -> Iterable[Mapping[str, Any]]:
        refusals = []
        for project_id in self.project_ids:
            try:
                yield self._client.get(f"projects/{project_id}", {"fields": PROJECT_FIELDS}).parsed
            except Unreadable as error:
                refusals.append(error)
                logger.warning("Project %d is skipped in every stream: %s", project_id, error)
        if len(refusals) == len(self.project_ids):
            raise Failed(f"none of the project_ids can be read: {'; '.join(map(str, refusals))}")


def _first_day(project: Mapping[str, Any]) -> str | None:
    return min((project[key][:10] for key in ("start_time", "created_at") if project.get(key)), default=None)
