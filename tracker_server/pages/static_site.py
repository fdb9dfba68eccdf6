"""Writes the pages of a world as files, to be opened from a disk or put on any web server."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tracker_server.http_message import Request
from tracker_server.pages.application import Pages
from tracker_server.pages.board import Board
from tracker_server.pages.links import PANELS, RelativeLinks, file_of, path_of_file
from tracker_server.pages.rendering import static_files
from tracker_server.pages.static_search import StaticIndex
from tracker_server.search.documents import Documents
from tracker_server.search.index import SearchIndex
from tracker_server.view import Views
from tracker_server.world import Project, World

WRITTEN = "tracker-site.txt"
"""The list of the files that were written: the next copy to the same folder removes those that it does not have."""
OURS = re.compile(r"(?:[\w-][\w.-]*/)*[\w-][\w.-]*")
"""The paths that a list may have, none of which leads out of its folder."""
FILE_BLOCK = 1_048_576
"""Bytes of an attached file that are in memory at a time."""
AT_A_TIME = 1_000
"""Stories between two reports of progress."""


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
        self._written: list[str] = []
        self._folders: set[Path] = set()
        self.missing: list[str] = []

    def write(self, progress: Callable[[int], None] = lambda _: None) -> int:
        """Write all of it; returns the number of stories. `progress` is called after each thousand of them."""
        try:
            before = self._prepared()
            stories = self._write(progress)
            for path in sorted(before - set(self._written)):
                (self._out / path).unlink(missing_ok=True)
            self._put(WRITTEN, "\n".join(sorted(self._written)).encode())
        except OSError as error:
            raise SiteError(f"Cannot write {error.filename or self._out}: {error.strerror}.") from error
        return stories

    def _prepared(self) -> set[str]:
        """The files of a copy that was written here before."""
        self._out.mkdir(parents=True, exist_ok=True)
        listed = self._out / WRITTEN
        if listed.is_file():
            return set(filter(OURS.fullmatch, listed.read_text("utf-8").splitlines()))
        if any(self._out.iterdir()):
            raise SiteError(f"{self._out} holds other files; name a new folder, or one that a site was written to.")
        return set()

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
        answer = self._pages.handle(Request("GET", path))
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
        except OSError as error:
            self.missing.append(f"{file.filename} cannot be read: {error.strerror or error}.")
            return
        target = self._out / path
        self._make_folder(target.parent)
        with opened, target.open("wb") as out:
            shutil.copyfileobj(opened, out, FILE_BLOCK)
        self._written.append(path)

    def _put(self, path: str, content: bytes) -> None:
        target = self._out / path
        self._make_folder(target.parent)
        target.write_bytes(content)
        self._written.append(path)

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
