"""The exports of one project, from their tables to the project that the server holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from hashlib import sha256
from typing import Any

import orjson

from tracker_server.derived import Figures
from tracker_server.exports.cells import stories_named
from tracker_server.exports.dates import latest_day
from tracker_server.exports.errors import Finding, Report
from tracker_server.exports.ids import UNUSED_BITS, made_id, part_ids
from tracker_server.exports.iterations import Calendar, Span, calendar, made_at, midnight
from tracker_server.exports.layout import Attachment, Table
from tracker_server.exports.notes import Notes
from tracker_server.exports.panels import Panels
from tracker_server.exports.rows import TYPES, Newer, Reader
from tracker_server.world import STORY_PARTS, Project, Row

DONE, PLANNED, ICEBOX = range(3)
AT_A_TIME = 100
"""Stories that a digest takes."""


@dataclass(frozen=True)
class Export:
    """A table of one project, and the files that lie with it, which may be those of other projects too.

    `group` is equal for the tables that one export may have been split into. `is_alone`: no table of another export
    lies in the same ZIP or folder, so what lies there came with this one; `has_history`: a history does.
    """

    table: Table
    attachments: list[Attachment]
    group: tuple[object, ...] = ()
    is_alone: bool = True
    has_history: bool = False

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.table.label


@dataclass(frozen=True)
class Exports:
    """All exports of one project, the newest first. `by_owner` are all files at the place, by the number of the story.

    Of several, `made` is when each was made, as far as it or its name tells, and `whole` are by kind of row (`story`,
    `epic`) the places of those that prove to be all of the project; of a single one its rows tell that.
    """

    name: str
    project_id: int
    all: list[Export]
    by_owner: Mapping[int, Sequence[Attachment]] = field(default_factory=dict)
    made: Sequence[datetime] = ()
    whole: Mapping[str, frozenset[int]] = field(default_factory=dict)


@dataclass
class Summary:
    """What was understood of the exports of a project.

    `rows` has the number of rows by type, `parts` of comments, tasks, … by kind. `oldest` and `newest` are the first
    and the last day that a row tells of (ISO 8601, empty without any), `as_of` is when the newest export was made, as
    far as can be known. `iterations` are the numbers of the first and the last iteration that a row is in, 0 without
    any. `counting` is by file how many of its rows count, where there are several.
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
    counting: dict[str, int] = field(default_factory=dict)


class Reading:
    """The reading of the exports of a project: `rows` first, to their end, then what came of all of them."""

    def __init__(self, exports: Exports, report: Report) -> None:
        self.exports = exports
        self.notes = Notes(exports.project_id, report)
        self._report = report
        self._newer = Newer()
        self._readers: list[Reader] = []

    def rows(self) -> Iterator[Row]:
        """The stories and epics that count: of the newest export that has them. Raises ExportError."""
        newer = self._newer
        for place, export in enumerate(self.exports.all):
            newer.has_all_stories, newer.has_all_epics = (self._has_whole(kind, place) for kind in ("story", "epic"))
            reader = Reader(self.notes, newer)
            self._readers.append(reader)
            yield from reader.rows(export.table)
            newer.story_ids |= reader.story_ids
            newer.epic_ids |= reader.epic_ids

    def _has_whole(self, kind: str, place: int) -> bool:
        """Whether an export that is newer than the one at this place is all of the project."""
        made = self.exports.made
        return any(made[other] > made[place] for other in self.exports.whole.get(kind, ()))

    @property
    def story_ids(self) -> Collection[int]:
        return self._newer.story_ids

    @property
    def epic_ids(self) -> Collection[int]:
        return self._newer.epic_ids

    @property
    def whole_at(self) -> Mapping[str, datetime]:
        """As `Project.whole_at`: when the newest export was made that proves to be all of the project."""
        if self.exports.made:
            return {kind: self.exports.made[min(places)] for kind, places in self.exports.whole.items() if places}
        export, reader = self.exports.all[0], self._readers[0]
        made = export_time(export, reader)
        lacking = missing_proofs([export], [reader]) if made else {}
        return {kind: made for kind, lacks in lacking.items() if lacks is None and made}

    @cached_property
    def attachments(self) -> list[Attachment]:
        """The files of its stories and epics; of two of one name, that of the newer export.

        A story that moved to another project may have left its files with an export of the former one: these come last.
        """
        ids = self._newer.story_ids | self._newer.epic_ids
        taken: set[tuple[int, str]] = set()
        found: list[Attachment] = []
        elsewhere = [file for row_id in ids for file in self.exports.by_owner.get(row_id, ())]
        for attachments in (*(export.attachments for export in self.exports.all), elsewhere):
            own = [each for each in attachments if each.owner_id in ids]
            found += [each for each in own if (each.owner_id, each.file.filename) not in taken]
            taken.update((each.owner_id, each.file.filename) for each in own)
        return sorted(found, key=lambda each: (each.owner_id, each.file.filename))

    @cached_property
    def iterations(self) -> Calendar:
        """When its iterations began: what a newer export tells goes before what an older one does."""
        spans: dict[int, Span] = {}
        for reader in self._readers:
            spans = reader.spans | spans
        file = self.exports.all[0].label
        oldest = min((reader.oldest for reader in self._readers if reader.oldest), default="")
        return calendar(spans, oldest, lambda reason: self._report(Finding(file, 0, "Iteration Start", reason)))

    @cached_property
    def iteration_of(self) -> dict[int, int]:
        """The iteration of each story, where its row tells.

        A story that is open was planned anew with every day. What an older export says of its iteration counts as long
        as that is not over.
        """
        if len(self._readers) == 1:
            return self._readers[0].iteration_of
        settings = Project({"iteration_length": self.iterations.weeks}, iteration_starts=self.iterations.starts)
        current = Figures(settings, self.as_of).current_iteration_number
        found: dict[int, int] = {}
        for place, reader in enumerate(self._readers):
            found |= {
                story_id: number
                for story_id, number in reader.iteration_of.items()
                if not place or story_id in reader.accepted_ids or number >= current
            }
        return found

    @cached_property
    def as_of(self) -> datetime:
        """When the newest of the exports was made, within the iteration that its rows show to be the current one."""
        export, reader = self.exports.all[0], self._readers[0]
        reached = reader.reached if export.table.stamp else max(reader.reached, _at_rest(reader))
        if f"{midnight(self.iterations.first_day(max(reached, 1))):%Y-%m-%d}" > latest_day()[:10]:
            reached = 0
        return made_at(export_time(export, reader), reached, reader.not_beyond, self.iterations)

    def summary(self) -> Summary:
        counts = sum((reader.counts for reader in self._readers), Counter[str]())
        numbers = self.iteration_of.values()
        files = self.attachments
        counting = {
            each.label: len(reader.story_ids) + len(reader.epic_ids)
            for each, reader in zip(self.exports.all, self._readers, strict=True)
        }
        days = [day for reader in self._readers for day in (reader.oldest, reader.newest) if day]
        return Summary(
            name=self.exports.name,
            project_id=self.exports.project_id,
            files=[export.label for export in self.exports.all],
            rows={kind: counts[kind] for kind in TYPES if counts[kind]},
            parts={kind: counts[kind] for kind in STORY_PARTS if counts[kind]},
            people=sorted(self.notes.people, key=str.casefold),
            labels=len(self.notes.labels),
            iterations=(min(numbers, default=0), max(numbers, default=0)),
            oldest=min(days, default=""),
            newest=max(days, default=""),
            as_of=self.as_of,
            attachments=len(files),
            attachment_bytes=sum(each.file.size for each in files),
            counting=counting if len(counting) > 1 else {},
        )


def export_time(export: Export, reader: Reader) -> datetime | None:
    """When an export was made, as its name says, or else the last day in its rows; None where neither is there."""
    if export.table.stamp:
        return export.table.stamp
    return datetime.fromisoformat(reader.newest[:10]).replace(tzinfo=timezone.utc) if reader.newest else None


def missing_proofs(exports: Sequence[Export], readers: Sequence[Reader]) -> Mapping[str, str | None]:
    """By kind of row, what is missing for a proof that these tables of one export are all of their project.

    None where nothing is.
    """
    panels, spans = Panels(), dict[int, Span]()
    for reader in readers:
        panels.join(reader.panels)
        spans |= reader.spans
    ids = set[int]().union(*(reader.story_ids | reader.epic_ids for reader in readers))
    came_along = (export for export in exports if export.is_alone)
    is_of_page = any(e.has_history or any(file.owner_id in ids for file in e.attachments) for e in came_along)
    stamps = [export.table.stamp for export in exports if export.table.stamp]
    stories = panels.missing(spans, stamps, is_of_page=is_of_page)
    return {"story": stories, "epic": stories if panels.has_epics else "it has no epic"}


def _at_rest(reader: Reader) -> int:
    """The iteration that must have been current, by what waits, where nothing happened for a while.

    Tracker puts what waits into the current iteration as long as it fits: into a later one after empty ones only what
    has more points than the project makes in one of them, which is a point at the least.
    """
    if reader.not_beyond - reader.reached <= 1:
        return 0
    return reader.not_beyond - max(0, math.ceil(max(reader.first_waiting)) - 1)


def read_project(reading: Reading, *, links: bool = True) -> Project:
    """The project, with all that its exports tell. Raises ExportError.

    `links`: files have an address at which a server has them; else they tell where they lie.
    """
    project = Project(row={"kind": "project", "id": reading.exports.project_id, "name": reading.exports.name})
    for row in reading.rows():
        (project.epics if row["kind"] == "epic" else project.stories)[row["id"]] = row
    notes, iterations = reading.notes, reading.iterations
    project.iteration_starts = iterations.starts
    project.iteration_of = reading.iteration_of
    project.knows_days = iterations.is_told or not project.iteration_of
    project.as_of = reading.as_of
    project.whole_at = reading.whole_at
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
    _tell_what_is_blocked(project)
    project.version = _version(project, reading.as_of, attachments)
    _attach(project, attachments, links=links)
    return project


def _settings(project: Project, reading: Reading) -> Row:
    """The settings of the project that its rows show."""
    settings: Row = {}
    iterations = reading.iterations
    if iterations.is_told:
        settings = {"iteration_length": iterations.weeks, "week_start_day": iterations.week_start_day}
    if iterations.tells_the_first:
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


def _attach(project: Project, attachments: Iterable[Attachment], *, links: bool) -> None:
    """Hangs the files of a story or an epic on a comment that is made up: an export does not say which one has them."""
    for owner_id, files in by_owner(attachments).items():
        is_epic = owner_id not in project.stories
        owner = (project.epics if is_epic else project.stories)[owner_id]
        comment: Row = {"kind": "comment", "id": made_id("comment with files", owner_id), "text": ""}
        comment["epic_id" if is_epic else "story_id"] = owner_id
        if "updated_at" in owner:
            comment["updated_at"] = owner["updated_at"]
        comment["file_attachments"] = [_file(*each, links=links) for each in files]
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


def _tell_what_is_blocked(project: Project) -> None:
    """Sets `blocked_story_ids` of the stories that an open blocker names."""
    for story in project.stories.values():
        texts = [blocker["description"] for blocker in story.get("blockers", ()) if not blocker["resolved"]]
        named = dict.fromkeys(number for text in texts for number in stories_named(text))
        for blocking in named:
            if blocking in project.stories and blocking != story["id"]:
                project.stories[blocking].setdefault("blocked_story_ids", []).append(story["id"])


def _version(project: Project, as_of: datetime, attachments: Iterable[Attachment]) -> int:
    """A number that is the same for equal content only: all that is told of the project, of files their bytes too."""
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
    take(sorted((each.owner_id, each.file.filename, each.checksum, each.archive, each.member) for each in attachments))
    return int.from_bytes(digest.digest()[:8], "big") >> UNUSED_BITS or 1
