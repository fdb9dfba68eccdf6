"""What a token can see, asked once a sync: the projects and the accounts that streams are sliced over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

from source_pivotal_tracker.api.client import TrackerClient, once_more
from source_pivotal_tracker.api.errors import ANSWER, IncompleteError, InvalidResponse, SkippableError, answer_of
from source_pivotal_tracker.api.fields import Fields, merge, select
from source_pivotal_tracker.api.pagination import refuse_cut, rest_of
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.streams.endpoints import Parent, ParentKind
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row

logger = logging.getLogger("airbyte.tracker")

ALL: Fields = {}
PROJECT_FIELDS = select("id", "version", "start_time", "created_at")


class ProjectRef(NamedTuple):
    """A project's id, version, and the first day of its history (`2014-02-10`), as far as the server tells them."""

    id: int
    revision: Revision | None
    first_day: str | None


class Parents:
    """The ids that requests are made for. `load_…` fetches them, `projects` and `accounts` do so at most once.

    With `project_ids` the list of projects is not asked for: each is fetched by its id, and one that cannot be
    read is left out with a warning, and `refused` has what the server answered.
    """

    def __init__(self, client: TrackerClient, project_ids: Iterable[int] = ()) -> None:
        self.project_ids = tuple(project_ids)
        self.refused: list[str] = []
        self._client = client
        self._lock = threading.RLock()
        self._projects: tuple[ProjectRef, ...] | None = None
        self._accounts: tuple[int, ...] | None = None

    def of(self, kind: ParentKind | None) -> Sequence[Parent | None]:
        """What the lists of an endpoint are asked for once each. Raises what `projects` and `accounts` raise."""
        if kind is None:
            return (None,)
        ids = (project.id for project in self.projects()) if kind is ParentKind.PROJECT else self.accounts()
        return [Parent(kind, parent_id) for parent_id in ids]

    def projects(self) -> tuple[ProjectRef, ...]:
        """Raises a TrackerError where there is no list of projects, or none of `project_ids` can be read."""
        with self._lock:
            if self._projects is None:
                self.load_projects()
            return self._projects or ()

    def load_projects(self, fields: Fields = PROJECT_FIELDS) -> list[Row]:
        """Fetch the projects, with at least PROJECT_FIELDS, and return their rows, which are not kept."""
        with self._lock:
            wanted = merge(PROJECT_FIELDS, fields)
            rows = list(self._named(wanted)) if self.project_ids else self._listed("projects", wanted)
            self._projects = tuple(ProjectRef(int(row["id"]), _revision(row), _first_day(row)) for row in rows)
            logger.info("%d projects to read", len(rows))
            return rows

    def accounts(self) -> tuple[int, ...]:
        """Raises a TrackerError where the answer is no list of accounts."""
        with self._lock:
            if self._accounts is None:
                self.load_accounts()
            return self._accounts or ()

    def load_accounts(self, fields: Fields = ALL) -> list[Row]:
        """Fetch the accounts and return their rows; none where the server shows none to this token, which is logged."""
        with self._lock:
            try:
                rows = self._listed("accounts", fields)
            except SkippableError as error:
                logger.warning("accounts and account_memberships will be empty: %s", error)
                rows = []
            self._accounts = tuple(int(row["id"]) for row in rows)
            return rows

    def _listed(self, path: str, fields: Fields) -> list[Row]:
        def listed() -> list[Row]:
            def ask(offset: int = 0) -> TrackerResponse:
                params = {"offset": offset} if offset else {}
                return self._client.selection.get(path, params, fields, endpoint=path, names=path)

            response = ask()
            rows = response.parsed
            # Where a version shows that this is Tracker's own list, it is whole.
            if isinstance(rows, list) and not any(isinstance(row, dict) and "version" in row for row in rows):
                rows += rest_of(response, ask)
            if not isinstance(rows, list) or not all(_has_id(row) for row in rows):
                reason = "the answer is no list of things with an id: is this a Tracker v5 server?"
                raise InvalidResponse(reason, path=path)
            with answer_of(path):
                refuse_cut(response.headers, len(rows))
            # What is listed twice would be read twice, each time as the only one.
            return list({row["id"]: row for row in rows}.values())

        return once_more(listed)

    def _named(self, fields: Fields) -> Iterable[Row]:
        refusals, self.refused = [], []
        for project_id in self.project_ids:
            try:
                yield once_more(partial(self._one, project_id, fields))
            except SkippableError as error:
                refusals.append(error)
                answer = error.answer_at(f"projects/{project_id}")
                logger.warning("Skipping project %d in every stream: %s", project_id, error, extra={ANSWER: answer})
                self.refused.append(answer)
        if len(refusals) == len(self.project_ids):
            self.refused = []  # the error says it
            raise IncompleteError(f"none of the project_ids can be read: {'; '.join(map(str, refusals))}")

    def _one(self, project_id: int, fields: Fields) -> Row:
        path, selection = f"projects/{project_id}", self._client.selection
        row: Row = selection.get(path, {}, fields, endpoint="projects/{project_id}", names="projects").parsed
        if not _has_id(row):
            raise InvalidResponse("the answer is no project: is this a Tracker v5 server?", path=path)
        return row


def _has_id(row: object) -> bool:
    return isinstance(row, dict) and type(row.get("id")) is int


def _revision(project: Row) -> Revision | None:
    revision = project.get("version")
    return Revision(revision) if isinstance(revision, int) else None


def _first_day(project: Row) -> str | None:
    times = (project.get(key) for key in ("start_time", "created_at"))
    return min((time[:10] for time in times if isinstance(time, str)), default=None)
