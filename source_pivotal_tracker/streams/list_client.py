"""Asks for one list of the API, page by page or by id, and holds each answer against what it says of itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from source_pivotal_tracker.api.client import once_more
from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.dialect.capabilities import ignores_fields
from source_pivotal_tracker.api.errors import (
    FORBIDDEN,
    GONE,
    NOT_FOUND,
    InvalidResponse,
    ParametersRefused,
    SkippableError,
    answer_of,
)
from source_pivotal_tracker.api.page_size import in_time
from source_pivotal_tracker.api.pagination import TOTAL, VERSION, next_offset, number_in, refuse_cut, rest_of
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.api.retries import MOST_ATTEMPTS
from source_pivotal_tracker.streams.endpoints import Partition
from source_pivotal_tracker.streams.hydrate import Hydrator, RowConsumer, Wanting, fields_of
from source_pivotal_tracker.streams.pages import Answer, Listed, Params
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.row_requests import BULK
from source_pivotal_tracker.streams.rows import Row, fingerprint_of, identity_of, rows_in

logger = logging.getLogger("airbyte.tracker")

MOST_REPEATS = 2
FEWEST_STALE_PAGES, MOST_ROUNDS = 5, 2
"""Pages in a row without a new row, and how many times all rows of the list they hold, before it is given up.

While people add rows at the top, others move down and come again; that ends when they stop.
"""
BY_IDS = f"{BULK}?ids"
MOST_IDS = 500
"""Ids that `stories/bulk` takes at a time."""
PAGE_WITH_REQUESTS = 50
"""Rows of a page where each takes requests of its own: a page is what an interrupted sync reads again."""

AnyPage = TypeVar("AnyPage", Listed, Answer)


class ListClient:
    """Reads one list for some consumers. `requests` counts what was asked. All methods raise a TrackerError.

    Every row of an answer holds what the consumers want of it, whatever the server puts into lists: `wanting` returns
    those for which a row is worth requests of its own. `check_rows` raises InvalidResponse for rows that cannot be
    used; without it, each row needs no more than the keys of the consumers.
    """

    def __init__(
        self,
        context: ServerContext,
        partition: Partition,
        consumers: Sequence[RowConsumer],
        wanting: Wanting,
        check_rows: Callable[[Sequence[Row]], None] | None = None,
    ) -> None:
        self._context = context
        self._partition = partition
        self._endpoint = partition.endpoint
        self._consumers = consumers
        self._fields = fields_of(consumers)
        self._names = ", ".join(consumer.name for consumer in consumers)
        self._wanting = wanting
        self._check_rows = check_rows
        self._hydrator = Hydrator(context, partition, consumers, self._fields)
        self._requests = 0

    @property
    def requests(self) -> int:
        return self._requests + self._hydrator.requests

    @property
    def is_selected(self) -> bool | None:
        """Whether the server puts into the rows what `fields` names; None while that is unknown."""
        project = self._partition.project_id
        return self._context.capabilities.selects_fields(project) if project and self._hydrator else None

    @property
    def rows_at_a_time(self) -> int:
        """How many rows to complete before they are passed on."""
        return self._hydrator.rows_at_a_time

    @property
    def completes_rows(self) -> bool:
        """Whether rows are whole only where they are wanted: what they lack takes requests of their own."""
        lacks_parts = self.is_selected is False or bool(self._hydrator.refused())
        return lacks_parts or self._hydrator.describes(self._endpoint.path)

    def pages(self, params: Params, offset: int | None = 0) -> Iterator[Answer]:
        """The pages from an offset on, following by what came.

        A list without a total ends with an empty page, which may never come: several pages that bring no new row are a
        contradiction.
        """
        return self._following(self.page, params, offset)

    def listed(self, params: Params, offset: int | None = 0) -> Iterator[Listed]:
        """The same pages as they come: `completed` makes answers of them."""
        return self._following(self._listed, params, offset)

    def page(self, params: Params, offset: int, previous: int | None = None, *, may_repeat: bool = False) -> Answer:
        """One page. What contradicts itself is asked for once more, and then is an error.

        The page `previous` again is a contradiction. But a list that neither a total nor a version tells from what it
        was may have been shifted by just a page: then, asked once more, it `may_repeat`.
        """

        def page(*, may_repeat: bool = False) -> Answer:
            most = PAGE_WITH_REQUESTS if self.is_selected is False else None
            return self._answer(self._page(params, offset, previous, most=most, may_repeat=may_repeat))

        return once_more(page, partial(page, may_repeat=may_repeat))

    def completed(self, listed: Listed) -> Answer:
        """The page with all that the consumers want of its rows."""
        return once_more(partial(self._answer, listed))

    def as_listed(self, listed: Listed) -> Answer:
        """The page as it came, of whose rows nobody wants more."""
        return self._answer(listed, is_complete=True)

    def lacks(self, row: Row) -> bool:
        """Whether a row of the list takes requests of its own."""
        return bool(self._hydrator.lacks(row, self._wanting, self._endpoint.path))

    def requests_for(self, rows: Sequence[Row]) -> float:
        """About how many requests it takes to complete rows of the list."""
        return self._hydrator.requests_for(rows, self._wanting, self._endpoint.path)

    def story_ids(self) -> list[int] | None:
        """The ids of all stories of the project in one answer, where the server gives it."""
        self._requests += 1
        try:
            project = self._context.client.get(f"projects/{self._partition.project_id}", {"fields": "story_ids"}).parsed
        except ParametersRefused:
            return None
        ids = project.get("story_ids") if isinstance(project, dict) else None
        return ids if isinstance(ids, list) else None

    def bulk(self, ids: Sequence[int]) -> Iterator[Answer]:
        """What requests for many of these stories at once bring of them; nothing where the server serves none."""
        path, capabilities = f"{self._partition.path}/bulk", self._context.capabilities
        size = capabilities.page_size(BY_IDS, MOST_IDS)
        asked = 0

        def ask(rows: int, attempts: int) -> Listed:
            nonlocal asked
            some = ids[asked : asked + rows]
            params: Params = {"ids": ",".join(map(str, some))}
            response = self._get(path, params, variant="bulk", attempts_at_timeout=attempts)
            listed = self._understood(path, response, response.parsed, kind=BULK)
            size.came(rows, len(listed.rows), has_total=True)
            asked += len(some)
            return listed

        while asked < len(ids) and BULK not in capabilities.unserved:
            try:
                wait, left = self._context.client.retries.wait_after, len(ids) - asked
                listed = once_more(partial(in_time, size, ask, wait, most=left))
            except (ParametersRefused, SkippableError) as error:
                if error.status == FORBIDDEN:
                    raise
                logger.warning("The server has no GET /%s: reading these stories one by one (%s)", path, error)
                if error.status == NOT_FOUND:
                    capabilities.unserved.add(BULK)
                return
            yield once_more(partial(self._answer, listed, path))

    def singly(self, ids: Iterable[int]) -> Iterator[Answer]:
        """Each of these stories that is still there: only Tracker's own word for it tells that one is gone."""
        for story_id in ids:
            path = f"{self._partition.path}/{story_id}"
            try:
                response = self._get(path, {}, variant="one")
            except SkippableError as error:
                if error.code != GONE:
                    raise
                logger.info("Story %d is gone", story_id)
                continue
            yield self._answer(self._understood(path, response, [response.parsed], kind=None), path)

    def _following(self, read: Callable[..., AnyPage], params: Params, offset: int | None) -> Iterator[AnyPage]:
        previous: int | None = None
        repeats = 0
        stale_pages = stale_rows = 0
        seen: set[Any] = set()
        while offset is not None:
            page = read(params, offset, previous, may_repeat=repeats < MOST_REPEATS)
            repeats = repeats + 1 if page.fingerprint == previous else 0
            if page.total is None and page.following is not None:
                known = len(seen)
                seen.update(map(identity_of, page.rows))
                is_stale = len(seen) == known
                stale_pages, stale_rows = (stale_pages + 1, stale_rows + len(page.rows)) if is_stale else (0, 0)
                if stale_pages >= FEWEST_STALE_PAGES and stale_rows > MOST_ROUNDS * known:
                    reason = f"{stale_pages} pages up to offset {page.following} brought only rows that came before"
                    raise InvalidResponse(reason, path=self._partition.path)
            previous, offset = page.fingerprint, page.following
            yield page

    def _listed(self, params: Params, offset: int, previous: int | None = None, *, may_repeat: bool = False) -> Listed:
        page = partial(self._page, params, offset, previous)
        return once_more(page, partial(page, may_repeat=may_repeat))

    def _page(
        self, params: Params, offset: int, previous: int | None, *, most: int | None = None, may_repeat: bool = False
    ) -> Listed:
        """One page, of at most so many rows."""
        endpoint, path = self._endpoint, self._partition.path
        if endpoint.page_size is None:
            response = self._get(path, params)
            body = response.parsed
            if self._partition.project_id and not endpoint.single:
                rest = rest_of(response, lambda offset: self._get(path, {**params, "offset": offset}))
                body = [*body, *rest] if rest else body
            listed = self._understood(path, response, body, kind=endpoint.path)
            if not endpoint.single:
                with answer_of(path):
                    refuse_cut(response.headers, len(listed.rows))
            return listed
        response = self._sized(params, offset, endpoint.page_size, most)
        listed = self._understood(path, response, response.parsed, kind=endpoint.path)
        may_repeat = may_repeat and listed.total is None and listed.revision is None
        if listed.rows and listed.fingerprint == previous and not may_repeat:
            raise InvalidResponse(f"the page at offset {offset} is the one before it again", path=path)
        with answer_of(path):
            following = next_offset(response.headers, offset=offset, rows=len(listed.rows))
        return listed._replace(following=following)

    def _sized(self, params: Params, offset: int, documented: int, most: int | None) -> TrackerResponse:
        """A page of as many rows as the server gives in time, and of at most so many."""
        size = self._context.capabilities.page_size(self._endpoint.path, documented)

        def ask(limit: int, attempts: int) -> TrackerResponse:
            asked: Params = {**params, "limit": limit, "offset": offset}
            response = self._get(self._partition.path, asked, attempts_at_timeout=attempts)
            rows = len(response.parsed) if isinstance(response.parsed, list) else 0
            size.came(limit, rows, has_total=TOTAL in response.headers)
            return response

        return in_time(size, ask, self._context.client.retries.wait_after, most=most)

    def _get(
        self, path: str, params: Params, *, variant: str = "", attempts_at_timeout: int = MOST_ATTEMPTS
    ) -> TrackerResponse:
        """GET with the fields that the members want, as far as the server does not refuse them."""
        self._requests += 1
        return self._context.client.selection.get(
            path,
            params,
            self._fields,
            endpoint=self._endpoint.path,
            names=self._names,
            variant=variant,
            attempts_at_timeout=attempts_at_timeout,
            parse_lock=self._context.parse_lock,
        )

    def _understood(self, path: str, response: TrackerResponse, body: Any, *, kind: str | None) -> Listed:
        """Raises InvalidResponse, with the path that was asked for, for what cannot be rows of this list."""
        with answer_of(path):
            rows = rows_in(body, self._endpoint)
            if self._check_rows:
                self._check_rows(rows)
            total = number_in(response.headers, TOTAL)
            version = number_in(response.headers, VERSION)
        if self.is_selected is None:
            self._learn(rows)
        self._hydrator.learn(rows, kind)
        revision = None if version is None else Revision(version)
        # A page that comes again is the same answer, unless additions have shifted the list by just a page.
        fingerprint = hash((fingerprint_of(rows, response.content), total, revision))
        return Listed(rows, None, total, revision, len(response.content), fingerprint, kind)

    def _answer(self, listed: Listed, path: str = "", *, is_complete: bool = False) -> Answer:
        """Raises an IncompleteError with the path that was asked for, which is that of the list where none is given."""
        rows = listed.rows
        with answer_of(path or self._partition.path):
            if not is_complete:
                self._hydrator.complete(rows, self._wanting, listed.kind, heeds_fields=self.is_selected)
            records = [consumer.records_by_row(rows, self._partition) for consumer in self._consumers]
        return Answer(rows, records, *listed[1:-1])

    def _learn(self, rows: Sequence[Row]) -> None:
        """See by the rows whether `fields` is ignored, where no story was there to find that out by."""
        if ignores_fields(self._context.client.selection.of(self._fields, self._endpoint.path), rows):
            self._context.capabilities.mark_missing("selects_fields")
