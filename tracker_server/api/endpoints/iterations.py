"""The endpoints of iterations."""

from __future__ import annotations

from tracker_server.api.call import Answer, Call
from tracker_server.api.errors import unfound_resource
from tracker_server.view import View
from tracker_server.world import Row

SCOPES = ("done", "current", "backlog", "current_backlog", "done_current")


def iterations(call: Call, view: View) -> Answer:
    scope = call.parameters.text("scope", SCOPES)
    rows, current = view.figures.iterations, view.figures.current_iteration_number
    if scope == "current":
        return call.unpaginated("iteration", [row for row in rows if row["number"] == current], view)
    if scope == "done":
        done = [row for row in rows if row["number"] < current]
        return call.page_from_either_end("iteration", done, view, call.caps.iterations, limit=10)
    first = {"backlog": current + 1, "current_backlog": current}.get(scope or "", 1)
    last = current if scope == "done_current" else len(rows)
    rows = [row for row in rows if first <= row["number"] <= last]
    return call.page("iteration", rows, view, call.caps.iterations, limit=10)


def _iteration_row(view: View, number: int) -> Row:
    for row in view.figures.iterations:
        if row["number"] == number:
            return row
    raise unfound_resource()


def iteration(call: Call, view: View, number: int) -> Answer:
    return call.single("iteration", _iteration_row(view, number), view)


def iteration_cycle_times(call: Call, view: View, number: int) -> Answer:
    story_ids = _iteration_row(view, number)["story_ids"]
    rows = [row for story_id in story_ids if (row := view.figures.cycle_time(story_id))]
    return call.unpaginated("cycle_time_details", rows, view)
