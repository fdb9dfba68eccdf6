"""The endpoints of projects, and of what a project has besides stories and epics."""

from __future__ import annotations

from tracker_server.api.call import Answer, Call
from tracker_server.view import View, projects_of


def projects(call: Call) -> Answer:
    account_ids = call.parameters.ids("account_ids")
    found = projects_of(call.world, call.person_id)
    rows = [visible.row for visible in found if account_ids is None or visible.row.get("account_id") in account_ids]
    return call.unpaginated("project", rows, call.views.outside_projects)


def project(call: Call, view: View) -> Answer:
    return call.single("project", view.project.row, view)


def memberships(call: Call, view: View) -> Answer:
    rows = view.memberships()
    if call.parameters.text("sort_by", ["name"]):
        rows.sort(key=lambda row: str(call.world.people[row["person_id"]]["name"]).casefold())
    return call.unpaginated("project_membership", rows, view)


def membership(call: Call, view: View, membership_id: int) -> Answer:
    row = next((row for row in view.memberships() if row["id"] == membership_id), None)
    return call.single("project_membership", row, view)


def labels(call: Call, view: View) -> Answer:
    return call.unpaginated("label", view.sorted_labels(), view)


def label(call: Call, view: View, label_id: int) -> Answer:
    return call.single("label", view.project.labels.get(label_id), view)


def webhooks(call: Call, view: View) -> Answer:
    call.require_owner(view.project)
    return call.unpaginated("webhook", view.project.webhooks.values(), view)


def integrations(call: Call, view: View) -> Answer:
    call.require_owner(view.project)
    return call.unpaginated("integration", view.project.integrations.values(), view)


def history_days(call: Call, view: View) -> Answer:
    start, end = call.parameters.day("start_date"), call.parameters.day("end_date")
    return Answer(view.figures.history_days(start, end))
