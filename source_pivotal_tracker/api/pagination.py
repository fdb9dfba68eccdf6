"""Where the next page starts, by what the server sent and not by what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from source_pivotal_tracker.api.errors import InvalidResponse

MOST_DIGITS = 18


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
