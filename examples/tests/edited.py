"""What a team does between two syncs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tracker_server import edits
from tracker_server.sample import SAMPLE_TOKEN
from tracker_server.world import World

DIGITS = "007"


@dataclass(frozen=True)
class Edited:
    """What was done to a world: the project that was left alone, and the stories that went, or went to a project."""

    quiet: int
    deleted: list[int]
    moved: dict[int, int]


def edit(world: World) -> Edited:
    """Let it work in two of the three projects."""
    by = world.tokens[SAMPLE_TOKEN]
    project, other, quiet = world.projects.values()
    stories = [story for story in project.stories.values() if story["story_type"] != "release"]
    talked_of = next(story for story in stories if story["tasks"] and story["comments"])
    named, finished, *deleted, moved = [story["id"] for story in stories if story is not talked_of][:6]
    world.now += timedelta(minutes=10)
    edits.update_story(world, project, by, named, name=DIGITS)
    edits.update_story(world, project, by, finished, current_state="finished")
    edits.create_story(world, project, by, name="A new story", external_id=DIGITS, tasks=["One", "Two"])
    edits.delete_task(world, project, by, talked_of["id"], talked_of["tasks"][0]["id"])
    edits.delete_comment(world, project, by, talked_of["comments"][0]["id"], story_id=talked_of["id"])
    edits.create_label(world, project, by, name=DIGITS)
    edits.delete_stories(world, project, by, deleted)
    edits.move_story_to_project(world, project, other, by, moved)
    for hooked in world.projects.values():
        hooked.webhooks.clear()
    world.now += timedelta(minutes=10)
    return Edited(quiet.id, deleted, {moved: other.id})
