"""Sends requests to a Tracker server, within the rate limit and again if that may help."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import orjson
import requests
import tenacity
from requests.adapters import BaseAdapter

from source_pivotal_tracker.api.answers import of_exception, of_response, parse_body
from source_pivotal_tracker.api.completeness import Completeness
from source_pivotal_tracker.api.dialect.attributes import normalise
from source_pivotal_tracker.api.dialect.selection import Selection
from source_pivotal_tracker.api.dialect.values import Oddities
from source_pivotal_tracker.api.errors import (
    IncompleteError,
    InvalidResponse,
    RetryableError,
    SourceUnavailable,
    TokenRefused,
    TrackerError,
)
from source_pivotal_tracker.api.fields import Fields, render
from source_pivotal_tracker.api.parse_lock import ParseLock
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.api.retries import MOST_ATTEMPTS, Retries
from source_pivotal_tracker.api.session import TrackerSession, are_on_one_host, is_as_safe

logger = logging.getLogger("airbyte.tracker")

Understood = TypeVar("Understood")

_QUERY = re.compile(r"\?[^\s'\"),]+")
MOST_REDIRECTS = 5
ATTEMPTS_AT_AGGREGATES = 2
MOST_PLACES = 5
"""The most places of one kind of oddity that a warning names."""


class TrackerClient:
    """One server and one token; shared by all streams and threads.

    `hint` ends the text of an error where it is not Tracker that answered. An `adapter` replaces the network, and
    `completeness` says what it shows of a project. `sleep` is for tests.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        rate_limiter: RateLimiter,
        *,
        hint: str | None = None,
        adapter: BaseAdapter | None = None,
        completeness: Completeness | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.completeness = completeness or Completeness()
        self.base_url = base_url
        self.hint = hint
        self._token = token
        self._session = TrackerSession(token, adapter)
        self._elsewhere = TrackerSession(None)
        self._rate_limiter = rate_limiter
        self.retries = Retries(rate_limiter, sleep)
        self._refusal: TokenRefused | None = None
        self._counting = threading.Lock()
        self._first_at: float | None = None
        self.requests = 0
        self.selection = Selection(self.get)
        self._warned_of: set[tuple[str, str, str]] = set()

    def close(self) -> None:
        """Give back the connections that were kept for further requests."""
        self._session.close()
        self._elsewhere.close()

    @property
    def waited(self) -> float:
        """Seconds that requests have waited for the rate limit, added up over all threads."""
        return self._rate_limiter.waited

    @property
    def seconds_left_to_wait(self) -> float:
        """For how long the rate limit, or a server that asked for a pause, holds back requests that wait now."""
        return self._rate_limiter.seconds_left_to_wait

    @property
    def most_requests_per_minute(self) -> int:
        """How fast requests may leave."""
        return self._rate_limiter.requests_per_minute

    @property
    def requests_per_minute(self) -> float:
        """How fast requests have left since the first one; what took less than a second counts as one."""
        if self._first_at is None:
            return 0.0
        return self.requests * 60 / max(1.0, time.monotonic() - self._first_at)

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        attempts: int = MOST_ATTEMPTS,
        attempts_at_500: int = MOST_ATTEMPTS,
        attempts_at_timeout: int = MOST_ATTEMPTS,
        attempts_made: int = 0,
        parse_lock: ParseLock | None = None,
    ) -> TrackerResponse:
        """GET `path`, relative to the base URL, at most `attempts` times. Raises a TrackerError that names the path.

        If the last answer was 500, the request is given up after `attempts_at_500`, and if there was none in time,
        after `attempts_at_timeout`. `attempts_made` are earlier attempts at the same request: they count towards the
        limit and the wait.

        A `parse_lock` is held by this thread when the answer is returned, and is free during the wait for it.
        After a refused token no further request is sent: each raises that refusal again.
        """
        retrying = self.retries.of(
            attempts,
            attempts_at_500=attempts_at_500,
            attempts_at_timeout=attempts_at_timeout,
            attempts_made=attempts_made,
        )
        return self._tried(retrying, path, params, parse_lock)

    def aggregate(self, wanted: Mapping[str, Fields], *, parse_lock: ParseLock | None = None) -> dict[str, Any]:
        """What GETs of these paths with these fields answer, by one POST of Tracker's aggregator.

        The answer is an object with the body of each (third parties' findings: it takes up to 15, and what it has for
        one that fails is not known). A path of which it has nothing is left out. Raises a TrackerError; a 401 is an
        InvalidResponse here and ends no sync, because the server may accept the token for every GET.
        """
        prefix = urlsplit(self.base_url).path
        places = {
            path: f"{prefix}/{path}" + (f"?{urlencode({'fields': render(fields)})}" if fields else "")
            for path, fields in wanted.items()
        }
        retrying = self.retries.of(ATTEMPTS_AT_AGGREGATES)
        response = self._tried(retrying, "aggregator", None, parse_lock, orjson.dumps(list(places.values())))
        if not isinstance(response.parsed, dict):
            raise InvalidResponse("the answer is no object", path="aggregator")
        for body in response.parsed.values():
            normalise(body)
        return {path: response.parsed[place] for path, place in places.items() if place in response.parsed}

    def download(
        self, url: str, begin: Callable[[], Callable[[bytes], object]], size: int | None = None, *, attempts: int
    ) -> None:
        """GET a file, at most `attempts` times, and hand it to what `begin` returns, in pieces, anew for each attempt.

        An address on another host than that of the API is asked without the token, and so is one to which a redirect
        leads. Each request counts for the rate limit. What is not of this `size` is another file, such as a page of a
        proxy, or a part of it. Raises a TrackerError, and what the receiver of the pieces raises.
        """
        self.retries.of(attempts)(self._download_once, url, begin, size)

    def _download_once(self, url: str, begin: Callable[[], Callable[[bytes], object]], size: int | None) -> None:
        out = begin()
        received = 0

        def take(piece: bytes) -> None:
            nonlocal received
            received += len(piece)
            out(piece)

        shown = url.partition("?")[0].removeprefix(urljoin(self.base_url, "/"))
        place = url
        try:
            for _ in range(MOST_REDIRECTS + 1):
                answer = self._counted(partial(self._session_for(place).download, place, take))
                if answer.redirect is None:
                    break
                if not is_as_safe(place, answer.redirect):
                    raise IncompleteError(f"{answer.status}, a redirect to an address that is not followed")
                place = answer.redirect
            if answer.status != requests.codes.ok:
                raise of_response(answer)
            if size is not None and received != size:
                raise RetryableError(f"{received:,} bytes came of a file of {size:,}")
        except requests.RequestException as error:
            raise self._without_query(of_exception(error, self.base_url), shown) from None
        except ValueError:
            raise self._without_query(IncompleteError("the address cannot be used"), shown) from None
        except TrackerError as error:
            raise self._without_query(error, shown) from None

    def _without_query(self, error: TrackerError, path: str) -> TrackerError:
        """The error without the queries of addresses, which may be signatures."""
        error.reason = _QUERY.sub("?…", error.reason)
        return self._located(error, path)

    def _session_for(self, url: str) -> TrackerSession:
        """The session with the token for the host of the API, and one without it for all others."""
        return self._session if are_on_one_host(self.base_url, url) else self._elsewhere

    def _tried(self, retrying: tenacity.Retrying, *request: Any) -> TrackerResponse:
        """The answer to a request, after as many attempts as it takes."""
        try:
            return retrying(self._get_once, *request)
        except TrackerError as error:
            # The attempts hold the error, and by its traceback it would hold them and all that waits for the answer.
            raise error.with_traceback(None) from None

    def _get_once(
        self,
        path: str,
        params: Mapping[str, str | int] | None,
        parse_lock: ParseLock | None,
        body: bytes | None = None,
    ) -> TrackerResponse:
        if parse_lock:
            parse_lock.release()
        if self._refusal is not None:
            raise self._refusal
        try:
            response = self._answer(f"{self.base_url}/{path}", params, body)
            if parse_lock:
                parse_lock.acquire()
            response.parsed = parse_body(response, mend_times=self.completeness.may_write_times_otherwise)
        except SourceUnavailable:
            raise
        except OSError as error:  # of which those of requests are
            raise self._located(of_exception(error, self.base_url), path, body) from None
        except TrackerError as error:
            if parse_lock:
                parse_lock.release()
            if isinstance(error, TokenRefused) and body is None:
                self._refusal = error
            elif isinstance(error, TokenRefused):
                error = InvalidResponse(error.reason, status=error.status)
            raise self._located(error, path, body) from None
        self._warn_of(_method(body), path, response.oddities)
        return response

    def _answer(self, url: str, params: Mapping[str, str | int] | None, body: bytes | None) -> TrackerResponse:
        """What a URL answers, or the one that it redirects to; each of them counts for the rate limit."""
        response = self._counted(partial(self._session.read, url, params, body))
        for _ in range(MOST_REDIRECTS):
            if response.redirect is None:
                return response
            response = self._counted(partial(self._session.read, response.redirect, None))
        if response.redirect is None:
            return response
        reason = f"{response.status}, after {MOST_REDIRECTS} redirects one more, to {response.redirect}"
        raise IncompleteError(reason, status=response.status)

    def _counted(self, ask: Callable[[], TrackerResponse]) -> TrackerResponse:
        with self._rate_limiter.slot():
            with self._counting:
                self.requests += 1
                self._first_at = self._first_at or time.monotonic()
            return ask()

    def _warn_of(self, method: str, path: str, oddities: Oddities) -> None:
        """Warn of what was mended in an answer, once, however often it is asked for."""
        for what, places in oddities.items():
            named = ", ".join(places[:MOST_PLACES])
            where = named if len(places) <= MOST_PLACES else f"{named} and {len(places) - MOST_PLACES} more"
            with self._counting:
                is_new = (path, what, where) not in self._warned_of
                self._warned_of.add((path, what, where))
            if is_new:
                logger.warning("%s /%s: %s: %s", method, path, what, where)

    def _located(self, error: TrackerError, path: str, body: bytes | None = None) -> TrackerError:
        """The error with the request and the hint, and without the token, which a server may have repeated."""
        error.path, error.method = path, _method(body)
        error.hint = self.hint if error.code is None else None
        error.reason = error.reason.replace(self._token, "****")
        return error


def once_more(ask: Callable[[], Understood], again: Callable[[], Understood] | None = None) -> Understood:
    """Returns what `ask` makes of an answer, or of a second one where the first is an IncompleteError.

    `again` makes something of the second answer, if that differs. The error of the second answer is raised.
    """
    try:
        return ask()
    except IncompleteError as contradiction:
        logger.warning("%s; retrying once", contradiction)
    return (again or ask)()


def _method(body: bytes | None) -> str:
    return "GET" if body is None else "POST"
