"""How many rows to ask for at a time: as many as the server gives in time."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from source_pivotal_tracker.api.errors import ParametersRefused, RetryableError
from source_pivotal_tracker.api.retries import MOST_ATTEMPTS

logger = logging.getLogger("airbyte.tracker")

LARGEST_PAGE, SMALLEST_PAGE = 1_000, 10
"""Rows. A page is held in memory, so it is not longer; any server can answer the fewest in time."""
GOOD_PAGES = 3
"""So many pages have to come in time before a larger one is asked for."""
MANY_GOOD_PAGES = 100
"""The same, where the larger size has failed twice."""

Answer = TypeVar("Answer")


class PageSize:
    """The size of the pages of one kind of list; shared by all threads.

    It begins with what the API documents. It is halved when a page does not come in time, and doubled again after
    some that did, but to a size that failed twice only after many. A server that does not say how long its pages may
    be, and gives all that it is asked for, is asked for more.
    """

    def __init__(self, documented: int) -> None:
        self._lock = threading.Lock()
        self._documented = self._rows = documented
        self._most = self._largest = max(documented, LARGEST_PAGE)
        self._good = 0
        self._failed_at: dict[int, int] = {}

    @property
    def rows(self) -> int:
        return self._rows

    def too_slow(self, asked: int) -> bool:
        """Note that a page of so many rows did not come in time. Returns False if none could be smaller.

        A page that was asked for when they were larger says nothing new: several threads may fail at once.
        """
        with self._lock:
            self._good = 0
            if asked <= SMALLEST_PAGE:
                return False
            if asked > self._rows:
                return True
            self._failed_at[asked] = self._failed_at.get(asked, 0) + 1
            smaller = max(asked // 2, SMALLEST_PAGE)
            if self._failed_at[asked] > 1 or asked > self._documented:
                self._largest = min(self._largest, smaller)
            self._rows = smaller
            return True

    def refused(self, asked: int, reason: str) -> bool:
        """Note that the server refuses to be asked for so many rows. Returns False if that is not what it refuses.

        Of a page that is no longer than the API documents, the `reason` has to name the limit.
        """
        with self._lock:
            if asked <= SMALLEST_PAGE or (asked <= self._documented and "limit" not in reason):
                return False
            self._most = self._documented if asked > self._documented else max(asked // 2, SMALLEST_PAGE)
            self._largest, self._rows = min(self._largest, self._most), min(self._rows, self._most)
            return True

    def came(self, asked: int, rows: int, *, has_total: bool) -> None:
        """Note a page: how many rows it was asked for and has, and whether the server announces how many there are."""
        with self._lock:
            self._good += 1
            gives_more = self._rows < self._documented or not has_total
            if not (rows >= asked == self._rows and gives_more):
                return
            if self._good >= MANY_GOOD_PAGES:
                self._largest = min(self._largest * 2, self._most)
            if self._good >= GOOD_PAGES and self._rows < self._largest:
                self._rows, self._good = min(self._rows * 2, self._largest), 0


def in_time(
    size: PageSize,
    ask: Callable[[int, int], Answer],
    wait: Callable[[RetryableError, int], None],
    *,
    most: int | None = None,
    attempts_at_fewest: int = MOST_ATTEMPTS,
) -> Answer:
    """What `ask` returns for as many rows as the server answers in time, and for at most so many.

    `ask` gets the rows, and how often to try where the answer takes too long: a large one takes that long each time,
    so a smaller one is worth more than an attempt. `wait` is called before, with the error and how many came so far.
    Raises the TrackerError that a smaller size does not help against.
    """
    failures = 0
    while True:
        rows = min(size.rows, most or size.rows)
        try:
            return ask(rows, 1 if rows > SMALLEST_PAGE else attempts_at_fewest)
        except RetryableError as error:
            if not (error.is_timeout and size.too_slow(rows)):
                raise
            _log(error, size, rows)
            wait(error, failures)
            failures += 1
        except ParametersRefused as error:
            if not size.refused(rows, error.reason):
                raise
            _log(error, size, rows)


def _log(error: Exception, size: PageSize, rows: int) -> None:
    logger.warning("%s; asking for %d rows at a time in place of %d", error, size.rows, rows)
