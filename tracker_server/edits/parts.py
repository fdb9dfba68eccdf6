"""Commands on what belongs to a story: tasks, blockers, reviews, pull requests and branches."""

from __future__ import annotations

from typing import Any

from tracker_server.edits.edit import Edit, command, this_type
from tracker_server.edits.lookup import part_by_id, person_by_id, row_by_id, story_by_id
from tracker_server.world import Project, Row, World


@command
def create_task(
    world: World, project: Project, by: int, story_id: int, *, description: str, complete: bool = False
) -> Row:
    """A new task at the end of a story's list."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    values = {"description": description, "complete": complete, "position": len(story["tasks"]) + 1}
    return edit.create_part(story, "task", values, "added task:", f'"{description}"')


@command
def update_task(world: World, project: Project, by: int, story_id: int, task_id: int, **values: Any) -> Row:
    """Set a task's `description`, `complete` or `position`; tasks that make room keep their `updated_at`."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    task = part_by_id(story, "task", task_id)
    wanted = task | values
    position = wanted["position"]
    if not 1 <= position <= len(story["tasks"]):
        raise ValueError(f"story {story_id} has no task position {position}")
    highlight = "rewrote task:"
    if wanted["complete"] != task["complete"]:
        highlight = "completed task:" if wanted["complete"] else "reopened task:"
    edit.update_part(story, task, values, highlight, f'"{wanted["description"]}"')
    story["tasks"].remove(task)
    story["tasks"].insert(position - 1, task)
    renumber(story["tasks"])
    return task


@command
def delete_task(world: World, project: Project, by: int, story_id: int, task_id: int) -> None:
    """Delete a task; the ones behind it move up and keep their `updated_at`."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    edit.delete_part(story, "task", task_id)
    renumber(story["tasks"])


@command
def create_blocker(world: World, project: Project, by: int, story_id: int, *, description: str) -> Row:
    """A blocker of a story; a `#<story id>` in it puts the story among that one's `blocked_story_ids`."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    values = {"person_id": by, "description": description, "resolved": False}
    return edit.create_part(story, "blocker", values, "added a blocker", f'"{description}"')


@command
def update_blocker(world: World, project: Project, by: int, story_id: int, blocker_id: int, **values: Any) -> Row:
    """Set a blocker's `description` or `resolved`; a resolved one blocks no story."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    highlight = "resolved" if values.get("resolved") else "edited"
    return edit.update_part(story, part_by_id(story, "blocker", blocker_id), values, highlight, "this blocker")


@command
def delete_blocker(world: World, project: Project, by: int, story_id: int, blocker_id: int) -> None:
    """Delete a blocker."""
    Edit(world, project, by).delete_part(story_by_id(project, story_id), "blocker", blocker_id)


@command
def create_review(
    world: World,
    project: Project,
    by: int,
    story_id: int,
    *,
    review_type_id: int,
    reviewer_id: int | None = None,
    status: str = "unstarted",
) -> Row:
    """A review of a story, with or without somebody to do it."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    row_by_id(project.review_types, review_type_id, "review type", project)
    if reviewer_id is not None:
        person_by_id(world, reviewer_id)
    values = {"review_type_id": review_type_id, "reviewer_id": reviewer_id, "status": status}
    return edit.create_part(story, "review", values, "added a review", f"to {this_type(story)}")


@command
def update_review(world: World, project: Project, by: int, story_id: int, review_id: int, **values: Any) -> Row:
    """Set a review's `status` (unstarted, in_review, pass, revise) or `reviewer_id`; None takes the reviewer away."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    if values.get("reviewer_id") is not None:
        person_by_id(world, values["reviewer_id"])
    return edit.update_part(story, part_by_id(story, "review", review_id), values, "edited", "this review")


@command
def delete_review(world: World, project: Project, by: int, story_id: int, review_id: int) -> None:
    """Delete a review."""
    Edit(world, project, by).delete_part(story_by_id(project, story_id), "review", review_id)


@command
def create_pull_request(
    world: World,
    project: Project,
    by: int,
    story_id: int,
    *,
    owner: str,
    repo: str,
    number: int,
    status: str = "open",
    host_url: str = "https://github.com/",
) -> Row:
    """Attach a pull request to a story."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    values = link_values(owner, repo, host_url, f"pull/{number}") | {"status": status, "number": number}
    return edit.create_part(story, "pull_request", values, "added a pull request", f"to {this_type(story)}")


@command
def create_branch(
    world: World,
    project: Project,
    by: int,
    story_id: int,
    *,
    owner: str,
    repo: str,
    name: str,
    host_url: str = "https://github.com/",
) -> Row:
    """Attach a branch to a story."""
    edit, story = Edit(world, project, by), story_by_id(project, story_id)
    values = link_values(owner, repo, host_url, f"tree/{name}") | {"name": name}
    return edit.create_part(story, "branch", values, "added a branch", f"to {this_type(story)}")


@command
def delete_pull_request(world: World, project: Project, by: int, story_id: int, pull_request_id: int) -> None:
    """Take a pull request off a story."""
    Edit(world, project, by).delete_part(story_by_id(project, story_id), "pull_request", pull_request_id)


@command
def delete_branch(world: World, project: Project, by: int, story_id: int, branch_id: int) -> None:
    """Take a branch off a story."""
    Edit(world, project, by).delete_part(story_by_id(project, story_id), "branch", branch_id)


def renumber(tasks: list[Row]) -> None:
    for position, task in enumerate(tasks, 1):
        task["position"] = position


def link_values(owner: str, repo: str, host_url: str, page: str) -> Row:
    """What a pull request and a branch have in common."""
    return {"owner": owner, "repo": repo, "host_url": host_url, "original_url": f"{host_url}{owner}/{repo}/{page}"}
