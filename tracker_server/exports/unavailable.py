"""What an export cannot tell: the endpoints that say so, and the attributes that are left out."""

from __future__ import annotations

from collections.abc import Mapping

_WHAT = {
    "activity": "who did what",
    "story_activity": "who did what",
    "epic_activity": "who did what",
    "my_activity": "who did what",
    "transitions": "when a story came into which state",
    "story_transitions": "when a story came into which state",
    "history_days": "how a project stood on former days",
    "iteration_cycle_times": "how long a story was in which state",
    "webhooks": "which webhooks a project had",
    "integrations": "which integrations a project had",
    "accounts": "of accounts",
    "account": "of accounts",
    "account_memberships": "of accounts",
    "my_workspaces": "of workspaces",
    "my_workspace": "of workspaces",
    "my_notifications": "what people were notified of",
}
UNAVAILABLE_ENDPOINTS: Mapping[str, str] = {
    endpoint: f"An export does not tell {what}." for endpoint, what in _WHAT.items()
}
"""As `World.unavailable_endpoints`."""

UNAVAILABLE_PERSON = "An export does not tell whose it is."
"""Of `/me` and all below `/my`, for who wants no made-up person: a world cannot do without one."""

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
