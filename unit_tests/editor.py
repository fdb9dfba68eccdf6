"""Somebody who edits a world at random, by a seed: what a team does while a sync runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from tracker_server import edits
from tracker_server.world import Project, Row, World

STATES = ("unscheduled", "unstarted", "planned", "started", "finished", "delivered", "rejected", "accepted")


class Editor:
    """Makes one random change after the other; several of them may share a second.

    With `sweeping`, also such as change what many stories show without touching them: a label's name, a setting.
    """

    def __init__(self, world: World, seed: int, *, sweeping: bool = True) -> None:
        self._world = world
        self._random = random.Random(seed)  # noqa: S311
        self._by = next(iter(world.tokens.values()))
        self._commands: list[Callable[[Project], object]] = [
            self._create_story,
            self._edit_story,
            self._change_state,
            self._change_state,
            self._move,
            self._move,
            self._delete_stories,
            self._move_to_another_project,
            self._import,
            self._change_labels,
            self._change_owners,
            self._task,
            self._comment,
            self._epic_comment,
            self._blocker,
            self._review,
            self._pull_request,
            self._branch,
            self._epic,
            self._membership,
            *([self._label, self._project] if sweeping else []),
        ]

    def edit(self, times: int = 1) -> None:
        """So many changes, each in a project of its own choice."""
        with self._world.lock:
            for _ in range(times):
                self._world.now += timedelta(seconds=self._random.choice((0, 0, 1, 40)))
                project = self._random.choice(list(self._world.projects.values()))
                self._random.choice(self._commands)(project)

    def _story(self, project: Project) -> int:
        if not project.stories:
            return int(edits.create_story(self._world, project, self._by, name="The only story")["id"])
        return self._random.choice(list(project.stories))

    def _some(self, rows: list[Row] | dict[int, Row]) -> Row | None:
        choices = list(rows.values()) if isinstance(rows, dict) else rows
        return self._random.choice(choices) if choices else None

    def _create_story(self, project: Project) -> None:
        kind = self._random.choice(("feature", "bug", "chore"))
        edits.create_story(
            self._world, project, self._by, name="A new story", story_type=kind, tasks=["One"], comments=["Two"]
        )
        if self._random.random() < 0.3:
            edits.create_release(self._world, project, self._by, name="A release")

    def _edit_story(self, project: Project) -> None:
        name = f"Edited {self._random.randrange(1000)}"
        edits.update_story(self._world, project, self._by, self._story(project), name=name)

    def _change_state(self, project: Project) -> None:
        story = self._story(project)
        if project.stories[story]["story_type"] != "release":
            state = self._random.choice(STATES)
            edits.update_story(self._world, project, self._by, story, current_state=state)

    def _move(self, project: Project) -> None:
        movable = [story_id for story_id in project.order if project.stories[story_id]["current_state"] != "accepted"]
        if len(movable) > 1:
            one, other = self._random.sample(movable, 2)
            edits.move_story(self._world, project, self._by, one, before=other)

    def _delete_stories(self, project: Project) -> None:
        count = self._random.choice((1, 1, 1, min(3, len(project.stories))))
        if project.stories:
            edits.delete_stories(self._world, project, self._by, self._random.sample(list(project.stories), count))

    def _move_to_another_project(self, project: Project) -> None:
        others = [other for other in self._world.projects.values() if other is not project]
        if others:
            story, target = self._story(project), self._random.choice(others)
            edits.move_story_to_project(self._world, project, target, self._by, story)
            if self._random.random() < 0.3:
                edits.move_story_to_project(self._world, target, project, self._by, story)

    def _import(self, project: Project) -> None:
        edits.import_stories(self._world, project, self._by, [{"name": f"Imported {number}"} for number in range(4)])

    def _change_labels(self, project: Project) -> None:
        labels = self._random.sample(list(project.labels), min(2, len(project.labels)))
        edits.update_story(self._world, project, self._by, self._story(project), label_ids=labels)

    def _change_owners(self, project: Project) -> None:
        owners = self._random.sample(list(self._world.people), 2)
        edits.update_story(self._world, project, self._by, self._story(project), owner_ids=owners)

    def _task(self, project: Project) -> None:
        story = self._story(project)
        task = self._some(project.stories[story]["tasks"])
        if task is None or self._random.random() < 0.4:
            edits.create_task(self._world, project, self._by, story, description="A task")
        elif self._random.random() < 0.5:
            edits.update_task(self._world, project, self._by, story, task["id"], complete=True)
        else:
            edits.delete_task(self._world, project, self._by, story, task["id"])

    def _comment(self, project: Project) -> None:
        story = self._story(project)
        comment = self._some(project.stories[story]["comments"])
        file = {"filename": "a.txt", "size": 3, "content_type": "text/plain"}
        if comment is None or self._random.random() < 0.4:
            files = [file] if self._random.random() < 0.5 else []
            edits.create_comment(self._world, project, self._by, story_id=story, text="Words", file_attachments=files)
        elif self._random.random() < 0.5:
            edits.update_comment(
                self._world, project, self._by, comment["id"], story_id=story, text="Other words", add_files=[file]
            )
        else:
            edits.delete_comment(self._world, project, self._by, comment["id"], story_id=story)

    def _epic_comment(self, project: Project) -> None:
        epic = self._some(project.epics)
        if epic is None:
            return
        comment = self._some(epic["comments"])
        if comment is None or self._random.random() < 0.6:
            edits.create_comment(self._world, project, self._by, epic_id=epic["id"], text="Of the epic")
        else:
            edits.delete_comment(self._world, project, self._by, comment["id"], epic_id=epic["id"])

    def _blocker(self, project: Project) -> None:
        story = self._story(project)
        blocker = self._some(project.stories[story]["blockers"])
        if blocker is None:
            edits.create_blocker(self._world, project, self._by, story, description=f"#{self._story(project)}")
        elif self._random.random() < 0.5:
            edits.update_blocker(self._world, project, self._by, story, blocker["id"], resolved=True)
        else:
            edits.delete_blocker(self._world, project, self._by, story, blocker["id"])

    def _review(self, project: Project) -> None:
        story = self._story(project)
        review = self._some(project.stories[story]["reviews"])
        kind = self._some(project.review_types)
        if review is None and kind is not None:
            edits.create_review(self._world, project, self._by, story, review_type_id=kind["id"])
        elif review is not None and self._random.random() < 0.5:
            edits.update_review(self._world, project, self._by, story, review["id"], status="pass")
        elif review is not None:
            edits.delete_review(self._world, project, self._by, story, review["id"])

    def _pull_request(self, project: Project) -> None:
        edits.create_pull_request(
            self._world, project, self._by, self._story(project), owner="o", repo="r", number=self._random.randrange(99)
        )

    def _branch(self, project: Project) -> None:
        name = f"branch-{self._random.randrange(99)}"
        edits.create_branch(self._world, project, self._by, self._story(project), owner="o", repo="r", name=name)

    def _label(self, project: Project) -> None:
        label = self._some(project.labels)
        name = f"label {self._random.randrange(10**6)}"
        if label is None or self._random.random() < 0.4:
            edits.create_label(self._world, project, self._by, name=name)
        elif self._random.random() < 0.5:
            edits.update_label(self._world, project, self._by, label["id"], name=name)
        elif self._random.random() < 0.5:
            edits.delete_label(self._world, project, self._by, label["id"])
        else:
            of_epics = {epic.get("label_id") for epic in project.epics.values()}
            free = [label_id for label_id in project.labels if label_id not in of_epics and label_id != label["id"]]
            if free:
                edits.merge_labels(self._world, project, self._by, label["id"], free[:1])

    def _epic(self, project: Project) -> None:
        epic = self._some(project.epics)
        if epic is None or self._random.random() < 0.4:
            edits.create_epic(self._world, project, self._by, name=f"Epic {self._random.randrange(10**6)}")
        elif self._random.random() < 0.6:
            edits.update_epic(self._world, project, self._by, epic["id"], description="Described")
        else:
            edits.delete_epic(self._world, project, self._by, epic["id"])

    def _membership(self, project: Project) -> None:
        members = [membership for membership in project.memberships.values() if membership["person_id"] != self._by]
        strangers = self._world.people.keys() - {membership["person_id"] for membership in project.memberships.values()}
        if members and self._random.random() < 0.5:
            edits.delete_membership(self._world, project, self._by, self._random.choice(members)["id"])
        elif strangers:
            edits.create_membership(self._world, project, self._by, person_id=min(strangers))

    def _project(self, project: Project) -> None:
        edits.update_project(self._world, project, self._by, description=f"Now {self._random.randrange(99)}")
