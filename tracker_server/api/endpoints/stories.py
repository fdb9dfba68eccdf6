"""The endpoints of stories, of releases, and of what belongs to a story."""

from __future__ import annotations

from operator import methodcaller

from tracker_server.api.call import Answer, Call
from tracker_server.api.endpoints.search import filtered
from tracker_server.api.errors import invalid_parameter, unfound_resource
from tracker_server.derived import STATES
from tracker_server.view import View, row_with_id, rows_by_id
from tracker_server.world import STORY_PART_KINDS, Row

STORY_TYPES = ("feature", "bug", "chore", "release")
PRIORITIES = ("p0", "p1", "p2", "p3", "none")
BULK_MAX = 500
PARTS_WITH_ENDPOINTS = ("tasks", "comments", "blockers", "reviews")
"""Pull requests and branches are shown nowhere but in their stories, and review types in reviews and projects."""


def stories_in_order(view: View) -> list[Row]:
    stories = view.project.stories
    return [stories[story_id] for story_id in view.project.order]


def stories(call: Call, view: View) -> Answer:
    found = filtered(call, view, "story")
    rows = stories_in_order(view) if found is None else rows_by_id(view.project.stories, found)
    places = view.story_places
    for name, allowed in (("story_type", STORY_TYPES), ("state", STATES), ("story_priority", PRIORITIES)):
        attribute = {"state": "current_state"}.get(name, name)
        value = call.parameters.text(f"with_{name}", allowed)
        if value is not None:
            rows = [row for row in rows if row.get(attribute) == value]
    label_name = call.parameters.text("with_label")
    if label_name is not None:
        ids = {row["id"] for row in view.project.labels.values() if row["name"] == label_name}
        rows = [row for row in rows if not ids.isdisjoint(row.get("label_ids", ()))]
    after = _place(call, view, "after_story_id")
    before = _place(call, view, "before_story_id")
    if after is not None:
        rows = [row for row in rows if places[row["id"]] > after]
    if before is not None:
        rows = [row for row in rows if places[row["id"]] < before]
    rows = call.between(rows, methodcaller("get", "accepted_at"), "accepted")
    rows = call.between(rows, methodcaller("get", "created_at"), "created")
    rows = call.between(rows, call.dialect.updated_at(view), "updated")
    rows = call.between(rows, methodcaller("get", "deadline"), "deadline")
    return call.page("story", rows, view, call.caps.stories)


def _place(call: Call, view: View, parameter: str) -> int | None:
    story_id = call.parameters.whole(parameter)
    if story_id is not None and story_id not in view.story_places:
        raise invalid_parameter(f"'{parameter}' is not a story of this project")
    return None if story_id is None else view.story_places[story_id]


def stories_bulk(call: Call, view: View) -> Answer:
    ids = call.parameters.ids("ids")
    if ids is None:
        raise invalid_parameter("this endpoint requires at least one of the following parameters: ids")
    if len(ids) > BULK_MAX:
        raise invalid_parameter(f"'ids' may hold at most {BULK_MAX} ids")
    return call.unpaginated("story", rows_by_id(view.project.stories, dict.fromkeys(ids)), view)


def story_row(view: View, story_id: int) -> Row:
    if story_id not in view.project.stories:
        raise unfound_resource()
    return view.project.stories[story_id]


def story(call: Call, view: View, story_id: int) -> Answer:
    return call.single("story", story_row(view, story_id), view)


def top_story(call: Call, story_id: int) -> Answer:
    return call.in_project(call.world.with_story(story_id), story, story_id=story_id)


def story_part(call: Call, view: View, story_id: int, part: str) -> Answer:
    return call.unpaginated(STORY_PART_KINDS[part], story_row(view, story_id).get(part, ()), view)


def story_part_row(call: Call, view: View, story_id: int, part: str, part_id: int) -> Answer:
    return call.single(STORY_PART_KINDS[part], row_with_id(story_row(view, story_id).get(part, []), part_id), view)


def story_owners(call: Call, view: View, story_id: int) -> Answer:
    return call.unpaginated("person", rows_by_id(call.world.people, story_row(view, story_id)["owner_ids"]), view)


def story_labels(call: Call, view: View, story_id: int) -> Answer:
    rows = rows_by_id(view.project.labels, story_row(view, story_id)["label_ids"])
    return call.unpaginated("label", rows, view)


def releases(call: Call, view: View) -> Answer:
    state = call.parameters.text("with_state", STATES)
    rows = [row for row in stories_in_order(view) if row["story_type"] == "release"]
    rows = [row for row in rows if state is None or row["current_state"] == state]
    return call.page("release", rows, view, call.caps.releases)


def _release_row(view: View, release_id: int) -> Row:
    row = view.project.stories.get(release_id)
    if row is None or row["story_type"] != "release":
        raise unfound_resource()
    return row


def release(call: Call, view: View, release_id: int) -> Answer:
    return call.single("release", _release_row(view, release_id), view)


def release_stories(call: Call, view: View, release_id: int) -> Answer:
    _release_row(view, release_id)
    story_ids = view.figures.release(release_id)["story_ids"]
    return call.unpaginated("story", rows_by_id(view.project.stories, story_ids), view)
