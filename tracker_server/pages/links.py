"""The addresses of pages: those that Tracker had on a server, and the files of a static copy."""

from __future__ import annotations

import posixpath
import re
from abc import ABC, abstractmethod
from urllib.parse import quote, urlencode

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


SAFE_ENDINGS = re.compile(
    r"\.(avif|bmp|csv|docx?|gif|gz|heic|jpe?g|json|key|log|m4[av]|md|mov|mp[34]|numbers|odt|pages|pdf|png|pptx?|psd"
    r"|rtf|tgz|tiff?|txt|wav|webm|webp|xlsx?|zip)",
    re.IGNORECASE,
)
"""Endings of files that no web server sends as a page or a script."""
LONGEST_NAME, MOST_BYTES = 100, 200
"""Characters of a name without its ending, and bytes: a disk takes 255 bytes, or some fewer."""
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\w|lpt\w)(?:\..*)?", re.IGNORECASE)
"""Names that are devices for Windows, with any ending."""


def path_of_file(file_id: int, filename: str) -> str:
    """Where an attached file lies in a static copy, and below the first page of a server."""
    return f"files/{file_id}/{safe_name(filename)}"


def safe_name(filename: str) -> str:
    """A stranger's filename as one that any disk takes, and that no web server takes for a page or a script."""
    base, dot, ending = filename.rpartition(".")
    name = re.sub(r"[^\w.-]+", "_", filename).strip("._-")
    if not (dot and base and SAFE_ENDINGS.fullmatch(f".{ending}")):
        return f"{_shortened(name) or 'file'}.download"
    stem = re.sub(r"[^\w.-]+", "_", base).strip("._-") or "file"
    return f"{_shortened(stem)}.{ending.lower()}"


def _shortened(stem: str) -> str:
    stem = stem[:LONGEST_NAME].encode()[:MOST_BYTES].decode(errors="ignore")
    return f"file-{stem}" if _DEVICE.fullmatch(stem) else stem
