"""The search of a project, and the parameter `filter`, which asks in the same language."""

from __future__ import annotations

from tracker_server.api.call import Answer, Call
from tracker_server.api.errors import ApiError, invalid_parameter
from tracker_server.search.index import SearchTooLong
from tracker_server.search.parsing import QueryError, parse
from tracker_server.search.query import Query
from tracker_server.view import View, rows_by_id
from tracker_server.world import Row

BESIDE_FILTER = ("fields", "envelope", "date_format", "limit", "offset", "token")
"""The parameters that `filter` can be combined with; Tracker refuses the others."""


def search(call: Call, view: View) -> Answer:
    """Stories and epics, as in search_project.json of the recordings."""
    text = call.parameters.text("query")
    if text is None:
        raise invalid_parameter("this endpoint requires at least one of the following parameters: query")
    query = _parsed(call, view, "query", text)
    with_done = found(call, view, query, "story", done=True)
    hits = found(call, view, query, "story")
    epics = rows_by_id(view.project.epics, found(call, view, query, "epic"))
    accepted = [story_id for story_id in hits if view.project.stories[story_id]["current_state"] == "accepted"]
    stories: Row = {
        "stories": rows_by_id(view.project.stories, hits),
        "total_points": view.figures.points_of(hits),
        "total_points_completed": view.figures.points_of(accepted),
        "total_hits": len(hits),
        "total_hits_with_done": len(with_done),
    }
    row = {"stories": stories, "epics": {"epics": epics, "total_hits": len(epics)}, "query": text}
    return call.single("search_result_container", row, view)


def filtered(call: Call, view: View, kind: str) -> list[int] | None:
    """The ids that `filter` leaves, in the order of priority; None without `filter`. Raises ApiError."""
    text = call.parameters.text("filter")
    if text is None:
        return None
    if others := call.parameters.names() - {"filter", *BESIDE_FILTER}:
        raise invalid_parameter(f"'filter' cannot be combined with '{min(others)}'")
    return found(call, view, _parsed(call, view, "filter", text), kind)


def found(call: Call, view: View, query: Query, kind: str, *, done: bool = False) -> list[int]:
    """The ids of what a query finds; without `done`, no stories of iterations that are over."""
    call.index.update(view.project)
    try:
        return call.index.ids(query, kind, view.project, done=done)
    except SearchTooLong as problem:
        raise ApiError(503, "service_unavailable", f"{problem}.") from None


def _parsed(call: Call, view: View, parameter: str, text: str) -> Query:
    try:
        return parse(text, call.index.today(view.project))
    except QueryError as error:
        raise invalid_parameter(f"'{parameter}' cannot be used: {error}") from None
