"""What a world holds for a token, by stream: the keys of all rows that must come, found without the API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from tracker_server.derived import Figures
from tracker_server.world import Project, Row, World

Key = tuple[Any, ...]


class Keys(dict[str, list[Key]]):
    """The primary keys by stream, in no order."""

    def __missing__(self, stream: str) -> list[Key]:
        raise LookupError(f"add {stream} to keys() in unit_tests/expected_keys.py: which rows must come?")


def keys(world: World, token: str) -> Keys:
    """Those of all streams that a world holds for a token."""
    person = world.tokens[token]
    projects = [
        project
        for project in world.projects.values()
        if any(membership["person_id"] == person for membership in project.memberships.values())
    ]
    owned = [project for project in projects if _role(project, person) == "owner"]
    accounts = [
        membership["account_id"]
        for membership in world.account_memberships.values()
        if membership["person_id"] == person and (membership["owner"] or membership["admin"])
    ]
    per_project: dict[str, Callable[[Project], Iterable[Key]]] = {
        "projects": lambda project: [(project.id,)],
        "project_memberships": lambda project: _ids(project.memberships.values()),
        "labels": lambda project: _ids(project.labels.values()),
        "epics": lambda project: _ids(project.epics.values()),
        "epic_comments": lambda project: _ids(_parts(project.epics, "comments")),
        "releases": lambda project: _ids(s for s in project.stories.values() if s["story_type"] == "release"),
        "iterations": lambda project: (
            (project.id, iteration["number"]) for iteration in Figures(project, world.now).iterations
        ),
        "project_history_days": lambda project: _days(project, world.now.date()),
        "stories": lambda project: _ids(project.stories.values()),
        "story_tasks": lambda project: _ids(_parts(project.stories, "tasks")),
        "story_comments": lambda project: _ids(_parts(project.stories, "comments")),
        "story_blockers": lambda project: _ids(_parts(project.stories, "blockers")),
        "story_reviews": lambda project: _ids(_parts(project.stories, "reviews")),
        "story_pull_requests": lambda project: _ids(_parts(project.stories, "pull_requests")),
        "story_branches": lambda project: _ids(_parts(project.stories, "branches")),
        "story_cycle_times": lambda project: ((project.id, story) for story in project.stories),
        "file_attachments": lambda project: _ids(_attachments(project, "file_attachments")),
        "google_attachments": lambda project: _ids(_attachments(project, "google_attachments")),
        "story_transitions": lambda project: (
            (project.id, transition["project_version"], transition["story_id"]) for transition in project.transitions
        ),
        "review_types": lambda project: _ids(project.review_types.values()),
        "activity": lambda project: ((activity["guid"],) for activity in project.activity),
        "my_activity": lambda project: (
            (activity["guid"],) for activity in project.activity if activity["performed_by"]["id"] == person
        ),
    }
    per_owned: dict[str, Callable[[Project], Iterable[Key]]] = {
        "webhooks": lambda project: _ids(project.webhooks.values()),
        "integrations": lambda project: _ids(project.integrations.values()),
    }
    by_stream = {
        **{stream: [key for project in projects for key in held(project)] for stream, held in per_project.items()},
        **{stream: [key for project in owned for key in held(project)] for stream, held in per_owned.items()},
        "accounts": [(account,) for account in accounts],
        "account_memberships": list(
            _ids(
                membership for membership in world.account_memberships.values() if membership["account_id"] in accounts
            )
        ),
        "me": [(person,)],
        "workspaces": list(_ids(world.workspaces[person])),
        "notifications": list(_ids(world.notifications[person])),
    }
    return Keys(by_stream)


def _ids(rows: Iterable[Row]) -> Iterator[Key]:
    return ((row["id"],) for row in rows)


def _parts(parents: dict[int, Row], part: str) -> Iterator[Row]:
    return (row for parent in parents.values() for row in parent[part])


def _attachments(project: Project, kind: str) -> Iterator[Row]:
    for parents in (project.stories, project.epics):
        for comment in _parts(parents, "comments"):
            yield from comment[kind]


def _days(project: Project, today: date) -> Iterator[Key]:
    day = date.fromisoformat(project.row["start_time"][:10])
    while day <= today:
        yield project.id, day.isoformat()
        day += timedelta(days=1)


def _role(project: Project, person: int) -> str:
    return str(
        next(membership["role"] for membership in project.memberships.values() if membership["person_id"] == person)
    )
