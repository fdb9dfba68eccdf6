"""The addresses of pages: those that Tracker had on a server, and the files of a static copy."""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from urllib.parse import quote, urlencode

from tracker_server.file_names import safe_name

PANELS = ("done", "current", "backlog", "icebox", "epics")


class Links(ABC):
    """Makes the address of each thing that a page leads to, quoted for a URL."""

    has_search = True
    """Whether a server answers a search; a static copy searches in the browser."""

    @abstractmethod
    def _of(self, path: str, query: dict[str, str] | None = None) -> str: ...

    @property
    def home(self) -> str:
        return self._of("/")

    def project(self, project_id: int) -> str:
        return self._of(f"/n/projects/{project_id}")

    def panel(self, project_id: int, panel: str, page: int) -> str:
        return self._of(f"/n/projects/{project_id}/panels/{panel}/{page}")

    def story(self, story_id: int) -> str:
        return self._of(f"/story/show/{story_id}")

    def epic(self, epic_id: int) -> str:
        return self._of(f"/epic/show/{epic_id}")

    @property
    def search_form(self) -> str:
        return self._of("/search")

    def search(self, query: str, page: int = 1, project_id: int | None = None) -> str:
        """A page of the hits, in one project or in all."""
        path = "/search" if project_id is None else f"/n/projects/{project_id}/search"
        return self._of(path, {"q": query, **({"page": str(page)} if page > 1 else {})})

    def file(self, file_id: int, filename: str, *, inline: bool = False) -> str:
        """The download of a file; `inline`: the file to be shown in place."""
        return self._of(f"/{path_of_file(file_id, filename)}", {"inline": "true"} if inline else None)

    def static(self, name: str) -> str:
        return self._of(f"/static/{name}")


class ServedLinks(Links):
    """The addresses on a server."""

    def _of(self, path: str, query: dict[str, str] | None = None) -> str:
        return quote(path) + (f"?{urlencode(query)}" if query else "")


class RelativeLinks(Links):
    """The addresses in a static copy, seen from the page at one path of it."""

    has_search = False

    def __init__(self, path: str) -> None:
        self._folder = posixpath.dirname(file_of(path))

    def _of(self, path: str, query: dict[str, str] | None = None) -> str:
        relative = posixpath.relpath(file_of(path), self._folder or ".")
        return quote(relative) + (f"?{urlencode(query)}" if query else "")


def file_of(path: str) -> str:
    """The file of a static copy that stands for a path: `story/show/1/index.html` for `/story/show/1`."""
    path = path.strip("/")
    is_file = path.startswith(("static/", "files/"))
    return path if is_file else posixpath.join(path, "index.html")


def path_of_file(file_id: int, filename: str) -> str:
    """Where an attached file lies in a static copy, and below the first page of a server."""
    return f"files/{file_id}/{safe_name(filename)}"
