"""What a Tracker server holds: people, accounts and projects, in the shapes that the v5 API serves.

A row is a dict with the attribute names of the v5 resource it stands for. What Tracker leaves out when it is
empty may be absent here or None; the API layer leaves both out. What Tracker computes (iterations, counts,
velocity) is not stored: `tracker_server.derived` computes it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

Row = dict[str, Any]

STORY_PARTS = ("tasks", "comments", "blockers", "reviews", "pull_requests", "branches")


def iso(moment: datetime) -> str:
    """The one way in which Tracker writes a time: UTC, whole seconds, `2017-05-03T23:30:01Z`."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Project:
    """A project and all that hangs on it; every dict is keyed by the id of its rows.

    `row` has the stored attributes of the project resource, without the ones that are other fields here
    (`version`) or computed (`current_iteration_number`, `current_velocity`, …).
    A story row holds `label_ids`, `owner_ids`, `follower_ids`, `blocked_story_ids` and its parts, one list for
    each of STORY_PARTS. An epic row holds `label_id`, `follower_ids` and `comments`. A comment row holds
    `file_attachments` and `google_attachments`.
    `order` has the ids of all stories by priority: done (oldest accepted first), current, backlog, icebox.
    `epics` is in priority order. `transitions` and `activity` are oldest first.
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

    @property
    def id(self) -> int:
        return int(self.row["id"])


@dataclass
class World:
    """Everything that one server knows, and the time that it believes it is.

    `tokens` maps an API token to the id of its person. `person_settings` holds, by person id, the attributes of
    `/me` that a person object does not have (time_zone, has_google_identity, …). `workspaces` and
    `notifications` are lists by person id. `lock` is held while the world is read for a response or changed.
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
    next_id: int = 1000
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    def new_id(self) -> int:
        """An id that no other row of this world has."""
        self.next_id += 1
        return self.next_id
