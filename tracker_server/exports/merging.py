"""The exports of one project, put in order: which is newer, and what of an older one counts beside it.

The row of the newest export that has it counts. A row that only an older one has stays, unless a newer one proves to be
all of the project (see `panels`): then it was deleted. So parts of a project and selections add and update rows, and
delete nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import combinations, compress
from typing import Protocol

from tracker_server.exports.errors import ExportError, Finding, Report
from tracker_server.exports.ids import made_id
from tracker_server.exports.layout import Layout, Table
from tracker_server.exports.names import digits_in_order, slug
from tracker_server.exports.notes import Notes
from tracker_server.exports.project import Export, Exports, made, whole
from tracker_server.exports.rows import Reader

MOST_SELECTED = 20
"""Accepted stories. Two exports with more of them, and none in common, are not of one project."""
LEAST_SHARED = 10
"""Stories. Two projects that share fewer may have moved them."""
SAME = 0.9
"""Of the stories of the smaller one; two projects that share more are one that was renamed."""


def grouped(layout: Layout, ids: Mapping[str, int]) -> list[Exports]:
    """The exports that were found, by the project of which they are; `ids` has the ids of projects by their `slug`.

    Tables of one project that lie in one folder and were made at one time are one export.
    """
    by_project: dict[str, dict[tuple[object, ...], list[Table]]] = {}
    for table in sorted(layout.tables, key=lambda table: digits_in_order(table.label)):
        key = (table.folder, table.stamp, table.copy)
        by_project.setdefault(slug(table.project), {}).setdefault(key, []).append(table)
    strays = layout.attachments.get((), [])
    projects = []
    for name, exports in by_project.items():
        found = [_export(layout, tables) for tables in exports.values()]
        spelled = found[0].tables[0].project
        projects.append(Exports(spelled, ids.get(name) or made_id("project", name), found, strays))
    return projects


def _export(layout: Layout, tables: list[Table]) -> Export:
    labels = {table.label for table in tables}
    attached = (files for nearest, files in layout.attachments.items() if not labels.isdisjoint(nearest))
    has_history = any(table.folder in layout.histories for table in tables)
    return Export(tables, [file for files in attached for file in files], has_history)


@dataclass(frozen=True)
class _Scan:
    """An export, read once without the others."""

    export: Export
    reader: Reader
    at: datetime
    whole: Mapping[str, str | None]

    @cached_property
    def ids(self) -> set[tuple[str, int]]:
        return {("story", each) for each in self.reader.story_ids} | {("epic", each) for each in self.reader.epic_ids}

    @property
    def order(self) -> tuple[object, ...]:
        """Sorts older ones before newer ones, and of equal ones those before that tell less."""
        rows = len(self.reader.story_ids) + len(self.reader.epic_ids)
        return self.at, rows, len(self.export.attachments), self.export.label


def in_order(exports: Exports, report: Report) -> Exports:
    """The exports with the newest first. `report` is told what becomes of the others.

    Raises ExportError where one cannot be read, or where they are of two projects with one name.
    """
    if len(exports.all) == 1:
        return exports
    scans = sorted((_scan(export, exports.project_id) for export in exports.all), key=lambda scan: scan.order)
    _refuse_two_projects(exports.name, scans, report)
    newest_first = scans[::-1]
    _tell_of_older(exports.name, newest_first, report)
    proofs = {
        kind: frozenset(place for place, scan in enumerate(newest_first) if scan.whole[kind] is None)
        for kind in ("story", "epic")
    }
    return replace(
        exports,
        all=[scan.export for scan in newest_first],
        made=[scan.at for scan in newest_first],
        whole=proofs,
    )


def _scan(export: Export, project_id: int) -> _Scan:
    reader = Reader(Notes(project_id, lambda _: None))
    for table in export.tables:
        for _ in reader.rows(table):
            pass
    return _Scan(export, reader, made(export, reader, reader.calendar(lambda _: None)), whole(export, reader))


def _tell_of_older(name: str, newest_first: Sequence[_Scan], report: Report) -> None:
    """Tells of each export that has a newer one what becomes of its rows that the newer ones do not have."""
    newer = newest_first[0]
    seen = set(newer.ids)
    label = newer.export.label
    for scan in newest_first[1:]:
        proof = next((each for each in newest_first if each.at > scan.at and each.whole["story"] is None), None)
        missing = scan.ids - seen
        if not missing and scan.ids:
            how = "a newer" if scan.at < newer.at else "as new an"
            reason = f"not served: {label} is {how} export of {name!r}"
        elif proof:
            reason = (
                f"{len(missing):,} of its rows are not in {proof.export.label}, which is newer and all of the project:"
                " its stories count as deleted"
            )
        else:
            reason = f"{len(missing):,} of its rows are not in {label}, which is newer; they stay, for nothing proves "
            reason += f"that {label} is all of the project: {newer.whole['story']}"
        if missing or scan.ids:
            report(Finding(scan.export.label, 0, "", reason))
        seen |= scan.ids


def _refuse_two_projects(name: str, scans: Sequence[_Scan], report: Report) -> None:
    """Raises ExportError where exports of one name are surely of two projects; tells where they may be.

    Nothing in a CSV names the project, so exports that share rows are of one. Others may be parts of one.
    """
    groups: list[list[_Scan]] = []
    for scan in scans:
        if ids := scan.ids:
            apart = [all(ids.isdisjoint(each.ids) for each in group) for group in groups]
            same = [each for group, is_apart in zip(groups, apart, strict=True) if not is_apart for each in group]
            groups = [*compress(groups, apart), [scan, *same]]
    for group, other in combinations(groups, 2):
        one, two = group[-1], other[-1]
        contradict = any(_contradict(a, b) for a in group for b in other)
        labels = f"{one.export.label} and {two.export.label}"
        if contradict:
            raise ExportError(
                f"{labels} are both called {name!r}, and have no story in common. Rename one of them: they are of two"
                " projects."
            )
        reason = f"no story of it is in {two.export.label}, which is called {name!r} too: taken for parts of one"
        report(Finding(one.export.label, 0, "", f"{reason} project; rename one of them if they are of two"))


def _contradict(one: _Scan, other: _Scan) -> bool:
    """Whether two exports without a row in common cannot be of one project."""
    if one.whole["story"] is None and other.whole["story"] is None:
        return True
    if min(len(one.reader.accepted_ids), len(other.reader.accepted_ids)) > MOST_SELECTED:
        return True
    spans, others = one.reader.spans, other.reader.spans
    return any(
        spans[number][0] and others.get(number, spans[number])[0] not in ("", spans[number][0]) for number in spans
    )


class HasStories(Protocol):
    """A project that was read."""

    @property
    def story_ids(self) -> Sequence[int]: ...


def renamed(projects: Sequence[HasStories]) -> Iterator[tuple[int, int, int]]:
    """The places of two projects each that have nearly all stories in common, the older one first, and how many.

    Tracker's stories have numbers of their own over all projects. `projects` are the oldest first.
    """
    places: dict[int, int] = {}
    for place, project in enumerate(projects):
        shared = Counter(places[each] for each in project.story_ids if each in places)
        for other, times in shared.most_common(1):
            smaller = min(len(project.story_ids), len(projects[other].story_ids))
            if times >= max(LEAST_SHARED, SAME * smaller):
                yield other, place, times
        places.update(dict.fromkeys(project.story_ids, place))


def joined(exports: Iterable[Exports]) -> Exports:
    """The exports of one project under the name that the first of them has."""
    first, *others = exports
    return replace(first, all=[*first.all, *(export for each in others for export in each.all)])
