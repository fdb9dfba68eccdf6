"""What people did."""

from __future__ import annotations

from collections.abc import Sequence

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, Partition
from source_pivotal_tracker.streams.rows import Row, filled

ACTIVITY = Endpoint(
    "projects/{project_id}/activity",
    page_size=500,
    since="occurred_after",
    append_only=True,
    newest_first=True,
    tells_changes=True,
)


class Activity(TrackerStream):
    """One command in a project and all that it changed, newest first; most plans keep about six months of them.

    https://www.pivotaltracker.com/help/api/rest/v5#Activity, recording get_project_activity.json
    """

    endpoints = (ACTIVITY,)
    primary_key = "guid"
    cursor_field = "occurred_at"

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return (filled({**row}, project_id=(row.get("project") or {}).get("id")),)


class MyActivity(Activity):
    """One command of the token's person, in any project. Recording get_my_activities.json.

    A project that the person leaves takes its rows out of the list, so an interrupted read starts again.
    """

    endpoints = (Endpoint("my/activity", page_size=500, since="occurred_after", append_only=True),)
