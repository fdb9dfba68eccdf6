"""What the declarative source cannot do by itself, each with its reason. All connectors here have the same file.

No `from __future__ import annotations` here: the cdk executes this file before it is in `sys.modules`, where
dataclasses would look the names up.
"""

import codecs
import json
import logging
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from threading import Lock
from typing import Any, ClassVar
from urllib.parse import urljoin, urlsplit
from weakref import WeakSet

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.datetime.datetime_parser import DatetimeParser
from airbyte_cdk.sources.declarative.interpolation import InterpolatedString
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.retrievers import SimpleRetriever
from airbyte_cdk.sources.declarative.transformations.config_transformations.config_transformation import (
    ConfigTransformation,
)
from airbyte_cdk.sources.declarative.transformations.transformation import RecordTransformation
from airbyte_cdk.sources.streams.call_rate import APIBudget, MovingWindowCallRatePolicy
from airbyte_cdk.sources.streams.core import StreamData
from airbyte_cdk.sources.streams.http.error_handlers import BackoffStrategy
from airbyte_cdk.sources.streams.http.pagination_reset_exception import PaginationResetRequiredException
from airbyte_cdk.sources.types import Config, Record, StreamSlice
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from jsonschema import Draft7Validator

logger = logging.getLogger("airbyte")

MOST_PASSES = 4
"""How often a list is read at most before it is given up because it does not stand still."""
MOST_PAGES_WITHOUT_NEW_ROWS = 3
"""How many pages in a row may repeat rows, because rows that are created meanwhile push others down."""
MOST_ROWS_UNEXPLAINED = 5
"""How many rows a list may lack of the server's count without being cut off: others may come and go unseen."""
LONGEST_WAIT = 120.0
"""Seconds; a server that names a later time has a clock that is wrong, or names milliseconds for seconds."""
LEAST_WAIT = 1.0
MILLISECONDS_FROM = 1e11
"""A time since 1970 that is greater is in milliseconds: in seconds it would be the year 5138."""
RELATIVE_BELOW = 1e9
"""A number that is smaller is no time since 1970 but how many seconds to wait: as a time it would be before 2002."""
MOST_REQUESTS_PER_MINUTE = 1000
FIRST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC)
FUTURE = timedelta(days=1)
"""How far a state may lie ahead of this machine's clock."""
REFUSED_SETTINGS = "__refused_settings"
PARENTS = "_parents"
WITHHELD = "********"
"""What stands for a secret where it must not be seen."""


class ReadFailed(AirbyteTracedException):
    """A list cannot be read now: its stream ends as INCOMPLETE, its state stays, and the other streams go on."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.transient_error)


class SettingsRefused(AirbyteTracedException):
    """The configuration cannot work. The message names each wrong setting and what it has to be."""

    def __init__(self, message: str) -> None:
        super().__init__(message=message, internal_message=message, failure_type=FailureType.config_error)


@dataclass
class NameWrongSettings(ConfigTransformation):
    """Finds the settings that cannot be right, so that the message names them.

    The cdk's own check of a configuration quotes the value and leaves out whose it is. A setting that is refused is
    taken out here, and `ApiKey` raises SettingsRefused with the sentences in place of the first request. One that is
    null counts as not given. `parameters` has the properties of the spec as `settings`.
    """

    parameters: Mapping[str, Mapping[str, Mapping[str, Any]]]

    def transform(self, config: MutableMapping[str, Any]) -> None:
        refused = []
        for name, schema in self.parameters["settings"].items():
            value = config.pop(name, None)
            if value is None:
                continue
            if _is_accepted(value, schema):
                # The cdk hides a secret in what it prints as it stands in the configuration.
                config[name] = value.strip() if isinstance(value, str) else value
                continue
            is_shown = not (schema.get("airbyte_secret") or schema.get("airbyte_hidden"))
            refused.append(f"`{name}` has to be {_asked_for(schema)}{f', and is {value!r}' if is_shown else ''}.")
            if schema.get("airbyte_secret"):
                config[name] = WITHHELD
        if refused:
            config[REFUSED_SETTINGS] = " ".join(refused)


def _is_accepted(value: Any, schema: Mapping[str, Any]) -> bool:
    if not Draft7Validator(dict(schema)).is_valid(value):
        return False
    if schema.get("format") != "date-time":
        return True
    try:
        return FIRST_MOMENT <= datetime.fromisoformat(value.replace("Z", "+00:00")) <= datetime.now(UTC)
    except ValueError:
        return False


def _asked_for(schema: Mapping[str, Any]) -> str:
    if "pattern_descriptor" in schema:
        return str(schema["pattern_descriptor"])
    if schema["type"] == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    return "true or false"


@dataclass(eq=False)
class ApiKey(DeclarativeAuthenticator):
    """Sends the key in `header`, to the configured host alone, and lets nothing show it.

    `requests` follows a redirect to any host, and drops no header there but `Authorization`. A server may repeat the
    key in its error, which the cdk prints. After a 401 nothing more is sent, because each stream would be refused by
    itself. `limit_header` is where the server says how many requests a minute it admits. `api_budget` is filled in by
    the cdk, because the field has this name.
    """

    config: Config
    header: str
    refused_message: str
    api_budget: APIBudget
    limit_header: str | None = None

    refused: ClassVar[WeakSet[APIBudget]] = WeakSet()
    """The budgets whose key the server has refused; a budget is what the streams of one sync share."""

    @property
    def auth_header(self) -> str:
        return self.header

    @property
    def token(self) -> str:
        return str(self.config["api_key"])

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if problems := self.config.get(REFUSED_SETTINGS):
            raise SettingsRefused(problems)
        if self.api_budget in self.refused:
            raise SettingsRefused(self.refused_message)
        if self._look_at not in request.hooks["response"]:
            request.hooks["response"].append(self._look_at)
        return super().__call__(request)  # type: ignore[no-any-return]

    def _look_at(self, response: requests.Response, **_: Any) -> requests.Response:
        if response.is_redirect and _origin(_target(response)) != _origin(response.url):
            logger.warning(
                f"A redirect to {_origin(_target(response))} is not followed: the key goes to one host only."
            )
            del response.headers["Location"]
        self._withhold_key(response)
        _recode(response)
        if response.status_code == requests.codes.unauthorized:
            self.refused.add(self.api_budget)
        if limit := response.headers.get(self.limit_header or ""):
            self._keep_to(limit, response.request)
        return response

    def _withhold_key(self, response: requests.Response) -> None:
        """Take the key out of all that a message may quote; a server may send it back in any answer."""
        for key in {self.token, json.dumps(self.token)[1:-1]}:
            response._content = response.content.replace(key.encode(), WITHHELD.encode())
            response.url = response.url.replace(key, WITHHELD)
            for name, value in response.headers.items():
                response.headers[name] = value.replace(key, WITHHELD)

    def _keep_to(self, limit: str, request: requests.PreparedRequest) -> None:
        """What the server admits takes the place of the default; what the user has set is not exceeded."""
        policy = self.api_budget.get_matching_policy(request)
        is_number = limit.isascii() and limit.isdecimal() and len(limit) < len(str(sys.maxsize))
        if not is_number or not int(limit) or not isinstance(policy, MovingWindowCallRatePolicy):
            return
        for rate in policy._bucket.rates:
            rate.limit = min(int(limit), self.config.get("requests_per_minute") or MOST_REQUESTS_PER_MINUTE)


def _recode(response: requests.Response) -> None:
    """Make the answer UTF-8, which alone the cdk's decoder reads: it takes other bytes for a page without rows."""
    try:
        response.content.decode()
    except UnicodeDecodeError:
        encoding = response.encoding or "utf-8"
        text = response.content.decode(encoding if _is_known_encoding(encoding) else "utf-8", errors="replace")
        logger.warning(
            f"An answer of {_origin(response.url)} is not UTF-8; what cannot be read in it is replaced by \ufffd."
        )
        response._content = text.encode()
    response.encoding = "utf-8"


def _is_known_encoding(name: str) -> bool:
    try:
        return bool(codecs.lookup(name))
    except LookupError:
        return False


def _is_object(response: requests.Response) -> bool:
    try:
        body = response.json()
    except ValueError:
        return False
    return isinstance(body, Mapping) and bool(body)


def _target(response: requests.Response) -> str:
    return urljoin(response.url, response.headers["Location"])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@dataclass
class WaitUntilReset(BackoffStrategy):
    """Waits after a 429 until the time in `reset_header`, else 1, 2, 4 … seconds.

    The cdk's own strategy for such a header takes every time for seconds, has no upper bound, and holds for every
    answer that is tried again: a 502 would wait as well for the time that stands in each answer.
    """

    reset_header: str

    def backoff_time(
        self, response_or_exception: requests.Response | requests.RequestException | None, attempt_count: int
    ) -> float:
        growing = min(float(2 ** (attempt_count - 1)), LONGEST_WAIT)
        response = response_or_exception
        if not isinstance(response, requests.Response) or response.status_code != requests.codes.too_many_requests:
            return growing
        try:
            until = float(response.headers.get(self.reset_header, ""))
        except ValueError:
            until = math.nan
        if math.isnan(until):
            return max(growing, LONGEST_WAIT / 2)
        seconds = until / 1000 if until > MILLISECONDS_FROM else until
        wait = seconds if until < RELATIVE_BELOW else seconds - time.time()
        return min(max(wait, LEAST_WAIT), LONGEST_WAIT)


@dataclass
class Pass:
    """One read of a list from its first page to its last.

    `counts` is what the server said on each page of how many rows there are, and `full_sizes` how many a page can have.
    `page_sizes` is how many rows each page had, `rows` how many different ones came, and `seen_before` how many of
    these the pass before had brought as well. `may_be_new` are the rows that may have come into the list since `began`
    (milliseconds since 1970, by the server's clock), and `end` is the last time that the state may have.
    """

    number: int
    end: float
    began: float | None = None
    pages: int = 0
    rows: int = 0
    seen_before: int = 0
    may_be_new: int = 0
    is_ended: bool = False
    counts: list[int] = field(default_factory=list)
    full_sizes: list[int] = field(default_factory=list)
    page_sizes: list[int] = field(default_factory=list)
    rows_of_pages: list[int] = field(default_factory=list)
    tokens: set[Any] = field(default_factory=set)

    def begin_page(self, response: requests.Response, size: int, count: Any, full_size: Any) -> None:
        self.pages += 1
        self.page_sizes.append(size)
        if self.began is None:
            with suppress(ValueError, TypeError, OverflowError):
                self.began = parsedate_to_datetime(response.headers.get("Date", "")).timestamp() * 1000
                self.end = min(self.end, self.began)
        for number, numbers in ((count, self.counts), (full_size, self.full_sizes)):
            if isinstance(number, int) and not isinstance(number, bool):
                numbers.append(number)

    def goes_on(self, token: Any) -> bool:
        """Whether the list may be followed to the page of this token; to be asked after each page."""
        self.rows_of_pages.append(self.rows)
        is_new = token not in self.tokens
        self.tokens.add(token)
        lately = self.rows_of_pages[-MOST_PAGES_WITHOUT_NEW_ROWS - 1 :]
        return is_new and (len(lately) <= MOST_PAGES_WITHOUT_NEW_ROWS or lately[0] < lately[-1])

    @property
    def is_short(self) -> bool:
        """Whether fewer rows came than the server counts."""
        return bool(self.counts) and self.rows < self.counts[-1]

    def is_cut_off(self, *, is_of_changes: bool) -> bool:
        """Whether rows are missing that the list did not gain while it was read.

        After a page that is full, or where fewer rows came than are missing, the list was not at its end. Else a few
        may be rows that the server counts and does not show. Of a list of changes it may count all rows that there are,
        so there a full page alone is a proof.
        """
        missing = self.counts[0] - self.rows if self.is_short else 0
        if missing <= 0:
            return False
        full_sizes = [*self.full_sizes, *self.page_sizes[:-1]]
        is_full = bool(full_sizes) and self.page_sizes[-1] >= min(full_sizes)
        if is_full and sum(self.page_sizes) < self.counts[0]:
            return True
        return not is_of_changes and missing > min(MOST_ROWS_UNEXPLAINED, self.rows)

    @property
    def shrank(self) -> bool:
        """Whether the server counted fewer rows from one page to the next."""
        return any(later < earlier for earlier, later in pairwise(self.counts))

    @property
    def may_have_shrunk(self) -> bool:
        """Whether a row that left may be hidden in the server's count behind one that entered."""
        return self.shrank or (len(self.counts) > 1 and self.counts[0] + self.may_be_new > self.counts[-1])


@dataclass(eq=False)
class Parents:
    """The parents whose lists are read one by one, by several threads: how many they are so far, or in all."""

    count: int = 0
    is_count_final: bool = False
    refused: int = 0
    lock: Lock = field(default_factory=Lock)

    def refuse(self) -> bool:
        """Count one that the server refuses. Whether it was the last, and none is left that it did not refuse."""
        with self.lock:
            self.refused += 1
            return self.is_count_final and self.refused == self.count


@dataclass
class WholeListRetriever(SimpleRetriever):
    """Reads a list whole and sends each row once, or fails.

    The declarative source takes a page without a token for the last one, and does not notice a list that shrinks while
    it is read. Where pages are counted in rows, a deletion moves a row up to a page that was read already, and that row
    is lost. So an answer that has more must name the next page, no token may come twice, and a list of several pages
    must stand still. Where the server counts its rows (`total_count_path`), a count that falls shows that it did not,
    and the list is read again. Where it does not, the list is read until one reading brings every row of the reading
    before: then none can have left during that one. A page token that has expired (RESET_PAGINATION) begins the list
    again as well. After MOST_PASSES the read fails if rows left each time. A counted list that only may have lost a row
    is taken as it is. A list of one page is one answer, and whole. A list that ends before the server's count is read
    again once, and then the read fails, unless the list grew meanwhile or few rows are missing.

    `rows_path` leads to the rows of an answer, `has_more_path` to what says that there are more, and `page_size_path`
    to how many rows a page can have. `cursor_field` is the attribute with the time of change, and `created_at_field`
    that of creation. What was changed after the end of the slice is sent, and does not move the state: the list is in
    no order of time, so rows that changed a little before may stand on pages that were read already. Where the server's
    clock is behind this machine's, it counts. `synced_until_field` is an attribute that gets that end, for rows without
    a time of their own.

    Where the server refuses the list of a parent in its own words, a JSON object, that parent is skipped: it is gone,
    or may not be seen. What a proxy says in its place proves nothing. The rows of a list of parents (`is_of_parents`)
    carry `Parents`, which `extra_fields` of the partition router hand on. If all of them are refused, the stream fails.
    """

    rows_path: list[str] = field(default_factory=list)
    has_more_path: list[str] = field(default_factory=list)
    total_count_path: list[str] = field(default_factory=list)
    page_size_path: list[str] = field(default_factory=list)
    cursor_field: str = ""
    created_at_field: str = ""
    synced_until_field: str = ""
    is_of_parents: bool = False
    is_refused: bool = field(init=False, default=False)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        names = [InterpolatedString.create(name, parameters=parameters) for name in self.rows_path]
        self.rows_path = [str(name.eval(self.config)) for name in names]

    def read_records(
        self, records_schema: Mapping[str, Any], stream_slice: StreamSlice | None = None
    ) -> Iterable[StreamData]:
        """The records of a slice. A configuration that is refused is an error of the stream, not of each project."""
        if self.is_refused and stream_slice and stream_slice.partition:
            return
        parents = Parents()
        try:
            for record in super().read_records(records_schema, stream_slice):
                if self.is_of_parents:
                    parents.count += 1
                    record.data[PARENTS] = parents  # type: ignore[union-attr]
                yield record.beyond_its_slice() if isinstance(record, LateRecord) else record
        except AirbyteTracedException as error:
            self.is_refused = error.failure_type == FailureType.config_error
            raise
        parents.is_count_final = True

    def _checked(self, record: Record, end: float) -> Record:
        """The record, as a LateRecord where its time is not one that the state may move to."""
        if self.synced_until_field:
            record.data[self.synced_until_field] = _iso(end)  # type: ignore[index]
        moment = _moment(record.data.get(self.cursor_field)) if self.cursor_field else None
        if not self.cursor_field or (moment is not None and moment <= end):
            return record
        data = record.data if moment is not None else UndatedRow(record.data)
        return LateRecord(data=data, stream_name=record.stream_name, associated_slice=record.associated_slice)

    def _read_pages(self, records_generator_fn: Any, stream_slice: StreamSlice) -> Iterator[Record]:
        last_seen: dict[Any, int] = {}
        end = _moment(stream_slice.cursor_slice.get("end_time"))
        before = current = Pass(0, end=math.inf if end is None else end)
        for number in range(1, MOST_PASSES + 1):
            before, current = current, Pass(number, end=current.end)
            try:
                yield from self._one_pass(current, records_generator_fn, stream_slice, last_seen)
            except PaginationResetRequiredException:
                why = "its page token expired"
            else:
                if self._is_whole(current, before):
                    self._compare_with_the_count(current, stream_slice)
                    return
                is_checked = self.total_count_path or number > 1
                why = "a row may have left it" if is_checked else "the server gives no count to check it by"
            if number < MOST_PASSES:
                logger.info(f"{self._list_of(stream_slice)} is read again, because {why}.")
        if not current.is_ended:
            raise ReadFailed(f"{self._list_of(stream_slice)}: the page token expired each of {MOST_PASSES} times.")
        if not self.total_count_path or current.shrank:
            raise ReadFailed(
                f"{self._list_of(stream_slice)} was read {MOST_PASSES} times, and rows left it each time, so others may"
                " have been missed. Sync again: the state has not moved."
            )
        self._compare_with_the_count(current, stream_slice)

    def _one_pass(
        self, current: Pass, records_generator_fn: Any, stream_slice: StreamSlice, last_seen: dict[Any, int]
    ) -> Iterator[Record]:
        """The records that no pass has brought yet; `last_seen` is the number of the pass that saw a key last."""
        token: Mapping[str, Any] | None = None
        while True:
            response = self._fetch_next_page(stream_slice, token)
            if response is None or not response.ok:
                self._skip(response, is_begun=token is not None or current.number > 1, stream_slice=stream_slice)
                current.is_ended = True
                return
            body = response.json()
            records = self._records_in(response, body, records_generator_fn, stream_slice)
            current.begin_page(response, len(records), _at(self.total_count_path, body), _at(self.page_size_path, body))
            if current.number == current.pages == 1 and not stream_slice.partition:
                rows = f"{current.counts[0]:,} rows" if current.counts else f"{len(records):,} rows on the first page"
                logger.info(f"{self.name}: {rows}.")
            for record in records:
                key = self._key_of(record, stream_slice)
                seen_in = last_seen.get(key)
                last_seen[key] = current.number
                if seen_in != current.number:
                    current.rows += 1
                    current.seen_before += seen_in == current.number - 1
                    current.may_be_new += self._may_be_new(record, current, stream_slice)
                if seen_in is None:
                    yield self._checked(record, current.end)
            token = self._token_after(response, body, records, token, current, stream_slice)
            if token is None:
                current.is_ended = True
                return

    def _skip(self, response: requests.Response | None, *, is_begun: bool, stream_slice: StreamSlice) -> None:
        """Warn of a list that the server refuses. Raises ReadFailed where its parent need not be gone."""
        status = "not at all" if response is None else f"with {response.status_code}"
        if is_begun:
            raise ReadFailed(f"{self._list_of(stream_slice)} ends in the middle: the server answers {status}.")
        if response is None or not _is_object(response):
            raise ReadFailed(
                f"{self._list_of(stream_slice)} cannot be read: the server, or a proxy before it, answers {status} and"
                " gives no error of the API. Sync again: the state has not moved."
            )
        logger.warning(f"{self._list_of(stream_slice)} is skipped: the server answers {status}.")
        parents = stream_slice.extra_fields.get(PARENTS)
        if parents is not None and parents.refuse():
            raise ReadFailed(
                f"{self.name} brings nothing: the server refuses each of its {parents.count:,} lists. Give the key the"
                " permission, or leave the stream out."
            )

    def _records_in(
        self, response: requests.Response, body: Any, records_generator_fn: Any, stream_slice: StreamSlice
    ) -> list[Record]:
        """The records of a page. Raises ReadFailed where they are not all of its rows."""
        rows = _at(self.rows_path, body)
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise ReadFailed(f"{self._list_of(stream_slice)} holds rows that are no objects.")
        records = list(records_generator_fn(response))
        if len(records) != len(rows):
            raise ReadFailed(
                f"{self._list_of(stream_slice)}: {len(records)} of {len(rows)} rows of a page can be read."
            )
        return records

    def _token_after(
        self,
        response: requests.Response,
        body: Any,
        records: list[Record],
        token: Mapping[str, Any] | None,
        current: Pass,
        stream_slice: StreamSlice,
    ) -> Mapping[str, Any] | None:
        """What leads to the next page; None after the last one. Raises ReadFailed where that is not clear."""
        last = token["next_page_token"] if token else None
        following = self._next_page_token(response, len(records), records[-1] if records else None, last)
        if following is None:
            if _at(self.has_more_path, body):
                raise ReadFailed(f"{self._list_of(stream_slice)} says that it goes on, and does not say where.")
            return None
        place = following["next_page_token"]
        page = last if isinstance(last, int) else 1
        number = place if isinstance(place, int) and not self.total_count_path else None
        is_place = isinstance(place, str | int) if self.total_count_path else number is not None
        if not is_place or (number is not None and number > page + 1):
            raise ReadFailed(f"{self._list_of(stream_slice)} goes on with {place!r}, which is not its next page.")
        if not current.goes_on(place) or (number is not None and number <= page):
            raise ReadFailed(f"{self._list_of(stream_slice)} goes on with pages that came before, or hold no rows.")
        return following

    def _list_of(self, stream_slice: StreamSlice) -> str:
        parents = [f"{name} {value}" for name, value in stream_slice.partition.items() if name != "parent_slice"]
        return " of ".join([self.name, *parents])

    def _key_of(self, record: Record, stream_slice: StreamSlice) -> str | int:
        key = record.data.get(str(self.primary_key))
        if not isinstance(key, str | int):
            raise ReadFailed(f"{self._list_of(stream_slice)} holds a row without `{self.primary_key}`.")
        return key

    def _may_be_new(self, record: Record, current: Pass, stream_slice: StreamSlice) -> bool:
        """An edit brings a row into a list of changes, and only its creation into one of everything."""
        if not self.total_count_path or current.pages == 1 or current.began is None:
            return False
        moment = _moment(record.data.get(self.cursor_field if _is_of_changes(stream_slice) else self.created_at_field))
        return moment is not None and moment >= current.began

    def _is_whole(self, current: Pass, before: Pass) -> bool:
        if current.is_short and not before.is_short:
            return False
        if current.pages <= 1:
            return True
        if self.total_count_path:
            return not current.may_have_shrunk
        return before.is_ended and current.seen_before == before.rows

    def _compare_with_the_count(self, last: Pass, stream_slice: StreamSlice) -> None:
        if not last.counts or last.counts[-1] == last.rows:
            return
        if last.is_cut_off(is_of_changes=_is_of_changes(stream_slice)):
            raise ReadFailed(
                f"{self._list_of(stream_slice)} is cut off: {last.rows:,} rows came, and the server counts"
                f" {last.counts[-1]:,}. Sync again: the state has not moved."
            )
        is_growth = 0 < last.counts[-1] - last.rows <= last.counts[-1] - last.counts[0]
        why = (
            "What was created meanwhile comes with the next sync."
            if is_growth
            else "If that stays so, the server counts what it does not show; if you miss rows, refresh the stream."
        )
        logger.warning(
            f"{self._list_of(stream_slice)}: {last.rows:,} rows came, and the server counts {last.counts[-1]:,}. {why}"
        )


class UndatedRow(dict[str, Any]):
    """A row whose time is none. The cdk asks `get` for the time alone, and some values stop the stream there."""

    def get(self, key: str, default: Any = None) -> Any:
        return default


class LateRecord(Record):
    """A record that is sent, and that the state does not count."""

    def beyond_its_slice(self) -> Record:
        """The same for the cdk, which moves the state of a slice by the records of that slice alone."""
        whole = self.associated_slice
        if whole is None:
            return self
        beyond = StreamSlice(partition=whole.partition, cursor_slice={}, extra_fields=whole.extra_fields)
        return Record(data=self.data, stream_name=self.stream_name, associated_slice=beyond)


def _is_of_changes(stream_slice: StreamSlice) -> bool:
    return (_moment(stream_slice.cursor_slice.get("start_time")) or 0) > 0


def _moment(value: Any) -> float | None:
    """A time as milliseconds since 1970; None where it is none. A number, or a text of digits, is in milliseconds."""
    if isinstance(value, str) and not value.isdecimal():
        time_in_text = _time(value)
        return time_in_text.timestamp() * 1000 if time_in_text else None
    try:
        milliseconds = float(value)
        FIRST_MOMENT + timedelta(milliseconds=milliseconds)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if isinstance(value, bool) else milliseconds


def _time(value: Any) -> datetime | None:
    """A text in ISO 8601 as a time in UTC; None where it is none."""
    try:
        parsed = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None


def _iso(milliseconds: float) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _at(path: list[str], body: Any) -> Any:
    """What stands in the answer at the path; None where nothing does, or where there is no path."""
    for name in path:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body if path else None


@dataclass(eq=False)
class AddTime(RecordTransformation):
    """Writes the first of `sources` that holds a time into `target`, in UTC; where none does, nothing is written.

    The cdk's `format_datetime` stops the stream at a value that is no time.
    """

    target: str
    sources: list[str]

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        times = (_time(record.get(source)) for source in self.sources)
        if found := next((found for found in times if found), None):
            record[self.target] = found.isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass
class DropUnusableStates(StateMigration):
    """Drops from a state what would lose rows or crash the cdk.

    For a partition without a state the cdk starts at the newest time of all others, so the old rows of a restored
    project would never come. A value that is no time is dropped with a warning, and its partition is read from the
    start.
    """

    cursor_field: str
    datetime_formats: list[str]
    is_per_partition: bool = False

    def should_migrate(self, stream_state: Mapping[str, Any]) -> bool:
        return bool(stream_state)

    def migrate(self, stream_state: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self.is_per_partition:
            return dict(stream_state) if self._is_usable(stream_state) else {}
        states = stream_state.get("states")
        known = [
            state
            for state in (states if isinstance(states, list) else [])
            if isinstance(state, Mapping)
            and isinstance(state.get("partition"), Mapping)
            and self._is_usable(state.get("cursor"))
        ]
        return {"states": known, "use_global_cursor": False} if known else {}

    def _is_usable(self, state: Any) -> bool:
        value = state.get(self.cursor_field) if isinstance(state, Mapping) else None
        if any(self._is_past(value, datetime_format) for datetime_format in self.datetime_formats):
            return True
        logger.warning(
            f"A state without a past time in `{self.cursor_field}` is not used: its rows are all read again."
        )
        return False

    def _is_past(self, value: Any, datetime_format: str) -> bool:
        try:
            return DatetimeParser().parse(value, datetime_format) <= datetime.now(UTC) + FUTURE
        except (TypeError, ValueError, OverflowError):
            return False
