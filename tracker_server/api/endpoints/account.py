"""The endpoints of the person who asks, and of accounts."""

from __future__ import annotations

from datetime import timedelta

from tracker_server.api.call import Answer, Call
from tracker_server.api.errors import invalid_parameter, unauthorized_operation, unfound_resource
from tracker_server.api.times import to_millis
from tracker_server.view import accounts_of
from tracker_server.world import Row, iso

NOTIFICATION_WINDOW = timedelta(days=10)


def me(call: Call) -> Answer:
    settings = call.world.person_settings.get(call.person_id, {})
    row = {**call.world.people[call.person_id], **settings, "kind": "me", "api_token": call.token or None}
    return call.single("me", row, call.views.outside_projects)


def my_people(call: Call) -> Answer:
    project_id = call.parameters.whole("project_id")
    if project_id is None:
        problem = "this endpoint requires at least one of the following parameters: project_id"
        raise invalid_parameter(problem)
    if project_id not in call.world.projects:
        raise unfound_resource()
    view = call.authorized_view(call.world.projects[project_id])
    return call.unpaginated("my_person", view.memberships(), view)


def my_notifications(call: Call) -> Answer:
    rows = call.world.notifications.get(call.person_id, [])
    after = iso(call.parameters.moment("created_after") or call.world.now - NOTIFICATION_WINDOW)
    answer = call.unpaginated(
        "notification", [row for row in rows if row["created_at"] > after], call.views.outside_projects
    )
    if rows:
        newest = max(row["updated_at"] for row in rows)
        answer.headers["X-Tracker-Last-Notification-Timestamp"] = str(to_millis(newest))
    return answer


def my_workspaces(call: Call) -> Answer:
    return call.unpaginated("workspace", call.world.workspaces.get(call.person_id, []), call.views.outside_projects)


def my_workspace(call: Call, workspace_id: int) -> Answer:
    rows = call.world.workspaces.get(call.person_id, [])
    row = next((row for row in rows if row["id"] == workspace_id), None)
    return call.single("workspace", row, call.views.outside_projects)


def accounts(call: Call) -> Answer:
    return call.unpaginated("account", accounts_of(call.world, call.person_id), call.views.outside_projects)


def _administered(call: Call, account_id: int) -> Row:
    if account_id not in call.world.accounts:
        raise unfound_resource()
    row = call.world.accounts[account_id]
    if row not in accounts_of(call.world, call.person_id):
        raise unauthorized_operation("Only an owner or an administrator of the account may do this.")
    return row


def account(call: Call, account_id: int) -> Answer:
    return call.single("account", _administered(call, account_id), call.views.outside_projects)


def account_memberships(call: Call, account_id: int) -> Answer:
    _administered(call, account_id)
    rows = [row for row in call.world.account_memberships.values() if row["account_id"] == account_id]
    return call.unpaginated("account_membership", rows, call.views.outside_projects)
