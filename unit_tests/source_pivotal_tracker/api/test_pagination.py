"""The next page starts where the last one really ended."""

from __future__ import annotations

import pytest

from source_pivotal_tracker.api.errors import InvalidResponse
from source_pivotal_tracker.api.pagination import next_offset


def headers(total: int | None = None, returned: int | None = None) -> dict[str, str]:
    headers = {"X-Tracker-Pagination-Total": total, "X-Tracker-Pagination-Returned": returned}
    return {name: str(value) for name, value in headers.items() if value is not None}


@pytest.mark.parametrize(
    ("headers", "offset", "rows", "following"),
    [
        (headers(70, 7), 0, 7, 7),
        (headers(70, 3), 7, 3, 10),
        (headers(70, 7), 63, 7, None),
        (headers(70, 70), 0, 70, None),
        (headers(0, 0), 0, 0, None),
        (headers(70, 0), 9999, 0, None),
        (headers(), 0, 50, 50),
        (headers(), 50, 3, 53),
        (headers(), 53, 0, None),
    ],
    ids=str,
)
def test_pages_follow_by_what_came(headers: dict[str, str], offset: int, rows: int, following: int | None) -> None:
    assert next_offset(headers, offset=offset, rows=rows) == following


def test_an_empty_page_before_the_total_is_an_error_and_no_loop() -> None:
    with pytest.raises(InvalidResponse, match="ended at row 40 of the 70"):
        next_offset(headers(70, 0), offset=40, rows=0)


def test_a_page_that_holds_other_than_its_header_says_is_an_error() -> None:
    with pytest.raises(InvalidResponse, match="announced 7 rows at offset 0 but sent 6"):
        next_offset(headers(70, 7), offset=0, rows=6)


@pytest.mark.parametrize(("total", "offset", "rows"), [(0, 0, 7), (3, 0, 7), (70, 63, 8)])
def test_a_page_that_goes_beyond_the_total_is_an_error_and_no_end(total: int, offset: int, rows: int) -> None:
    with pytest.raises(InvalidResponse, match=f"announced {total} rows in all but sent {rows} at offset {offset}"):
        next_offset(headers(total, rows), offset=offset, rows=rows)
