"""The requests that bring what the rows of a list lack: of many rows at once, of one row, of one part of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.errors import (
    FORBIDDEN,
    GONE,
    IncompleteError,
    InvalidResponse,
    ParametersRefused,
    RetryableError,
    SkippableError,
)
from source_pivotal_tracker.api.fields import Fields
from source_pivotal_tracker.streams.endpoints import Partition
from source_pivotal_tracker.streams.rows import Row

logger = logging.getLogger("airbyte.tracker")

BULK = "stories/bulk"
AGGREGATOR = "aggregator"
MOST_AGGREGATED = 15
"""Requests in one aggregate: Tracker refuses more."""
MOST_AT_ONCE = 100
"""Rows with all their parts in one answer."""
FEWEST_AT_ONCE = 2
"""What fewer rows lack is asked for one by one: nothing is saved."""

Wanted = tuple[Row, str, Fields]
"""A row, the end of the path below it (`/comments`; empty for the row by itself), and the fields to ask for."""


class RowRequests:
    """Asks one list's server for single rows and their parts, and counts the `requests`.

    What the server does not serve is noted in `Capabilities.unserved`, and not asked for again in this sync. `fed_by`
    has by part the names of the streams that it feeds.
    """

    def __init__(self, context: ServerContext, partition: Partition, fed_by: Mapping[str, str]) -> None:
        self.requests = 0
        self._context = context
        self._partition = partition
        self._endpoint = partition.endpoint
        self._capabilities = context.capabilities
        self._fed_by = fed_by
        self._answered: dict[str, Any] = {}

    def is_served(self, what: str) -> bool:
        """False where the server has shown that it does not answer for this part."""
        return self._capabilities.unserved.isdisjoint((self._everywhere(what), self._here(what)))

    def one(self, row: Row, what: str, fields: Fields) -> Any:
        """What a request for one row or part brings; None where the row is gone, or there is no such endpoint.

        Raises a TrackerError.
        """
        path = self._path_of(row, what)
        if path in self._answered:
            return self._answered.pop(path)
        if not self.is_served(what):
            return None
        everywhere = self._everywhere(what)
        try:
            self.requests += 1
            answer = self._context.client.selection.get(
                path,
                {},
                fields,
                endpoint=everywhere,
                names=self._fed_by.get(what.strip("/"), ""),
                parse_lock=self._context.parse_lock,
            ).parsed
        except SkippableError as error:
            self._note_refusal(what, error)
            return None
        if not _is_answer(answer, what):
            raise InvalidResponse("a row came without its id", path=path)
        self._capabilities.served.add(everywhere)
        return answer

    def many(self, ids: Sequence[int], fields: Fields, names: str) -> list[Row] | None:
        """What one request brings of these stories; None where the server does not answer it."""
        path = f"{self._partition.path}/bulk"
        try:
            self.requests += 1
            answer = self._context.client.selection.get(
                path,
                {"ids": ",".join(map(str, ids))},
                fields,
                endpoint=self._endpoint.path,
                names=names,
                variant="bulk",
                attempts_at_timeout=1,
                parse_lock=self._context.parse_lock,
            ).parsed
        except (ParametersRefused, SkippableError, IncompleteError, RetryableError) as error:
            logger.info("GET /%s brings nothing: asking for each story by itself (%s)", path, error.reason)
            return None
        rows = answer if isinstance(answer, list) else []
        return [row for row in rows if isinstance(row, dict) and "id" in row]

    def ask_ahead(self, wanted: Sequence[Wanted]) -> bool | None:
        """Fetch what `one` returns later by aggregates of requests: whether the server has them, None if not asked.

        Tracker's `POST /aggregator` answers many GETs in one. What no request has brought so far is not among them: a
        refusal is told apart from a failure only where it comes by itself. A part that does not come so is asked for
        by itself.
        """
        self._answered.clear()
        known = [some for some in wanted if self._everywhere(some[1]) in self._capabilities.served]
        if len(known) < FEWEST_AT_ONCE:
            return None
        client = self._context.client
        for start in range(0, len(known), MOST_AGGREGATED):
            some = known[start : start + MOST_AGGREGATED]
            asked: Mapping[str, Fields] = {
                self._path_of(row, what): client.selection.of(fields, self._everywhere(what))
                for row, what, fields in some
            }
            try:
                self.requests += 1
                answers = client.aggregate(asked, parse_lock=self._context.parse_lock)
            except (ParametersRefused, SkippableError, IncompleteError, RetryableError) as error:
                logger.info("The server has no POST /%s: each part takes a request (%s)", AGGREGATOR, error.reason)
                return False
            for row, what, _ in some:
                path = self._path_of(row, what)
                answer = answers.get(path)
                # What an aggregate has in place of an answer that failed is not known: it may be an object, too.
                if _is_answer(answer, what) and (not what or isinstance(answer, list)):
                    self._answered[path] = answer
            if not self._answered:
                logger.info("POST /%s brings nothing: each part takes a request", AGGREGATOR)
                return False
        return True

    def warn_once(self, about: str, words: str, *values: object) -> None:
        """Log a warning on this list, unless there was one about the same before."""
        self._capabilities.warn_once("/%s: " + words, self._partition.path, *values, about=about)

    def _note_refusal(self, what: str, error: SkippableError) -> None:
        everywhere = self._everywhere(what)
        if error.code == GONE:
            # It is the story that went, most likely; a server that says so of an endpoint is not to go unnoticed.
            self.warn_once(f"{everywhere} {GONE}", "left out, because the row seems to be deleted: %s", error)
            return
        place = self._here(what) if error.status == FORBIDDEN else everywhere
        self._capabilities.unserved.add(place)
        names = self._fed_by.get(what.strip("/"), "")
        self.warn_once(place, "%s will be empty: the server has no such endpoint (%s)", names, error)

    def _path_of(self, row: Row, what: str) -> str:
        path = self._partition.path
        return f"{path}{what}" if self._endpoint.single else f"{path}/{row['id']}{what}"

    def _everywhere(self, what: str) -> str:
        """The endpoint, of any project."""
        return f"{self._endpoint.path}/{{id}}{what}"

    def _here(self, what: str) -> str:
        """The endpoint in this project."""
        return f"{self._partition.path}/…{what}"


def _is_answer(answer: Any, what: str) -> bool:
    """Whether an answer is what the end of its path says: parts, each with its id, or a row."""
    if not what:
        return isinstance(answer, dict) and "id" in answer
    return not isinstance(answer, list) or all(isinstance(part, dict) and "id" in part for part in answer)
