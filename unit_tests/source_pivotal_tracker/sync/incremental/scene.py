"""A small world with one of everything that people change, and the edits that they make in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from source_pivotal_tracker.streams.times import moment
from tracker_server import edits
from tracker_server.sample import make_world
from tracker_server.world import Project, World, iso

Id = int


@dataclass(frozen=True)
class Scene:
    """A world of two projects, and things in the first that are there to be changed: their ids by their names.

    An edit returns the stories that it touches.
    """

    world: World
    project: Project
    other: Project
    by: Id
    story: Id
    neighbour: Id
    release: Id
    task: Id
    comment: Id
    blocker: Id
    review: Id
    pull_request: Id
    branch: Id
    epic: Id
    epic_comment: Id
    label: Id
    second_label: Id
    membership: Id

    @property
    def here(self) -> tuple[World, Project, Id]:
        """What every edit of the first project takes first."""
        return self.world, self.project, self.by

    @property
    def now(self) -> str:
        return iso(self.world.now)

    def later(self, **duration: int) -> str:
        """Let time pass, an hour if nothing is said; the new time."""
        self.world.now += timedelta(**(duration or {"hours": 1}))
        return self.now

    def fresh(self) -> set[Id]:
        """The stories that an incremental read asks for whether they changed or not."""
        stories = self.project.stories
        newest = moment(max(story["updated_at"] for story in stories.values()))
        since = iso(newest - timedelta(minutes=1))
        return {key for key, row in stories.items() if row["story_type"] == "release" or row["updated_at"] >= since}

    def edit_story(self) -> set[Id]:
        edits.update_story(*self.here, self.story, name="Shinier")
        return {self.story}

    def accept(self) -> set[Id]:
        edits.update_story(*self.here, self.story, current_state="accepted")
        return {self.story}

    def move(self) -> set[Id]:
        edits.move_story(*self.here, self.neighbour, before=self.project.order[-1])
        return {self.neighbour}

    def move_away(self, story: Id) -> set[Id]:
        edits.move_story_to_project(self.world, self.project, self.other, self.by, story)
        return {story}

    def create_story(self) -> set[Id]:
        return {edits.create_story(*self.here, name="New", tasks=["One"], comments=["Two"])["id"]}

    def import_stories(self) -> set[Id]:
        return {row["id"] for row in edits.import_stories(*self.here, [{"name": "One"}, {"name": "Two"}])}

    def create_release(self) -> set[Id]:
        return {edits.create_release(*self.here, name="2.0")["id"]}

    def delete_stories(self) -> set[Id]:
        edits.delete_stories(*self.here, [self.story, self.neighbour])
        return {self.story, self.neighbour}

    def delete_release(self) -> set[Id]:
        edits.delete_stories(*self.here, [self.release])
        return {self.release}

    def change_owners(self) -> set[Id]:
        edits.update_story(*self.here, self.story, owner_ids=list(self.world.people)[:2])
        return {self.story}

    def follow(self) -> set[Id]:
        edits.add_follower(*self.here, self.story, self.project.memberships[self.membership]["person_id"])
        return {self.story}

    def add_task(self) -> set[Id]:
        edits.create_task(*self.here, self.story, description="Rinse")
        return {self.story}

    def complete_task(self) -> set[Id]:
        edits.update_task(*self.here, self.story, self.task, complete=True)
        return {self.story}

    def delete_task(self) -> set[Id]:
        edits.delete_task(*self.here, self.story, self.task)
        return {self.story}

    def add_comment(self) -> set[Id]:
        document = {
            "google_kind": "document",
            "title": "Plan",
            "google_id": "g",
            "alternate_link": "https://docs.example.com/g",
            "resource_id": "document:g",
        }
        edits.create_comment(*self.here, story_id=self.story, text="Hm", google_attachments=[document])
        return {self.story}

    def change_comment(self) -> set[Id]:
        edits.update_comment(*self.here, self.comment, story_id=self.story, text="No")
        return {self.story}

    def delete_comment(self) -> set[Id]:
        edits.delete_comment(*self.here, self.comment, story_id=self.story)
        return {self.story}

    def block(self) -> set[Id]:
        edits.create_blocker(*self.here, self.story, description=f"#{self.neighbour}")
        return {self.story, self.neighbour}

    def resolve(self) -> set[Id]:
        edits.update_blocker(*self.here, self.story, self.blocker, resolved=True)
        return {self.story}

    def delete_blocker(self) -> set[Id]:
        edits.delete_blocker(*self.here, self.story, self.blocker)
        return {self.story}

    def pass_review(self) -> set[Id]:
        edits.update_review(*self.here, self.story, self.review, status="pass")
        return {self.story}

    def delete_review(self) -> set[Id]:
        edits.delete_review(*self.here, self.story, self.review)
        return {self.story}

    def add_pull_request(self) -> set[Id]:
        edits.create_pull_request(*self.here, self.story, owner="o", repo="r", number=7)
        return {self.story}

    def delete_pull_request(self) -> set[Id]:
        edits.delete_pull_request(*self.here, self.story, self.pull_request)
        return {self.story}

    def delete_branch(self) -> set[Id]:
        edits.delete_branch(*self.here, self.story, self.branch)
        return {self.story}

    def add_branch(self) -> set[Id]:
        edits.create_branch(*self.here, self.story, owner="o", repo="r", name="shiny")
        return {self.story}

    def comment_on_epic(self) -> set[Id]:
        edits.create_comment(*self.here, epic_id=self.epic, text="Hm")
        return set()

    def delete_comment_on_epic(self) -> set[Id]:
        edits.delete_comment(*self.here, self.epic_comment, epic_id=self.epic)
        return set()

    def change_epic(self) -> set[Id]:
        edits.update_epic(*self.here, self.epic, description="All of it")
        return set()

    def delete_epic(self) -> set[Id]:
        edits.delete_epic(*self.here, self.epic)
        return set()

    def create_label(self) -> set[Id]:
        edits.create_label(*self.here, name="matte")
        return set()

    def delete_label(self) -> set[Id]:
        edits.delete_label(*self.here, self.label)
        return {self.story}

    def end_membership(self) -> set[Id]:
        edits.delete_membership(*self.here, self.membership)
        return set()


Edit = Callable[[Scene], "set[Id]"]

EDITS: dict[str, Edit] = {
    "a story edited": Scene.edit_story,
    "a story accepted": Scene.accept,
    "a story moved": Scene.move,
    "a story created": Scene.create_story,
    "stories imported": Scene.import_stories,
    "a release created": Scene.create_release,
    "two stories deleted": Scene.delete_stories,
    "a story's owners changed": Scene.change_owners,
    "a story followed": Scene.follow,
    "a task added": Scene.add_task,
    "a task completed": Scene.complete_task,
    "a task deleted": Scene.delete_task,
    "a comment added": Scene.add_comment,
    "a comment changed": Scene.change_comment,
    "a comment deleted": Scene.delete_comment,
    "a blocker added": Scene.block,
    "a blocker resolved": Scene.resolve,
    "a blocker deleted": Scene.delete_blocker,
    "a review passed": Scene.pass_review,
    "a review deleted": Scene.delete_review,
    "a pull request added": Scene.add_pull_request,
    "a pull request deleted": Scene.delete_pull_request,
    "a branch added": Scene.add_branch,
    "a branch deleted": Scene.delete_branch,
    "an epic's comment added": Scene.comment_on_epic,
    "an epic's comment deleted": Scene.delete_comment_on_epic,
    "an epic changed": Scene.change_epic,
    "an epic deleted": Scene.delete_epic,
    "a label created": Scene.create_label,
    "a label deleted": Scene.delete_label,
    "a member gone": Scene.end_membership,
}
every_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())


def set_scene() -> Scene:
    world = make_world(projects=2, stories=12)
    project, other = world.projects.values()
    by = next(iter(world.tokens.values()))
    label, second_label = (edits.create_label(world, project, by, name=name)["id"] for name in ("shiny", "glossy"))
    story = edits.create_story(
        world, project, by, name="The one", current_state="started", label_ids=[label], tasks=["Dust", "Polish"]
    )
    neighbour = edits.create_story(world, project, by, name="The next", label_ids=[second_label], tasks=["Sweep"])
    release = edits.create_release(world, project, by, name="1.0")
    file = {"filename": "a.txt", "size": 3, "content_type": "text/plain"}
    comment = edits.create_comment(world, project, by, story_id=story["id"], text="Oh", file_attachments=[file])
    blocker = edits.create_blocker(world, project, by, story["id"], description="The wind")
    review = edits.create_review(world, project, by, story["id"], review_type_id=next(iter(project.review_types)))
    pull_request = edits.create_pull_request(world, project, by, story["id"], owner="o", repo="r", number=1)
    branch = edits.create_branch(world, project, by, story["id"], owner="o", repo="r", name="first")
    epic = edits.create_epic(world, project, by, name="Shine", label_id=label)
    epic_comment = edits.create_comment(world, project, by, epic_id=epic["id"], text="Ah")
    membership = next(row["id"] for row in project.memberships.values() if row["person_id"] != by)
    world.now += timedelta(hours=1)
    bystander = next(key for key in project.stories if key not in (story["id"], neighbour["id"], release["id"]))
    edits.update_story(world, project, by, bystander, name="The last to change")
    return Scene(
        world,
        project,
        other,
        by,
        story["id"],
        neighbour["id"],
        release["id"],
        story["tasks"][0]["id"],
        comment["id"],
        blocker["id"],
        review["id"],
        pull_request["id"],
        branch["id"],
        epic["id"],
        epic_comment["id"],
        label,
        second_label,
        membership,
    )
