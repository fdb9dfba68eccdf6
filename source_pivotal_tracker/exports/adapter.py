"""Answers the connector's requests from export archives, in this process and in place of the network."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from source_pivotal_tracker.api.completeness import Completeness
from source_pivotal_tracker.api.errors import SourceChanged, SourceUnavailable
from source_pivotal_tracker.exports.remote_files import NotOpened, files_at
from tracker_server.api.errors import error_response, route_not_found
from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.exports import (
    MOST_IN_MEMORY,
    UNAVAILABLE_PERSON,
    ExportError,
    ProjectIdError,
    Source,
    read_exports,
    require_exports,
    sources_at,
)
from tracker_server.http_message import Request
from tracker_server.world import UnreadableProject

logger = logging.getLogger("airbyte.tracker")

SERVED_AT = f"http://127.0.0.1:8080{PREFIX}"
"""The default address of `tracker-server serve`: links to files lead there."""
KINDS_WITH_DAYS = frozenset({"story", "epic"})
"""Kinds of rows that have dates; labels and people are those that such rows name."""
OF_A_PERSON = ("/me", "/my/")
"""Paths about the owner of the token; an export has none."""


class ExportAdapter(HTTPAdapter, Completeness):
    """A transport of `requests` to the Tracker server that the exports at some paths or URLs make.

    `project_ids` are the ids of projects by name; those of the others are made of their names. What lies at one of the
    paths `without` is not among the exports, though it may lie below a place. `most_in_memory` is in stories.
    They are read when the first request comes. Raises SourceUnavailable, with a sentence for the user, where they
    cannot be.
    """

    may_fall_silent = False
    may_write_times_otherwise = False

    def __init__(
        self,
        *places: str,
        project_ids: Mapping[str, int] | None = None,
        without: Iterable[str] = (),
        most_in_memory: int = MOST_IN_MEMORY,
    ) -> None:
        super().__init__()
        self._most_in_memory = most_in_memory
        self._places = places
        self._project_ids = project_ids or {}
        self._without = tuple(map(os.path.realpath, without))
        self._lock = threading.Lock()
        self._api: TrackerApi | None = None
        self._problem: SourceUnavailable | None = None
        self._whole_at: dict[int, Mapping[str, datetime]] = {}

    def is_gone(self, project_id: int, kind: str, cursor: str | None) -> bool:
        """Returns True only if an export is provably all of the project and was made after the day of `cursor`."""
        whole_at = self._whole_at.get(project_id, {})
        if kind not in KINDS_WITH_DAYS:
            return whole_at.keys() >= KINDS_WITH_DAYS
        return kind in whole_at and cursor is not None and cursor[:10] < f"{whole_at[kind]:%Y-%m-%d}"

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        url = urlsplit(str(request.url))
        api = self._opened()
        if url.path.removeprefix(PREFIX).startswith(OF_A_PERSON):
            answer = error_response(route_not_found(general_problem=UNAVAILABLE_PERSON))
        else:
            try:
                answer = api.answer(Request("GET", url.path, url.query))
            except UnreadableProject as problem:
                raise SourceChanged(f"export_archive: {problem}") from None
        raw = urllib3.HTTPResponse(io.BytesIO(answer.body), answer.headers, answer.status, preload_content=False)
        return self.build_response(request, raw)

    def open_file(self, file_id: int) -> IO[bytes] | None:
        """The bytes of an attached file, None if the exports do not have it. Raises one of `FILE_ERRORS`."""
        file = self._opened().world.files.get(file_id)
        return file.open() if file else None

    def _opened(self) -> TrackerApi:
        with self._lock:
            if self._problem:
                raise self._problem
            if self._api is None:
                try:
                    self._api = self._read()
                except ProjectIdError as problem:
                    self._problem = SourceUnavailable(f"export_project_ids: {problem}")
                    raise self._problem from None
                except (ExportError, NotOpened, OSError) as problem:
                    self._problem = SourceUnavailable(f"export_archive: {problem}")
                    raise self._problem from None
            return self._api

    def _is_left_out(self, source: Source) -> bool:
        """Whether a file on a disk is one of `without`, or lies in one that the place itself does not lie in."""
        if not self._without or source.is_named or source.home:
            return False
        path, root = os.path.realpath(source.name), os.path.realpath(source.root)
        return any(_is_in(path, place) and not _is_in(root, place) for place in self._without)

    def _read(self) -> TrackerApi:
        sources: list[Source] = []
        for place in self._places:
            found = [source for source in _sources(place) if not self._is_left_out(source)]
            require_exports(place, found)
            sources += found
        world, report = read_exports(sources, self._project_ids, self._most_in_memory, links=False)
        self._whole_at = {project.id: project.complete_at for project in world.projects.values()}
        self.failures = [f"export_archive: {failure.words}" for failure in report.failures]
        for summary in report.served:
            counts = (f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in summary.rows.items())
            rows = ", ".join(counts) or "nothing"
            logger.info(
                "Project %s (%d) as of %s: %s", summary.name, summary.project_id, f"{summary.as_of:%Y-%m-%d}", rows
            )
        for finding in report.findings:
            logger.warning("Not understood in the export: %s", finding)
        if report.finding_count > len(report.findings):
            more = report.finding_count - len(report.findings)
            logger.warning("Not understood in the export: %d more; tracker-server inspect lists all", more)
        return TrackerApi(world)


def _is_in(path: str, place: str) -> bool:
    return path == place or path.startswith(os.path.join(place, ""))


def _sources(place: str) -> list[Source]:
    if "://" not in place:
        return list(sources_at(Path(place)))
    return [Source(file.name, file.open, file.root, file.size, file.stamp, home=file.home) for file in files_at(place)]
