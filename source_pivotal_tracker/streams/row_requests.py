"""The requests that bring what the rows of a list lack: of many rows at once, of one row, of one part of it."""

from __future__ import annotations

import logging
from collections import Counter
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
    answer_of,
)
from source_pivotal_tracker.api.fields import Fields, select
from source_pivotal_tracker.api.page_size import PageSize, in_time
from source_pivotal_tracker.api.pagination import may_be_a_page, refuse_cut, rest_of
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.api.retries import MOST_ATTEMPTS
from source_pivotal_tracker.streams.endpoints import Partition
from source_pivotal_tracker.streams.pages import Params
from source_pivotal_tracker.streams.rows import Row

logger = logging.getLogger("airbyte.tracker")

BULK = "stories/bulk"
AGGREGATOR = "aggregator"
MOST_AGGREGATED = 15
"""Requests in one aggregate: Tracker refuses more."""
MOST_AT_ONCE = 100
"""Rows with all their parts in one answer."""
FEWEST_AT_ONCE = 2
"""What fewer rows lack is asked for one by one."""
MOST_FAILURES = 3
"""After so many in a row, a list stops asking for many rows at once in one way, even if that worked before."""
ATTEMPTS_AT_FEW = 3
"""How often the smallest bulk is asked for that does not come in time."""
IDS = {
    "tasks": "task_ids",
    "comments": "comment_ids",
    "blockers": "blocker_ids",
    "reviews": "review_ids",
    "pull_requests": "pull_request_ids",
    "branches": "branch_ids",
}
"""The attributes that hold the ids of the parts of a row: where they are none, the parts take no request."""

Wanted = tuple[Row, str, Fields]
"""A row, the end of the path below it (`/comments`; empty for the row by itself), and the fields to ask for."""


class RowRequests:
    """Asks one list's server for single rows and their parts, and counts the `requests`.

    What the server does not serve is noted in `Capabilities.unserved`, and not asked for again in this sync; nor is a
    way to complete many rows at once that fails, which is noted in `futile`. `fed_by` has by part the names of the
    streams that it feeds.
    """

    def __init__(self, context: ServerContext, partition: Partition, fed_by: Mapping[str, str]) -> None:
        self.requests = 0
        self._context = context
        self._partition = partition
        self._endpoint = partition.endpoint
        self._capabilities = context.capabilities
        self._fed_by = fed_by
        self._answered: dict[str, Any] = {}
        self._failures: Counter[str] = Counter()

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

        def ask(offset: int = 0) -> TrackerResponse:
            params: Params = {"offset": offset} if offset else {}
            return self._get(path, params, fields, endpoint=everywhere, names=self._fed_by.get(what.strip("/"), ""))

        try:
            response = ask()
            answer = response.parsed
            if isinstance(answer, list):
                answer += rest_of(response, ask)
        except SkippableError as error:
            self._note_refusal(what, error)
            return None
        if isinstance(answer, list):
            with answer_of(path):
                refuse_cut(response.headers, len(answer))
        if not _is_answer(answer, what):
            raise InvalidResponse("a row came without its id", path=path)
        if not what and self._endpoint.lookup_by_id and answer["id"] != row["id"]:
            raise InvalidResponse(f"the row of another id came, {answer['id']!r}", path=path)
        self._capabilities.served.add(everywhere)
        return answer

    def many(self, ids: Sequence[int], fields: Fields, names: str, size: PageSize) -> tuple[int, list[Row]] | None:
        """For how many of these stories one request was made, and what it brings; None where the server answers none.

        The request is for as many as the server answers in time, of which `size` keeps account.
        """
        path = f"{self._partition.path}/bulk"

        def ask(rows: int, attempts: int) -> tuple[int, list[Row]]:
            some = ids[:rows]
            params: Params = {"ids": ",".join(map(str, some))}
            answer = self._get(
                path,
                params,
                fields,
                endpoint=self._endpoint.path,
                names=names,
                variant="bulk",
                attempts_at_timeout=attempts,
            ).parsed
            came = [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
            size.came(rows, len(came), has_total=True)
            return len(some), [row for row in came if type(row.get("id")) is int]

        try:
            wait = self._context.client.retries.wait_after
            answered = in_time(size, ask, wait, most=len(ids), attempts_at_fewest=ATTEMPTS_AT_FEW)
        except (ParametersRefused, SkippableError, IncompleteError, RetryableError) as error:
            self._note_failure("GET", BULK, error.reason)
            return None
        del self._failures[BULK]
        return answered

    def shows_descriptions(self, names: str) -> bool:
        """Whether the list shows the description of some story, among the first that it has."""
        try:
            wanted = select("id", "description")
            params: Params = {"limit": MOST_AT_ONCE}
            rows = self._get(self._partition.path, params, wanted, endpoint=self._endpoint.path, names=names).parsed
        except (ParametersRefused, SkippableError, IncompleteError, RetryableError) as error:
            logger.info("/%s is not seen to show descriptions (%s)", self._partition.path, error)
            return False
        return isinstance(rows, list) and any(isinstance(row, dict) and row.get("description") for row in rows)

    def ask_ahead(self, wanted: Sequence[Wanted]) -> None:
        """Fetch what `one` returns later by aggregates of requests, unless the server shows to have none.

        Tracker's `POST /aggregator` answers many GETs in one. What no request has brought so far is not among them: a
        refusal is told apart from a failure only where it comes by itself. A part that does not come so is asked for
        by itself. Where aggregates came before, it takes MOST_FAILURES in a row to hold them to be `futile`.
        """
        self._answered.clear()
        known = [some for some in wanted if self._everywhere(some[1]) in self._capabilities.served]
        if len(known) < FEWEST_AT_ONCE:
            return
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
                self._note_failure("POST", AGGREGATOR, error.reason)
                return
            came = {
                path: answers[path]
                for row, what, _ in some
                if (path := self._path_of(row, what)) in answers and self._is_of(row, what, answers[path])
            }
            if not came:
                self._note_failure("POST", AGGREGATOR, "the answer has nothing of what was asked for")
                return
            del self._failures[AGGREGATOR]
            self._capabilities.completing.add(AGGREGATOR)
            self._answered |= came

    def _get(
        self,
        path: str,
        params: Params,
        fields: Fields,
        *,
        endpoint: str,
        names: str,
        variant: str = "",
        attempts_at_timeout: int = MOST_ATTEMPTS,
    ) -> TrackerResponse:
        """GET with the fields that the server does not refuse. Raises a TrackerError."""
        self.requests += 1
        return self._context.client.selection.get(
            path,
            params,
            fields,
            endpoint=endpoint,
            names=names,
            variant=variant,
            attempts_at_timeout=attempts_at_timeout,
            parse_lock=self._context.parse_lock,
        )

    def warn_once(self, about: str, words: str, *values: object) -> None:
        """Log a warning on this list, unless there was one about the same before."""
        self._capabilities.warn_once("/%s: " + words, self._partition.path, *values, about=about)

    def _is_of(self, row: Row, what: str, answer: Any) -> bool:
        """Whether what an aggregate has under a path is the answer to it, as far as it tells, and all of it.

        What it has in place of an answer that failed is not known: it may be an object, too.
        """
        if not what:
            return _is_answer(answer, what) and (not self._endpoint.lookup_by_id or answer["id"] == row["id"])
        other_kinds = {ids.removesuffix("_ids") for part, ids in IDS.items() if part != what.strip("/")}
        return (
            isinstance(answer, list)
            and not may_be_a_page(len(answer))
            and _is_answer(answer, what)
            and all(part.get(self._endpoint.part_of, row["id"]) == row["id"] for part in answer)
            and not any(str(part.get("kind")) in other_kinds for part in answer)
        )

    def _note_failure(self, method: str, way: str, reason: str) -> None:
        """Note that a request for many rows or parts at once came to nothing."""
        self._failures[way] += 1
        if self._capabilities.completes(way) and self._failures[way] < MOST_FAILURES:
            logger.warning("%s /%s failed (%s): asking for what it was for one by one", method, way, reason)
        else:
            self._capabilities.futile.add(way)
            logger.info("%s /%s brings nothing: asking for each by itself (%s)", method, way, reason)

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


def are_parts(name: str, value: Any) -> bool:
    """Whether a row shows its parts in an attribute: those with ids as a list of objects, others at all."""
    if name not in IDS:
        return value is not None
    return isinstance(value, list) and all(isinstance(part, dict) and "id" in part for part in value)


def _is_answer(answer: Any, what: str) -> bool:
    """Whether an answer is what the end of its path says: parts, each with its id, or a row."""
    if not what:
        return isinstance(answer, dict) and "id" in answer
    return not isinstance(answer, list) or all(isinstance(part, dict) and "id" in part for part in answer)
