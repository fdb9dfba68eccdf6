"""What a digests knows of the rows that were sent, and that it is the same after it was written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pivotal_tracker.sync.row_digests import DamagedDigests, RowDigests

contents = st.dictionaries(st.integers(0, 2**53), st.integers(0, 2**32 - 1))


def test_what_was_not_sent_is_news_once() -> None:
    digests = RowDigests()
    assert digests.is_news(7, [{"name": "A"}])
    assert not digests.is_news(7, [{"name": "A"}])
    assert digests.is_news(7, [{"name": "B"}])


def test_the_order_of_attributes_is_no_news() -> None:
    digests = RowDigests()
    digests.is_news(7, [{"id": 7, "name": "A"}])
    assert not digests.is_news(7, [{"name": "A", "id": 7}])


def test_a_row_without_records_is_known_too() -> None:
    digests = RowDigests()
    digests.is_news(7, [])
    assert 7 in digests
    assert not digests.is_news(7, [])


def test_the_rows_that_were_sent_and_not_seen_again_are_told() -> None:
    digests = RowDigests()
    for row_id in (9, 7, 8):
        digests.is_news(row_id, [{"id": row_id}])
    digests.see(8)
    assert digests.unseen() == [7, 9]
    digests.forget(7)
    assert digests.unseen() == [9]


def test_a_copy_stays_as_it_was() -> None:
    digests = RowDigests()
    digests.is_news(7, [{"id": 7}])
    copy = digests.copy()
    digests.is_news(8, [{"id": 8}])
    assert 8 not in copy
    assert copy == RowDigests.read(copy.written())


@given(contents, st.integers(-(2**40), 2**40), st.integers(1, 2**32 - 1))
def test_what_is_written_is_read_back(digests: dict[int, int], second: int, listed: int) -> None:
    known = RowDigests(
        digests, dict.fromkeys(sorted(digests)[::2], second), dict.fromkeys(sorted(digests)[::3], listed)
    )
    assert RowDigests.read(known.written()) == known


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [
        ("2014-11-22T00:00:00Z", "2014-11-22T00:00:00Z"),
        ("2014-11-22T10:00:00.25Z", "2014-11-22T10:00:01Z"),
        (None, None),
    ],
)
def test_the_cursor_of_a_row_is_told_in_whole_seconds_and_never_too_early(
    cursor: str | None, expected: str | None
) -> None:
    digests = RowDigests()
    digests.is_news(7, [{"id": 7}], cursor)
    assert RowDigests.read(digests.written()).cursor_of(7) == expected


@pytest.mark.parametrize(
    "rubbish", ["", "x", "eJwDAAAAAAE=", "eJwDAAAAAAE=.eJwDAAAAAAE=.AAAA", "a.b.c", "\u00e9.\u00e9"]
)
def test_what_no_ledger_has_written_is_refused(rubbish: str) -> None:
    with pytest.raises(DamagedDigests):
        RowDigests.read(rubbish)


def test_a_row_takes_less_than_twelve_characters_of_state() -> None:
    digests = {1_000_000 + 7 * number: 4_000_000_000 + number for number in range(20_000)}
    known = RowDigests(digests, {row_id: 1_400_000_000 + 86_400 * (row_id % 900) for row_id in digests})
    assert len(known.written()) < 12 * 20_000
