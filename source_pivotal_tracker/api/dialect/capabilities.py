"""Which features of v5 the server supports; one instance per sync."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import ParametersRefused, SkippableError
from source_pivotal_tracker.api.fields import DEFAULT, Fields
from source_pivotal_tracker.api.page_size import PageSize

logger = logging.getLogger("airbyte.tracker")

COSTS = {
    "selects_fields": (
        "ignores `fields`: the parts of a story (tasks, comments, …) take one more request for each changed story and "
        "stream, and attributes that only `fields` selects stay empty"
    ),
    "paginates": "sends no pagination headers: each list takes one more request, for the empty page that ends it",
    "tells_versions": (
        "sends no project versions: every project is asked for its changes, and a list of several pages is read twice "
        "because rows may move between its pages"
    ),
    "heeds_updated_after": "ignores `updated_after`: all stories are listed to find the changed ones",
    "heeds_since_version": "ignores `since_version`: the activity is read back to what is already known",
}
"""What a missing capability costs, as the end of a sentence about the server."""


def ignores_fields(fields: Fields, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the rows of a server that was asked for objects inside them show that it ignores `fields`.

    Tracker leaves out attributes that have no value, but shows an empty list that it was asked for (recording
    delete_attachments.json). So if no row has any of what was named, the server ignores the parameter.
    """
    if all(inside is None for inside in fields.values()):
        return False
    named = fields.keys() - {DEFAULT, "id", "project_id", "updated_at"}
    shows_other = DEFAULT in fields or any(row.keys() - fields.keys() for row in rows)
    return bool(rows) and shows_other and not any(named & row.keys() for row in rows)


def ignores_updated_after(since: str | None, rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether some row is older than the `updated_after` that the server was asked with."""
    return since is not None and any(str(row.get("updated_at", "~")) < since for row in rows)


def selects_by_fields(row: Mapping[str, object]) -> bool:
    """Whether a row is just the id that was asked for; Tracker may put the kind beside it."""
    return row.keys() <= {"id", "kind"}


class Capabilities:
    """Found by one probe, `stories?limit=1&fields=id`, and by the first answers that show more; shared by all threads.

    A capability is unknown until an answer with a story in it shows it. `unserved` are the paths that answers have
    shown to be missing, `served` those of single rows and parts that have answered, `described` the kinds of lists
    whose rows hold descriptions, or would if there were any. Of the ways to complete many rows at once, `completing`
    are those that have brought something, `futile` those that have not, or do no more; `shows_parts_alone`: a story
    that is asked for by itself shows the parts that `fields` names, though lists do not (None: unknown).
    """

    def __init__(self, client: TrackerClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, bool] = {}
        self._warned_about: set[str] = set()
        self.unserved: set[str] = set()
        self.served: set[str] = set()
        self.described: set[str] = set()
        self.completing: set[str] = set()
        self.futile: set[str] = set()
        self.shows_parts_alone: bool | None = None
        self._page_sizes: dict[str, PageSize] = {}

    def selects_fields(self, project_id: int) -> bool | None:
        """Whether `fields` selects attributes, None if unknown; the first to ask probes, in this project.

        Raises a TrackerError.
        """
        with self._lock:
            if "selects_fields" not in self._known and self._client.selection.is_refused_altogether:
                self._note("selects_fields", has_it=False)
            if "selects_fields" not in self._known:
                self._probe(f"projects/{project_id}/stories")
            return self._known.get("selects_fields")

    def page_size(self, endpoint: str, documented: int) -> PageSize:
        """The size of the pages of an endpoint, in all projects."""
        with self._lock:
            return self._page_sizes.setdefault(endpoint, PageSize(documented))

    def completes(self, way: str) -> bool:
        """Whether a way to complete many rows at once is known to bring something."""
        return way in self.completing and way not in self.futile

    def mark_missing(self, capability: str) -> None:
        """Note what an answer has shown the server to lack."""
        with self._lock:
            self._note(capability, has_it=False)

    def warn_once(self, words: str, *values: object, about: str) -> None:
        """Log a warning, unless there was one about the same before."""
        with self._lock:
            if about in self._warned_about:
                return
            self._warned_about.add(about)
        logger.warning(words, *values)

    def _probe(self, path: str) -> None:
        try:
            answer = self._client.get(path, {"limit": 1, "fields": "id"})
        except (ParametersRefused, SkippableError):
            return
        rows = answer.parsed
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
            return
        self._note("selects_fields", has_it=selects_by_fields(rows[0]))
        self._note("paginates", has_it="X-Tracker-Pagination-Total" in answer.headers)
        self._note("tells_versions", has_it="X-Tracker-Project-Version" in answer.headers)
        if all(self._known.values()):
            logger.info("The server supports `fields`, pagination headers and project versions")

    def _note(self, capability: str, *, has_it: bool) -> None:
        if capability not in self._known and not has_it:
            logger.warning("The server %s", COSTS[capability])
        self._known.setdefault(capability, has_it)
