"""Reads the exports of one project: their rows, and what all of these say together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from tracker_server.derived import Figures
from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.dates import latest_day
from tracker_server.exports.errors import ExportError, Failure, Finding, Report, converting_os_errors
from tracker_server.exports.history import Event, History, RowIds, merged, read_history, time_of
from tracker_server.exports.iterations import Calendar, Span, calendar, estimated_export_time, midnight
from tracker_server.exports.layout import Attachment
from tracker_server.exports.project_exports import Age, ProjectExports, age_of, export_time, missing_proofs
from tracker_server.exports.table_reader import TYPES, NewerExports, TableReader
from tracker_server.world import STORY_PARTS, Project, Row


@dataclass(frozen=True)
class HistorySummary:
    """How much of a history was understood: its lines, those that say what was done, and those that show a state.

    `oldest` and `newest` are the times of the first and the last (ISO 8601).
    """

    lines: int
    understood: int
    states: int
    oldest: str
    newest: str

    @classmethod
    def of(cls, oldest_first: Sequence[Event]) -> HistorySummary:
        deeds = [statement.deed for _, statement, _ in oldest_first if statement.deed]
        states = sum(bool(deed.state) for deed in deeds)
        return cls(len(oldest_first), len(deeds), states, time_of(oldest_first[0]), time_of(oldest_first[-1]))


@dataclass
class Summary:
    """What was understood of the exports of a project.

    `rows` has the number of rows by type, `parts` of comments, tasks, … by kind. `oldest` and `newest` are the first
    and the last day in a row (ISO 8601, empty without any), `as_of` is when the newest export was made, as
    far as can be known. `iterations` are the numbers of the first and the last iteration that a row is in, 0 without
    any. `counting` has by file how many of its rows count, if there are several files.
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
    history: HistorySummary | None = None
    counting: dict[str, int] = field(default_factory=dict)


class ProjectReader:
    """Reads the exports of a project. Everything else is known only when `rows` has been read to its end."""

    def __init__(self, exports: ProjectExports, report: Report) -> None:
        self.exports = exports
        self.cell_reader = CellReader(exports.project_id, report)
        self._report = report
        self._newer = NewerExports()
        self._readers: list[TableReader] = []
        self._moved: Counter[str] = Counter()
        self.history_failures: list[Failure] = []

    def rows(self) -> Iterator[Row]:
        """Yields the stories and epics that count, each from the newest export that has it. Raises ExportError.

        A story that has moved tells what it can about its former project, but is none of its rows.
        """
        newer = self._newer
        for place, export in enumerate(self.exports.all):
            newer.has_all_stories, newer.has_all_epics = (self._has_complete(kind, place) for kind in ("story", "epic"))
            reader = TableReader(self.cell_reader, newer)
            self._readers.append(reader)
            for row in reader.rows(export.table):
                if row["kind"] == "story" and row["id"] in self.exports.moved_ids:
                    self._moved.update([row["story_type"]])
                    self._moved.update({kind: len(row.get(kind, ())) for kind in STORY_PARTS})
                else:
                    yield row
            newer.story_ids |= reader.story_ids
            newer.epic_ids |= reader.epic_ids

    def _has_complete(self, kind: str, place: int) -> bool:
        """Whether an export that is newer than the one at this index is complete."""
        ages = self.exports.ages
        return any(ages[other].at > ages[place].at for other in self.exports.complete.get(kind, ()))

    @property
    def story_ids(self) -> Collection[int]:
        return self._newer.story_ids - self.exports.moved_ids

    @property
    def stories_by_age(self) -> list[tuple[Age, Collection[int]]]:
        """The stories that count, by the export that they are from."""
        ages = self.exports.ages or list(map(age_of, self.exports.all, self._readers))
        return [(age, reader.story_ids) for age, reader in zip(ages, self._readers, strict=True)]

    @property
    def epic_ids(self) -> Collection[int]:
        return self._newer.epic_ids

    @property
    def complete_at(self) -> Mapping[str, datetime]:
        """As `Project.complete_at`: when the newest complete export was made."""
        if self.exports.ages:
            return {kind: self.exports.ages[min(places)].at for kind, places in self.exports.complete.items() if places}
        export, reader = self.exports.all[0], self._readers[0]
        time = export_time(export, reader)
        missing = missing_proofs([export], [reader]) if time else {}
        return {kind: time for kind, proof in missing.items() if proof is None and time}

    @cached_property
    def attachments(self) -> list[Attachment]:
        """The files of its stories and epics; of two with one name, that of the newer export.

        The files of a story that moved here may lie with an export of its former project: these come last.
        """
        ids = {*self.story_ids, *self.epic_ids}
        taken: set[tuple[int, str]] = set()
        found: list[Attachment] = []
        elsewhere = [file for row_id in ids for file in self.exports.by_owner.get(row_id, ())]
        for attachments in (*(export.attachments for export in self.exports.all), elsewhere):
            own = [file for file in attachments if file.owner_id in ids]
            found += [file for file in own if (file.owner_id, file.file.filename) not in taken]
            taken.update((file.owner_id, file.file.filename) for file in own)
        return sorted(found, key=lambda file: (file.owner_id, file.file.filename))

    @cached_property
    def history(self) -> list[Event]:
        """What was done, the oldest first; `history_failures` are the histories that cannot be read."""
        return merged(history.events for history in self.histories.values())

    @property
    def histories_of_the_newest(self) -> list[list[Event]]:
        """Those of the newest export and, before them, those of older ones; empty if the newest came without any."""
        by_table = {label: history.events for label, history in self.histories.items() if history.events}
        newest = [table.label for table in self.exports.all[0].histories if table.label in by_table]
        if not newest:
            return []
        last = max(newest, key=lambda label: time_of(by_table[label][-1]))
        others = [events for label, events in by_table.items() if label != last]
        return [*sorted(others, key=lambda events: time_of(events[-1])), by_table[last]]

    @cached_property
    def histories(self) -> dict[str, History]:
        """What each history tells, by its name in messages."""
        tables = {history.label: history for export in self.exports.all for history in export.histories}
        rows = RowIds(self.exports.project_id, self._newer.story_ids, self.epic_ids)
        found = {}
        for table in tables.values():
            try:
                with converting_os_errors(table.label):
                    found[table.label] = read_history(table, self.cell_reader, rows)
            except ExportError as error:
                self.history_failures.append(Failure(table.label, str(error), frozenset()))
        return found

    @property
    def counted_histories(self) -> dict[str, History]:
        """The same without the events."""
        return {label: history._replace(events=[]) for label, history in self.histories.items()}

    @cached_property
    def iterations(self) -> Calendar:
        """When its iterations began; newer exports override older ones."""
        spans: dict[int, Span] = {}
        for reader in self._readers:
            spans = reader.spans | spans
        file = self.exports.all[0].label
        oldest = min((reader.oldest for reader in self._readers if reader.oldest), default="")
        return calendar(spans, oldest, lambda reason: self._report(Finding(file, 0, "Iteration Start", reason)))

    @cached_property
    def iteration_of(self) -> dict[int, int]:
        """The iteration of each story whose row has one.

        Tracker planned open stories again every day. So the iteration in an older export counts only if it is not over
        yet.
        """
        moved_ids = self.exports.moved_ids
        if len(self._readers) == 1:
            return {story: number for story, number in self._readers[0].iteration_of.items() if story not in moved_ids}
        settings = Project({"iteration_length": self.iterations.weeks}, iteration_starts=self.iterations.starts)
        current = Figures(settings, self.as_of).current_iteration_number
        found: dict[int, int] = {}
        for place, reader in enumerate(self._readers):
            found |= {
                story_id: number
                for story_id, number in reader.iteration_of.items()
                if (not place or story_id in reader.accepted_ids or number >= current) and story_id not in moved_ids
            }
        return found

    @cached_property
    def as_of(self) -> datetime:
        """When the newest export was made, within the iteration that its rows show to be current."""
        export, reader = self.exports.all[0], self._readers[0]
        reached = reader.reached if export.table.stamp else max(reader.reached, _at_rest(reader))
        if f"{midnight(self.iterations.first_day(max(reached, 1))):%Y-%m-%d}" > latest_day()[:10]:
            reached = 0
        return estimated_export_time(export_time(export, reader), reached, reader.not_beyond, self.iterations)

    def summary(self) -> Summary:
        counts = sum((reader.counts for reader in self._readers), Counter[str]()) - self._moved
        numbers = self.iteration_of.values()
        files = self.attachments
        counting = {
            export.label: len(reader.story_ids - self.exports.moved_ids) + len(reader.epic_ids)
            for export, reader in zip(self.exports.all, self._readers, strict=True)
        }
        history = self.history
        days = [day for reader in self._readers for day in (reader.oldest, reader.newest) if day]
        return Summary(
            name=self.exports.name,
            project_id=self.exports.project_id,
            files=[export.label for export in self.exports.all],
            rows={kind: counts[kind] for kind in TYPES if counts[kind]},
            parts={kind: counts[kind] for kind in STORY_PARTS if counts[kind]},
            people=sorted(self.cell_reader.people, key=str.casefold),
            labels=len(self.cell_reader.labels),
            iterations=(min(numbers, default=0), max(numbers, default=0)),
            oldest=min(days, default=""),
            newest=max(days, default=""),
            as_of=self.as_of,
            attachments=len(files),
            attachment_bytes=sum(file.file.size for file in files),
            history=HistorySummary.of(history) if history else None,
            counting=counting if len(counting) > 1 else {},
        )


def _at_rest(reader: TableReader) -> int:
    """The iteration that must have been current after a quiet period, by the stories that wait.

    Tracker puts waiting stories into the current iteration as long as they fit. Only a story with more points than the
    velocity goes into a later one, behind empty ones, and a velocity is at least one point.
    """
    if reader.not_beyond - reader.reached <= 1:
        return 0
    return reader.not_beyond - max(0, math.ceil(max(reader.first_waiting)) - 1)
