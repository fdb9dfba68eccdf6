"""The endpoints of epics and their comments."""

from __future__ import annotations

from tracker_server.api.call import Answer, Call
from tracker_server.api.endpoints.search import filtered
from tracker_server.api.errors import unfound_resource
from tracker_server.view import View, row_with_id, rows_by_id
from tracker_server.world import Row


def epics(call: Call, view: View) -> Answer:
    found = filtered(call, view, "epic")
    epics = view.project.epics
    return call.unpaginated("epic", epics.values() if found is None else rows_by_id(epics, found), view)


def epic(call: Call, view: View, epic_id: int) -> Answer:
    return call.single("epic", view.project.epics.get(epic_id), view)


def top_epic(call: Call, epic_id: int) -> Answer:
    return call.in_project(call.world.with_epic(epic_id), epic, epic_id=epic_id)


def epic_row(view: View, epic_id: int) -> Row:
    if epic_id not in view.project.epics:
        raise unfound_resource()
    return view.project.epics[epic_id]


def epic_comments(call: Call, view: View, epic_id: int) -> Answer:
    return call.unpaginated("comment", epic_row(view, epic_id)["comments"], view)


def epic_comment(call: Call, view: View, epic_id: int, comment_id: int) -> Answer:
    return call.single("comment", row_with_id(epic_row(view, epic_id)["comments"], comment_id), view)
