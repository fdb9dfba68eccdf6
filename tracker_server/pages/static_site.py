"""Writes the pages of a world as files, to be opened from a disk or put on any web server."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from tracker_server.downloads import FILE_ERRORS, problem_of
from tracker_server.exports.sources import COPY_OF_PAGES
from tracker_server.files import is_new_or_ours
from tracker_server.http_message import Request
from tracker_server.pages.application import Pages
from tracker_server.pages.board import Board
from tracker_server.pages.links import PANELS, RelativeLinks, file_of, path_of_file
from tracker_server.pages.rendering import static_files
from tracker_server.pages.static_search import StaticIndex
from tracker_server.search.documents import Documents
from tracker_server.search.index import SearchIndex
from tracker_server.view import Views
from tracker_server.world import Project, StoredFile, UnreadableProject, World

WRITTEN = COPY_OF_PAGES
"""The list of the files that were written: the next copy to the same folder removes those that it does not have.

Each is named in it before it is written, so that a copy that was interrupted can be written again.
"""
OURS = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")
"""The paths that a list may have, none of which leads out of its folder."""
FILE_BLOCK = 1_048_576
"""Bytes of an attached file that are in memory at a time."""
AT_A_TIME = 1_000
"""Stories between two reports of progress."""


if sys.platform != "win32":
    import fcntl


class SiteError(Exception):
    """The copy cannot be written there: a sentence."""


class StaticSite:
    """Writes a copy to a folder. Raises SiteError.

    The same world gives the same bytes. A folder that holds anything else is refused, so that nothing is overwritten.
    `missing` has a sentence for each attached file that cannot be read; all else is written.
    """

    def __init__(self, world: World, out: Path) -> None:
        self._views = Views(world)
        self._world = world
        self._out = out
        self._pages = Pages(SearchIndex(self._views), RelativeLinks, most_seconds_of_counting=math.inf)
        self._before: set[str] = set()
        self._written: set[str] = set()
        self._folders: set[Path] = set()
        self.missing: list[str] = []

    def write(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Write all of it; returns the number of stories. `progress` is called after each thousand of them."""
        try:
            self._require_folder()
            with (self._out / WRITTEN).open("a+", encoding="utf-8", errors="replace", buffering=1) as self._list:
                self._lock()
                self._list.seek(0)
                self._before = set(filter(OURS.fullmatch, self._list.read().splitlines()))
                self._list.write("\n")
                stories = self._write(progress)
                for path in sorted(self._before - self._written):
                    self._remove(path)
                self._write_list()
        except UnreadableProject as error:
            raise SiteError(f"{error}.") from error
        except OSError as error:
            raise SiteError(f"Cannot write {error.filename or self._out}: {error.strerror}.") from error
        return stories

    def _require_folder(self) -> None:
        """Raises SiteError unless the folder is new, or a copy was written there before."""
        self._out.mkdir(parents=True, exist_ok=True)
        if not is_new_or_ours(self._out, WRITTEN):
            raise SiteError(f"{self._out} holds other files; name a new folder, or one that a site was written to.")

    def _lock(self) -> None:
        """Keep other runs from this folder until the list is closed. Raises SiteError if one is at work there."""
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._list, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            is_ours = False
        else:  # a run that has just ended has put another list in its place
            is_ours = os.path.samestat(os.fstat(self._list.fileno()), (self._out / WRITTEN).stat())
        if not is_ours:
            raise SiteError(f"Another run is writing to {self._out}; wait until it ends, or name another folder.")

    def _write_list(self) -> None:
        written = self._out / f"{WRITTEN}.new"
        written.write_text("\n".join(sorted(self._written)), "utf-8", newline="\n")
        written.replace(self._out / WRITTEN)

    def _remove(self, path: str) -> None:
        """Remove a file of an earlier copy, unless it is in a folder elsewhere to which a link leads."""
        target = self._out / path
        inside = (self._out / parent for parent in Path(path).parents)
        if target.is_file() and not target.is_symlink() and not any(map(self._is_link, inside)):
            target.unlink()

    def _is_link(self, path: Path) -> bool:
        return path != self._out and path.is_symlink()

    def _write(self, progress: Callable[[int], None]) -> int:
        index = StaticIndex()
        stories = 0
        for name, (_, content) in static_files().items():
            self._put(f"static/{name}", content)
        for path in ("/", "/search"):
            self._page(path)
        for project in self._world.projects.values():
            for path in self._board_paths(project):
                self._page(path)
            for kind, row_id in self._indexed(project, index):
                self._row_pages(project, kind, row_id)
                stories += kind == "story"
                if kind == "story" and stories % AT_A_TIME == 0:
                    progress(stories)
        for path, content in index.scripts({p.id: str(p.row["name"]) for p in self._world.projects.values()}):
            self._put(path, content)
        for file_id in sorted(self._world.files):
            self._copy(file_id)
        return stories

    def _indexed(self, project: Project, index: StaticIndex) -> Iterator[tuple[str, int]]:
        """Kind and id of each story and epic of a project, once it is in the index."""
        documents = Documents(self._views.of(project))
        for place, (kind, row_id) in enumerate(documents.keys()):
            index.add(documents.document(kind, row_id, place))
            yield kind, row_id

    def _row_pages(self, project: Project, kind: str, row_id: int) -> None:
        """The page of a story or an epic, at each address that it had in Tracker."""
        self._page(f"/{kind}/show/{row_id}")
        of_project = f"projects/{project.id}/{'stories' if kind == 'story' else 'epics'}/{row_id}"
        for path in (f"/n/{of_project}", f"/{of_project}"):
            self._lead(path, kind, row_id)

    def _board_paths(self, project: Project) -> Iterator[str]:
        """The board of a project, and each page of each panel."""
        yield f"/n/projects/{project.id}"
        board = Board(self._views.of(project))
        for panel in PANELS:
            for page in range(1, board.panel(panel, 1).pages + 1):
                yield f"/n/projects/{project.id}/panels/{panel}/{page}"

    def _page(self, path: str) -> None:
        answer = self._pages.answer(Request("GET", path))
        assert answer.status == 200, path  # noqa: S101  # what is written is there
        self._put(file_of(path), answer.body)

    def _lead(self, path: str, kind: str, row_id: int) -> None:
        """A page at another address that Tracker had, which leads to the one that there is."""
        links = RelativeLinks(path)
        target = links.story(row_id) if kind == "story" else links.epic(row_id)
        page = (
            f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={target}">'
            f'<title>#{row_id}</title><a href="{target}">#{row_id}</a>\n'
        )
        self._put(file_of(path), page.encode())

    def _copy(self, file_id: int) -> None:
        file = self._world.files[file_id]
        path = path_of_file(file_id, file.filename)
        try:
            opened = file.open()
        except FILE_ERRORS as error:
            self._miss(file, error)
            return
        target = self._target(path)
        problem: Exception | None = None
        with opened, target.open("wb") as out:
            try:
                for block in iter(partial(opened.read, FILE_BLOCK), b""):
                    self._write_block(out, block)
            except FILE_ERRORS as error:
                problem = error
            if problem is None and out.tell() != file.size:
                problem = OSError("it is not as long as it was")
        if problem is not None:
            target.unlink()
            self._miss(file, problem)
        else:
            self._written.add(path)

    def _write_block(self, out: IO[bytes], block: bytes) -> None:
        try:
            out.write(block)
        except OSError as error:
            raise SiteError(f"Cannot write {out.name}: {error.strerror}.") from error

    def _miss(self, file: StoredFile, error: Exception) -> None:
        self.missing.append(f"{file.filename} cannot be read: {problem_of(error)}.")

    def _put(self, path: str, content: bytes) -> None:
        self._target(path).write_bytes(content)
        self._written.add(path)

    def _target(self, path: str) -> Path:
        """Where to write a file, which is named in the list from now on. Raises SiteError if that is not ours."""
        target = self._out / path
        self._make_folder(target.parent)
        if path not in self._before and path not in self._written:
            if os.path.lexists(target):
                raise SiteError(f"{target} is in the way: it was not written with this site.")
            self._list.write(f"{path}\n")
        if target.is_symlink():
            raise SiteError(f"{target} is in the way: it is a link.")
        return target

    def _make_folder(self, folder: Path) -> None:
        if folder in self._folders:
            return
        if folder != self._out:
            self._make_folder(folder.parent)
            if folder.is_symlink():
                raise SiteError(f"{folder} is in the way: it is a link.")
            folder.mkdir(exist_ok=True)
        self._folders.add(folder)
