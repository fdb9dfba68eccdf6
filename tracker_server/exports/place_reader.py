"""Reads all projects that have exports at a place."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from tracker_server.exports.classifier import classify
from tracker_server.exports.errors import ExportError, Failure, Finding, ProjectIdError, Report, converting_os_errors
from tracker_server.exports.history import History
from tracker_server.exports.layout import Attachment, Layout
from tracker_server.exports.merging import find_renamed, group_by_project, join_exports, sorted_newest_first
from tracker_server.exports.names import slug
from tracker_server.exports.project import build_project
from tracker_server.exports.project_cache import CachedProject, ProjectCache, sorted_ids
from tracker_server.exports.project_exports import Age, ProjectExports
from tracker_server.exports.project_reader import ProjectReader, Summary
from tracker_server.exports.sources import Source
from tracker_server.garbage_collection import gc_paused
from tracker_server.world import Project, UnreadableProject

logger = logging.getLogger("tracker_server")


@dataclass(frozen=True)
class ReadProject:
    """A project that was read. Without `project`, only the ids of its stories are kept.

    `stories_by_age` has them by the export that they are from.
    """

    exports: ProjectExports
    summary: Summary
    stories_by_age: Sequence[tuple[Age, Sequence[int]]]
    attachments: list[Attachment]
    histories: Mapping[str, History]
    project: CachedProject | None

    @cached_property
    def story_ids(self) -> Sequence[int]:
        return sorted_ids(story_id for _, story_ids in self.stories_by_age for story_id in story_ids)


@dataclass
class PlaceContent:
    """The projects that were read, the one with the oldest export first, and the files that could not be read."""

    projects: list[ReadProject] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class PlaceReader:
    """Reads the projects at a place, into a cache if there is one."""

    def __init__(self, report: Report, cache: ProjectCache | None, *, links: bool = True) -> None:
        self._report = report
        self._cache = cache
        self._links = links
        self._found = PlaceContent()

    def read(self, sources: Iterable[Source], ids: Mapping[str, int]) -> PlaceContent:
        layout = classify(sources, self._report)
        found = self._found
        found.failures = list(layout.failures)
        unreadable = layout.failures
        ids = _by_slug(ids)
        groups = group_by_project(layout, ids)
        _check(ids, groups, found.failures)
        projects = [
            read
            for exports in groups
            if not self._may_be_outdated(exports, unreadable) and (read := self._project(exports))
        ]
        projects.sort(key=lambda read: read.summary.as_of)
        found.projects = self._without_moved(self._with_renamed_joined(projects, ids))
        self._report_unclaimed(layout)
        return found

    def _may_be_outdated(self, exports: ProjectExports, failures: Sequence[Failure]) -> bool:
        """Whether an unreadable file may belong to the project, so that its other files may be outdated."""
        origins = frozenset[str]().union(*(export.table.origins for export in exports.all))
        may_be_outdated = any(not origins.isdisjoint(failure.projects) for failure in failures)
        if may_be_outdated:
            files = ", ".join(export.label for export in exports.all)
            words = f"{files}: not read, because a file of {exports.name!r} that cannot be read may be newer."
            self._found.failures.append(Failure(exports.all[0].label, words, frozenset({slug(exports.name)})))
        return may_be_outdated

    def _project(self, exports: ProjectExports) -> ReadProject | None:
        return self._guarded(exports, lambda: self._kept(sorted_newest_first(exports, self._report), self._report))

    def _guarded(self, exports: ProjectExports, read: Callable[[], ReadProject]) -> ReadProject | None:
        """What `read` returns; None, and a failure more, if the exports cannot be read."""
        try:
            with converting_os_errors(exports.all[0].label), gc_paused():
                return read()
        except ExportError as error:
            words = str(error)
        except Exception as error:  # a bug in one project must not affect others
            logger.exception("Bug: %s cannot be read", exports.all[0].label)
            bug = f"{type(error).__name__}: {error}"
            words = f"{exports.all[0].label} cannot be read because of a bug in this program: {bug}."
        self._found.failures.append(Failure(exports.all[0].label, words, frozenset({slug(exports.name)})))
        return None

    def _kept(self, exports: ProjectExports, report: Report) -> ReadProject:
        reader = ProjectReader(exports, report)
        project = None
        if self._cache is None:
            for _ in reader.rows():
                pass
        else:
            built = build_project(reader, links=self._links)
            read_again = partial(_again, exports, built.version, links=self._links)
            project = CachedProject(built, self._cache, read_again)
        summary = reader.summary()
        self._found.failures += reader.history_failures
        stories = [(age, sorted_ids(ids)) for age, ids in reader.stories_by_age]
        return ReadProject(exports, summary, stories, reader.attachments, reader.counted_histories, project)

    def _with_renamed_joined(self, projects: list[ReadProject], ids: Mapping[str, int]) -> list[ReadProject]:
        """The projects, with those merged that share their stories because a project or its file was renamed."""
        while True:
            pairs = (
                (older, newer, times)
                for older, newer, times in find_renamed(projects)
                if not {slug(projects[older].exports.name), slug(projects[newer].exports.name)} <= ids.keys()
            )
            older, newer, times = next(pairs, (0, 0, 0))
            if not times:
                return projects
            one, other = projects[older], projects[newer]
            joining = join_exports([one.exports, other.exports], ids)
            among = f"{times:,} of its {len(other.story_ids):,} stories"
            reason = f"{among} are in {one.exports.all[0].label} too: treated as one project, {joining.name!r}"
            self._report(Finding(other.exports.all[0].label, 0, "", reason))
            again = self._project(joining)
            del projects[newer], projects[older]
            projects += [again] if again else []
            projects.sort(key=lambda read: read.summary.as_of)

    def _without_moved(self, projects: Sequence[ReadProject]) -> list[ReadProject]:
        """The projects, each without the stories that a newer export of another one has, because they moved there."""
        newest: dict[int, Age] = {}
        for age, story_ids in sorted(pair for read in projects for pair in read.stories_by_age):
            newest.update(dict.fromkeys(story_ids, age))
        left = []
        for read in projects:
            moved_ids: set[int] = set()
            for age, story_ids in read.stories_by_age:
                moved = [story_id for story_id in story_ids if newest[story_id] != age]
                for file, times in Counter(newest[story_id].label for story_id in moved).items():
                    reason = (
                        f"{times:,} of its stories are in {file} too, an export of another project: that one counts"
                    )
                    self._report(Finding(age.label, 0, "Id", reason))
                moved_ids.update(moved)
            left.append(self._again_without(moved_ids, read) if moved_ids else read)
        return [read for read in left if read]

    def _again_without(self, moved_ids: AbstractSet[int], read: ReadProject) -> ReadProject | None:
        """Reads a project once more, without these stories. What is not understood in it was reported before."""
        exports = replace(read.exports, moved_ids=moved_ids)
        failures = self._found.failures
        known = list(failures)
        again = self._guarded(exports, lambda: self._kept(exports, lambda _: None))
        failures[:] = [*known, *(failure for failure in failures[len(known) :] if failure not in known)]
        return again

    def _report_unclaimed(self, layout: Layout) -> None:
        """Reports the files in folders that belong to no story of any export, and histories and lines of nothing."""
        unreadable = {name for failure in self._found.failures for name in failure.projects}
        outdated = {table.label for table in layout.tables if table.origins & unreadable}
        self._report_unclaimed_files(layout, outdated)
        self._report_unclaimed_histories(layout, outdated)

    def _report_unclaimed_files(self, layout: Layout, outdated: AbstractSet[str]) -> None:
        claimed = {attachment.label for read in self._found.projects for attachment in read.attachments}
        for above, attachments in layout.attachments.items():
            if above and all(label in outdated for label in above):
                continue
            for attachment in attachments:
                if attachment.label not in claimed:
                    reason = f"left out: no row has the number {attachment.owner_id}"
                    self._report(Finding(attachment.label, 0, "", reason))

    def _report_unclaimed_histories(self, layout: Layout, outdated: AbstractSet[str]) -> None:
        read: dict[str, list[History]] = {}
        for project in self._found.projects:
            for label, history in project.histories.items():
                read.setdefault(label, []).append(history)
        failed = {failure.file for failure in self._found.failures}
        for table, beside in layout.histories:
            told = read.get(table.label, ())
            left = told[0].lines - sum(history.lines - history.lines_of_others for history in told) if told else 0
            if left > 0:
                reason = f"{left:,} lines are about nothing that the exports beside it have; left out"
                self._report(Finding(table.label, 0, "ID", reason))
            elif not told and table.label not in failed and outdated.isdisjoint(beside):
                reason = "not read: it is the history of a project, and no CSV with the stories lies beside it"
                self._report(Finding(table.label, 0, "", reason))


def _by_slug(ids: Mapping[str, int]) -> dict[str, int]:
    """Raises ProjectIdError if two names are those of one project."""
    names: dict[str, str] = {}
    for name in ids:
        if other := names.get(slug(name)):
            raise ProjectIdError(f"{other!r} and {name!r} are one project; give it one id.")
        names[slug(name)] = name
    return {name: ids[as_given] for name, as_given in names.items()}


def _check(ids: Mapping[str, int], groups: Sequence[ProjectExports], failures: Sequence[Failure]) -> None:
    """Raises ProjectIdError if an id is for an unknown project, or if two projects have one id."""
    names = {slug(exports.name): exports.name for exports in groups}
    unreadable = {name for failure in failures for name in failure.projects}
    for name in ids.keys() - names.keys() - unreadable:
        raise ProjectIdError(f"There is no project {name!r}; there are {', '.join(map(repr, names.values()))}.")
    for project_id, times in Counter(exports.project_id for exports in groups).items():
        if times > 1:
            raise ProjectIdError(f"Several projects have the id {project_id}.")


def _again(exports: ProjectExports, version: int, *, links: bool) -> Project:
    """Reads the project again. Raises UnreadableProject if it cannot be read or has changed."""
    label = exports.all[0].label
    why = ""
    try:
        with converting_os_errors(label), gc_paused():
            project = build_project(ProjectReader(exports, lambda _: None), links=links)
    except ExportError as error:
        why = f": {str(error).rstrip('.')}"
    else:
        if project.version == version:
            return project
    raise UnreadableProject(f"{label} has changed or is damaged since it was opened{why}")
