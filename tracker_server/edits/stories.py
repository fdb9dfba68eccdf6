"""Commands on stories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracker_server.edits.edit import Edit, command, comment_values, refuse_unknown, this_type
from tracker_server.edits.lookup import labels_by_id, person_by_id, story_by_id
from tracker_server.edits.priority import DONE, PLACES, insert, position_of, shift, stretch_start
from tracker_server.world import Project, Row, World, iso

STORY_ATTRIBUTES = {
    "name",
    "description",
    "story_type",
    "story_priority",
    "current_state",
    "estimate",
    "deadline",
    "requested_by_id",
    "owner_ids",
    "label_ids",
    "follower_ids",
    "external_id",
    "integration_id",
}
CREATION_ATTRIBUTES = STORY_ATTRIBUTES | {"created_at", "accepted_at"}


@command
def create_story(
    world: World,
    project: Project,
    by: int,
    *,
    name: str,
    tasks: Sequence[str] = (),
    comments: Sequence[str] = (),
    **values: Any,
) -> Row:
    """A new story with the attributes `values`, and in the same command its tasks and comments, given as texts.

    Unless `values` say otherwise it is an unscheduled feature that `by` requests. It stands first in the icebox,
    or last of the stretch that its state belongs to.
    """
    edit = Edit(world, project, by)
    story = edit.new_story(checked_values(world, project, {"name": name, **values}, CREATION_ATTRIBUTES))
    edit.record_story(story)
    for position, description in enumerate(tasks, 1):
        edit.append_part(story, "task", {"description": description, "complete": False, "position": position})
    for text in comments:
        edit.append_part(story, "comment", comment_values(by, text))
    edit.commit("story_create", "added", this_type(story), story)
    return story


@command
def create_release(world: World, project: Project, by: int, *, name: str, **values: Any) -> Row:
    """A new story of type release at the end of the backlog; `deadline` is among the `values` it may have."""
    return create_story(
        world, project, by, **{"current_state": "unstarted", **values, "name": name, "story_type": "release"}
    )


@command
def update_story(world: World, project: Project, by: int, story_id: int, **values: Any) -> Row:
    """Set attributes of a story; None empties one. A new state is a transition, and may move the story.

    Accepting sets `accepted_at`, leaving the state accepted takes it away.
    """
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    values = checked_values(world, project, values, STORY_ATTRIBUTES)
    old_state = story["current_state"]
    state = (story | values)["current_state"]
    neighbours: tuple[Row, Row] = ({}, {})
    if state != old_state:
        values["accepted_at"] = iso(world.now) if state == "accepted" else None
        old_place, place = PLACES[old_state], PLACES[state]
        if place > old_place:
            neighbours = shift(project, position_of(project, story), stretch_start(project, place) - 1)
        elif place < old_place:
            neighbours = shift(project, position_of(project, story), stretch_start(project, place + 1))
    edit.update_row(story, values, neighbours)
    highlight, detail = "edited", this_type(story)
    if state != old_state:
        edit.record_transition(story)
        highlight = state
    elif set(values) == {"estimate"} and values["estimate"] is not None:
        points = values["estimate"]
        highlight, detail = "estimated", f"{detail} as {points} point{'' if points == 1 else 's'}"
    edit.commit("story_update", highlight, detail, story)
    return story


@command
def move_story(
    world: World, project: Project, by: int, story_id: int, *, before: int | None = None, after: int | None = None
) -> Row:
    """Give a story another priority: next to the story `before` or `after`, one of the two.

    Its state stays, so it goes only as far as the end of its stretch (in progress, planned, backlog, icebox).
    ValueError for an accepted story: those stand as they were accepted.
    """
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    other_id = after if before is None else before
    if other_id is None or None not in (before, after):
        raise ValueError("a story moves either before or after another")
    other = story_by_id(project, other_id)
    place = PLACES[story["current_state"]]
    if place == DONE:
        raise ValueError(f"story {story_id} is accepted, it has no priority any more")
    index = position_of(project, story)
    to = position_of(project, other) + (before is None)
    to -= to > index
    first, last = stretch_start(project, place), stretch_start(project, place + 1) - 1
    edit.update_row(story, {}, shift(project, index, min(max(to, first), last)))
    edit.commit("story_move", "moved", this_type(story), story)
    return story


@command
def delete_stories(world: World, project: Project, by: int, story_ids: Iterable[int]) -> None:
    """Delete stories with their parts, all in one activity. Stories that a deleted one waited for are released."""
    edit = Edit(world, project, by)
    stories = [story_by_id(project, story_id) for story_id in dict.fromkeys(story_ids)]
    if not stories:
        raise ValueError("no story to delete")
    edit.remove_stories(stories)
    what = this_type(stories[0]) if len(stories) == 1 else f"{len(stories)} stories"
    edit.commit("story_delete", "deleted", what, *stories)


@command
def move_story_to_project(world: World, source: Project, target: Project, by: int, story_id: int) -> Row:
    """Move a story with its parts: a delete in `source` and a create in `target`, one version in each.

    Id, created_at, state and parts stay. Labels become the target's labels of the same name, made where they are
    missing; review types likewise by name. ValueError if both projects are the same.
    """
    leaving, arriving, story = Edit(world, source, by), Edit(world, target, by), story_by_id(source, story_id)
    if source is target:
        raise ValueError(f"story {story_id} is in project {target.id} already")
    names = [label["name"] for label in labels_by_id(source, story["label_ids"])]
    label_ids = [arriving.find_or_create_label(name)["id"] for name in names]
    leaving.remove_stories([story])
    what = this_type(story)
    leaving.commit("story_move_from_project", "moved", f"{what} to {target.row['name']}", story)

    story |= {"project_id": target.id, "label_ids": label_ids, "updated_at": iso(world.now)}
    target_types = {row["name"]: row["id"] for row in target.review_types.values()}
    for review in story["reviews"]:
        type_name = source.review_types[review["review_type_id"]]["name"]
        review["review_type_id"] = target_types.get(type_name, review["review_type_id"])
    target.stories[story_id] = story
    insert(target, story)
    arriving.record_story(story)
    arriving.commit("story_move_into_project", "moved", f"{what} into this project", story)
    return story


@command
def import_stories(world: World, project: Project, by: int, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Create a story for each mapping of attributes, as a CSV import does: all of them in one activity."""
    edit = Edit(world, project, by)
    checked = [checked_values(world, project, values, CREATION_ATTRIBUTES) for values in rows]
    if not all(values.get("name") for values in checked):
        raise ValueError("a story needs a name")
    stories = [edit.new_story(values) for values in checked]
    for story in stories:
        edit.record_story(story)
    edit.commit("model_import", "imported", f"{len(stories)} stories", *stories)
    return stories


@command
def add_follower(world: World, project: Project, by: int, story_id: int, person_id: int) -> Row:
    """Let a person follow a story."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    follower = person_by_id(world, person_id)
    edit.update_row(story, {"follower_ids": [i for i in story["follower_ids"] if i != person_id] + [person_id]})
    edit.commit("follower_create", "added", f"{follower['name']} as a follower of {this_type(story)}", story)
    return story


def checked_values(world: World, project: Project, given: Mapping[str, Any], known: set[str]) -> Row:
    """A checked copy of attributes of a story, with lists of its own."""
    refuse_unknown(given, known, "a story")
    values = dict(given)
    for key in ("owner_ids", "follower_ids", "label_ids"):
        if key in values:
            values[key] = list(values[key] or ())
    if values.get("current_state", "started") not in PLACES:
        raise ValueError(f"{values['current_state']}: not a state of a story")
    if "accepted_at" in values and values.get("current_state") != "accepted":
        raise ValueError("only an accepted story has accepted_at")
    for person_id in (*values.get("owner_ids", ()), *values.get("follower_ids", ())):
        person_by_id(world, person_id)
    labels_by_id(project, values.get("label_ids", ()))
    return values
