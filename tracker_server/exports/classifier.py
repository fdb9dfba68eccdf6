"""Classifies the files at a place: which of them are exports, which are files of stories, and what the others are.

People keep what Tracker gave them in many shapes: a ZIP, the CSV out of it, the ZIP unpacked (a folder with the CSV and
a folder for each story that has files, named by its number), any of these in folders by year or by project, on a disk
or in an object store, and all of that in a ZIP again. One rule decides what a file is in all of them:

- It is in a folder that is named by a number, with a CSV of stories beside that folder or above: a file of the story
  with this number. If something in the folder may be an export itself, a row of that CSV has to have the number.
- It is in such a folder with no export beside or above, and none in it: a file of the story with this number, wherever
  the CSV with that lies.
- It is a CSV with the columns of stories: an export. With those of a history: that of the exports beside it.
- It is a ZIP: the same rule applies to its content.
- It is in a folder that a command wrote, which the file `tracker-site.txt` or the like shows: not read, as all of it.
- It is a system file: counted, not read.
- Anything else: reported, not read.

So a folder that is named by a number and has exports in it is that of a year or a project, as 2024 or 1027488, as long
as no CSV beside or above it has a row with that number.
"""

from __future__ import annotations

import io
import mimetypes
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import IO

from tracker_server.exports.archive import MAGIC, members, names_in
from tracker_server.exports.cells import row_number
from tracker_server.exports.columns import is_history_header, is_story_header
from tracker_server.exports.errors import ExportError, Failure, Finding, Report
from tracker_server.exports.folders import File, Folder, folder_trees
from tracker_server.exports.layout import Attachment, HistoryTable, Layout, Path, Table
from tracker_server.exports.names import (
    ARCHIVES,
    ENDINGS,
    PERHAPS_TABLES,
    TABLES,
    base_name,
    copy_mark,
    has_trackers_stamp,
    history_project,
    is_history_name,
    parse_inner_name,
    parse_name,
    slug,
)
from tracker_server.exports.sources import COPY_OF_PAGES, Source, is_system_file
from tracker_server.exports.table import MOST_COLUMNS, Sheet, converting_zip_errors
from tracker_server.file_names import COPY_OF_FILES, ROWS_OF_EXPORTS
from tracker_server.world import StoredFile

MOST_NESTED = 3
"""Nested ZIPs; each is read again for its content."""
WRITTEN_BY_US = {
    COPY_OF_PAGES: "not read: these are pages that tracker-server site wrote",
    COPY_OF_FILES: "not read: these are attached files that were copied here",
    ROWS_OF_EXPORTS: "not read: these are rows that tracker-server convert wrote",
}
_NUMBER = re.compile("[0-9]{1,15}")
_TYPES = mimetypes.MimeTypes()
_NO_EXPORT = "it is neither a CSV nor a ZIP, and not in the folder of a story"
_HISTORY = "it is named like a history, but its first line does not name the columns of one"
_NO_COLUMNS = "its first line must name the columns, with Title (or Story) among them"


def classify(sources: Iterable[Source], report: Report) -> Layout:
    """Find out what each file is. `report` receives what is neither an export nor a file of a story."""
    found = _Classifier(report)
    once = {source.name: source for source in sources}
    for root, folder in folder_trees(list(once.values())).items():
        found.visit(folder, (root,), (folder.home,) if folder.home else (), ())
        found.report_system_files(base_name(folder.home))
    found.report_unread_files()
    return found.layout


class _Classifier:
    def __init__(self, report: Report) -> None:
        self.layout = Layout()
        self._report = report
        self._system_files: list[File] = []
        self._unused: list[tuple[File, Path, str]] = []
        self._ids: dict[str, set[int] | None] = {}

    def visit(self, folder: Folder, path: Path, around: Path, above: Sequence[Table], nested: int = 0) -> int:
        """Find out what the files in a folder and below are; returns how many of them are exports or cannot be read.

        `around` are the names of the folders and ZIPs in which it lies, the innermost first; `above` are the tables
        beside it and on the way up.
        """
        tables: list[Table] = []
        histories: list[HistoryTable] = []
        archives: list[File] = []
        failures = len(self.layout.failures)
        for file in folder.files:
            if is_system_file(file.name, is_folder=file.source.is_folder):
                self._system_files.append(file)
                continue
            kind = self._kind(file, path, around, tables, histories)
            if kind == "archive":
                archives.append(file)
            elif kind:
                self._unused.append((file, around, kind))
        self.layout.tables += tables
        failed = len(self.layout.failures) - failures
        count = len(tables) + failed
        labels = frozenset(table.label for table in tables or above)
        self.layout.histories += ((history, labels) for history in histories)
        above = [*tables, *above]
        for file in archives:
            count += self._visit_archive(file, path, around, nested)
        for name, inner in folder.folders.items():
            count += self._visit_inner(name, inner, path, around, above, nested, failed)
        return count

    def _visit_inner(
        self, name: str, inner: Folder, path: Path, around: Path, above: Sequence[Table], nested: int, failed: int
    ) -> int:
        """As `visit`, for a folder in a folder; `failed` are how many files beside it cannot be read."""
        if is_system_file(name, is_folder=True):
            self._system_files += (file for _, file in inner.all_files())
        elif _NUMBER.fullmatch(name) and self._is_of_a_story(int(name), inner, above):
            self._attach(int(name), inner, above)
        elif _NUMBER.fullmatch(name) and failed:
            reason = "not read, because a CSV beside it that cannot be read may say which story it belongs to"
            self._report(Finding("/".join([*path[1:], name]), 0, "", reason))
        elif ours := next((file.name for file in inner.files if file.name in WRITTEN_BY_US), None):
            self._report(Finding("/".join([*path[1:], name]), 0, "", WRITTEN_BY_US[ours]))
        else:
            return self._visit_folder(name, inner, (*path, name), (name, *around), above, nested)
        return 0

    def _visit_folder(
        self, name: str, folder: Folder, path: Path, around: Path, above: Sequence[Table], nested: int
    ) -> int:
        """As `visit`. What lies in a folder with a number and is no export may be of a story in a CSV elsewhere."""
        others = len(self._unused)
        count = self.visit(folder, path, around, above, nested)
        if _NUMBER.fullmatch(name) and not count:
            del self._unused[others:]
            self._attach(int(name), folder, ())
        return count

    def report_unread_files(self) -> None:
        """Report the files that are not used; one that is named like an export counts as unreadable."""
        known = {
            name
            for table in self.layout.tables
            for name in (slug(table.project), slug(parse_name(table.label).project))
        }
        for file, around, kind in self._unused:
            is_called_so = slug(parse_name(file.name).project) in known or has_trackers_stamp(file.name)
            if is_called_so and file.name.lower().endswith((*TABLES, *PERHAPS_TABLES)) and kind != _HISTORY:
                words = f"{file.label} is named like a Tracker export, but cannot be read as one: {kind}."
                self.layout.failures.append(Failure(file.label, words, _projects_of(file.name, around)))
            else:
                self._report(Finding(file.label, 0, "", f"not read: {kind}"))

    def report_system_files(self, folder: str) -> None:
        """Report the system files so far, in one line for the folder or each ZIP."""
        times = Counter(folder or file.label.partition("/")[0] for file in self._system_files)
        self._system_files.clear()
        for label, number in times.items():
            entries = "1 entry" if number == 1 else f"{number:,} entries"
            self._report(Finding(label, 0, "", f"{entries} of an operating system; not read"))

    def _kind(self, file: File, path: Path, around: Path, tables: list[Table], histories: list[HistoryTable]) -> str:
        """Add a file to the tables or histories; returns `archive` for a ZIP, what an unused file is, or nothing."""
        name = file.name.lower()
        is_wanted = file.source.is_named or file.source.is_folder or name.endswith(TABLES)
        if not is_wanted and not name.endswith(ENDINGS):
            return _NO_EXPORT
        with self._recording_failure(file, around):
            try:
                header = None if name.endswith(ARCHIVES) else _header(file)
            except ExportError:
                if is_wanted:
                    raise
                return _NO_EXPORT
            if header is None:
                return "archive"
            if is_story_header(header):
                if len(header) > MOST_COLUMNS:
                    raise ExportError(f"{file.label} has {len(header):,} columns, so it is not a Tracker export.")
                tables.append(_table(file, path, around))
                return ""
            if is_history_header(header):
                histories.append(HistoryTable(file.label, history_project(file.name, around), file.source.open))
                return ""
            if is_wanted and not file.source.is_named and is_history_name(name):
                return _HISTORY
            if file.source.is_named or (is_wanted and not header):
                raise ExportError(f"{file.label} is not a Tracker export: {_NO_COLUMNS}.")
            return "its columns are not those of stories" if is_wanted else _NO_EXPORT
        return ""

    def _visit_archive(self, file: File, path: Path, around: Path, nested: int) -> int:
        before = sum(map(len, self.layout.attachments.values()))
        with self._recording_failure(file, around):
            if nested == MOST_NESTED:
                raise ExportError(f"{file.label} is nested in {nested} other ZIPs; unpack the outer ones.")
            inner = Folder()
            for member in members(file.source, file.label):
                inner.put(File(member, f"{file.label}/{'/'.join(member.parts)}"), member.parts)
            count = self.visit(inner, (*path, file.name), (file.name, *around), (), nested + 1)
            if not count and file.source.is_named:
                raise ExportError(f"{file.label} is not a Tracker export: there is no CSV with stories in it.")
            if not count and before == sum(map(len, self.layout.attachments.values())):
                self._unused.append((file, around, "there is no CSV with stories in it"))
            return count
        return 1

    @contextmanager
    def _recording_failure(self, file: File, around: Path) -> Iterator[None]:
        """Records that a file cannot be read, and which projects it may belong to."""
        try:
            with converting_zip_errors(file.label):
                yield
        except OSError as error:
            place = file.source.name if file.source.is_named else file.label
            words = f"{place} cannot be read: {error.strerror or error}."
        except ExportError as error:
            words = str(error)
        else:
            return
        projects = frozenset[str]()
        if not is_history_name(file.name):
            inside = names_in(file.source) if file.name.lower().endswith(ARCHIVES) else ()
            of_members = (_projects_of(name, (file.name, *around)) for name in inside)
            projects = _projects_of(file.name, around).union(*of_members)
        self.layout.failures.append(Failure(file.label, words, projects))

    def _is_of_a_story(self, number: int, folder: Folder, above: Sequence[Table]) -> bool:
        """Whether what is in the folder is of the story with this number.

        It is, if nothing in it may be an export, or if a row of the tables `above` has the number.
        """
        if not above:
            return False
        paths = [path for path, _ in folder.all_files()]
        is_plain = not any(
            path[-1].lower().endswith(ENDINGS) or any(map(_NUMBER.fullmatch, path[:-1])) for path in paths
        )
        return is_plain or self._may_have(above, number)

    def _may_have(self, tables: Sequence[Table], number: int) -> bool:
        """Whether a row of these tables has the number, or may have it, because one of them cannot be read."""
        for table in tables:
            if table.label not in self._ids:
                try:
                    self._ids[table.label] = set(_ids_of(table))
                except (ExportError, OSError):
                    self._ids[table.label] = None
            ids = self._ids[table.label]
            if ids is None or number in ids:
                return True
        return False

    def _attach(self, number: int, folder: Folder, above: Sequence[Table]) -> None:
        attached = self.layout.attachments.setdefault(tuple(table.label for table in above), [])
        for path, file in folder.all_files():
            if is_system_file(path[-1], is_folder=file.source.is_folder) or any(
                is_system_file(name, is_folder=True) for name in path[:-1]
            ):
                self._system_files.append(file)
                continue
            source = file.source
            if source.is_folder:
                with self._recording_failure(file, ()):
                    source.open()
                continue
            opened = source.open if source.member else partial(_unchanged, source)
            stored = StoredFile("/".join(path), source.size, _TYPES.guess_type(path[-1])[0], opened)
            member = source.member or "/".join(source.parts)
            archive = source.archive or source.place.removesuffix(f"/{member}")
            attached.append(Attachment(number, file.label, source.stamp, stored, archive, member))


def _unchanged(source: Source) -> IO[bytes]:
    """The file, opened. Raises OSError if its size has changed."""
    file = source.open()
    if file.seek(0, io.SEEK_END) != source.size:
        file.close()
        raise OSError(f"{source.place} has changed")
    file.seek(0)
    return file


def _header(file: File) -> list[str] | None:
    """The names of the columns of a CSV; None for a ZIP, whatever it is called."""
    with file.source.open() as opened:
        if opened.read(len(MAGIC[0])).startswith(MAGIC):
            return None
        opened.seek(0)
        return Sheet(opened, file.label).header


def _table(file: File, path: Path, around: Path) -> Table:
    project, at = parse_inner_name(file.name, around)
    return Table(file.label, project, at, file.source.open, path, copy_mark(file.name), _origins(file, around))


def _projects_of(name: str, around: Path) -> frozenset[str]:
    """The projects that a file with this name may belong to; none if its name is not that of an export."""
    if not name.lower().endswith(ENDINGS):
        return frozenset()
    return frozenset({slug(parse_name(name).project), slug(parse_inner_name(name, around).project)})


def _origins(file: File, around: Path) -> frozenset[str]:
    """The projects that may be the same one: those named like the file, or like a ZIP around it."""
    archives = (name for name in around if name.lower().endswith(ARCHIVES))
    return frozenset(slug(parse_name(name).project) for name in archives) | _projects_of(file.name, around)


def _ids_of(table: Table) -> Iterator[int]:
    """The numbers in a table. Raises ExportError and OSError."""
    with table.open() as file:
        for single in Sheet(file, table.label).single_cells():
            if number := row_number(single):
                yield number
