"""Projects, and what belongs to a whole project."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.dialect.values import put_times_in_iso
from source_pivotal_tracker.api.errors import InvalidResponse
from source_pivotal_tracker.api.fields import DEFAULT, WHOLE, Fields, select
from source_pivotal_tracker.streams.base import PartStream, TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, ParentKind, Partition
from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.streams.rows import Row, as_text, objects
from source_pivotal_tracker.streams.times import iso, moment

_URL = re.compile(
    r"(?P<scheme>([a-z][a-z0-9+.-]*://)?)([^/]*@)?(?P<host>[^/@:]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?)(?P<path>(/[^@]*)?)",
    re.I,
)

PROJECTS = Endpoint("projects")
PROJECT = Endpoint("projects/{project_id}", single=True, part_of="project_id")


class Projects(TrackerStream):
    """A project that the token can see: with `project_ids` those, else the active ones of its person.

    `updated_at` follows the project's settings only, `version` every change of its content.
    https://www.pivotaltracker.com/help/api/rest/v5#Projects, recording get_all_projects.json

    One list for all streams: its versions tell which projects have changed.
    """

    provides_parent = ParentKind.PROJECT
    fields = select(
        DEFAULT,
        "account",
        "current_velocity",
        "current_volatility",
        "current_standard_deviation",
        "shown_iterations_start_time",
    )

    def __init__(self, context: ServerContext, parents: Parents, start: datetime | None = None) -> None:
        super().__init__(context, parents, start)
        self.endpoints = (PROJECT,) if parents.project_ids else (PROJECTS,)

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return ({**row, "project_id": row.get("id")},)


class ProjectMemberships(TrackerStream):
    """A person's place in a project.

    `last_viewed_at` moves with every visit, and neither `updated_at` nor the project's version does: the list is sent
    where it differs.

    https://www.pivotaltracker.com/help/api/rest/v5#Project_Memberships
    """

    endpoints = (Endpoint("projects/{project_id}/memberships"),)
    cursor_field = "updated_at"
    changes_without_version = True
    deleted_kind = "project_membership"


class Labels(TrackerStream):
    """A label of a project, with the stories that carry it counted by state.

    `updated_at` does not move when stories change, though the counts do.
    https://www.pivotaltracker.com/help/api/rest/v5#Labels, recording get_labels.json
    """

    endpoints = (Endpoint("projects/{project_id}/labels"),)
    cursor_field = "updated_at"
    deleted_kind = "label"
    fields = select(DEFAULT, "counts")


class ReviewTypes(PartStream):
    """A kind of review that a project knows; one that is no longer used is hidden, never deleted."""

    endpoints = (PROJECT,)
    part = "review_types"
    inside = WHOLE

    def wanted_fields(self) -> Fields:
        """A project is its own row, and has no `project_id`."""
        return {name: inside for name, inside in super().wanted_fields().items() if name != "project_id"}


class Iterations(TrackerStream):
    """A week or more of a project, done, current or planned; the API recomputes all of them with time alone.

    https://www.pivotaltracker.com/help/api/rest/v5#Iterations, recording get_current_iteration.json
    """

    endpoints = (Endpoint("projects/{project_id}/iterations", page_size=500, append_only=True),)
    primary_key = ["project_id", "number"]
    fields = select(
        *("number", "project_id", "length", "team_strength", "start", "finish", "kind"),
        *("story_ids", "velocity", "points", "accepted_points", "effective_points"),
    )

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        """A server that does not know `story_ids` nests the stories; they are rows of another stream."""
        story_ids = [story["id"] for story in objects(row, "stories")]
        record = {"story_ids": story_ids, **row}
        record.pop("stories", None)
        return (record,)


class ProjectHistoryDays(TrackerStream):
    """A day of a project: how many stories, and points, stood in each state at its end.

    The API answers with columns. https://www.pivotaltracker.com/help/api/rest/v5#Project_History,
    recording get_daily_history_container.json

    Time alone adds days. After a change of the project, all days come again, because a new estimate shows in old days
    too.
    """

    endpoints = (Endpoint("projects/{project_id}/history/days", since="start_date", single=True),)
    primary_key = ["project_id", "date"]
    cursor_field = "date"
    changes_without_version = True

    def since(self, partition: Partition) -> str | None:
        """The first day that is wanted. The server's default range is not known, so the day is always sent."""
        first = next(
            (project.first_day for project in self._parents.projects() if project.id == partition.parent_id), None
        )
        start = super().since(partition)
        return max(filter(None, (first, start and start[:10])), default=None)

    def since_cursor(self, cursor: str, lookback: timedelta) -> str:
        return iso(moment(cursor) - max(lookback, timedelta(days=1)))[:10]

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        header, days = row.get("header"), row.get("data")
        if not isinstance(header, list) or not isinstance(days, list):
            raise InvalidResponse("the answer has no header and data")
        for day in days:
            if len(day) != len(header):
                raise InvalidResponse(f"a day of {len(day)} in {len(header)} columns")
        records = [dict(zip(header, day, strict=True)) for day in days]
        put_times_in_iso(records)
        return records


class Setting(TrackerStream, ABC):
    """What an owner has set up and what may hold secrets: only the named attributes leave this stream.

    Needs more rights than reading a project does; a project in which the token has not got them is skipped.
    """

    allowed: ClassVar[tuple[str, ...]]
    urls: ClassVar[tuple[str, ...]]

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        record = {key: row[key] for key in ("project_id", *self.allowed) if key in row}
        for url in self.urls:
            if record.get(url):
                record[url] = without_secrets(str(record[url]))
        return (record,)


class Webhooks(Setting):
    """A URL that the server calls when a project changes, without user, password, query and fragment.

    https://www.pivotaltracker.com/help/api/rest/v5#Webhooks
    """

    endpoints = (Endpoint("projects/{project_id}/webhooks"),)
    allowed = (
        *("id", "kind", "webhook_url", "webhook_version", "enabled", "last_error_code"),
        *("created_at", "updated_at"),
    )
    urls = ("webhook_url",)
    fields = select("project_id", *allowed)


class Integrations(Setting):
    """A connection of a project to another tool, without its credentials. The kinds differ in their attributes.

    https://www.pivotaltracker.com/help/api/rest/v5#Integrations
    """

    endpoints = (Endpoint("projects/{project_id}/integrations"),)
    allowed = (
        *("id", "kind", "name", "active", "base_url", "import_api_url", "can_import", "is_other", "story_name"),
        *("company", "product", "component", "filter_id", "view_id", "statuses_to_exclude", "bin_id"),
        *("external_project_id", "comments_private", "update_comments", "update_state", "created_at", "updated_at"),
    )
    urls = ("base_url", "import_api_url")
    foreign_ids: ClassVar[tuple[str, ...]] = ("filter_id", "view_id", "bin_id", "external_project_id")
    """Numbers in some tools and texts in others, and a column has one type."""

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        records = super().records(row, partition)
        for record in records:
            record |= {key: as_text(record[key]) for key in self.foreign_ids if key in record}
        return records


def without_secrets(url: str) -> str:
    """A URL without user, password, query and fragment; one that cannot be taken apart is left out wholly."""
    parts = _URL.fullmatch(url.partition("?")[0].partition("#")[0])
    return f"{parts['scheme']}{parts['host']}{parts['path']}" if parts else ""
