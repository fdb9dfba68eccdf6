"""Builds the project that the server holds from the exports of one project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any

import orjson

from tracker_server.derived import Figures
from tracker_server.exports.cells import linked_story_ids
from tracker_server.exports.history import Event, content_of
from tracker_server.exports.ids import UNUSED_BITS, hashed_id, part_ids
from tracker_server.exports.layout import Attachment
from tracker_server.exports.project_history import covered_since, take_history
from tracker_server.exports.project_reader import ProjectReader
from tracker_server.exports.unavailable import HISTORY_ATTRIBUTES, HISTORY_ENDPOINTS
from tracker_server.world import Project, Row

DONE, PLANNED, ICEBOX = range(3)
AT_A_TIME = 100
"""Stories that are hashed at a time."""
READING = 1
"""How the cells of tasks and comments are read: raise it if that changes, because a version is made of the cells."""
_CONTENT_OF_PARTS = attrgetter("content")
"""Of PartRows, the only thing in a row that JSON cannot hold."""


def build_project(reader: ProjectReader, *, links: bool = True) -> Project:
    """The project with everything that its exports contain. Raises ExportError.

    With `links`, files have the address at which a server serves them; without, they have the place where they lie.
    """
    project = Project(row={"kind": "project", "id": reader.exports.project_id, "name": reader.exports.name})
    for row in reader.rows():
        (project.epics if row["kind"] == "epic" else project.stories)[row["id"]] = row
    cells, iterations, events = reader.cell_reader, reader.iterations, reader.history
    project.iteration_starts = iterations.starts
    project.iteration_of = reader.iteration_of
    project.knows_days = iterations.is_known or not project.iteration_of
    project.as_of = reader.as_of
    project.complete_at = reader.complete_at
    project.row |= _settings(project, reader)
    project.order = _order(project)
    project.labels = {
        label_id: {"kind": "label", "id": label_id, "project_id": project.id, "name": name}
        for name, label_id in cells.labels.items()
    }
    project.review_types = {
        type_id: {"kind": "review_type", "id": type_id, "project_id": project.id, "name": name}
        for name, type_id in sorted(cells.review_types.items())
    }
    for name, person_id in sorted(cells.people.items()):
        membership: Row = {"kind": "project_membership", "id": hashed_id("membership", project.id, name)}
        project.memberships[membership["id"]] = membership | {"project_id": project.id, "person_id": person_id}
    if events:
        since = covered_since(reader.histories_of_the_newest)
        untold = frozenset().union(*(history.untold for history in reader.histories.values()))
        take_history(project, events, cells.people, since, reader.as_of, untold)
    else:
        project.unavailable_endpoints = HISTORY_ENDPOINTS
        project.unavailable_attributes = HISTORY_ATTRIBUTES
    attachments = reader.attachments
    _set_blocked_story_ids(project)
    project.version = _version(project, reader.as_of, attachments, events)
    _attach(project, attachments, links=links)
    return project


def _settings(project: Project, reader: ProjectReader) -> Row:
    """The settings of the project that its rows show."""
    settings: Row = {}
    iterations = reader.iterations
    if iterations.is_known:
        settings = {"iteration_length": iterations.weeks, "week_start_day": iterations.week_start_day}
    if iterations.knows_the_first:
        settings |= {"start_date": iterations.first_days[0].isoformat(), "start_time": iterations.starts[0]}
    if any("estimate" in story and story["story_type"] in ("bug", "chore") for story in project.stories.values()):
        settings["bugs_and_chores_are_estimatable"] = True
    return settings


def _order(project: Project) -> list[int]:
    """The stories by priority. An export has them in that order, but its parts may be in several tables."""

    def place(story: Row) -> tuple[int, int]:
        state = story["current_state"]
        if state == "accepted":
            return DONE, project.iteration_of.get(story["id"], 0)
        return (ICEBOX if state == "unscheduled" else PLANNED), 0

    return [story["id"] for story in sorted(project.stories.values(), key=place)]


def _attach(project: Project, attachments: Iterable[Attachment], *, links: bool) -> None:
    """Attaches the files of a story or an epic to a made-up comment: an export does not say which comment has them."""
    for owner_id, files in by_owner(attachments).items():
        is_epic = owner_id not in project.stories
        owner = (project.epics if is_epic else project.stories)[owner_id]
        comment: Row = {"kind": "comment", "id": hashed_id("comment with files", owner_id), "text": ""}
        comment["epic_id" if is_epic else "story_id"] = owner_id
        if "updated_at" in owner:
            comment["updated_at"] = owner["updated_at"]
        comment["file_attachments"] = [_file(file_id, file, links=links) for file_id, file in files]
        owner["comments"] = [*owner.get("comments", ()), comment]


def by_owner(attachments: Iterable[Attachment]) -> dict[int, list[tuple[int, Attachment]]]:
    """The files of each story or epic, each with its id."""
    owned: dict[int, list[Attachment]] = {}
    for attachment in attachments:
        owned.setdefault(attachment.owner_id, []).append(attachment)
    return {
        owner_id: list(zip(part_ids("file", owner_id, [file.file.filename for file in files]), files, strict=True))
        for owner_id, files in owned.items()
    }


def _file(file_id: int, attachment: Attachment, *, links: bool) -> Row:
    file = attachment.file
    row: Row = {"kind": "file_attachment", "id": file_id, "filename": file.filename, "size": file.size}
    if links:
        row["download_url"] = f"/file_attachments/{file_id}/download"
    else:
        row |= {"archive": attachment.archive, "member": attachment.member}
    if file.content_type:
        row["content_type"] = file.content_type
    return row


def _set_blocked_story_ids(project: Project) -> None:
    """Sets `blocked_story_ids` of the stories that an open blocker names."""
    for story in project.stories.values():
        if "blockers" not in story:
            continue
        texts = story["blockers"].open_texts
        for blocking in dict.fromkeys(number for text in texts for number in linked_story_ids(text)):
            if blocking in project.stories and blocking != story["id"]:
                project.stories[blocking].setdefault("blocked_story_ids", []).append(story["id"])


def _version(project: Project, as_of: datetime, attachments: Iterable[Attachment], events: Sequence[Event]) -> int:
    """A hash of everything that is served of the project, the bytes of its files included."""
    digest = sha256()

    def take(content: Any) -> None:
        digest.update(orjson.dumps(content, default=_CONTENT_OF_PARTS))

    take(READING)
    take(project.row)
    take(project.iteration_starts)
    take(Figures(project, as_of).current_iteration_number)
    for rows in (project.labels, project.review_types, project.memberships):
        take(sorted(rows.values(), key=lambda row: int(row["id"])))
    take(list(project.epics.values()))
    for start in range(0, len(project.order), AT_A_TIME):
        take([project.stories[story_id] for story_id in project.order[start : start + AT_A_TIME]])
    take([project.iteration_of.get(story_id) for story_id in project.order])
    take(list(map(content_of, events)))
    take(sorted((file.owner_id, file.file.filename, file.checksum, file.archive, file.member) for file in attachments))
    return int.from_bytes(digest.digest()[:8], "big") >> UNUSED_BITS or 1
