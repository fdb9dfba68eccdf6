"""Exports that tests write by hand, and a client of the server that reads them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from tracker_server.api import PREFIX, Request, Response, TrackerApi
from tracker_server.exports import ExportReport, Source, read_exports
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
    made = [
        {"Id": str(1000 + number), "Title": f"Story {number}", "Created at": "Nov 22, 2014", **row}
        for number, row in enumerate(rows)
    ]
    return table(MODERN, *made)


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

    def __init__(self, *sources: Source, most_kept: int = 1_000, **ids: int) -> None:
        self.world: World
        self.report: ExportReport
        self.world, self.report = read_exports(sources, ids, most_kept)
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
