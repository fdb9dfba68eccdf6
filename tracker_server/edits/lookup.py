"""The rows that a command names by their ids; KeyError for an id that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tracker_server.world import STORY_PART_KINDS, Project, Row, World

PART_LISTS = {kind: part for part, kind in STORY_PART_KINDS.items()}


def person_by_id(world: World, person_id: int) -> Row:
    if person_id not in world.people:
        raise KeyError(f"no person {person_id} in this world")
    return world.people[person_id]


def row_by_id(rows: Mapping[int, Row], row_id: int, what: str, project: Project) -> Row:
    if row_id not in rows:
        raise KeyError(f"no {what} {row_id} in project {project.id}")
    return rows[row_id]


def story_by_id(project: Project, story_id: int) -> Row:
    return row_by_id(project.stories, story_id, "story", project)


def epic_by_id(project: Project, epic_id: int) -> Row:
    return row_by_id(project.epics, epic_id, "epic", project)


def label_by_id(project: Project, label_id: int) -> Row:
    return row_by_id(project.labels, label_id, "label", project)


def labels_by_id(project: Project, label_ids: Iterable[int]) -> list[Row]:
    return [label_by_id(project, label_id) for label_id in label_ids]


def stories_with_labels(project: Project, label_ids: set[int]) -> list[Row]:
    return [story for story in project.stories.values() if not label_ids.isdisjoint(story["label_ids"])]


def label_names(project: Project, story: Row) -> list[str]:
    return [project.labels[label_id]["name"] for label_id in story["label_ids"]]


def story_or_epic(project: Project, story_id: int | None, epic_id: int | None) -> Row:
    if story_id is not None and epic_id is None:
        return story_by_id(project, story_id)
    if epic_id is not None and story_id is None:
        return epic_by_id(project, epic_id)
    raise ValueError("a comment belongs either to a story or to an epic")


def part_by_id(parent: Row, kind: str, part_id: int) -> Row:
    for row in parent[PART_LISTS[kind]]:
        if row["id"] == part_id:
            found: Row = row
            return found
    raise KeyError(f"no {kind} {part_id} in {parent['kind']} {parent['id']}")
