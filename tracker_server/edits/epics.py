"""Commands on epics."""

from __future__ import annotations

from typing import Any

from tracker_server.edits.edit import SITE, Edit, command, refuse_unknown
from tracker_server.edits.lookup import epic_by_id, label_by_id
from tracker_server.world import Project, Row, World


@command
def create_epic(
    world: World, project: Project, by: int, *, name: str, description: str | None = None, label_id: int | None = None
) -> Row:
    """A new epic, last in priority; without `label_id` it gets the label of its own name, made if it is missing."""
    edit = Edit(world, project, by)
    label = edit.find_or_create_label(name) if label_id is None else label_by_id(project, label_id)
    epic = edit.new_row("epic", project_id=project.id, name=name, description=description)
    epic |= {"label_id": label["id"], "follower_ids": [], "url": f"{SITE}/epic/show/{epic['id']}"}
    edit.record_creation(epic)
    epic["comments"] = []
    project.epics[epic["id"]] = epic
    edit.commit("epic_create", "added", "this epic", epic)
    return epic


@command
def update_epic(world: World, project: Project, by: int, epic_id: int, **values: Any) -> Row:
    """Set an epic's `name`, `description` or `label_id`; None empties one."""
    edit, epic = Edit(world, project, by), epic_by_id(project, epic_id)
    refuse_unknown(values, {"name", "description", "label_id"}, "an epic")
    if values.get("label_id") is not None:
        label_by_id(project, values["label_id"])
    edit.update_row(epic, values)
    edit.commit("epic_update", "edited", "this epic", epic)
    return epic


@command
def delete_epic(world: World, project: Project, by: int, epic_id: int) -> None:
    """Delete an epic with its comments; its label and the stories that carry it stay."""
    edit, epic = Edit(world, project, by), epic_by_id(project, epic_id)
    del project.epics[epic_id]
    edit.record("delete", epic)
    edit.commit("epic_delete", "deleted", "this epic", epic)
