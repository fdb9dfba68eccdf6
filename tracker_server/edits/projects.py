"""Commands on a project and its members."""

from __future__ import annotations

from typing import Any

from tracker_server.edits.edit import Edit, command, refuse_unknown
from tracker_server.edits.lookup import person_by_id, row_by_id
from tracker_server.world import Project, Row, World, iso


@command
def create_membership(
    world: World, project: Project, by: int, *, person_id: int, role: str = "member", **values: Any
) -> Row:
    """Make a person a member of the project, as owner, member or viewer. ValueError if they are one already."""
    edit, person = Edit(world, project, by), person_by_id(world, person_id)
    if any(row["person_id"] == person_id for row in project.memberships.values()):
        raise ValueError(f"person {person_id} is in project {project.id} already")
    defaults = {
        "project_color": "555555",
        "favorite": False,
        "last_viewed_at": iso(world.now),
        "wants_comment_notification_emails": True,
        "will_receive_mention_notifications_or_emails": True,
    }
    attributes = {"project_id": project.id, "person_id": person_id, "role": role, **defaults, **values}
    membership = edit.new_row("project_membership", **attributes)
    project.memberships[membership["id"]] = membership
    edit.record_creation(membership)
    edit.commit("project_membership_create", "added", f"{person['name']} as {role}", membership)
    return membership


@command
def update_membership(world: World, project: Project, by: int, membership_id: int, **values: Any) -> Row:
    """Set attributes of a membership: `role`, `project_color`, `favorite`, …"""
    edit, membership = Edit(world, project, by), row_by_id(project.memberships, membership_id, "membership", project)
    refuse_unknown(values, membership.keys() - {"kind", "id", "project_id", "person_id"}, "a membership")
    edit.update_row(membership, values)
    detail = f"the membership of {person_by_id(world, membership['person_id'])['name']}"
    edit.commit("project_membership_update", "changed", detail, membership)
    return membership


@command
def delete_membership(world: World, project: Project, by: int, membership_id: int) -> None:
    """End a membership; what the person wrote and owns stays as it is."""
    edit, membership = Edit(world, project, by), row_by_id(project.memberships, membership_id, "membership", project)
    del project.memberships[membership_id]
    edit.record("delete", membership)
    detail = f"the membership of {person_by_id(world, membership['person_id'])['name']}"
    edit.commit("project_membership_delete", "deleted", detail, membership)


@command
def update_project(world: World, project: Project, by: int, **values: Any) -> None:
    """Change settings of the project: the one command that moves the project's own `updated_at`."""
    edit = Edit(world, project, by)
    settings = project.row.keys() | {"description", "profile_content", "start_date"}
    refuse_unknown(values, settings - {"kind", "id", "created_at", "updated_at"}, "a project")
    edit.update_row(project.row, values)
    edit.commit("project_update", "edited", "this project", project.row)
