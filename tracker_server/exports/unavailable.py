"""What an export does not contain: the endpoints that answer so, and the attributes that are left out."""

from __future__ import annotations

from collections.abc import Mapping

_DOES_NOT = {
    "activity": "say who did what",
    "story_activity": "say who did what",
    "epic_activity": "say who did what",
    "my_activity": "say who did what",
    "transitions": "say when a story came into which state",
    "story_transitions": "say when a story came into which state",
    "history_days": "contain the daily history of a project",
    "iteration_cycle_times": "say how long a story was in which state",
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
        "story.transitions", "story.cycle_time_details", "story.followers", "story.follower_ids",
        "epic.followers", "epic.follower_ids",
        "comment.google_attachments", "comment.google_attachment_ids", "comment.attachment_ids",
        "iteration.team_strength", "iteration.effective_points",
    )
)  # fmt: skip
"""As `World.unavailable_attributes`."""
