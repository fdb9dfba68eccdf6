"""Merges the exports of one project: which of them is newer, and which rows of an older one still count.

The row of the newest export that has it counts. A row that only an older one has stays, unless a newer one proves to be
complete (see `panels`): then it was deleted. So parts of a project and selections add and update rows, and delete
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import combinations, compress
from typing import Protocol

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.errors import ExportError, Finding, Report
from tracker_server.exports.ids import hashed_id
from tracker_server.exports.layout import Attachment, HistoryTable, Layout, Table
from tracker_server.exports.names import natural_sort_key, slug
from tracker_server.exports.project_exports import UNDATED, Age, Export, ProjectExports, age_of, missing_proofs
from tracker_server.exports.table_reader import TableReader

MOST_ACCEPTED_APART = 20
"""Stories. Two exports that each have more accepted stories, and share none, belong to two projects."""
LEAST_SHARED = 10
"""Stories. Two projects that share fewer may have moved them."""
SAME = 0.9
"""Of the stories of the smaller one; two projects that share more are one that was renamed."""


def group_by_project(layout: Layout, ids: Mapping[str, int]) -> list[ProjectExports]:
    """The exports, grouped by their project; `ids` has the ids of projects by `slug`."""
    by_project: dict[str, list[Table]] = {}
    for table in sorted(layout.tables, key=lambda table: natural_sort_key(table.label)):
        by_project.setdefault(slug(table.project), []).append(table)
    groups = Counter((table.folder, *_group(table)) for table in layout.tables)
    shared = Counter(folder for folder, *_ in groups)
    by_owner: dict[int, list[Attachment]] = {}
    by_table: dict[str, list[Attachment]] = {}
    for above, files in layout.attachments.items():
        for label in above:
            by_table.setdefault(label, []).extend(files)
        for file in files:
            by_owner.setdefault(file.owner_id, []).append(file)
    histories = _histories(layout, by_project)
    projects = []
    for name, tables in by_project.items():
        found = [
            Export(
                table,
                by_table.get(table.label, []),
                group=(table.folder, *_group(table)),
                is_alone=shared[table.folder] == 1,
                histories=histories.get(table.label, []),
            )
            for table in tables
        ]
        projects.append(ProjectExports(tables[0].project, ids.get(name) or hashed_id("project", name), found, by_owner))
    return projects


def _histories(layout: Layout, by_project: Mapping[str, Sequence[Table]]) -> dict[str, list[HistoryTable]]:
    """The histories by the labels of the tables that they belong to.

    A history belongs to the tables of the project that it is named after. One that is named after none of them belongs
    to all beside it.
    """
    slugs = {table.label: name for name, tables in by_project.items() for table in tables}
    found: dict[str, list[HistoryTable]] = {}
    for history, beside in layout.histories:
        of_its_name = [label for label in beside or slugs if slugs[label] == history.project]
        labels = of_its_name or beside
        is_of_one = bool(of_its_name or not history.project) and len({slugs[label] for label in labels}) == 1
        for label in labels:
            found.setdefault(label, []).append(replace(history, is_of_one=is_of_one))
    return found


def _group(table: Table) -> tuple[object, ...]:
    """Equal for tables of one export: they have one name and one time, and are no copies of each other."""
    return slug(table.project), table.stamp, table.copy


@dataclass(frozen=True)
class _Scan:
    """An export, read on its own. `missing_proofs` has by kind of row what it lacks to be all of the project."""

    export: Export
    reader: TableReader
    age: Age
    missing_proofs: Mapping[str, str | None]

    @cached_property
    def ids(self) -> set[tuple[str, int]]:
        story_ids, epic_ids = self.reader.story_ids, self.reader.epic_ids
        return {("story", story_id) for story_id in story_ids} | {("epic", epic_id) for epic_id in epic_ids}

    @property
    def is_complete(self) -> bool:
        return self.missing_proofs["story"] is None

    @property
    def at(self) -> datetime:
        return self.age.at


def sorted_newest_first(exports: ProjectExports, report: Report) -> ProjectExports:
    """The exports with the newest first. `report` receives what happens to the others.

    Raises ExportError if one cannot be read, or if they belong to two projects with one name.
    """
    if len(exports.all) == 1:
        return exports
    groups = _with_parts(_scan(export, exports.project_id) for export in exports.all)
    groups.sort(key=lambda group: max(scan.age for scan in group), reverse=True)
    newest_first = [scan for group in groups for scan in group]
    _refuse_two_projects(exports.name, newest_first[::-1], report)
    _report_older(exports.name, newest_first, report)
    proofs = {
        kind: frozenset(place for place, scan in enumerate(newest_first) if scan.missing_proofs[kind] is None)
        for kind in ("story", "epic")
    }
    return replace(
        exports,
        all=[scan.export for scan in newest_first],
        ages=[scan.age for scan in newest_first],
        complete=proofs,
    )


def _scan(export: Export, project_id: int) -> _Scan:
    reader = TableReader(CellReader(project_id, lambda _: None))
    for _ in reader.rows(export.table):
        pass
    age = age_of(export, reader)
    unknown = dict.fromkeys(("story", "epic"), "nothing says when it was made")
    return _Scan(export, reader, age, unknown if age.at == UNDATED else missing_proofs([export], [reader]))


def _with_parts(scans: Iterable[_Scan]) -> list[list[_Scan]]:
    """The scans in groups: one each, or those together that are parts of one export and prove something together.

    Tables that share a row are not parts of one export, and neither are two that are each complete.
    """
    groups: dict[tuple[object, ...], list[_Scan]] = {}
    for scan in scans:
        groups.setdefault(scan.export.group, []).append(scan)
    found: list[list[_Scan]] = []
    for group in groups.values():
        number = sum(len(scan.ids) for scan in group)
        are_parts = len(set().union(*(scan.ids for scan in group))) == number and sum(s.is_complete for s in group) < 2
        if len(group) == 1 or not are_parts or any(scan.at == UNDATED for scan in group):
            found += ([scan] for scan in group)
            continue
        at = max(scan.at for scan in group)
        missing = missing_proofs([scan.export for scan in group], [scan.reader for scan in group])
        found.append([replace(scan, age=scan.age._replace(at=at), missing_proofs=missing) for scan in group])
    return found


def _report_older(name: str, newest_first: Sequence[_Scan], report: Report) -> None:
    """Reports for each older export what happens to its rows that newer ones do not have."""
    newer = newest_first[0]
    seen = set(newer.ids)
    label = newer.export.label
    for scan in newest_first[1:]:
        proof = next((other for other in newest_first if other.at > scan.at and other.is_complete), None)
        missing = scan.ids - seen
        if not missing and scan.ids:
            how = "a newer" if scan.at < newer.at else "an equally new"
            reason = f"not served: {label} is {how} export of {name!r}"
        elif proof:
            reason = (
                f"{len(missing):,} of its rows are not in {proof.export.label}, which is newer and complete:"
                " the stories among them count as deleted"
            )
        else:
            reason = f"{len(missing):,} of its rows are not in {label}, which is newer; they stay, because nothing "
            reason += f"proves that {label} is complete: {newer.missing_proofs['story']}"
        if missing or scan.ids:
            report(Finding(scan.export.label, 0, "", reason))
        seen |= scan.ids


def _refuse_two_projects(name: str, scans: Sequence[_Scan], report: Report) -> None:
    """Raises ExportError if exports of one name certainly belong to two projects; reports if they may.

    Nothing in a CSV names the project, so exports that share rows belong to one. Others may be parts of one.
    """
    groups: list[list[_Scan]] = []
    for scan in scans:
        if ids := scan.ids:
            apart = [all(ids.isdisjoint(other.ids) for other in group) for group in groups]
            same = [other for group, is_apart in zip(groups, apart, strict=True) if not is_apart for other in group]
            groups = [*compress(groups, apart), [scan, *same]]
    for group, other in combinations(groups, 2):
        one, two = group[-1], other[-1]
        contradict = any(_contradict(a, b) for a in group for b in other)
        labels = f"{one.export.label} and {two.export.label}"
        if contradict:
            raise ExportError(
                f"{labels} are both called {name!r} but have no story in common, so they belong to two projects: rename"
                " one of them."
            )
        reason = f"it has no story in common with {two.export.label}, which is also called {name!r}: treated as parts"
        report(Finding(one.export.label, 0, "", f"{reason} of one project; rename one of them if they belong to two"))


def _contradict(one: _Scan, other: _Scan) -> bool:
    """Whether two exports without a row in common cannot belong to one project."""
    if one.is_complete and other.is_complete:
        return True
    if min(len(one.reader.accepted_ids), len(other.reader.accepted_ids)) > MOST_ACCEPTED_APART:
        return True
    spans, others = one.reader.spans, other.reader.spans
    return any(
        spans[number][0] and others.get(number, spans[number])[0] not in ("", spans[number][0]) for number in spans
    )


class HasStories(Protocol):
    """A project that was read."""

    @property
    def story_ids(self) -> Sequence[int]: ...


def find_renamed(projects: Sequence[HasStories]) -> Iterator[tuple[int, int, int]]:
    """Yields the indexes of two projects that share nearly all stories, the older one first, and how many they share.

    Tracker's stories have numbers of their own over all projects. `projects` are the oldest first.
    """
    places: dict[int, int] = {}
    for place, project in enumerate(projects):
        shared = Counter(places[row_id] for row_id in project.story_ids if row_id in places)
        for other, times in shared.most_common(1):
            smaller = min(len(project.story_ids), len(projects[other].story_ids))
            if times >= max(LEAST_SHARED, SAME * smaller):
                yield other, place, times
        places.update(dict.fromkeys(project.story_ids, place))


def join_exports(exports: Sequence[ProjectExports], ids: Mapping[str, int]) -> ProjectExports:
    """The exports as those of one project, under the name that an id was given for, or else the first name."""
    chosen = next((project for project in exports if slug(project.name) in ids), exports[0])
    return replace(chosen, all=[export for project in exports for export in project.all])
