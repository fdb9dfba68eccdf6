"""The endpoints of activity and of transitions: what happened, of a person, a project, a story or an epic."""

from __future__ import annotations

from operator import itemgetter

from tracker_server.api.call import Answer, Call
from tracker_server.api.endpoints.epics import epic_row
from tracker_server.api.endpoints.stories import story_row
from tracker_server.view import View, projects_of
from tracker_server.world import Row

OCCURRED_AT = itemgetter("occurred_at")


def my_activity(call: Call) -> Answer:
    rows = [
        row
        for project in projects_of(call.world, call.person_id)
        for row in project.activity
        if row["performed_by"]["id"] == call.person_id
    ]
    rows.sort(key=lambda row: (row["occurred_at"], row["project_version"]), reverse=True)
    rows = call.between(rows, OCCURRED_AT, "occurred")
    return call.page("activity", rows, call.views.outside_projects, call.caps.activity)


def activity(call: Call, view: View) -> Answer:
    return _activity(call, view, view.project.activity)


def story_activity(call: Call, view: View, story_id: int) -> Answer:
    story_row(view, story_id)
    return _activity(call, view, view.activity_of("story", story_id))


def epic_activity(call: Call, view: View, epic_id: int) -> Answer:
    epic_row(view, epic_id)
    return _activity(call, view, view.activity_of("epic", epic_id))


def _activity(call: Call, view: View, oldest_first: list[Row]) -> Answer:
    since = call.parameters.whole("since_version")
    ascending = call.parameters.text("sort_order", ["asc", "desc"]) == "asc"
    rows = oldest_first if ascending else oldest_first[::-1]
    if since is not None:
        rows = [row for row in rows if row["project_version"] > since]
    rows = call.between(rows, OCCURRED_AT, "occurred")
    return call.page("activity", rows, view, call.caps.activity)


def story_transitions(call: Call, view: View, story_id: int) -> Answer:
    story_row(view, story_id)
    rows = view.figures.transitions_of(story_id)
    return call.page("story_transition", rows, view, call.caps.transitions)


def transitions(call: Call, view: View) -> Answer:
    rows = call.between(view.project.transitions, OCCURRED_AT, "occurred")
    return call.page("story_transition", rows, view, call.caps.transitions)
