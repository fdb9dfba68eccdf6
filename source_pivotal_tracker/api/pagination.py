"""Where the next page starts, by what the server sent and not by what it was asked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from source_pivotal_tracker.api.errors import InvalidResponse

MOST_DIGITS = 18
LARGEST_PAGE, SMALLEST_PAGE = 1_000, 10
"""Rows; a page is held in memory, and none is so small that a server could not answer in time."""
GOOD_PAGES = 3
"""After so many pages in time the next one may be larger again."""


class PageSize:
    """How many rows to ask one kind of list for: as many as the server gives in time; shared by all threads.

    It begins with what the API documents. It is halved when a page does not come in time, and doubled again after
    some that did, but not to a size that failed twice. A server that does not say how long its pages may be, and gives
    all that it is asked for, is asked for more.
    """

    def __init__(self, documented: int) -> None:
        self._lock = threading.Lock()
        self._documented = self._rows = documented
        self._largest = max(documented, LARGEST_PAGE)
        self._good = 0
        self._failed_at: dict[int, int] = {}

    @property
    def rows(self) -> int:
        return self._rows

    def too_slow(self, asked: int) -> bool:
        """Note that a page of so many rows did not come in time. Returns False if none could be smaller."""
        with self._lock:
            self._good = 0
            if asked <= SMALLEST_PAGE:
                return False
            self._failed_at[asked] = self._failed_at.get(asked, 0) + 1
            smaller = max(asked // 2, SMALLEST_PAGE)
            if self._failed_at[asked] > 1 or asked > self._documented:
                self._largest = min(self._largest, smaller)
            self._rows = min(self._rows, smaller)
            return True

    def refused(self, asked: int, reason: str) -> bool:
        """Note that the server refuses to be asked for so many rows. Returns False if that is not what it refuses.

        Of a page that is no longer than the API documents, the `reason` has to name the limit.
        """
        with self._lock:
            if asked <= SMALLEST_PAGE or (asked <= self._documented and "limit" not in reason):
                return False
            smaller = self._documented if asked > self._documented else max(asked // 2, SMALLEST_PAGE)
            self._largest, self._rows = min(self._largest, smaller), min(self._rows, smaller)
            return True

    def came(self, asked: int, rows: int, *, is_told: bool) -> None:
        """Note a page: how many rows it was asked for and has, and whether the server tells how long pages may be."""
        with self._lock:
            self._good += 1
            gives_more = self._rows < self._documented or not is_told
            if rows >= asked == self._rows and gives_more and self._good >= GOOD_PAGES:
                self._rows, self._good = min(asked * 2, self._largest), 0


def next_offset(headers: Mapping[str, str], *, offset: int, rows: int) -> int | None:
    """The offset of the page after the one that started at `offset` and brought `rows` rows; None after the last.

    With `X-Tracker-Pagination-Total` the list ends there and nowhere else: a short page does not end it.
    Without, it ends with an empty page. Raises InvalidResponse where a header is no number or contradicts the rows,
    a page before the Total is empty, or one goes beyond it.
    """
    returned = number_in(headers, "X-Tracker-Pagination-Returned")
    if returned is not None and returned != rows:
        raise InvalidResponse(f"the server announced {returned} rows at offset {offset} but sent {rows}")
    total = number_in(headers, "X-Tracker-Pagination-Total")
    if total is None:
        return offset + rows if rows else None
    if rows and offset + rows > total:
        raise InvalidResponse(f"the server announced {total} rows in all but sent {rows} at offset {offset}")
    if offset + rows >= total:
        return None
    if not rows:
        raise InvalidResponse(f"the list ended at row {offset} of the {total} that the server announced")
    return offset + rows


def refuse_cut(headers: Mapping[str, str], rows: int) -> None:
    """Raises InvalidResponse where the answer that is a whole list, as far as is known of the API, is not all of it."""
    total = number_in(headers, "X-Tracker-Pagination-Total")
    if total is not None and rows < total:
        raise InvalidResponse(f"the server announced {total} rows of a list without pages but sent {rows}")


def number_in(headers: Mapping[str, str], name: str) -> int | None:
    """The number in a header, or None where there is no such header. Raises InvalidResponse for what is no number."""
    text = headers.get(name)
    if text is not None and not (text.isdecimal() and len(text) <= MOST_DIGITS):
        raise InvalidResponse(f"the server sends {name} {text[:MOST_DIGITS]!r}, which is not a number")
    return None if text is None else int(text)
