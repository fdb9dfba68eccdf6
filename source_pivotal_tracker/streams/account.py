"""The token's person, and the accounts that person has a say in."""

from __future__ import annotations

from collections.abc import Sequence

from source_pivotal_tracker.api.fields import select
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, ParentKind, Partition
from source_pivotal_tracker.streams.rows import Row


class Accounts(TrackerStream):
    """An account that the token's person owns or administers.

    https://www.pivotaltracker.com/help/api/rest/v5#Accounts
    """

    endpoints = (Endpoint("accounts"),)
    provides_parent = ParentKind.ACCOUNT


class AccountMemberships(TrackerStream):
    """A person's place in an account. https://www.pivotaltracker.com/help/api/rest/v5#Account_Memberships"""

    endpoints = (Endpoint("accounts/{account_id}/memberships"),)


class Me(TrackerStream):
    """The person that the token belongs to, without the token. Recording get_me.json."""

    endpoints = (Endpoint("me", single=True),)
    fields = select(
        *("id", "kind", "name", "initials", "username", "email", "time_zone", "has_google_identity"),
        *("receives_in_app_notifications", "projects", "accounts", "workspace_ids", "personal_settings"),
        *("created_at", "updated_at"),
    )

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return ({key: value for key, value in row.items() if key in self.fields},)


class Workspaces(TrackerStream):
    """A set of projects that the token's person looks at together. Recording get_all_workspaces.json."""

    endpoints = (Endpoint("my/workspaces"),)


class Notifications(TrackerStream):
    """Something that the token's person was notified of. Recording get_all_notifications.json.

    A notification does not come again when the person reads it.
    """

    endpoints = (Endpoint("my/notifications", since="created_after"),)
    cursor_field = "created_at"

    def since(self, partition: Partition) -> str | None:
        """From the beginning: without the parameter, the server goes back ten days."""
        return super().since(partition) or "1970-01-01T00:00:00Z"
