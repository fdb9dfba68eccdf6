"""What a Tracker server holds: people, accounts and projects, in the shapes that the v5 API serves.

A row is a dict with the attribute names of the v5 resource it stands for. What Tracker leaves out when it is
empty may be absent here or None; the API layer leaves both out. What Tracker computes (iterations, counts,
velocity) is not stored; `tracker_server.derived` computes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import IO, Any

Row = dict[str, Any]


class UnreadableProject(Exception):
    """A project that a world has cannot be read any more: a sentence on what lies there."""


STORY_PART_KINDS = {
    "tasks": "task",
    "comments": "comment",
    "blockers": "blocker",
    "reviews": "review",
    "pull_requests": "pull_request",
    "branches": "branch",
}
"""The lists of parts in a story row, each with the `kind` of its rows."""
STORY_PARTS = tuple(STORY_PART_KINDS)


def iso(moment: datetime) -> str:
    """A time as Tracker writes it: UTC, whole seconds, `2017-05-03T23:30:01Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> datetime:
    """The time of a text as `iso` writes it."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class StateHistory:
    """How far the transitions of a project reach, where they are not all that ever were.

    `first_day` is the first at whose end the states of all stories are known. `whole` are the stories of which every
    transition is known. `before` has by story the state that it had before the first known one.
    """

    first_day: date
    whole: frozenset[int]
    before: Mapping[int, str]


@dataclass
class Project:
    """A project and everything in it; every dict is keyed by the id of its rows.

    `row` has the stored attributes of the project resource, without the ones that are other fields here
    (`version`) or computed (`current_iteration_number`, `current_velocity`, …).
    A story row holds `label_ids`, `owner_ids`, `follower_ids`, `blocked_story_ids` and its parts, one sequence
    for each of STORY_PARTS; one that is not there is empty. An epic row holds `label_id`, `follower_ids` and
    `comments`. A comment row holds `file_attachments` and `google_attachments`.
    `order` has the ids of all stories by priority: done (oldest accepted first), current, backlog, icebox.
    `epics` is in priority order. `transitions` and `activity` are oldest first.

    What is known of the iterations overrides what would be computed: `iteration_starts` is when the iterations 1, 2, …
    began (ISO 8601), and after the last of them they are as long as `row` says; `iteration_of` is the number of the
    iteration that a story is in. `as_of` is the time of this state, if it differs from the world's. Without
    `knows_days` it is not known when the iterations began, and `iteration_starts` only says which is the current.
    `done_points` are the points of the iterations before the current one, from iteration 1 on, where they are known
    without looking at the stories.

    `unavailable_endpoints` and `unavailable_attributes` are what this project cannot know, as in `World`. Without
    `state_history`, `transitions` are all that ever were.

    `complete_at` has, by kind of row (`story`, `epic`), a time at which all rows were known: a row that existed before
    then and is not here was deleted.
    """

    row: Row
    version: int = 1
    memberships: dict[int, Row] = field(default_factory=dict)
    labels: dict[int, Row] = field(default_factory=dict)
    epics: dict[int, Row] = field(default_factory=dict)
    stories: dict[int, Row] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    review_types: dict[int, Row] = field(default_factory=dict)
    transitions: list[Row] = field(default_factory=list)
    activity: list[Row] = field(default_factory=list)
    webhooks: dict[int, Row] = field(default_factory=dict)
    integrations: dict[int, Row] = field(default_factory=dict)
    iteration_starts: list[str] = field(default_factory=list)
    iteration_of: dict[int, int] = field(default_factory=dict)
    as_of: datetime | None = None
    knows_days: bool = True
    done_points: Sequence[float] | None = None
    complete_at: Mapping[str, datetime] = field(default_factory=dict)
    unavailable_endpoints: Mapping[str, str] = field(default_factory=dict)
    unavailable_attributes: frozenset[str] = frozenset()
    state_history: StateHistory | None = None

    @property
    def id(self) -> int:
        return int(self.row["id"])

    @property
    def story_count(self) -> int:
        return len(self.stories)

    def has_story(self, story_id: int) -> bool:
        return story_id in self.stories

    def has_epic(self, epic_id: int) -> bool:
        return epic_id in self.epics


@dataclass(frozen=True)
class StoredFile:
    """A file that a comment holds. `open` gives its bytes, `size` of them, from the first on."""

    filename: str
    size: int
    content_type: str | None
    open: Callable[[], IO[bytes]]


@dataclass
class World:
    """Everything that one server knows, and the time that it believes it is.

    `tokens` maps an API token to the id of its person. `person_settings` holds, by person id, the attributes of
    `/me` that a person object does not have (time_zone, has_google_identity, …). `workspaces` and
    `notifications` are lists by person id. `files` is by the id of the attachment. Hold `lock` while you read
    the world for a response or change it.

    `unavailable_endpoints` are those that ask for what this world cannot know, by the names of their functions in
    `tracker_server.api.endpoints`, each with a sentence that says so. `unavailable_attributes` are named like
    `story.follower_ids`.
    With `anonymous_person_id`, everybody reads every project as this person, whatever the token; with None, `tokens`
    decide.
    """

    now: datetime
    projects: dict[int, Project] = field(default_factory=dict)
    people: dict[int, Row] = field(default_factory=dict)
    person_settings: dict[int, Row] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    accounts: dict[int, Row] = field(default_factory=dict)
    account_memberships: dict[int, Row] = field(default_factory=dict)
    workspaces: dict[int, list[Row]] = field(default_factory=dict)
    notifications: dict[int, list[Row]] = field(default_factory=dict)
    files: Mapping[int, StoredFile] = field(default_factory=dict)
    unavailable_endpoints: Mapping[str, str] = field(default_factory=dict)
    unavailable_attributes: frozenset[str] = frozenset()
    anonymous_person_id: int | None = None
    next_id: int = 1000
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def new_id(self) -> int:
        """An id that no other row of this world has."""
        self.next_id += 1
        return self.next_id

    def with_story(self, story_id: int) -> Project | None:
        """The project that has this story, if there is one; the last of several."""
        return next((project for project in reversed(self.projects.values()) if project.has_story(story_id)), None)

    def with_epic(self, epic_id: int) -> Project | None:
        """The project that has this epic, if there is one; the last of several."""
        return next((project for project in reversed(self.projects.values()) if project.has_epic(epic_id)), None)
