"""Epics."""

from __future__ import annotations

from collections.abc import Sequence

from source_pivotal_tracker.api.fields import DEFAULT, select
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, Partition
from source_pivotal_tracker.streams.rows import Row, without

EPICS = Endpoint("projects/{project_id}/epics", part_of="epic_id", activity_kind="epic")
EPIC_PARTS = frozenset({"comments"})


class Epics(TrackerStream):
    """An epic: the stories that carry its label belong to it.

    https://www.pivotaltracker.com/help/api/rest/v5#Epics, recording get_epics.json

    `projected_completion` is a forecast of the day on which the epic was read.
    """

    endpoints = (EPICS,)
    cursor_field = "updated_at"
    deleted_kind = "epic"
    fields = select(
        DEFAULT,
        "follower_ids",
        "past_done_story_estimates",
        "past_done_stories_count",
        "past_done_stories_no_point_count",
        "completed_at",
        "projected_completion",
    )

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return (without(row, EPIC_PARTS),)
