"""Whether a sync with this configuration could read something: at most three requests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sized

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import (
    InvalidResponse,
    ParametersRefused,
    RetryableError,
    SkippableError,
    SourceUnavailable,
    TokenRefused,
    TrackerError,
)
from source_pivotal_tracker.attachments.file_store import FileStore, NotOurs
from source_pivotal_tracker.streams.rows import Row, objects

MOST_REQUESTS = 3


class CheckFailed(Exception):
    """The configuration cannot be used; the text says why and what to do."""


def check(client: TrackerClient, project_ids: Iterable[int]) -> str:
    """Returns who the token belongs to and what it sees, in a sentence or two. Raises CheckFailed."""
    try:
        me = client.get("me", attempts=MOST_REQUESTS - 1).parsed
        if not isinstance(me, dict) or "id" not in me:
            raise InvalidResponse("the answer does not describe a person", path="me")
        owner = f"The token belongs to {me.get('name') or me.get('username') or me['id']}."
        wanted = tuple(project_ids)
        return f"{owner} {_named(client, me, wanted) if wanted else _listed(client)}"
    except TokenRefused as error:
        raise CheckFailed(f"api_token: {client.base_url} does not accept it ({error}).") from None
    except SourceUnavailable as error:
        raise CheckFailed(f"{error}.") from None
    except TrackerError as error:
        if isinstance(error, RetryableError) and error.status not in (None, 200):
            raise CheckFailed(f"{client.base_url} is temporarily unavailable ({error}). Try again later.") from None
        hint = client.hint or "Does the address end with /services/v5?"
        raise CheckFailed(f"api_url: no Tracker v5 API answers at {client.base_url} ({error.cause}). {hint}") from None


def check_exports(client: TrackerClient, project_ids: Iterable[int]) -> str:
    """Returns which projects the exports contain, in a sentence. Raises CheckFailed."""
    try:
        projects = client.get("projects", {"fields": "id,name"}).parsed
    except TrackerError as error:
        raise CheckFailed(str(error)) from None
    known = {project["id"] for project in projects}
    missing = [str(project_id) for project_id in project_ids if project_id not in known]
    names = _names(projects)
    failures = "".join(f" {failure}" for failure in client.completeness.failures)
    if missing:
        raise CheckFailed(
            f"project_ids: the exports have no project {', '.join(missing)}; they contain {names}.{failures}"
        )
    ids = json.dumps({project["name"]: project["id"] for project in projects}, ensure_ascii=False)
    return f"The exports contain {_counted(projects)}: {names}. As export_project_ids: {ids}.{failures}"


def check_files(place: str) -> None:
    """Write where files are to be copied, for only that tells whether one may. Raises CheckFailed."""
    try:
        FileStore(place).mark()
    except NotOurs as error:
        raise CheckFailed(f"attachments_to: {error}.") from None
    except OSError as error:
        raise CheckFailed(f"attachments_to: {place} cannot be written: {error}.") from None


def _listed(client: TrackerClient) -> str:
    try:
        projects = client.get("projects", {"fields": "id,name"}, attempts=MOST_REQUESTS - client.requests).parsed
    except ParametersRefused:
        if client.requests >= MOST_REQUESTS:
            raise
        projects = client.get("projects", attempts=1).parsed
    if not isinstance(projects, list):
        raise InvalidResponse("the answer is not a list", path="projects")
    count = f"It sees {_counted(projects)}"
    return f"{count}: {_names(projects)}." if projects else f"{count}."


def _counted(projects: Sized) -> str:
    return f"{len(projects)} project{'' if len(projects) == 1 else 's'}"


def _names(projects: Iterable[object]) -> str:
    """`Alpha (id 99), Beta (id 100)`, from rows of projects or of a person's memberships in them."""
    names = []
    for row in projects:
        if isinstance(row, dict):
            row_id = row.get("project_id", row.get("id"))
            name = row.get("project_name") or row.get("name") or row.get("title")
            names.append(f"{name} (id {row_id})" if name else f"id {row_id}")
    return ", ".join(names)


def _named(client: TrackerClient, me: Row, wanted: tuple[int, ...]) -> str:
    """Which of the `wanted` projects can be read. Raises CheckFailed if one cannot.

    A person can read the projects that `/me` lists. Another project, such as a public one, takes a request, and there
    are not enough requests for many of them. If one cannot be read, the error also names those that were not tried.
    """
    mine = {project.get("project_id"): project for project in objects(me, "projects")}
    seen = [mine[project_id] for project_id in wanted if project_id in mine]
    others = [project_id for project_id in wanted if project_id not in mine]
    left = max(0, MOST_REQUESTS - client.requests)
    asked, unasked = others[:left], others[left:]
    unreadable = []
    for project_id in asked:
        try:
            seen.append(_project(client, project_id))
        except SkippableError as error:
            unreadable.append(f"{project_id} ({error})")
    doubtful = [f"{project_id} (the token's owner is not a member)" for project_id in unasked]
    if unreadable:
        raise CheckFailed(
            f"project_ids: the token cannot read {', '.join(unreadable + doubtful)}. "
            "Remove them, or ask a project owner to add the token's owner."
            + (f" The token's owner is a member of {_names(mine.values())}." if mine else "")
        )
    if doubtful:
        return (
            f"It sees {len(wanted) - len(doubtful)} of the project_ids: {_names(seen)}; "
            f"not tried: {', '.join(doubtful)}."
        )
    return f"It sees all {len(wanted)} of the project_ids: {_names(seen)}."


def _project(client: TrackerClient, project_id: int) -> Row:
    """Raises SkippableError. A server that refuses `fields` shows the project all the same, or its id names it."""
    project: Row = {}
    try:
        project = client.get(f"projects/{project_id}", {"fields": "id,name"}, attempts=1).parsed
    except ParametersRefused:
        if client.requests < MOST_REQUESTS:
            project = client.get(f"projects/{project_id}", attempts=1).parsed
    return {**(project if isinstance(project, dict) else {}), "project_id": project_id}
