"""Exports that tests write by hand, and a client of the server that reads them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson

from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.exports import ExportReport, Source, read_exports
from tracker_server.http_message import Request, Response
from tracker_server.world import World

NAME = "my_project_20250401_1212.csv"
MODERN = (
    "Id,Title,Labels,Iteration,Iteration Start,Iteration End,Type,Estimate,Priority,Current State,Created at,"
    "Accepted at,Deadline,Requested By,Description,URL,Owned By,Owned By,Blocker,Blocker Status,Comment,Comment,"
    "Task,Task Status,Task,Task Status,Review Type,Reviewer,Review Status,Pull Request,Git Branch"
)
"""The columns of the last exports, where the busiest story had two owners, two comments and two tasks."""


def table(header: str, *rows: Mapping[str, str | Iterable[str]], end: str = "\n") -> bytes:
    """A CSV with this first line; rows have their cells by the name of the column, several where that repeats."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end)
    names = header.split(",")
    writer.writerow(names)
    for row in rows:
        cells = {name: iter([value] if isinstance(value, str) else value) for name, value in row.items()}
        assert cells.keys() <= set(names)
        writer.writerow([next(cells.get(name, iter(())), "") for name in names])
    return text.getvalue().encode()


def modern(*rows: Mapping[str, str | Iterable[str]]) -> bytes:
    """A CSV with the columns of the last exports; each row has an Id and a Title, and was created in 2014."""
    with_defaults = [
        {"Id": str(1000 + number), "Title": f"Story {number}", "Created at": "Nov 22, 2014", **row}
        for number, row in enumerate(rows)
    ]
    return table(MODERN, *with_defaults)


def packed(members: Mapping[str, bytes]) -> bytes:
    """A ZIP."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return out.getvalue()


def source(content: bytes, name: str = NAME) -> Source:
    """A file."""
    return Source(name, lambda: io.BytesIO(content))


class Served:
    """The server over exports, asked in process."""

    def __init__(self, *sources: Source, most_in_memory: int = 1_000, **ids: int) -> None:
        self.world: World
        self.report: ExportReport
        self.world, self.report = read_exports(sources, ids, most_in_memory)
        self._api = TrackerApi(self.world)

    @property
    def findings(self) -> list[str]:
        return [str(finding) for finding in self.report.findings]

    @property
    def project_id(self) -> int:
        """The id of the one project."""
        (project_id,) = self.world.projects
        return project_id

    def respond(self, path: str, **query: Any) -> Response:
        """The response to a path below the API's prefix, or below nothing where it is a file's."""
        prefix = "" if path.startswith("/file_attachments") else PREFIX
        return self._api.handle(Request("GET", prefix + path, urlencode(query)))

    def get(self, path: str, **query: Any) -> Any:
        """What an endpoint answers; `{p}` stands for the one project."""
        response = self.respond(path.replace("{p}", f"/projects/{self.project_id}" if "{p}" in path else ""), **query)
        assert response.status == 200, response.body
        return orjson.loads(response.body)

    def stories(self, fields: str = ":default") -> Any:
        return self.get("{p}/stories", fields=fields)

    def story(self, fields: str = ":default") -> Any:
        """The one story."""
        (story,) = self.stories(fields)
        return story


def served(content: bytes, name: str = NAME) -> Served:
    """The server over one file."""
    return Served(source(content, name))


Row = Mapping[str, str | Iterable[str]]

EPIC: Row = {"Id": "50", "Type": "epic", "Labels": "big", "URL": "https://www.pivotaltracker.com/epic/show/50"}


def story(number: int, state: str, iteration: int | None = None, /, **cells: str) -> dict[str, str]:
    spans = {
        4: ("Nov 6, 2023", "Nov 12, 2023"),
        5: ("Nov 13, 2023", "Nov 19, 2023"),
        6: ("Nov 20, 2023", "Nov 26, 2023"),
    }
    days = {} if iteration is None else dict(zip(("Iteration Start", "Iteration End"), spans[iteration], strict=True))
    planned = {} if iteration is None else {"Iteration": str(iteration), **days}
    return {"Id": str(number), "Current State": state, **planned, **cells}


DONE = story(1, "accepted", 4)
CURRENT = story(2, "started", 5)
BACKLOG = story(3, "unstarted", 6)
ICEBOX = story(4, "unscheduled")
PANELS = {"Done": DONE, "Current": CURRENT, "Backlog": BACKLOG, "Icebox": ICEBOX}
WHOLE = [EPIC, *PANELS.values()]
MORE = [story(10, "accepted", 4), story(11, "started", 5), story(12, "unstarted", 6), story(13, "unscheduled")]
"""Stories of each panel, besides."""

ZIP = "my_project_20250401_1212.zip"
HISTORY = b"ID,Type,Message,Performed By,Occurred At\n1000,Story,Ann Lee started this feature,Ann Lee,2025-03-01\n"
FILES = {
    NAME: modern({}, {}, {"Type": "epic"}),
    "my_project_history_20250401_1212.csv": HISTORY,
    "1000/photo.png": b"PNG",
    "1000/users.csv": b"name,mail\nAnn,ann@example.com\n",
    "1000/export of another.csv": modern({"Id": "5"}),
    "1001/logs.zip": packed({"a.csv": modern({"Id": "6"})}),
    "1001/screens/one.png": b"1",
    "1002/of an epic.pdf": b"PDF",
    "1003/of nobody.png": b"",
    "1000/.DS_Store": b"",
    "1000/._photo.png": b"",
    "1001/Thumbs.db": b"",
    "__MACOSX/._my_project_20250401_1212.csv": b"",
    "desktop.ini": b"",
    "notes.md": b"# Notes",
}
"""An export as people have it, by path: of three rows, with files of each, a history and what systems put there."""
ATTACHED = {
    "photo.png": b"PNG",
    "users.csv": FILES["1000/users.csv"],
    "export of another.csv": FILES["1000/export of another.csv"],
    "logs.zip": FILES["1001/logs.zip"],
    "screens/one.png": b"1",
    "of an epic.pdf": b"PDF",
}


def laid(folder: Path, files: Mapping[str, bytes]) -> Path:
    """The folder with these files in it."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def below(path: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{path}/{name}": content for name, content in files.items()}
