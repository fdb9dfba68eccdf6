"""When a request is sent again, and after how long."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import tenacity

from source_pivotal_tracker.api.errors import RetryableError, TrackerError
from source_pivotal_tracker.api.rate_limit import RateLimiter

logger = logging.getLogger("airbyte.tracker")

MOST_ATTEMPTS = 9
FIRST_WAIT = 1.0
LONGEST_WAIT = 120.0
LONGEST_RETRYING = 600.0
"""Seconds, in all, that a request waits between its attempts. A limit by the minute lets it through before long."""


class Retries:
    """Sends again what ended with a RetryableError. A 429 makes all requests wait, by way of the rate limiter."""

    def __init__(self, rate_limiter: RateLimiter, sleep: Callable[[float], None]) -> None:
        self._rate_limiter = rate_limiter
        self._sleep = sleep

    def of(
        self,
        attempts: int,
        *,
        attempts_at_500: int = MOST_ATTEMPTS,
        attempts_at_timeout: int = MOST_ATTEMPTS,
        attempts_made: int = 0,
    ) -> tenacity.Retrying:
        """What calls a function until it returns, at most so many times; arguments as of TrackerClient.get."""
        paused = _Paused()
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryableError),
            # Not by the clock: a request may have waited long for its slot.
            stop=lambda state: (
                attempts_made + state.attempt_number
                >= min(attempts, _most(state, attempts_at_500, attempts_at_timeout))
                or state.idle_for + state.upcoming_sleep + paused.seconds > LONGEST_RETRYING
            ),
            wait=partial(self._wait, attempts_made=attempts_made, paused=paused),
            before_sleep=partial(_log_retry, attempts_made=attempts_made, paused=paused),
            sleep=self._sleep,
            reraise=True,
        )

    def wait_after(self, error: RetryableError, failures: int) -> None:
        """Wait as for the next attempt, after so many earlier ones: what follows is another request in its place."""
        self._sleep(_seconds_after(error, failures))

    def _wait(self, state: tenacity.RetryCallState, *, attempts_made: int, paused: _Paused) -> float:
        """Seconds until the next attempt; after a 429 the rate limiter makes all requests wait, this one included."""
        error = _cause(state)
        wait = _seconds_after(error, attempts_made + state.attempt_number - 1)
        if isinstance(error, RetryableError) and error.status == 429:
            self._rate_limiter.pause(wait)
            paused.seconds += wait
            paused.latest = wait
            return 0.0
        paused.latest = 0.0
        return wait


def _seconds_after(error: BaseException | None, failures: int) -> float:
    wait: float = min(FIRST_WAIT * 2**failures, LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311
    if isinstance(error, RetryableError) and error.retry_after is not None:
        # At the least as long as without: a server that says 0, or a time that has passed, would be asked at once.
        return max(wait, error.retry_after)
    return wait


@dataclass
class _Paused:
    """The seconds for which 429s have made one request wait, in all and at last."""

    seconds: float = 0.0
    latest: float = 0.0


def _log_retry(state: tenacity.RetryCallState, *, attempts_made: int, paused: _Paused) -> None:
    wait, attempt = state.upcoming_sleep + paused.latest, attempts_made + state.attempt_number + 1
    logger.warning("%s; attempt %d follows in %.0f s", _cause(state), attempt, wait)


def _most(state: tenacity.RetryCallState, attempts_at_500: int, attempts_at_timeout: int) -> int:
    """The attempts that an error is worth."""
    error = _cause(state)
    if isinstance(error, RetryableError) and error.is_timeout:
        return attempts_at_timeout
    return attempts_at_500 if isinstance(error, TrackerError) and error.status == 500 else MOST_ATTEMPTS


def _cause(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
