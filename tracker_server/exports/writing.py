"""Writes a world as an export: a ZIP with a CSV for each project, its history, and its stories' files in folders."""

from __future__ import annotations

import csv
import io
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO
from zoneinfo import ZoneInfo

from tracker_server.derived import Figures
from tracker_server.exports.cells import escape_formula, format_day, format_points
from tracker_server.exports.columns import REPEATED, SINGLE
from tracker_server.exports.names import NAMELESS, is_unmistakable, slug
from tracker_server.exports.sources import is_system_file
from tracker_server.world import Project, Row, StoredFile, World, iso, parse_iso

PRIORITIES = {"p0": "p0 - Critical", "p1": "p1 - High", "p2": "p2 - Medium", "p3": "p3 - Low", "none": "none"}

Repeated = dict[str, list[tuple[str, ...]]]
"""The cells of each repeated group of columns, by the name of its first."""


IN_MEMORY = 4_000_000
"""Bytes of a CSV that are in memory until it is written to its end."""
HISTORY_COLUMNS = ("ID", "Type", "Message", "Performed By", "Occurred At")
OF_BACKUP, OF_SAMPLE = b"Written by tracker-server backup.", b"Sample data, written by tracker-server export."
"""What the comment of a ZIP says, so that the same command may write it anew."""
SIX_MONTHS = timedelta(days=183)
"""How far back the history of an export of Tracker reached."""


def write_export(world: World, out: IO[bytes], history: timedelta | None = SIX_MONTHS) -> None:
    """Write a ZIP like those of Tracker, with all projects of the world.

    It contains the files whose bytes the world has, and of the activity what came in the time of `history` before now,
    or all of it. Two equal worlds give the same bytes.
    """
    with ExportWriter(out, world.now, history) as writer:
        for project in world.projects.values():
            writer.add(world, project)


class ExportWriter:
    """Writes projects into a ZIP, one after the other, as `write_export` does; as a context manager."""

    def __init__(
        self, out: IO[bytes], now: datetime, history: timedelta | None = SIX_MONTHS, comment: bytes = OF_SAMPLE
    ) -> None:
        self._now = now
        self._archive = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
        self._archive.comment = comment
        self._since = iso(now - history) if history else ""
        self._stamp = now.strftime("%Y%m%d_%H%M")
        self._names: set[str] = set()

    def __enter__(self) -> ExportWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def add(self, world: World, project: Project) -> str:
        """Write a project with the people and the files of a world; returns what it is called in the ZIP."""
        with SpooledTemporaryFile(IN_MEMORY) as stories, SpooledTemporaryFile(IN_MEMORY) as history:
            write_csv(world, project, stories)
            _write_history([row for row in project.activity if row["occurred_at"] >= self._since], history)
            # Only what can be written to its end gets a name.
            name = unused(_file_name(str(project.row.get("name") or "")), self._names, slug)
            for part, content in (("", stories), ("_history", history)):
                if content.tell():
                    content.seek(0)
                    with self._member(f"{name}{part}_{self._stamp}.csv") as member:
                        shutil.copyfileobj(content, member)
        for path, file in _files(world, project):
            with self._member(path) as member, file.open() as opened:
                shutil.copyfileobj(opened, member)
        return name

    def _member(self, path: str) -> IO[bytes]:
        entry = zipfile.ZipInfo(path, self._now.timetuple()[:6])
        entry.compress_type = zipfile.ZIP_DEFLATED
        return self._archive.open(entry, "w")


def write_csv(world: World, project: Project, out: IO[bytes]) -> None:
    """Write the stories and epics of one project as a CSV in UTF-8."""
    most = dict.fromkeys((group[0] for group in REPEATED), 1)
    for _, repeated in _rows(world, project):
        for name, groups in repeated.items():
            most[name] = max(most[name], len(groups))
    writer = _CsvWriter(out)
    writer.write([*SINGLE, *(name for group in REPEATED for _ in range(most[group[0]]) for name in group)])
    for single, repeated in _rows(world, project):
        cells = [single.get(name, "") for name in SINGLE]
        for group in REPEATED:
            groups = repeated.get(group[0], [])
            cells += [cell for entry in groups for cell in entry]
            cells += [""] * (len(group) * (most[group[0]] - len(groups)))
        writer.write(cells)
    writer.end()


def _write_history(oldest_first: Sequence[Row], out: IO[bytes]) -> None:
    """Write the activity of a project as a CSV in UTF-8, the oldest first; nothing where there is none."""
    if not oldest_first:
        return
    writer = _CsvWriter(out)
    writer.write(HISTORY_COLUMNS)
    for row in oldest_first:
        resource = next(iter(row.get("primary_resources") or ()), row.get("project") or {})
        person = row.get("performed_by") or {}
        type_name = resource.get("story_type") or resource.get("kind") or ""
        done_to = (str(resource.get("id") or ""), type_name)
        writer.write([*done_to, row.get("message") or "", str(person.get("name") or ""), row["occurred_at"]])
    writer.end()


class _CsvWriter:
    """Writes lines of a CSV in UTF-8 to a file that it leaves open; no cell is computed by a spreadsheet."""

    def __init__(self, out: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(out, encoding="utf-8", newline="")
        # A writer that ends lines with \r\n puts quotes around a lone \r too.
        self._writer = csv.writer(self._text, lineterminator="\r\n")

    def write(self, cells: Iterable[str]) -> None:
        self._writer.writerow(map(escape_formula, cells))

    def end(self) -> None:
        self._text.detach()


def _rows(world: World, project: Project) -> Iterator[tuple[dict[str, str], Repeated]]:
    cells = _Cells(world, project)
    yield from map(cells.of_epic, project.epics.values())
    yield from (cells.of_story(project.stories[story_id]) for story_id in project.order)


class _Cells:
    """What a project's rows are in the cells of an export; days are those of its time zone."""

    def __init__(self, world: World, project: Project) -> None:
        self._world = world
        self._project = project
        self._zone = ZoneInfo((project.row.get("time_zone") or {}).get("olson_name", "UTC"))
        iterations = Figures(project, project.as_of or world.now).iterations
        self._iterations = {story_id: row for row in iterations for story_id in row["story_ids"]}

    def of_epic(self, epic: Row) -> tuple[dict[str, str], Repeated]:
        label = self._project.labels.get(epic.get("label_id", 0), {})
        single = self._common(epic) | {"Type": "epic", "Labels": label.get("name", "")}
        return single, {"Comment": self._comments(epic)}

    def of_story(self, story: Row) -> tuple[dict[str, str], Repeated]:
        labels = (self._project.labels[label_id]["name"] for label_id in story["label_ids"])
        estimate = story.get("estimate")
        single = self._common(story) | {
            "Labels": ", ".join(labels),
            "Type": story["story_type"],
            "Estimate": "" if estimate is None else format_points(estimate),
            "Priority": PRIORITIES.get(story.get("story_priority") or "", ""),
            "Current State": story["current_state"],
            "Accepted at": self._day(story.get("accepted_at")),
            "Deadline": self._day(story.get("deadline")),
            "Requested By": self._name(story.get("requested_by_id")),
        }
        if iteration := self._iterations.get(story["id"]):
            single["Iteration"] = str(iteration["number"])
            single["Iteration Start"] = self._day(iteration["start"])
            single["Iteration End"] = self._day(iteration["finish"], before=timedelta(days=1))
        return single, {
            "Owned By": [(self._name(owner_id),) for owner_id in story["owner_ids"]],
            "Blocker": [
                (row["description"], "resolved" if row["resolved"] else "blocked") for row in story.get("blockers", ())
            ],
            "Comment": self._comments(story),
            "Task": [
                (row["description"], "completed" if row["complete"] else "not completed")
                for row in story.get("tasks", ())
            ],
            "Review Type": [self._review(row) for row in story.get("reviews", ())],
            "Pull Request": [(_address(row, f"pull/{row.get('number')}"),) for row in story.get("pull_requests", ())],
            "Git Branch": [(row.get("original_url") or row["name"],) for row in story.get("branches", ())],
        }

    def _common(self, row: Row) -> dict[str, str]:
        return {
            "Id": str(row["id"]),
            "Title": row.get("name") or "",
            "Created at": self._day(row.get("created_at")),
            "Description": row.get("description") or "",
            "URL": row.get("url") or "",
        }

    def _comments(self, row: Row) -> list[tuple[str, ...]]:
        """Comments with a text or an author; one that only has files is represented by their folder."""
        comments: list[tuple[str, ...]] = []
        for comment in row.get("comments", ()):
            text, author = comment.get("text") or "", self._name(comment.get("person_id"))
            day = self._day(comment.get("created_at"))
            signature = [f"({author} - {day})"] if day else []
            if text or signature:
                comments.append((" ".join([text, *signature]),))
        return comments

    def _review(self, row: Row) -> tuple[str, ...]:
        review_type = self._project.review_types.get(row.get("review_type_id", 0), {})
        return review_type.get("name", ""), self._name(row.get("reviewer_id")), row.get("status") or ""

    def _name(self, person_id: int | None) -> str:
        return str(self._world.people.get(person_id or 0, {}).get("name", ""))

    def _day(self, moment: str | None, before: timedelta = timedelta()) -> str:
        """The day of a time (ISO 8601) less `before`."""
        if not moment:
            return ""
        at = parse_iso(moment).astimezone(self._zone)
        return format_day((at.replace(tzinfo=None) - before).date())


def _address(link: Row, place: str) -> str:
    return str(link.get("original_url") or f"{link['host_url']}{link['owner']}/{link['repo']}/{place}")


def _files(world: World, project: Project) -> Iterator[tuple[str, StoredFile]]:
    """The files that the world has, each with its path in the ZIP."""
    rows: Iterable[Row] = [*project.epics.values(), *(project.stories[story_id] for story_id in project.order)]
    for row in rows:
        taken: set[str] = set()
        for comment in row.get("comments", ()):
            for attachment in comment.get("file_attachments", ()):
                file = world.files.get(attachment["id"])
                if file is not None:
                    yield f"{row['id']}/{unused(_member_name(file.filename), taken)}", file


def unused(name: str, taken: set[str], told_apart_by: Callable[[str], str] = str) -> str:
    """The name, with a number before it if one like it is taken already; adds it to `taken`."""
    number, tried = 1, name
    while told_apart_by(tried) in taken:
        number += 1
        tried = f"{number} {name}"
    taken.add(told_apart_by(tried))
    return tried


def _file_name(project: str) -> str:
    """`my_project` of `My Project!`, and `done_project` of what readers would take for a part of another project."""
    name = re.sub(r"\W+", "_", slug(project)).strip("_").replace("history", "histories")
    tried = (name, f"{name}_{NAMELESS}") if name else ()
    return next((name for name in tried if is_unmistakable(name) and is_unmistakable(f"2 {name}")), NAMELESS)


def _member_name(filename: str) -> str:
    """A name of a file that leads to no other folder, and that no reader of exports takes for a system's own."""
    name = re.sub(r"[/\\\0-\x1f\x7f]", "_", filename)
    return f"_{name}" if not name.strip(". ") or name.startswith(".") or is_system_file(name) else name
