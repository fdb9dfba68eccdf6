"""What an export does not contain: the endpoints that answer so, and the attributes that are left out."""

from __future__ import annotations

from collections.abc import Mapping

_NOT_WITHOUT_A_HISTORY = {
    "activity": "who did what",
    "story_activity": "who did what",
    "epic_activity": "who did what",
    "transitions": "when a story came into which state",
    "story_transitions": "when a story came into which state",
    "history_days": "how many stories were in which state on a day",
    "iteration_cycle_times": "how long a story was in which state",
}
HISTORY_ENDPOINTS: Mapping[str, str] = {
    endpoint: f"The export has no history, so it does not say {what}."
    for endpoint, what in _NOT_WITHOUT_A_HISTORY.items()
}
"""As `Project.unavailable_endpoints`, where an export came without a history."""

INCOMPLETE_ENDPOINTS: Mapping[str, str] = {
    "history_days": "Nothing proves that the export has all stories, so it does not say how many were in which state."
}
"""The same for an export with a history that may be a part of the project."""

HISTORY_ATTRIBUTES = frozenset({"story.transitions", "story.cycle_time_details"})
"""As `Project.unavailable_attributes`, there too."""

_DOES_NOT = {
    "my_activity": "say whose it is",
    "webhooks": "contain webhooks",
    "integrations": "contain integrations",
    "accounts": "contain accounts",
    "account": "contain accounts",
    "account_memberships": "contain accounts",
    "my_workspaces": "contain workspaces",
    "my_workspace": "contain workspaces",
    "my_notifications": "contain notifications",
}
UNAVAILABLE_ENDPOINTS: Mapping[str, str] = {
    endpoint: f"An export does not {what}." for endpoint, what in _DOES_NOT.items()
}
"""As `World.unavailable_endpoints`."""

UNAVAILABLE_PERSON = "An export does not say whose it is."
"""For `/me` and all below `/my`, where a made-up person is not wanted: a world always has one."""

UNAVAILABLE_ATTRIBUTES = frozenset(
    (
        "me.accounts", "me.account_ids", "me.workspaces", "me.workspace_ids",
        "project.account", "project.integration_ids", "project.shown_iterations_start_time",
        "story.followers", "story.follower_ids",
        "epic.followers", "epic.follower_ids",
        "comment.google_attachments", "comment.google_attachment_ids", "comment.attachment_ids",
        "iteration.team_strength", "iteration.effective_points",
    )
)  # fmt: skip
"""As `World.unavailable_attributes`."""
