"""The priority list of a project, and where in it a story belongs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from tracker_server.world import Project, Row

# A story's state decides in which stretch of the priority list it stands.
PLACES = {
    "accepted": 0,
    "delivered": 1,
    "finished": 1,
    "rejected": 1,
    "started": 1,
    "planned": 2,
    "unstarted": 3,
    "unscheduled": 4,
}
DONE, ICEBOX = 0, 4


def stretch_start(project: Project, place: int) -> int:
    """Where in the priority list a stretch starts; one past the last place is the end of the list."""
    stories = project.stories
    return bisect_left(project.order, place, key=lambda story_id: PLACES[stories[story_id]["current_state"]])


def position_of(project: Project, story: Row) -> int:
    return project.order.index(story["id"], stretch_start(project, PLACES[story["current_state"]]))


def neighbours_at(order: Sequence[int], index: int) -> Row:
    return {
        "before_id": order[index + 1] if index + 1 < len(order) else None,
        "after_id": order[index - 1] if index else None,
    }


def shift(project: Project, index: int, to: int) -> tuple[Row, Row]:
    """Move the story at `index` to `to`; its neighbours then and now, as far as they are others."""
    order = project.order
    old = neighbours_at(order, index)
    order.insert(to, order.pop(index))
    new = neighbours_at(order, to)
    moved = [key for key in old if old[key] != new[key]]
    return {key: old[key] for key in moved}, {key: new[key] for key in moved}


def insert(project: Project, story: Row) -> None:
    """Put a story into the priority list: accepted ones by time, the icebox from the top, others at their end."""
    place = PLACES[story["current_state"]]
    if place == DONE:
        stories, accepted_at = project.stories, story["accepted_at"]
        end = stretch_start(project, DONE + 1)
        index = bisect_right(project.order, accepted_at, 0, end, key=lambda i: stories[i]["accepted_at"])
    else:
        index = stretch_start(project, min(place + 1, ICEBOX))
    project.order.insert(index, story["id"])
