"""From files to a world: which exports there are, which is the newest of its project, and what was understood."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tracker_server.api import ApiError
from tracker_server.collector import uncollected
from tracker_server.exports.archive import Attachment, Source, Table, contents
from tracker_server.exports.errors import ExportError, Finding, Report
from tracker_server.exports.ids import made_id
from tracker_server.exports.iterations import CLOSED
from tracker_server.exports.names import base_name
from tracker_server.exports.project import Export, Reading, Summary, by_owner, read_project
from tracker_server.exports.shelf import Shelf, ShelvedProject
from tracker_server.exports.untold import UNTOLD, UNTOLD_ATTRIBUTES
from tracker_server.world import Project, Row, StoredFile, World

MOST_KEPT = 40_000
"""Stories. With all that hangs on it, one takes about 5 kB of memory."""
MOST_FINDINGS = 1_000
"""How many of them a report keeps."""

READER: Row = {"kind": "person", "id": made_id("reader"), "name": "Reader of the export"}
"""The made-up person as whom everybody reads."""


@dataclass
class ExportReport:
    """The exports that are served, and what was not understood: the first MOST_FINDINGS of `finding_count` findings."""

    served: list[Summary] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    finding_count: int = 0

    def find(self, finding: Finding) -> None:
        self.finding_count += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


@dataclass(frozen=True)
class _Served:
    """The newest export of a project until now."""

    summary: Summary
    project: ShelvedProject
    attachments: list[Attachment]


def read_exports(
    sources: Sequence[Source], ids: Mapping[str, int] | None = None, most_kept: int = MOST_KEPT
) -> tuple[World, ExportReport]:
    """The world that the exports tell of. Raises ExportError where one cannot be read, or they do not go together.

    `ids` gives projects their ids, by name; the others have one that is made of the name. Of several exports of one
    project the newest is taken, and a finding tells of the others: it is the one whose rows, or whose file's name,
    tell of the latest day, and of equal ones the one with more stories.

    At most `most_kept` stories are in memory at a time, or those of the one largest project. The sources are opened
    again later, for projects that are not in memory and for files, so they have to stay as they are: to ask for a
    project that has changed is answered with an error.
    """
    ids = ids or {}
    report = ExportReport()
    shelf = Shelf(most_kept)
    newest: dict[str, _Served] = {}
    for source, label in _labelled(sources):
        with _reading_told(label), uncollected():
            exports = _exports_in(source, label, ids, report.find)
            claimed: set[str] = set()
            for export in exports:
                reading = Reading(export, report.find)
                project, attachments = read_project(reading), reading.attachments
                claimed.update(each.label for each in attachments)
                summary = reading.summary()
                if _goes_before(summary, project, newest.get(export.name), report.find):
                    read_again = partial(_again, export, project.version)
                    newest[export.name] = _Served(summary, ShelvedProject(project, shelf, read_again), attachments)
            _tell_of_unclaimed(exports, claimed, report.find)
    _check(ids, newest)
    report.served = [served.summary for served in newest.values()]
    oldest_first = sorted(newest.values(), key=lambda served: served.summary.as_of)
    _tell_of_moved(oldest_first, report.find)
    return _world(oldest_first), report


def inspect(sources: Sequence[Source], report: Report) -> Iterator[Summary | ExportError]:
    """What is understood of each export, or why a file cannot be read. Nothing of the rows is kept.

    `report` is told what is not understood while the exports are read, and at last of those that have a newer one.
    """
    newest: dict[str, Summary] = {}
    older: list[Finding] = []
    for source, label in _labelled(sources):
        try:
            with _reading_told(label):
                for summary in _inspected(_exports_in(source, label, {}, report), report):
                    newest[summary.name] = _newer(summary, newest.get(summary.name, summary), older.append)
                    yield summary
        except ExportError as error:
            yield error
    for finding in older:
        report(finding)


def _inspected(exports: Sequence[Export], report: Report) -> Iterator[Summary]:
    claimed: set[str] = set()
    for export in exports:
        reading = Reading(export, report)
        for _ in reading.rows():
            pass
        claimed.update(each.label for each in reading.attachments)
        yield reading.summary()
    _tell_of_unclaimed(exports, claimed, report)


@contextmanager
def _reading_told(label: str) -> Iterator[None]:
    """Turns what a file that cannot be had raises into an ExportError."""
    try:
        yield
    except OSError as error:
        raise ExportError(f"{label} cannot be read: {error.strerror or error}.") from None


def _labelled(sources: Sequence[Source]) -> Iterator[tuple[Source, str]]:
    """Each source with what messages call it: the name of the file, or with its folders where two have the same."""
    names = Counter(base_name(source.name) for source in sources)
    for source in sources:
        name = base_name(source.name)
        yield source, name if names[name] == 1 else source.name


def _exports_in(source: Source, label: str, ids: Mapping[str, int], report: Report) -> list[Export]:
    """The exports in a file, one for each project. Raises ExportError where there is none."""
    found = contents(source, label)
    for finding in found.findings:
        report(finding)
    tables: dict[str, list[Table]] = {}
    for table in sorted(found.tables, key=_with_numbers_in_order):
        tables.setdefault(table.project, []).append(table)
    return [
        Export(label, name, ids.get(name) or made_id("project", name), of_project, found.attachments)
        for name, of_project in tables.items()
    ]


def _with_numbers_in_order(table: Table) -> list[str | int]:
    """Sorts `part_2` before `part_10`."""
    return [int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", table.label)]


def _tell_of_unclaimed(exports: Sequence[Export], claimed: Collection[str], report: Report) -> None:
    """Tells of the files that lie in the folder of no story of the exports of one source."""
    for each in exports[0].attachments:
        if each.label not in claimed:
            report(Finding(each.label, 0, "", f"left out: no row has the number {each.owner_id}"))


def _goes_before(summary: Summary, project: Project, before: _Served | None, report: Report) -> bool:
    """Whether an export is served in place of the one before. Raises ExportError where they are not of one project."""
    if before is None:
        return True
    has_same = any(map(before.project.has_story, project.stories)) or any(map(before.project.has_epic, project.epics))
    if not has_same and (project.stories or project.epics) and before.summary.rows:
        raise ExportError(
            f"{summary.files[0]} and {before.summary.files[0]} are both called {summary.name!r}, and have no story in"
            " common. Rename one if they are of two projects; put them into one ZIP if they are parts of one export."
        )
    return _newer(summary, before.summary, report) is summary


def _newer(summary: Summary, before: Summary, report: Report) -> Summary:
    """Which of two exports of a project is newer; `report` is told of the other one."""
    if summary is before:
        return summary
    older, newer = sorted((summary, before), key=lambda each: (each.as_of, sum(each.rows.values()), each.files))
    how = "a newer" if older.as_of < newer.as_of else "as new an"
    report(Finding(older.files[0], 0, "", f"not served: {newer.files[0]} is {how} export of {older.name!r}"))
    return newer


def _check(ids: Mapping[str, int], newest: Mapping[str, _Served]) -> None:
    """Raises ExportError where an id is for a project that is not there, or two projects have one."""
    for name in ids.keys() - newest.keys():
        raise ExportError(f"There is no project {name!r}; there are {', '.join(map(repr, newest))}.")
    for project_id, times in Counter(served.project.id for served in newest.values()).items():
        if times > 1:
            raise ExportError(f"Several projects have the id {project_id}.")


def _tell_of_moved(oldest_first: Sequence[_Served], report: Report) -> None:
    """Tells of the stories that exports of several projects have: they moved between them, or two are of one project.

    The newer export is served after the older, so a reader who keeps the last row of a number has that of the newer.
    """
    newer: dict[int, str] = {}
    for served in reversed(oldest_first):
        file = served.summary.files[0]
        shared = Counter(newer[each] for each in served.project.story_ids if each in newer)
        for other, times in shared.items():
            reason = f"{times:,} of its stories are in {other} too, which is of another project: that one counts"
            report(Finding(file, 0, "Id", reason))
        newer.update(dict.fromkeys(served.project.story_ids, file))


def _world(all_served: Collection[_Served]) -> World:
    reader_id = int(READER["id"])
    names = {name for served in all_served for name in served.summary.people}
    people = {made_id("person", name): name for name in sorted(names)}
    return World(
        now=max((served.summary.as_of for served in all_served), default=CLOSED),
        projects={served.project.id: served.project for served in all_served},
        people={
            reader_id: dict(READER),
            **{person_id: {"kind": "person", "id": person_id, "name": name} for person_id, name in people.items()},
        },
        files=dict(_files(all_served)),
        untold=UNTOLD,
        untold_attributes=UNTOLD_ATTRIBUTES,
        reader=reader_id,
    )


def _files(all_served: Iterable[_Served]) -> Iterator[tuple[int, StoredFile]]:
    for served in all_served:
        for owned in by_owner(served.attachments).values():
            yield from ((file_id, attachment.file) for file_id, attachment in owned)


def _again(export: Export, version: int) -> Project:
    """The project as it was read before. Raises ApiError where that cannot be had any more."""
    problem = "it has changed since then"
    try:
        with _reading_told(export.source), uncollected():
            project = read_project(Reading(export, lambda _: None))
    except ExportError as error:
        problem = str(error)
    else:
        if project.version == version:
            return project
    raise ApiError(
        500,
        "unhandled_condition",
        "The server cannot read the export again.",
        general_problem=f"{export.source}: {problem}",
        possible_fix="Start the server again.",
    )
