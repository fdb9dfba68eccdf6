"""What a stream remembers between syncs: written as JSON, read back, and never trusted blindly."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.times import iso, moment
from source_pivotal_tracker.sync.checkpoints import Checkpoint, ResumePoint, StateKey
from source_pivotal_tracker.sync.row_digests import RowDigests
from source_pivotal_tracker.sync.state import LONGEST_SYNC, NEUTRAL, StreamState

STORIES, EPICS = "stories", "epics"
NOON = "2026-11-20T12:00:00Z"
BASE = Checkpoint(revision=Revision(7), cursor=NOON)
RESUME_POINT = ResumePoint(500, Revision(7), since="2026-11-01T00:00:00Z", newest=NOON, reached=NOON, by_share=True)

numbers = st.integers(0, 2**53)
days = st.dates(date(1970, 1, 1), date(2026, 11, 20)).map(str)
times = days | days.map("{}T23:59:59Z".format)
maybe_times = st.none() | times
places = st.builds(ResumePoint, numbers, numbers, maybe_times, maybe_times, maybe_times, st.booleans())
checkpoints = st.builds(
    Checkpoint,
    revision=st.none() | numbers,
    cursor=st.none() | times,
    digest=st.none() | st.text(),
    done=st.booleans(),
    resume_point=st.none() | places,
    row_digests=st.none() | st.builds(RowDigests, st.dictionaries(numbers, st.integers(0, 2**32 - 1), max_size=5)),
    swept=st.none() | numbers,
    sweeps=numbers,
)
rubbish = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
words = st.sampled_from(
    ["version", "cursor", "digest", "done", "walk", "offset", "since", "newest", "reached", "ledger", STORIES, EPICS]
)
nearly = st.dictionaries(words, rubbish | st.dictionaries(words, rubbish | numbers | times) | numbers | times)
ids = st.text("0123456789", min_size=1, max_size=9) | st.text()
unhurried = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])


def state(
    given_state: Any = None, *, full_refresh: bool = False, endpoints: tuple[str, ...] = (STORIES,)
) -> StreamState:
    return StreamState(STORIES, endpoints, full_refresh=full_refresh, given=given_state or {})


def after_a_restart(before: StreamState, **settings: Any) -> StreamState:
    return state(json.loads(json.dumps(before.as_blob())), **settings)


def key(project: int | None = 99, endpoint: str = STORIES) -> StateKey:
    return StateKey(endpoint, project)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@unhurried
@given(held=st.dictionaries(st.builds(StateKey, st.sampled_from([STORIES, EPICS]), st.none() | numbers), checkpoints))
def test_what_a_state_holds_comes_back_from_its_json(held: dict[StateKey, Checkpoint]) -> None:
    written = state(endpoints=(STORIES, EPICS))
    for place, checkpoint in held.items():
        written.put(place, checkpoint)
    read = after_a_restart(written, endpoints=(STORIES, EPICS))
    assert {place: read.checkpoint(place) for place in held} == held


@unhurried
@given(given_state=rubbish)
def test_no_json_whatever_makes_a_state_fail(given_state: object) -> None:
    read = state(given_state if isinstance(given_state, dict) else {"projects": given_state})
    assert set(read.known_lists()) == set()


@unhurried
@given(
    blob=st.fixed_dictionaries(
        {"stream": st.just(STORIES)},
        optional={"projects": st.dictionaries(ids, rubbish | nearly), "server": rubbish | nearly},
    ),
    full_refresh=st.booleans(),
)
@pytest.mark.parametrize("endpoints", [(STORIES,), (STORIES, EPICS)], ids=["one endpoint", "two endpoints"])
def test_what_is_read_of_a_damaged_state_is_sound(
    endpoints: tuple[str, ...], blob: dict[str, Any], full_refresh: bool
) -> None:
    if full_refresh:
        blob = {**blob, "full_refresh": True, "began": int(time.time())}
    read = state(blob, full_refresh=full_refresh, endpoints=endpoints)
    for checkpoint in map(read.checkpoint, read.known_lists()):
        numbers_in = [
            checkpoint.revision,
            *([checkpoint.resume_point.offset, checkpoint.resume_point.revision] if checkpoint.resume_point else []),
        ]
        times_in = [
            checkpoint.cursor,
            *([point.since, point.newest, point.reached] if (point := checkpoint.resume_point) else []),
        ]
        assert all(number is None or (type(number) is int and number >= 0) for number in numbers_in)
        assert all(time is None or moment(time) for time in times_in)
    again = after_a_restart(read, full_refresh=full_refresh, endpoints=endpoints)
    assert {place: again.checkpoint(place) for place in again.known_lists()} == {
        place: read.checkpoint(place) for place in again.known_lists()
    }


DAMAGES: dict[str, object] = {
    "a place without an offset": {"walk": {"version": 7}},
    "a place without a version": {"walk": {"offset": 500}},
    "a place without anything": {"walk": {}},
    "a place that is a list": {"walk": [500]},
    "a negative version": {"version": -1},
    "a version in words": {"version": "7"},
    "a version that is true": {"version": True},
    "a time that is no time": {"cursor": "yesterday"},
    "a day that is in no month": {"cursor": "2026-02-30T12:00:00Z"},
    "a time that is a number": {"cursor": 1795176000},
    "a digest that is a list": {"digest": []},
    "no object": 7,
    "null": None,
    "a digest that no UTF-8 can hold": {"version": 7, "digest": "\ud800"},
}


@pytest.mark.parametrize("damaged", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_project_is_read_anew_with_a_warning_and_the_others_stay(
    damaged: object, caplog: pytest.LogCaptureFixture
) -> None:
    read = state({"stream": STORIES, "projects": {"98": damaged, "99": {"version": 7, "cursor": NOON}}})
    assert read.checkpoint(key(98)) == Checkpoint()
    assert read.checkpoint(key(99)) == BASE
    assert warnings(caplog) == ["The state of stream stories is damaged for project 98: reading that from the start"]


FUTURE = "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ({"version": 7, "cursor": FUTURE}, Checkpoint(revision=Revision(7))),
        ({"version": 7, "cursor": "2999-01-01"}, Checkpoint(revision=Revision(7))),
        ({"cursor": 32472144000000}, Checkpoint()),
        (
            {"version": 7, "cursor": NOON, "walk": {"offset": 500, "version": 7, "newest": FUTURE}},
            replace(BASE, resume_point=ResumePoint(offset=500, revision=Revision(7))),
        ),
    ],
    ids=["a time", "a day", "milliseconds", "the newest row of a list that is being read"],
)
def test_a_time_in_the_future_is_left_out_with_a_warning_and_the_rest_stays(
    written: dict[str, Any], left: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    read = state({"stream": STORIES, "projects": {"98": written, "99": {"version": 7, "cursor": NOON}}})
    assert read.checkpoint(key(98)) == left
    assert read.checkpoint(key(99)) == BASE
    assert warnings(caplog)[0] == (
        "The state of stream stories has a time in the future for project 98: asking for rows of any time"
    )


def test_a_time_of_a_clock_that_is_a_little_ahead_stays(caplog: pytest.LogCaptureFixture) -> None:
    ahead = iso(datetime.now(UTC) + timedelta(minutes=5))
    assert state({"stream": STORIES, "server": {"cursor": ahead}}).checkpoint(key(None)) == Checkpoint(cursor=ahead)
    assert warnings(caplog) == []


def test_a_project_whose_key_is_no_id_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    read = state({"stream": STORIES, "projects": {"Apollo": {"version": 1}, "99": {"version": 7, "cursor": NOON}}})
    assert set(read.known_lists()) == {key(99)}
    assert warnings(caplog) == ["Ignoring project 'Apollo' in the state of stream stories, because it is not an id"]


NOT_OURS: dict[str, dict[str, Any]] = {
    "of Airbyte's own connector": {"updated_at": NOON},
    "of an older shape": {"99": {"updated_at": NOON}, "98": {"updated_at": NOON}},
    "of another stream": {"stream": "labels", "projects": {"99": {"version": 7}}},
    "with a list of projects": {"stream": STORIES, "projects": [99]},
    "with null for the projects": {"stream": STORIES, "projects": None},
}


@pytest.mark.parametrize("blob", NOT_OURS.values(), ids=NOT_OURS.keys())
@pytest.mark.parametrize("full_refresh", [False, True], ids=["incremental", "full refresh"])
def test_a_state_that_is_not_this_streams_is_read_anew_with_one_warning(
    full_refresh: bool, blob: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert set(state(blob, full_refresh=full_refresh).known_lists()) == set()
    assert warnings(caplog) == [
        "Ignoring the state of stream stories, because this connector did not write it: reading from the start"
    ]


@pytest.mark.parametrize("nothing", [{}, NEUTRAL], ids=["empty", "neutral"])
@pytest.mark.parametrize("full_refresh", [False, True], ids=["incremental", "full refresh"])
def test_a_state_that_says_nothing_is_no_cause_for_a_warning(
    full_refresh: bool, nothing: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert set(state(nothing, full_refresh=full_refresh).known_lists()) == set()
    assert warnings(caplog) == []


def test_a_project_that_this_sync_does_not_touch_keeps_its_mark() -> None:
    read = state({"stream": STORIES, "projects": {"98": {"version": 3, "cursor": NOON}, "99": {"version": 7}}})
    read.put(key(99), BASE)
    assert read.as_blob()["projects"] == {
        "98": {"version": 3, "cursor": NOON},
        "99": {"version": 7, "cursor": NOON},
    }


def test_an_incremental_read_does_not_take_the_state_of_a_full_refresh(caplog: pytest.LogCaptureFixture) -> None:
    running = state(full_refresh=True)
    running.put(key(), Checkpoint())
    assert set(after_a_restart(running).known_lists()) == set()
    assert warnings(caplog) == [
        "Ignoring the state of stream stories, because it is of a full refresh: reading from the start"
    ]


def test_a_full_refresh_does_not_take_the_state_of_an_incremental_read() -> None:
    incremental = state()
    incremental.put(key(), BASE)
    assert set(after_a_restart(incremental, full_refresh=True).known_lists()) == set()


def test_a_running_full_refresh_remembers_which_projects_are_done_and_where_it_stands_in_the_others() -> None:
    running = state(full_refresh=True)
    running.put(key(98), BASE)
    running.put(key(99), Checkpoint(resume_point=RESUME_POINT))
    read = after_a_restart(running, full_refresh=True)
    assert (read.checkpoint(key(98)), read.checkpoint(key(99))) == (
        replace(BASE, done=True),
        Checkpoint(resume_point=RESUME_POINT),
    )


def test_a_full_refresh_that_is_read_to_its_end_is_not_read_again_while_the_other_streams_are() -> None:
    running = state(full_refresh=True)
    running.put(key(), BASE)
    assert state(running.as_blob(), full_refresh=True).checkpoint(key()) == replace(BASE, done=True)


def test_a_full_refresh_from_another_start_date_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    running = StreamState("stories", ["stories"], full_refresh=True, given={}, start=NOON)
    running.put(key(), BASE)
    assert list(StreamState("stories", ["stories"], full_refresh=True, given=running.as_blob()).known_lists()) == []
    assert warnings(caplog) == ["The start date of stream stories has changed: starting its full refresh again"]


BEGINNINGS: dict[str, object] = {
    "two days ago": int(time.time()) - 2 * LONGEST_SYNC,
    "tomorrow": int(time.time()) + LONGEST_SYNC,
    "at a time in words": "2026-11-20",
    "at no time": None,
}


@pytest.mark.parametrize("began", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_full_refresh_that_did_not_begin_lately_begins_anew_with_a_warning(
    began: object, caplog: pytest.LogCaptureFixture
) -> None:
    blob = {"stream": STORIES, "full_refresh": True, "began": began, "projects": {"99": {"done": True}}}
    assert set(state(blob, full_refresh=True).known_lists()) == set()
    (warning,) = warnings(caplog)
    assert warning.startswith("The full refresh of stream stories began too long ago")


def test_a_full_refresh_that_goes_on_remembers_when_it_began() -> None:
    began = int(time.time()) - LONGEST_SYNC // 2
    blob = {"stream": STORIES, "full_refresh": True, "began": began, "projects": {"99": {"done": True}}}
    assert state(blob, full_refresh=True).as_blob() == blob


def test_a_finished_incremental_read_leaves_cursors_only() -> None:
    running = state()
    running.put(key(98), Checkpoint(revision=Revision(7), cursor=NOON, resume_point=RESUME_POINT))
    running.put(key(98), Checkpoint(revision=Revision(7), cursor=NOON, digest="d"))
    running.put(key(99), Checkpoint(revision=Revision(7), cursor=NOON))
    assert running.as_blob() == {
        "stream": STORIES,
        "projects": {"98": {"version": 7, "cursor": NOON, "digest": "d"}, "99": {"version": 7, "cursor": NOON}},
    }


def test_a_stream_with_two_endpoints_has_a_mark_for_each() -> None:
    running = state(endpoints=(STORIES, EPICS))
    running.put(key(), BASE)
    running.put(key(endpoint=EPICS), Checkpoint(revision=Revision(9)))
    assert running.as_blob()["projects"]["99"] == {"stories": {"version": 7, "cursor": NOON}, "epics": {"version": 9}}


def test_what_hangs_on_no_project_stands_under_server() -> None:
    running = state()
    running.put(key(None), Checkpoint(cursor=NOON))
    assert running.as_blob() == {"stream": STORIES, "server": {"cursor": NOON}}


@pytest.mark.parametrize(
    ("checkpoint", "is_base"),
    [
        (Checkpoint(), False),
        (Checkpoint(done=True), False),
        (Checkpoint(resume_point=RESUME_POINT), False),
        (Checkpoint(revision=Revision(0)), True),
        (Checkpoint(cursor=NOON), True),
        (Checkpoint(digest="d"), True),
        (Checkpoint(revision=Revision(7), resume_point=RESUME_POINT), True),
    ],
)
def test_an_incremental_read_starts_from_whatever_was_read_to_its_end(checkpoint: Checkpoint, is_base: bool) -> None:
    assert checkpoint.is_base == is_base
