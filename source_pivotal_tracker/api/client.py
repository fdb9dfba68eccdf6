"""Sends requests to a Tracker server, within the rate limit and again if that may help."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import tenacity
from requests.adapters import BaseAdapter

from source_pivotal_tracker.api.answers import of_exception, parse_body
from source_pivotal_tracker.api.completeness import Completeness
from source_pivotal_tracker.api.dialect.selection import Selection
from source_pivotal_tracker.api.dialect.values import Oddities
from source_pivotal_tracker.api.errors import (
    IncompleteError,
    RetryableError,
    SourceUnavailable,
    TokenRefused,
    TrackerError,
)
from source_pivotal_tracker.api.parse_lock import ParseLock
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.api.session import TrackerSession

logger = logging.getLogger("airbyte.tracker")

Understood = TypeVar("Understood")

MOST_ATTEMPTS = 9
FIRST_WAIT = 1.0
LONGEST_WAIT = 120.0
LONGEST_RETRYING = 600.0
"""Seconds, in all, that a request waits between its attempts. A limit by the minute lets it through before long."""
MOST_REDIRECTS = 5
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
        self._rate_limiter = rate_limiter
        self._sleep = sleep
        self._refusal: TokenRefused | None = None
        self._counting = threading.Lock()
        self._first_at: float | None = None
        self.requests = 0
        self.selection = Selection(self.get)
        self._warned_of: set[tuple[str, str, str]] = set()

    def close(self) -> None:
        """Give back the connections that were kept for further requests."""
        self._session.close()

    @property
    def waited(self) -> float:
        """Seconds that requests have waited for the rate limit, added up over all threads."""
        return self._rate_limiter.waited

    @property
    def seconds_left_to_wait(self) -> float:
        """For how long the rate limit, or a server that asked for a pause, holds back requests that wait now."""
        return self._rate_limiter.seconds_left_to_wait

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
        attempts_made: int = 0,
        parse_lock: ParseLock | None = None,
    ) -> TrackerResponse:
        """GET `path`, relative to the base URL, at most `attempts` times. Raises a TrackerError that names the path.

        If the last answer was 500, the request is given up after `attempts_at_500`. `attempts_made` are earlier
        attempts at the same request: they count towards the limit and the wait.

        A `parse_lock` is held by this thread when the answer is returned, and is free during the wait for it.
        After a refused token no further request is sent: each raises that refusal again.
        """
        held = _HeldBack()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryableError),
            # Not by the clock: a request may have waited long for its slot.
            stop=lambda state: (
                attempts_made + state.attempt_number
                >= (min(attempts, attempts_at_500) if _status(state) == 500 else attempts)
                or state.idle_for + state.upcoming_sleep + held.seconds > LONGEST_RETRYING
            ),
            wait=partial(self._wait, attempts_made=attempts_made, held=held),
            before_sleep=partial(_log_retry, attempts_made=attempts_made),
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._get_once, path, params, parse_lock)

    def _get_once(
        self, path: str, params: Mapping[str, str | int] | None, parse_lock: ParseLock | None
    ) -> TrackerResponse:
        if parse_lock:
            parse_lock.release()
        if self._refusal is not None:
            raise self._refusal
        try:
            response = self._answer(f"{self.base_url}/{path}", params)
            if parse_lock:
                parse_lock.acquire()
            response.parsed = parse_body(response)
        except SourceUnavailable:
            raise
        except OSError as error:  # of which those of requests are
            raise self._located(of_exception(error, self.base_url), path) from None
        except TrackerError as error:
            if parse_lock:
                parse_lock.release()
            if isinstance(error, TokenRefused):
                self._refusal = error
            raise self._located(error, path) from None
        self._warn_of(path, response.oddities)
        return response

    def _answer(self, url: str, params: Mapping[str, str | int] | None) -> TrackerResponse:
        """What a URL answers, or the one that it redirects to; each of them counts for the rate limit."""
        response = self._counted(url, params)
        for _ in range(MOST_REDIRECTS):
            if response.redirect is None:
                return response
            response = self._counted(response.redirect, None)
        if response.redirect is None:
            return response
        reason = f"{response.status}, after {MOST_REDIRECTS} redirects one more, to {response.redirect}"
        raise IncompleteError(reason, status=response.status)

    def _counted(self, url: str, params: Mapping[str, str | int] | None) -> TrackerResponse:
        with self._rate_limiter.slot():
            with self._counting:
                self.requests += 1
                self._first_at = self._first_at or time.monotonic()
            return self._session.read(url, params)

    def _warn_of(self, path: str, oddities: Oddities) -> None:
        """Warn of what was mended in an answer, once, however often it is asked for."""
        for what, places in oddities.items():
            named = ", ".join(places[:MOST_PLACES])
            where = named if len(places) <= MOST_PLACES else f"{named} and {len(places) - MOST_PLACES} more"
            with self._counting:
                is_new = (path, what, where) not in self._warned_of
                self._warned_of.add((path, what, where))
            if is_new:
                logger.warning("GET /%s: %s: %s", path, what, where)

    def _located(self, error: TrackerError, path: str) -> TrackerError:
        """The error with the path and the hint, and without the token, which a server may have repeated."""
        error.path = path
        error.hint = self.hint if error.code is None else None
        error.reason = error.reason.replace(self._token, "****")
        return error

    def _wait(self, state: tenacity.RetryCallState, *, attempts_made: int, held: _HeldBack) -> float:
        """Seconds until the next attempt; after a 429 the rate limiter makes all requests wait, this one included."""
        error = _cause(state)
        doublings = attempts_made + state.attempt_number - 1
        wait: float = min(FIRST_WAIT * 2**doublings, LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311
        if isinstance(error, RetryableError) and error.retry_after is not None:
            # At the least as long as without: a server that says 0, or a time that has passed, would be asked at once.
            wait = max(wait, error.retry_after)
        if isinstance(error, RetryableError) and error.status == 429:
            self._rate_limiter.pause(wait)
            held.seconds += wait
            return 0.0
        return wait


@dataclass
class _HeldBack:
    """The seconds for which 429s have held back one request."""

    seconds: float = 0.0


def once_more(ask: Callable[[], Understood], again: Callable[[], Understood] | None = None) -> Understood:
    """Returns what `ask` makes of an answer, or of a second one where the first is an IncompleteError.

    `again` makes something of the second answer, if that differs. The error of the second answer is raised.
    """
    try:
        return ask()
    except IncompleteError as contradiction:
        logger.warning("%s; retrying once", contradiction)
    return (again or ask)()


def _log_retry(state: tenacity.RetryCallState, *, attempts_made: int) -> None:
    wait, attempt = state.upcoming_sleep, attempts_made + state.attempt_number + 1
    logger.warning("%s; attempt %d follows in %.0f s", _cause(state), attempt, wait)


def _status(state: tenacity.RetryCallState) -> int | None:
    error = _cause(state)
    return error.status if isinstance(error, TrackerError) else None


def _cause(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
