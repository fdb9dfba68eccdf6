"""How the size of pages follows what the server gives in time."""

from __future__ import annotations

import threading

import pytest

from source_pivotal_tracker.api.errors import ParametersRefused, RetryableError
from source_pivotal_tracker.api.page_size import (
    GOOD_PAGES,
    LARGEST_PAGE,
    MANY_GOOD_PAGES,
    SMALLEST_PAGE,
    PageSize,
    in_time,
)

DOCUMENTED = 500


@pytest.fixture
def size() -> PageSize:
    return PageSize(DOCUMENTED)


def good(size: PageSize, pages: int, *, has_total: bool = True) -> None:
    for _ in range(pages):
        size.came(size.rows, size.rows, has_total=has_total)


def too_late() -> RetryableError:
    error = RetryableError("504")
    error.is_timeout = True
    return error


def test_a_page_that_did_not_come_in_time_is_halved_and_grows_again_after_some_that_did(size: PageSize) -> None:
    assert size.too_slow(DOCUMENTED)
    assert size.rows == DOCUMENTED // 2
    good(size, GOOD_PAGES)
    assert size.rows == DOCUMENTED
    good(size, MANY_GOOD_PAGES)
    assert size.rows == DOCUMENTED


def test_the_fewest_rows_cannot_be_fewer(size: PageSize) -> None:
    while size.rows > SMALLEST_PAGE:
        assert size.too_slow(size.rows)
    assert not size.too_slow(SMALLEST_PAGE)
    assert size.rows == SMALLEST_PAGE


def test_a_size_that_failed_twice_is_tried_again_after_many_pages_only(size: PageSize) -> None:
    for _ in range(2):
        size.too_slow(DOCUMENTED)
        good(size, GOOD_PAGES)
    assert size.rows == DOCUMENTED // 2
    good(size, MANY_GOOD_PAGES - GOOD_PAGES - 1)
    assert size.rows == DOCUMENTED // 2
    good(size, 1)
    assert size.rows == DOCUMENTED


def test_threads_that_fail_at_once_fail_once(size: PageSize) -> None:
    threads = [threading.Thread(target=size.too_slow, args=(DOCUMENTED,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert size.rows == DOCUMENTED // 2
    good(size, GOOD_PAGES)
    assert size.rows == DOCUMENTED


@pytest.mark.parametrize("has_total", [True, False])
def test_longer_pages_than_the_documented_are_asked_for_where_no_total_tells_how_long_they_may_be(
    size: PageSize, has_total: bool
) -> None:
    good(size, 10 * GOOD_PAGES, has_total=has_total)
    assert size.rows == (DOCUMENTED if has_total else LARGEST_PAGE)


def test_what_the_server_refuses_is_never_asked_for_again(size: PageSize) -> None:
    assert not size.refused(DOCUMENTED, "the parameter `filter` is wrong")
    assert size.refused(DOCUMENTED, "the limit is 300")
    good(size, 10 * MANY_GOOD_PAGES, has_total=False)
    assert size.rows == DOCUMENTED // 2


def test_a_page_that_is_shorter_than_was_asked_for_says_that_no_longer_one_comes(size: PageSize) -> None:
    for _ in range(10 * GOOD_PAGES):
        size.came(size.rows, 50, has_total=False)
    assert size.rows == DOCUMENTED


def test_smaller_pages_wait_as_attempts_do_and_the_smallest_are_tried_as_often(size: PageSize) -> None:
    asked: list[tuple[int, int]] = []
    waits: list[int] = []

    def ask(rows: int, attempts: int) -> str:
        asked.append((rows, attempts))
        if rows > 100:
            raise too_late()
        return "in time"

    assert in_time(size, ask, lambda _, failures: waits.append(failures), attempts_at_fewest=7) == "in time"
    assert asked == [(500, 1), (250, 1), (125, 1), (62, 1)]
    assert waits == [0, 1, 2]
    assert in_time(size, ask, lambda _, failures: waits.append(failures), most=4, attempts_at_fewest=7) == "in time"
    assert asked[-1] == (4, 7)


@pytest.mark.parametrize("error", [RetryableError("503"), ParametersRefused("the parameter `ids` is wrong")])
def test_what_no_smaller_page_helps_against_is_raised(size: PageSize, error: Exception) -> None:
    def ask(_rows: int, _attempts: int) -> str:
        raise error

    with pytest.raises(type(error)):
        in_time(size, ask, lambda _, __: None)
    assert size.rows == DOCUMENTED
