"""One export of one project, from its tables to the project that the server holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson

from tracker_server.derived import Figures
from tracker_server.exports.archive import Attachment, Table
from tracker_server.exports.errors import Finding, Report
from tracker_server.exports.ids import UNUSED_BITS, made_id, part_ids
from tracker_server.exports.iterations import Calendar, calendar, made_at
from tracker_server.exports.notes import Notes
from tracker_server.exports.rows import TYPES, Reader
from tracker_server.world import STORY_PARTS, Project, Row

DONE, PLANNED, ICEBOX = range(3)
AT_A_TIME = 100
"""Stories that a digest takes."""
STORY_LINK = re.compile(r"#([0-9]{1,16})\b")


@dataclass(frozen=True)
class Export:
    """One export of one project. `attachments` are those of all projects in the same file."""

    source: str
    name: str
    project_id: int
    tables: list[Table]
    attachments: list[Attachment]


@dataclass
class Summary:
    """What was understood of an export.

    `rows` has the number of rows by type, `parts` of comments, tasks, … by kind. `oldest` and `newest` are the first
    and the last day that a row tells of (ISO 8601, empty without any), `as_of` is when the export was made, as far as
    can be known. `iterations` are the numbers of the first and the last iteration that a row is in, 0 without any.
    """

    name: str
    project_id: int
    files: list[str]
    rows: dict[str, int]
    parts: dict[str, int]
    people: list[str]
    labels: int
    iterations: tuple[int, int]
    oldest: str
    newest: str
    as_of: datetime
    attachments: int
    attachment_bytes: int


class Reading:
    """The reading of an export: `rows` first, to their end, then what came of all of them."""

    def __init__(self, export: Export, report: Report) -> None:
        self.export = export
        self.notes = Notes(export.project_id, report)
        self.reader = Reader(self.notes)
        self._report = report

    def rows(self) -> Iterable[Row]:
        """Its stories and epics. Raises ExportError."""
        for table in self.export.tables:
            yield from self.reader.rows(table)

    @cached_property
    def attachments(self) -> list[Attachment]:
        """The files of its stories and epics."""
        ids = self.reader.story_ids | self.reader.epic_ids
        return [each for each in self.export.attachments if each.owner_id in ids]

    @cached_property
    def iterations(self) -> Calendar:
        """When its iterations began."""
        file = self.export.tables[0].label
        return calendar(
            self.reader.spans,
            self.reader.oldest,
            lambda reason: self._report(Finding(file, 0, "Iteration Start", reason)),
        )

    @cached_property
    def as_of(self) -> datetime:
        """When the export was made, as far as its rows and its name tell."""
        told = [table.stamp for table in self.export.tables if table.stamp]
        if self.reader.newest:
            told.append(datetime.fromisoformat(self.reader.newest[:10]).replace(tzinfo=timezone.utc))
        return made_at(max(told, default=None), self.reader.reached, self.reader.not_beyond, self.iterations)

    def summary(self) -> Summary:
        reader = self.reader
        counts = reader.counts
        numbers = reader.iteration_of.values()
        files = self.attachments
        return Summary(
            name=self.export.name,
            project_id=self.export.project_id,
            files=[table.label for table in self.export.tables],
            rows={kind: counts[kind] for kind in TYPES if counts[kind]},
            parts={kind: counts[kind] for kind in STORY_PARTS if counts[kind]},
            people=sorted(self.notes.people, key=str.casefold),
            labels=len(self.notes.labels),
            iterations=(min(numbers, default=0), max(numbers, default=0)),
            oldest=reader.oldest,
            newest=reader.newest,
            as_of=self.as_of,
            attachments=len(files),
            attachment_bytes=sum(each.file.size for each in files),
        )


def read_project(reading: Reading) -> Project:
    """The project, with all that the export tells of it. Raises ExportError."""
    project = Project(row={"kind": "project", "id": reading.export.project_id, "name": reading.export.name})
    for row in reading.rows():
        (project.epics if row["kind"] == "epic" else project.stories)[row["id"]] = row
    notes, iterations = reading.notes, reading.iterations
    project.iteration_starts = iterations.starts
    project.iteration_of = reading.reader.iteration_of
    project.as_of = reading.as_of
    project.row |= _settings(project, reading)
    project.order = _order(project)
    project.labels = {
        label_id: {"kind": "label", "id": label_id, "project_id": project.id, "name": name}
        for name, label_id in notes.labels.items()
    }
    project.review_types = {
        type_id: {"kind": "review_type", "id": type_id, "project_id": project.id, "name": name}
        for name, type_id in sorted(notes.review_types.items())
    }
    for name, person_id in sorted(notes.people.items()):
        membership: Row = {"kind": "project_membership", "id": made_id("membership", project.id, name)}
        project.memberships[membership["id"]] = membership | {"project_id": project.id, "person_id": person_id}
    attachments = reading.attachments
    _attach(project, attachments)
    _tell_what_is_blocked(project)
    project.version = _version(project, reading.as_of, attachments)
    return project


def _settings(project: Project, reading: Reading) -> Row:
    """The settings of the project that its rows show."""
    settings: Row = {}
    spans, iterations = reading.reader.spans, reading.iterations
    if any(map(any, spans.values())):
        settings = {"iteration_length": iterations.weeks, "week_start_day": iterations.week_start_day}
    if spans.get(1, ("", ""))[0]:
        settings |= {"start_date": iterations.first_days[0].isoformat(), "start_time": iterations.starts[0]}
    if any("estimate" in story and story["story_type"] in ("bug", "chore") for story in project.stories.values()):
        settings["bugs_and_chores_are_estimatable"] = True
    return settings


def _order(project: Project) -> list[int]:
    """The stories by priority. An export has them in that order, but perhaps its parts in several tables."""

    def place(story: Row) -> tuple[int, int]:
        state = story["current_state"]
        if state == "accepted":
            return DONE, project.iteration_of.get(story["id"], 0)
        return (ICEBOX if state == "unscheduled" else PLANNED), 0

    return [story["id"] for story in sorted(project.stories.values(), key=place)]


def _attach(project: Project, attachments: Iterable[Attachment]) -> None:
    """Hangs the files of a story or an epic on a comment that is made up: an export does not say which one has them."""
    for owner_id, files in by_owner(attachments).items():
        is_epic = owner_id not in project.stories
        owner = (project.epics if is_epic else project.stories)[owner_id]
        comment: Row = {"kind": "comment", "id": made_id("comment with files", owner_id), "text": ""}
        comment["epic_id" if is_epic else "story_id"] = owner_id
        if "updated_at" in owner:
            comment["updated_at"] = owner["updated_at"]
        comment["file_attachments"] = [_file(*each) for each in files]
        owner.setdefault("comments", []).append(comment)


def by_owner(attachments: Iterable[Attachment]) -> dict[int, list[tuple[int, Attachment]]]:
    """The files of each story or epic, each with its id."""
    owned: dict[int, list[Attachment]] = {}
    for each in attachments:
        owned.setdefault(each.owner_id, []).append(each)
    return {
        owner_id: list(zip(part_ids("file", owner_id, [each.file.filename for each in files]), files, strict=True))
        for owner_id, files in owned.items()
    }


def _file(file_id: int, attachment: Attachment) -> Row:
    file = attachment.file
    row: Row = {"kind": "file_attachment", "id": file_id, "filename": file.filename, "size": file.size}
    row["download_url"] = f"/file_attachments/{file_id}/download"
    if file.content_type:
        row["content_type"] = file.content_type
    return row


def _tell_what_is_blocked(project: Project) -> None:
    """Sets `blocked_story_ids` of the stories that an open blocker `#123` names."""
    for story in project.stories.values():
        texts = [blocker["description"] for blocker in story.get("blockers", ()) if not blocker["resolved"]]
        named = dict.fromkeys(int(number) for text in texts for number in STORY_LINK.findall(text))
        for blocking in named:
            if blocking in project.stories and blocking != story["id"]:
                project.stories[blocking].setdefault("blocked_story_ids", []).append(story["id"])


def _version(project: Project, as_of: datetime, attachments: Iterable[Attachment]) -> int:
    """A number that is the same for equal content only: all that is served of the project, the bytes of files too."""
    digest = sha256()

    def take(content: Any) -> None:
        digest.update(orjson.dumps(content))

    take(project.row)
    take(project.iteration_starts)
    take(Figures(project, as_of).current_iteration_number)
    for rows in (project.labels, project.review_types, project.memberships):
        take(sorted(rows.values(), key=lambda row: int(row["id"])))
    take(list(project.epics.values()))
    for start in range(0, len(project.order), AT_A_TIME):
        take([project.stories[story_id] for story_id in project.order[start : start + AT_A_TIME]])
    take([project.iteration_of.get(story_id) for story_id in project.order])
    take(sorted((each.owner_id, each.file.filename, each.checksum) for each in attachments))
    return int.from_bytes(digest.digest()[:8], "big") >> UNUSED_BITS or 1
