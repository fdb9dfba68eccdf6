"""What a ledger knows of the rows that were sent, and that it is the same after it was written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pivotal_tracker.sync.ledger import DamagedLedger, Ledger

contents = st.dictionaries(st.integers(0, 2**53), st.integers(0, 2**32 - 1))


def test_what_was_not_sent_is_news_once() -> None:
    ledger = Ledger()
    assert ledger.is_news(7, [{"name": "A"}])
    assert not ledger.is_news(7, [{"name": "A"}])
    assert ledger.is_news(7, [{"name": "B"}])


def test_the_order_of_attributes_is_no_news() -> None:
    ledger = Ledger()
    ledger.is_news(7, [{"id": 7, "name": "A"}])
    assert not ledger.is_news(7, [{"name": "A", "id": 7}])


def test_a_row_without_records_is_known_too() -> None:
    ledger = Ledger()
    ledger.is_news(7, [])
    assert 7 in ledger
    assert not ledger.is_news(7, [])


def test_the_rows_that_were_sent_and_not_seen_again_are_told() -> None:
    ledger = Ledger()
    for row_id in (9, 7, 8):
        ledger.is_news(row_id, [{"id": row_id}])
    ledger.see(8)
    assert ledger.unseen() == [7, 9]
    ledger.forget(7)
    assert ledger.unseen() == [9]


def test_a_copy_stays_as_it_was() -> None:
    ledger = Ledger()
    ledger.is_news(7, [{"id": 7}])
    copy = ledger.copy()
    ledger.is_news(8, [{"id": 8}])
    assert 8 not in copy
    assert copy == Ledger.read(copy.written())


@given(contents, st.integers(-(2**40), 2**40))
def test_what_is_written_is_read_back(digests: dict[int, int], second: int) -> None:
    ledger = Ledger(digests, dict.fromkeys(sorted(digests)[::2], second))
    assert Ledger.read(ledger.written()) == ledger


@pytest.mark.parametrize(
    ("cursor", "told"),
    [
        ("2014-11-22T00:00:00Z", "2014-11-22T00:00:00Z"),
        ("2014-11-22T10:00:00.25Z", "2014-11-22T10:00:01Z"),
        (None, None),
    ],
)
def test_the_cursor_of_a_row_is_told_in_whole_seconds_and_never_too_early(cursor: str | None, told: str | None) -> None:
    ledger = Ledger()
    ledger.is_news(7, [{"id": 7}], cursor)
    assert Ledger.read(ledger.written()).cursor_of(7) == told


@pytest.mark.parametrize(
    "rubbish", ["", "x", "eJwDAAAAAAE=", "eJwDAAAAAAE=.eJwDAAAAAAE=.AAAA", "a.b.c", "\u00e9.\u00e9"]
)
def test_what_no_ledger_has_written_is_refused(rubbish: str) -> None:
    with pytest.raises(DamagedLedger):
        Ledger.read(rubbish)


def test_a_row_takes_less_than_twelve_characters_of_state() -> None:
    digests = {1_000_000 + 7 * number: 4_000_000_000 + number for number in range(20_000)}
    ledger = Ledger(digests, {row_id: 1_400_000_000 + 86_400 * (row_id % 900) for row_id in digests})
    assert len(ledger.written()) < 12 * 20_000
