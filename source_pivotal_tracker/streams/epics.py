"""Epics."""

from __future__ import annotations

from source_pivotal_tracker.api.fields import DEFAULT, select
from source_pivotal_tracker.streams.base import Endpoint, TrackerStream

EPICS = Endpoint("projects/{project_id}/epics", part_of="epic_id")


class Epics(TrackerStream):
    """An epic: the stories that carry its label belong to it.

    https://www.pivotaltracker.com/help/api/rest/v5#Epics, recording get_epics.json
    """

    endpoints = (EPICS,)
    cursor_field = "updated_at"
    fields = select(
        DEFAULT,
        "follower_ids",
        "past_done_story_estimates",
        "past_done_stories_count",
        "past_done_stories_no_point_count",
        "completed_at",
        "projected_completion",
    )
