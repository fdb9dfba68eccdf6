"""What there is to read: one class a stream, in reading order."""

from __future__ import annotations

from source_pivotal_tracker.streams.account import (
    AccountMemberships,
    Accounts,
    Me,
    Notifications,
    Workspaces,
)
from source_pivotal_tracker.streams.activity import Activity, MyActivity
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.comments import (
    EpicComments,
    FileAttachments,
    GoogleAttachments,
    StoryComments,
)
from source_pivotal_tracker.streams.epics import Epics
from source_pivotal_tracker.streams.projects import (
    Integrations,
    Iterations,
    Labels,
    ProjectHistoryDays,
    ProjectMemberships,
    Projects,
    ReviewTypes,
    Webhooks,
)
from source_pivotal_tracker.streams.stories import (
    Releases,
    Stories,
    StoryBlockers,
    StoryBranches,
    StoryCycleTimes,
    StoryPullRequests,
    StoryReviews,
    StoryTasks,
    StoryTransitions,
)

STREAMS: tuple[type[TrackerStream], ...] = (
    Projects,
    ProjectMemberships,
    Labels,
    Epics,
    EpicComments,
    Releases,
    Iterations,
    ProjectHistoryDays,
    Stories,
    StoryTasks,
    StoryComments,
    StoryBlockers,
    StoryReviews,
    StoryPullRequests,
    StoryBranches,
    StoryCycleTimes,
    FileAttachments,
    GoogleAttachments,
    StoryTransitions,
    ReviewTypes,
    Activity,
    Webhooks,
    Integrations,
    Accounts,
    AccountMemberships,
    Me,
    Workspaces,
    Notifications,
    MyActivity,
)
