"""A stream that waits for the server's limit of requests says so, and until when."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest
from airbyte_cdk.models import AirbyteStreamStatus, AirbyteStreamStatusReasonType, AirbyteTraceMessage

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.config import Config
from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.wiring import client_of
from tracker_server.api.errors import ApiError, error_response
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from unit_tests.syncs import Sync, catalog_of, config_for

TOO_MANY = ApiError(429, "rate_limit_exceeded", "Too many requests.")
PAUSE = 4
"""Seconds; a sync looks every second whether requests are held back."""
SHORT_PAUSE = 1
PLACES, HURRY = 3, 3
"""The requests that may leave within a quarter of a minute, and how much faster than others its clock goes."""
STREAMS = ["projects", "labels", "stories"]


class Refusing:
    """Answers the first request for each of these lists with a 429, and so many seconds to wait."""

    def __init__(self, pauses: dict[str, int]) -> None:
        self._pauses = dict(pauses)

    def __call__(self, request: Request) -> Response | None:
        seconds = self._pauses.pop(request.path.rpartition("/")[2], None)
        if seconds is None:
            return None
        refusal = error_response(TOO_MANY)
        return replace(refusal, headers={**refusal.headers, "Retry-After": str(seconds)})


def statuses(pauses: dict[str, int]) -> dict[str, list[AirbyteTraceMessage]]:
    """What each stream said of itself in a sync of a server that asks for these pauses."""
    with TrackerServer(make_world(projects=1, stories=4), before=Refusing(pauses)) as server:
        sync = Sync(config_for(server, num_workers=1), STREAMS, client_of=client_of)
    return traces_by_stream(sync)


def traces_by_stream(sync: Sync) -> dict[str, list[AirbyteTraceMessage]]:
    """What each stream said of itself in a sync that has brought all."""
    assert sync.failure is None
    traces = [message.trace for message in sync.output if message.trace and message.trace.stream_status]
    return {
        name: [trace for trace in traces if trace.stream_status and trace.stream_status.stream_descriptor.name == name]
        for name in STREAMS
    }


def words(traces: list[AirbyteTraceMessage]) -> list[str]:
    found = [trace.stream_status for trace in traces if trace.stream_status]
    return [f"{status.status.value}{' limited' if status.reasons else ''}" for status in found]


@pytest.fixture(scope="module")
def paused() -> dict[str, list[AirbyteTraceMessage]]:
    return statuses({"projects": PAUSE, "stories": PAUSE})


def test_streams_that_wait_for_the_list_of_projects_say_so(paused: dict[str, list[AirbyteTraceMessage]]) -> None:
    assert words(paused["projects"]) == ["STARTED", "RUNNING limited", "RUNNING", "COMPLETE"]
    assert words(paused["labels"]) == ["STARTED", "RUNNING limited", "RUNNING", "COMPLETE"]


def test_a_stream_says_anew_that_it_waits_and_then_that_it_runs(paused: dict[str, list[AirbyteTraceMessage]]) -> None:
    assert words(paused["stories"]) == ["STARTED", "RUNNING limited", "RUNNING limited", "RUNNING", "COMPLETE"]


def test_the_reason_is_the_limit_with_the_time_of_its_end_in_milliseconds(
    paused: dict[str, list[AirbyteTraceMessage]],
) -> None:
    reasons = [
        (trace.emitted_at, trace.stream_status.status, reason)
        for traces in paused.values()
        for trace in traces
        if trace.stream_status
        for reason in trace.stream_status.reasons or ()
    ]
    assert len(reasons) == 4
    for emitted_at, status, reason in reasons:
        assert status == AirbyteStreamStatus.RUNNING
        assert reason.type == AirbyteStreamStatusReasonType.RATE_LIMITED
        assert reason.rate_limited is not None
        assert isinstance(reason.rate_limited.quota_reset, int)
        assert emitted_at < reason.rate_limited.quota_reset <= emitted_at + PAUSE * 1000


def test_a_stream_that_waits_for_the_rate_limit_says_so() -> None:
    rate_limiter = RateLimiter(
        4 * PLACES, clock=lambda: time.monotonic() * HURRY, sleep=lambda seconds: time.sleep(seconds / HURRY)
    )

    def client_of(settings: Config) -> TrackerClient:
        return TrackerClient(settings.api_url, settings.api_token.get_secret_value(), rate_limiter)

    with TrackerServer(make_world(projects=1, stories=4)) as server:
        sync = Sync(config_for(server, num_workers=1), STREAMS, client_of=client_of)
        assert PLACES < len(server.log) <= 2 * PLACES
    by_stream = [words(traces) for traces in traces_by_stream(sync).values()]
    assert any("RUNNING limited" in found for found in by_stream)
    assert [found[-1] for found in by_stream] == ["COMPLETE"] * len(STREAMS)


def test_of_a_short_pause_nobody_is_told() -> None:
    by_stream = statuses({"projects": SHORT_PAUSE, "stories": SHORT_PAUSE})
    assert {name: words(traces) for name, traces in by_stream.items()} == {
        name: ["STARTED", "RUNNING", "COMPLETE"] for name in STREAMS
    }


@pytest.mark.parametrize("held_up", ["projects", "stories"])
def test_asked_to_stop_while_streams_wait_each_that_started_ends_as_incomplete(held_up: str) -> None:
    """The list of projects is waited for before the engine runs, and other lists while it does."""
    source = SourcePivotalTracker(client_of)
    last: dict[str, str] = {}
    with TrackerServer(make_world(projects=1, stories=4), before=Refusing({held_up: 60})) as server:
        config = config_for(server, num_workers=1)
        catalog = catalog_of(source, config, set(STREAMS), incremental=False)
        for message in source.read(logging.getLogger("airbyte"), config, catalog):
            status = message.trace.stream_status if message.trace else None
            if status:
                last[status.stream_descriptor.name] = status.status.value
                if status.reasons:
                    source.stop()
    assert last
    assert {name for name, status in last.items() if status not in ("INCOMPLETE", "COMPLETE")} == set()
