"""Stories and their parts."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from dataclasses import replace

from source_pivotal_tracker.api.fields import DEFAULT, WHOLE, select
from source_pivotal_tracker.streams.base import PartStream, TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, Partition
from source_pivotal_tracker.streams.rows import Deletion, Row, without

STORIES = Endpoint(
    "projects/{project_id}/stories",
    page_size=500,  # the API's cap; its default of 100 costs five times the requests
    since="updated_after",
    part_of="story_id",
    activity_kind="story",
    lookup_by_id=True,
)
STORY_PARTS = frozenset({"tasks", "comments", "blockers", "reviews", "pull_requests", "branches", "cycle_time_details"})
RELEASE_FIGURES = (
    "points_accepted",
    "points_total",
    "counts_accepted",
    "counts_total",
    "projected_completion",
)


class Stories(TrackerStream):
    """A story of a project, wherever it stands: done, current, backlog or icebox.

    The API lists stories in live priority order, not by time.
    https://www.pivotaltracker.com/help/api/rest/v5#Stories
    """

    endpoints = (STORIES,)
    cursor_field = "updated_at"
    deleted_kind = "story"
    also_list = {"with_story_type": "release"}
    fields = select(DEFAULT, "follower_ids", "blocked_story_ids", *RELEASE_FIGURES)

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return (without(row, STORY_PARTS),)


class StoryPart(PartStream, ABC):
    """A part of a story. When it changes, it moves the `updated_at` of its story too."""

    endpoints = (STORIES,)
    cursor_field = "updated_at"


class StoryTasks(StoryPart):
    """A line of a story's check-list.

    https://www.pivotaltracker.com/help/api/rest/v5#Story_Tasks, recording get_tasks_for_story.json
    """

    part = "tasks"
    deleted_kind = "task"


class StoryBlockers(StoryPart):
    """What blocks a story, in words or by the number of another story.

    https://www.pivotaltracker.com/help/api/rest/v5#Story_Blockers
    """

    part = "blockers"
    deleted_kind = "blocker"


class StoryReviews(StoryPart):
    """A review that a story asks for, of one of its project's review types.

    https://www.pivotaltracker.com/help/api/rest/v5#Reviews, recording get_story_reviews.json
    """

    part = "reviews"
    deleted_kind = "review"


class StoryPullRequests(StoryPart):
    """A pull request that is attached to a story. Recording get_story_with_pull_requests.json."""

    part = "pull_requests"
    deleted_kind = "pull_request"
    inside = WHOLE


class StoryBranches(StoryPart):
    """A branch that is attached to a story; the API shows it nowhere but inside its story."""

    part = "branches"
    deleted_kind = "branch"
    inside = WHOLE


class StoryCycleTimes(PartStream):
    """The time that a story has spent in each state, in milliseconds.

    The times of a story that is not accepted grow with every look, and nothing else of it changes.
    Recording get_cycle_time_details.json.

    An unchanged project does not spare it, unlike all other parts of a story.
    """

    endpoints = (STORIES,)
    primary_key = ["project_id", "story_id"]
    part = "cycle_time_details"
    inside = WHOLE


class StoryTransitions(TrackerStream):
    """A change of a story's state: which, when, and by whom.

    There are none from before 2017, and one command can move several stories: project, version and story
    together name a transition. https://www.pivotaltracker.com/help/api/rest/v5#Story_Transitions
    """

    endpoints = (Endpoint("projects/{project_id}/story_transitions", page_size=2000, since="occurred_after"),)
    primary_key = ["project_id", "project_version", "story_id"]
    cursor_field = "occurred_at"


class Releases(TrackerStream):
    """A release marker: a story of type release, with the figures of the stories before it.

    https://www.pivotaltracker.com/help/api/rest/v5#Releases, recording get_releases.json

    `projected_completion` is a forecast of the day on which the release was read.
    """

    endpoints = (Endpoint("projects/{project_id}/releases", page_size=500),)
    cursor_field = "updated_at"
    deleted_kind = "story"
    fields = select(DEFAULT, "story_ids", *RELEASE_FIGURES)

    def tombstone(self, deletion: Deletion, partition: Partition) -> Row | None:
        if deletion.kind == "release":
            deletion = replace(deletion, kind="story")
        return super().tombstone(deletion, partition) if deletion.story_type in (None, "release") else None
