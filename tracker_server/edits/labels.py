"""Commands on labels."""

from __future__ import annotations

from collections.abc import Iterable

from tracker_server.edits.edit import Edit, command
from tracker_server.edits.lookup import label_by_id, labels_by_id, stories_with_labels
from tracker_server.world import Project, Row, World


@command
def create_label(world: World, project: Project, by: int, *, name: str) -> Row:
    """A new label; Tracker keeps the names of labels in lower case. ValueError if there is one of that name."""
    edit = Edit(world, project, by)
    refuse_taken_name(project, name)
    label = edit.new_label(name)
    edit.commit("label_create", "created", f'label "{label["name"]}"', label)
    return label


@command
def update_label(world: World, project: Project, by: int, label_id: int, *, name: str) -> Row:
    """Rename a label; its stories keep their `updated_at`."""
    edit, label = Edit(world, project, by), label_by_id(project, label_id)
    if name.lower() != label["name"]:
        refuse_taken_name(project, name)
    edit.update_row(label, {"name": name.lower()})
    edit.commit("label_update", "edited", f'label "{label["name"]}"', label)
    return label


@command
def delete_label(world: World, project: Project, by: int, label_id: int) -> None:
    """Delete a label and take it off its stories, and off its epic if it has one."""
    edit, label = Edit(world, project, by), label_by_id(project, label_id)
    edit.record("delete", label)
    for story in stories_with_labels(project, {label_id}):
        edit.update_row(story, {"label_ids": [i for i in story["label_ids"] if i != label_id]})
    for epic in project.epics.values():
        if epic.get("label_id") == label_id:
            edit.update_row(epic, {"label_id": None})
    del project.labels[label_id]
    edit.commit("label_delete", "deleted", f'label "{label["name"]}"', label)


@command
def merge_labels(world: World, project: Project, by: int, into_id: int, label_ids: Iterable[int]) -> Row:
    """Put one label in the place of others, which are deleted. ValueError if one of those is an epic's."""
    edit, into = Edit(world, project, by), label_by_id(project, into_id)
    merged = [label for label in labels_by_id(project, dict.fromkeys(label_ids)) if label is not into]
    gone = {label["id"] for label in merged}
    if gone & {epic.get("label_id") for epic in project.epics.values()}:
        raise ValueError("the label of an epic cannot be merged into another")
    for label in merged:
        edit.record("delete", label)
    for story in stories_with_labels(project, gone):
        kept = dict.fromkeys(into_id if i in gone else i for i in story["label_ids"])
        edit.update_row(story, {"label_ids": list(kept)})
    for label_id in gone:
        del project.labels[label_id]
    edit.commit("label_merge", "merged", f'{len(merged)} labels into "{into["name"]}"', into, *merged)
    return into


def refuse_taken_name(project: Project, name: str) -> None:
    if any(label["name"] == name.lower() for label in project.labels.values()):
        raise ValueError(f"project {project.id} has a label {name.lower()!r} already")
