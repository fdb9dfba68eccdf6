"""Reads a table: from the records of an export to stories and epics, in the shapes that the v5 API serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.cells import id_in_url, parse_day, parse_id, unescape_formula
from tracker_server.exports.columns import REPEATED, SINGLE, Cells, Columns, SingleCells
from tracker_server.exports.dates import DateCells, DayReader, latest_day
from tracker_server.exports.errors import ExportError, shown
from tracker_server.exports.ids import hashed_id
from tracker_server.exports.iterations import Span
from tracker_server.exports.layout import Table
from tracker_server.exports.panels import NONE, Panels
from tracker_server.exports.part_rows import Comments, EpicComments
from tracker_server.exports.parts import comments, parts_of_a_story
from tracker_server.exports.table import UNSTORABLE, Sheet, converting_zip_errors
from tracker_server.world import Row

TYPES = {kind: kind for kind in ("feature", "bug", "chore", "release", "epic")}
WAITING = ("unstarted", "unscheduled")
STATES = {
    state: state for state in ("accepted", "delivered", "finished", "started", "rejected", "planned", *WAITING)
}  # fmt: skip

MOST_ROWS = 200_000
"""Of one project; ten times as many as the largest known one has."""
MOST_ITERATIONS = 10_000

NOT_OF_EPICS = frozenset(SINGLE) - {"Id", "Title", "Labels", "Type", "Created at", "Description", "URL"}
EMPTY = frozenset({"", "-1", "none"})


@dataclass
class NewerExports:
    """The rows of newer exports of the project: an older row with one of these ids does not count.

    `has_all_stories` and `has_all_epics`: rows that they do not have were deleted.
    """

    story_ids: set[int] = field(default_factory=set)
    epic_ids: set[int] = field(default_factory=set)
    has_all_stories: bool = False
    has_all_epics: bool = False

    def supersedes(self, row_id: int, *, is_epic: bool) -> bool:
        """Whether an older row with this id does not count."""
        if is_epic:
            return self.has_all_epics or row_id in self.epic_ids
        return self.has_all_stories or row_id in self.story_ids


@dataclass
class TableReader:
    """Reads a table of a project, and collects facts about all of its rows.

    Rows that `newer` exports have are skipped; `superseded` has their ids. `spans` and `iteration_of` are what the rows
    say of iterations. `reached` is the last iteration in which a story is accepted or in work, `not_beyond` the first
    in which one is not accepted; both are 0 without any. `first_waiting` has the points of the stories that wait there.
    `oldest` and `newest` are the first and the last past day in the rows, up to `latest` (ISO 8601, `""` without any).
    `counts` has the number of rows by type, and of their parts by kind. `accepted_ids` are the accepted stories.
    """

    reader: CellReader
    newer: NewerExports = field(default_factory=NewerExports)
    spans: dict[int, Span] = field(default_factory=dict)
    iteration_of: dict[int, int] = field(default_factory=dict)
    reached: int = 0
    not_beyond: int = 0
    first_waiting: list[float] = field(default_factory=list)
    oldest: str = ""
    newest: str = ""
    latest: str = field(default_factory=latest_day)
    counts: Counter[str] = field(default_factory=Counter)
    panels: Panels = field(default_factory=Panels)
    story_ids: set[int] = field(default_factory=set)
    epic_ids: set[int] = field(default_factory=set)
    accepted_ids: set[int] = field(default_factory=set)
    superseded: set[int] = field(default_factory=set)
    _numbers: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def rows(self, table: Table) -> Iterator[Row]:
        """Yields the stories and epics of a table, in its order; `kind` says which. Raises ExportError."""
        reader = self.reader
        reader.file, reader.days = table.label, DayReader(partial(_date_cells, table))
        with converting_zip_errors(table.label), table.open() as file:
            sheet = Sheet(file, table.label)
            unknown: Counter[int] = Counter()
            for reader.line, cells in sheet.above_header:
                self._report_no_story(cells)
            header, columns, is_short = sheet.header, sheet.columns, False
            for reader.line, row_cells in sheet.rows():
                if row_cells is None:
                    reader.warn("", "a repeated header, not a story")
                    self._report_unknown_columns(header, columns, unknown)
                    header, columns = sheet.header, sheet.columns
                    unknown.clear()
                    continue
                cells = self._storable(row_cells, header) if sheet.records.may_be_unstorable else row_cells
                is_short = len(cells) < columns.width
                beyond = columns.pad(cells)
                if any(beyond):
                    reader.warn("", f"{len(beyond)} cells are beyond the last column; left out")
                if columns.unknown:
                    unknown.update(position for position in columns.unknown if cells[position])
                if any(cells) and (row := self._row(columns, cells)):
                    yield row
        if is_short and not sheet.records.ends_in_a_line:
            reader.warn("", "the last row is short and its line has no end: the file may be incomplete")
        self._report_unknown_columns(header, columns, unknown)
        reader.warn_of_ambiguous_days()

    def _report_unknown_columns(self, header: Cells, columns: Columns, unknown: Counter[int]) -> None:
        self.reader.line = 1
        for position in columns.unknown:
            reason = f"not a column of Tracker; {unknown[position]:,} cells are left out"
            self.reader.warn(header[position].strip() or f"column {position + 1}", reason)

    def _storable(self, cells: Cells, header: Cells) -> Cells:
        """The cells without the characters that a warehouse refuses."""
        storable = []
        for position, cell in enumerate(cells):
            kept, times = UNSTORABLE.subn("", cell)
            storable.append(kept)
            if times:
                column = header[position] if position < len(header) else ""
                reason = "a character that databases refuse (such as U+0000) is left out"
                self.reader.warn(column, reason if times == 1 else f"{times:,} times {reason}")
        return storable

    def _row(self, columns: Columns, cells: Cells) -> Row | None:
        """The story or epic of a record; None if it is none, or does not count."""
        reader = self.reader
        single = SingleCells._make(columns.single(cells))
        title = single.title
        if not (title.strip() or parse_id(single.number) or id_in_url(single.url)):
            self._report_no_story(cells)
            return None
        type_text, created = single.story_type, single.created_at
        story_type = TYPES.get(type_text) or reader.one_of(TYPES, type_text, "Type") or "feature"
        created_at = parse_day(created) or reader.day(created, "Created at")
        is_epic = story_type == "epic"
        row_id = self._id(single, story_type, created_at or "")
        taken = self.epic_ids if is_epic else self.story_ids
        if row_id in taken:
            reader.warn("Id", f"{row_id} occurs earlier in this export; this row is left out")
            return None
        if len(taken) == MOST_ROWS:
            raise ExportError(f"{reader.file} has more than {MOST_ROWS:,} rows, so it is not a Tracker export.")
        if self.newer.supersedes(row_id, is_epic=is_epic):
            self.superseded.add(row_id)
            return None
        taken.add(row_id)
        self.counts[story_type] += 1
        row: Row = {
            "kind": "epic" if is_epic else "story",
            "id": row_id,
            "project_id": reader.project_id,
            "name": unescape_formula(title),
        }
        if not is_epic:
            row["story_type"] = story_type
        if created_at:
            row["created_at"] = created_at
        self._words(row, single)
        if is_epic:
            self._epic(row, single, columns, cells)
        else:
            self._story(row, single, columns, cells)
        return row

    def _words(self, row: Row, single: SingleCells) -> None:
        if not single.title:
            self.reader.warn("Title", "there is none")
        if description := single.description:
            row["description"] = unescape_formula(description)
        if url := single.url:
            row["url"] = url

    def _report_no_story(self, cells: Cells) -> None:
        filled = [cell for cell in cells if cell.strip()]
        if filled:
            more = f" and {len(filled) - 1:,} more cells" if len(filled) > 1 else ""
            reason = f"{shown(filled[0])}{more}: not a story, because it has neither a title nor a number; left out"
            self.reader.warn("", reason)

    def _story(self, row: Row, single: SingleCells, columns: Columns, cells: Cells) -> None:
        """Completes the row of a story."""
        reader = self.reader
        row_id = row["id"]
        state = STATES.get(single.state) or reader.one_of(STATES, single.state, "Current State") or "unscheduled"
        row["current_state"] = state
        row["owner_ids"] = reader.people_ids(columns.cells_of["Owned By"](cells))
        row["label_ids"] = reader.label_ids(single.labels)
        accepted, deadline = single.accepted_at, single.deadline
        if accepted and (day := parse_day(accepted) or reader.day(accepted, "Accepted at")):
            row["accepted_at"] = day
        if deadline and (day := parse_day(deadline) or reader.day(deadline, "Deadline")):
            row["deadline"] = day
        if (requested_by_id := reader.person_id(single.requested_by)) is not None:
            row["requested_by_id"] = requested_by_id
        if (estimate := reader.points(single.estimate)) is not None:
            row["estimate"] = estimate
        if (priority := reader.priority(single.priority)) is not None:
            row["story_priority"] = priority
        number = self._iteration(row, single)
        if state == "accepted":
            self.accepted_ids.add(row_id)
        self.panels.add(state, number)
        parts = parts_of_a_story(row_id, columns, cells, reader)
        row_comments = parts.get("comments")
        # To ask for the very type is faster: that of a sequence is looked for among all that are registered as one.
        updated_at = self._date(row, row_comments.days if type(row_comments) is Comments else [])
        for kind, part_rows in parts.items():
            row[kind] = part_rows
            self.counts[kind] += len(part_rows)
            if updated_at:
                part_rows.updated_at = updated_at

    def _epic(self, row: Row, single: SingleCells, columns: Columns, cells: Cells) -> None:
        """Completes the row of an epic."""
        reader = self.reader
        label_ids = reader.label_ids(single.labels)
        if label_ids:
            row["label_id"] = label_ids[0]
        if len(label_ids) > 1:
            reason = f"{shown(single.labels)} is more than the one label of an epic; the others are left out"
            reader.warn("Labels", reason)
        row["comments"] = comments(EpicComments, row["id"], tuple(columns.texts("Comment", cells)), reader)
        self.counts["comments"] += len(row["comments"])
        self.panels.has_epics = True
        if updated_at := self._date(row, row["comments"].days):
            row["comments"].updated_at = updated_at
        for column, text in zip(SINGLE, single, strict=True):
            if column in NOT_OF_EPICS and text.strip().lower() not in EMPTY:
                reader.warn_left_out(column, text, "not something that an epic has")
        for column, *_ in REPEATED:
            for group in columns.groups(column, cells) if column != "Comment" else ():
                reader.warn_left_out(column, ", ".join(group), "not something that an epic has here")

    def _id(self, single: SingleCells, story_type: str, created_at: str) -> int:
        number = single.number.strip()
        row_id = parse_id(number)
        if row_id:
            return row_id
        row_id = id_in_url(single.url)
        if number:
            self.reader.warn(
                "Id", f"{shown(number)} is not the number of a story; its URL or else its content gives one"
            )
        if row_id:
            return row_id
        content = (self.reader.project_id, story_type, single.title, created_at)
        row_id = hashed_id("story", *content)
        taken, times = self.epic_ids if story_type == "epic" else self.story_ids, 0
        while row_id in taken or row_id in self.superseded:
            times += 1
            row_id = hashed_id("story", *content, times)
        if not number:
            self.reader.warn("Id", "missing; a number is made up")
        return row_id

    def _iteration(self, row: Row, single: SingleCells) -> int:
        """Takes what a row says of its iteration, and returns the number of that; NONE without any."""
        cells = single.iteration, single.iteration_start, single.iteration_end
        number = self._numbers.get(cells) or self._number(cells)
        if number == NONE:
            return NONE
        self.iteration_of[row["id"]] = number
        state = row["current_state"]
        if state != "accepted":
            if number < (self.not_beyond or number + 1):
                self.not_beyond = number
                self.first_waiting = []
            if number == self.not_beyond:
                self.first_waiting.append(row.get("estimate") or 0)
        if state not in WAITING and number > self.reached:
            self.reached = number
        return number

    def _number(self, cells: tuple[str, str, str]) -> int:
        """Reads the number, the start and the end of an iteration, and keeps its days."""
        reader = self.reader
        text, start, end = cells
        text = text.strip()
        if not text:
            if start or end:
                reader.warn_left_out("Iteration Start", f"{start} – {end}", "of an iteration without a number")
            return NONE
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
        if not 0 < number <= MOST_ITERATIONS:
            reader.warn_left_out("Iteration", text, "not the number of an iteration")
            return NONE
        span = (
            parse_day(start) or reader.day(start, "Iteration Start") or "",
            parse_day(end) or reader.day(end, "Iteration End") or "",
        )
        if self.spans.setdefault(number, span) != span:
            reader.warn("Iteration Start", f"an earlier row gives iteration {number} other days; these are left out")
        elif all(span):
            self._numbers[cells] = number
        return number

    def _date(self, row: Row, days: list[str]) -> str | None:
        """Sets and returns `updated_at`, the last day of the row that is past; None without any.

        `days` are those of its comments.
        """
        if "created_at" in row:
            days.append(row["created_at"])
        if "accepted_at" in row:
            days.append(row["accepted_at"])
        if not days:
            return None
        row["updated_at"] = newest = max(days)
        if newest > self.newest:
            self.newest = max([self.newest, *(day for day in days if day <= self.latest)])
        oldest = min(days)
        if oldest < self.oldest or not self.oldest:
            self.oldest = oldest
        return newest


def _date_cells(table: Table) -> Iterator[DateCells]:
    """The cells of a table that should contain days. Raises ExportError."""
    with converting_zip_errors(table.label), table.open() as file:
        for single in Sheet(file, table.label).single_cells():
            yield DateCells(
                single["Created at"], single["Accepted at"], single["Deadline"],
                single["Iteration Start"], single["Iteration End"], single["Iteration"],
            )  # fmt: skip
