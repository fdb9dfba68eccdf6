"""Where the next page starts, by what the server sent and not by what it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from source_pivotal_tracker.api.errors import InvalidResponse, ParametersRefused, SkippableError
from source_pivotal_tracker.api.page_size import SMALLEST_PAGE
from source_pivotal_tracker.api.response import TrackerResponse

MOST_DIGITS = 18
TOTAL, VERSION = "X-Tracker-Pagination-Total", "X-Tracker-Project-Version"


def next_offset(headers: Mapping[str, str], *, offset: int, rows: int) -> int | None:
    """The offset of the page after the one that started at `offset` and brought `rows` rows; None after the last.

    With `X-Tracker-Pagination-Total` the list ends there and nowhere else: a short page does not end it.
    Without, it ends with an empty page. Raises InvalidResponse where a header is no number or contradicts the rows,
    a page before the Total is empty, or one goes beyond it.
    """
    returned = number_in(headers, "X-Tracker-Pagination-Returned")
    if returned is not None and returned != rows:
        raise InvalidResponse(f"the server announced {returned} rows at offset {offset} but sent {rows}")
    total = number_in(headers, TOTAL)
    if total is None:
        return offset + rows if rows else None
    if rows and offset + rows > total:
        raise InvalidResponse(f"the server announced {total} rows in all but sent {rows} at offset {offset}")
    if offset + rows >= total:
        return None
    if not rows:
        raise InvalidResponse(f"the list ended at row {offset} of the {total} that the server announced")
    return offset + rows


def rest_of(response: TrackerResponse, ask: Callable[[int], TrackerResponse]) -> list[Any]:
    """The rows that a server with small pages has left out of an answer that is a whole list, as far as is known.

    Tracker announces how far its lists go, or sends the version of the project with those that have no pages. Where
    neither is there, as many rows as a page may have may be just one: `ask` gets an offset, and returns what is there.
    That is the same rows again where the server knows no offset. Without this, what is beyond a page would be missing,
    and would seem to be deleted. Raises a TrackerError.
    """
    rows: list[Any] = []
    is_told = any(name in response.headers for name in (TOTAL, VERSION))
    if is_told or not isinstance(response.parsed, list) or not may_be_a_page(len(response.parsed)):
        return rows
    known, page = set(map(_identity, response.parsed)), response.parsed
    while may_be_a_page(len(page)):
        try:
            page = ask(len(response.parsed) + len(rows)).parsed
        except (ParametersRefused, SkippableError):
            return rows
        new = [row for row in page if _identity(row) not in known] if isinstance(page, list) else []
        if not new:
            return rows
        known.update(map(_identity, new))
        rows += new
    return rows


def may_be_a_page(rows: int) -> bool:
    """Whether so many rows may be all that a server gives at a time."""
    return rows >= SMALLEST_PAGE and rows % 5 == 0


def _identity(row: Any) -> Any:
    return row.get("id") if isinstance(row, dict) and type(row.get("id")) is int else orjson.dumps(row)


def refuse_cut(headers: Mapping[str, str], rows: int) -> None:
    """Raises InvalidResponse where the answer that is a whole list, as far as is known of the API, is not all of it."""
    total = number_in(headers, TOTAL)
    if total is not None and rows < total:
        raise InvalidResponse(f"the server announced {total} rows of a list without pages but sent {rows}")


def number_in(headers: Mapping[str, str], name: str) -> int | None:
    """The number in a header, or None where there is no such header. Raises InvalidResponse for what is no number."""
    text = headers.get(name)
    if text is not None and not (text.isdecimal() and len(text) <= MOST_DIGITS):
        raise InvalidResponse(f"the server sends {name} {text[:MOST_DIGITS]!r}, which is not a number")
    return None if text is None else int(text)
