"""What the client makes of every answer that a server, or something that stands in its place, may give."""

from __future__ import annotations

import email.utils
import itertools
import logging
from datetime import UTC, datetime, timedelta

import pytest
import requests

from source_pivotal_tracker.api.answers import of_exception
from source_pivotal_tracker.api.client import TrackerClient, once_more
from source_pivotal_tracker.api.errors import (
    IncompleteError,
    InvalidResponse,
    ParametersRefused,
    RetryableError,
    SkippableError,
    TokenRefused,
    TrackerError,
)
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.api.session import TrackerSession
from unit_tests.scripted_server import RESET, ScriptedServer, answer

TOKEN = "0123456789abcdef0123456789abcdef"
OK = answer(200, b'{"id": 1}', "Content-Type: application/json")


def tracker_error(status: int, code: str, error: str = "No.", *headers: str) -> bytes:
    return answer(status, f'{{"code": "{code}", "kind": "error", "error": "{error}"}}'.encode(), *headers)


class Naps:
    """Sleeps for nothing and remembers for how long."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def client_of(server: ScriptedServer, naps: Naps | None = None) -> TrackerClient:
    rate_limiter = RateLimiter(1000, clock=itertools.count(step=400).__next__, sleep=lambda _: None)
    return TrackerClient(server.url, TOKEN, rate_limiter, sleep=naps or Naps())


PASSING = {
    "429": tracker_error(429, "server_under_load"),
    "408": answer(408, b""),
    "500": tracker_error(500, "unhandled_condition"),
    "502 in HTML": answer(502, b"<html>", "Content-Type: text/html"),
    "503": answer(503, b""),
    "409 deadlock": tracker_error(409, "deadlock"),
    "connection closed": RESET,
    "body cut short": answer(200, b'{"id": ', length=100),
    "JSON cut short": answer(200, b'{"id": '),
    "200 in HTML": answer(200, b"<html>sign in</html>", "Content-Type: text/html"),
    "200 with nothing": answer(200, b""),
}
FINAL = {
    "400 invalid_parameter": (tracker_error(400, "invalid_parameter"), ParametersRefused),
    "400 other": (tracker_error(400, "unhandled_condition"), InvalidResponse),
    "401": (tracker_error(401, "unauthenticated"), TokenRefused),
    "403 invalid_authentication": (tracker_error(403, "invalid_authentication"), TokenRefused),
    "403 unauthorized_operation": (tracker_error(403, "unauthorized_operation"), SkippableError),
    "404 unfound_resource": (tracker_error(404, "unfound_resource"), SkippableError),
    "403 by a proxy": (answer(403, b"<html>blocked</html>"), InvalidResponse),
    "404 by a web server": (answer(404, b"<html>nothing here</html>"), InvalidResponse),
    "409 duplicate_entry": (tracker_error(409, "duplicate_entry"), InvalidResponse),
    "403 in Tracker's words without a code": (answer(403, b'{"kind": "error", "error": "No."}'), SkippableError),
    "400 whose code is a number": (answer(400, b'{"code": 400, "error": "No."}'), ParametersRefused),
    "400 whose code is an object": (answer(400, b'{"code": {"a": 1}, "error": "No."}'), ParametersRefused),
    "410": (answer(410, b""), InvalidResponse),
    "204": (answer(204, b""), InvalidResponse),
}


FOREIGN = {
    "an error without a code": b'{"error": "Forbidden"}',
    "a framework's error": b'{"timestamp": "2026-01-01", "status": 403, "error": "Forbidden", "path": "/x"}',
    "a code that is a number": b'{"code": 1020, "message": "Forbidden"}',
    "a code that is a number, of some kind": b'{"code": 1020, "kind": "error", "error": "Forbidden"}',
    "a code of another API": b'{"code": "AccessDenied", "message": "Forbidden"}',
    "a code that is an object": b'{"code": {"a": 1}, "error": "Forbidden"}',
    "a code that is a list": b'{"code": ["unfound_resource"], "error": "Forbidden"}',
    "an error that is nothing": b'{"error": null}',
    "an error that is an object": b'{"kind": "error", "error": {"reason": "Forbidden"}}',
    "a list": b'["error"]',
}


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN.keys())
def test_json_that_is_not_trackers_does_not_count_as_its_words(body: bytes, status: int) -> None:
    refusal = answer(status, body, "Content-Type: application/json")
    with (
        ScriptedServer([refusal]) as server,
        pytest.raises(InvalidResponse, match="but not a Tracker API error") as error,
    ):
        client_of(server).get("projects/1/labels")
    assert error.value.code is None
    assert ("Forbidden" in str(error.value)) == (b': "Forbidden"' in body and b"reason" not in body)


@pytest.mark.parametrize("bad", PASSING.values(), ids=PASSING.keys())
def test_what_may_pass_is_asked_again_until_it_has_passed(bad: bytes) -> None:
    with ScriptedServer([bad, bad, OK]) as server:
        assert client_of(server).get("me").parsed == {"id": 1}
    assert len(server.requests) == 3


@pytest.mark.parametrize("bad", PASSING.values(), ids=PASSING.keys())
def test_what_does_not_pass_is_asked_nine_times_and_then_raised_with_its_path(bad: bytes) -> None:
    with ScriptedServer([bad]) as server, pytest.raises(RetryableError, match="GET /me: "):
        client_of(server).get("me")
    assert len(server.requests) == 9


@pytest.mark.parametrize(("bad", "error"), FINAL.values(), ids=FINAL.keys())
def test_what_cannot_pass_is_asked_once(bad: bytes, error: type[TrackerError]) -> None:
    with ScriptedServer([bad]) as server, pytest.raises(error, match="GET /me: "):
        client_of(server).get("me")
    assert len(server.requests) == 1


def test_nobody_listening_is_tried_again_and_told_by_its_cause() -> None:
    with ScriptedServer([OK]) as server:
        pass
    naps = Naps()
    with pytest.raises(RetryableError, match="Connection refused"):
        client_of(server, naps).get("me")
    assert len(naps.seconds) == 8


def test_a_lost_connection_after_a_contradiction_is_told_by_its_own_cause() -> None:
    with ScriptedServer([OK, RESET]) as server:
        client = client_of(server)

        def contradictory() -> None:
            client.get("me")
            raise InvalidResponse("two rows came, and three were announced")

        with pytest.raises(RetryableError, match=r"^GET /me: no connection: Remote end closed"):
            once_more(contradictory)


def test_waits_double_with_jitter() -> None:
    naps = Naps()
    with ScriptedServer([answer(500, b"")]) as server, pytest.raises(RetryableError):
        client_of(server, naps).get("me")
    for attempt, seconds in enumerate(naps.seconds):
        assert min(2**attempt, 120) / 2 <= seconds <= min(2**attempt, 120)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("7", 7, 7),
        ("86400", 300, 300),
        (timedelta(seconds=200), 100, 200),
        (timedelta(seconds=-200), 0.5, 1),
        ("0", 0.5, 1),
        ("Mon, 99 Foo 2026 99:99:99 GMT", 0.5, 1),
        ("1.5", 1.5, 1.5),
        ("60000", 300, 300),
        ("soon", 0.5, 1),
        ("-7", 0.5, 1),
        ("nan", 0.5, 1),
        ("²", 0.5, 1),
    ],
    ids=[
        *(
            "seconds",
            "too many seconds",
            "a date",
            "a date in the past",
            "none",
            "no date",
            "a part of a second",
            "milliseconds",
        ),
        *("rubbish", "less than nothing", "no number", "a digit that is none"),
    ],
)
def test_retry_after_is_honoured_as_seconds_and_as_a_date_up_to_five_minutes(
    value: str | timedelta, least: float, most: float
) -> None:
    if isinstance(value, timedelta):
        value = email.utils.format_datetime(datetime.now(UTC) + value, usegmt=True)
    naps = Naps()
    with ScriptedServer([answer(503, b"", f"Retry-After: {value}"), OK]) as server:
        client_of(server, naps).get("me")
    assert least <= naps.seconds[0] <= most


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_no_wait_is_not_asked_nine_times_at_once(status: int) -> None:
    naps = Naps()
    rate_limiter = RateLimiter(1000, clock=lambda: sum(naps.seconds), sleep=naps)
    past = answer(status, b"", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")
    with ScriptedServer([past]) as server, pytest.raises(RetryableError):
        TrackerClient(server.url, TOKEN, rate_limiter, sleep=naps).get("me")
    waits = [seconds for seconds in naps.seconds if seconds]
    assert len(waits) == 8
    assert all(2**number / 2 <= seconds <= 2**number for number, seconds in enumerate(waits[:7]))


def test_a_date_is_held_against_the_clock_of_the_server() -> None:
    naps = Naps()
    dates = ("Date: Wed, 21 Oct 2015 07:27:00 GMT", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT")
    with ScriptedServer([answer(503, b"", *dates), OK]) as server:
        client_of(server, naps).get("me")
    assert naps.seconds == [60.0]


@pytest.mark.parametrize("status", [429, 503])
def test_the_log_says_how_long_a_request_waits(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedServer([answer(status, b"", "Retry-After: 20"), OK]) as server:
        client_of(server, Naps()).get("me")
    assert [message for message in caplog.messages if message.endswith("; attempt 2 follows in 20 s")]


def test_a_429_brakes_the_rate_limiter_that_everybody_shares() -> None:
    waits: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    rate_limiter = RateLimiter(1000, clock=lambda: now[0], sleep=sleep)
    with ScriptedServer([answer(429, b"", "Retry-After: 20"), OK]) as server:
        TrackerClient(server.url, TOKEN, rate_limiter, sleep=Naps()).get("me")
    assert waits == [20.0]


def test_after_a_refused_token_no_further_request_is_sent() -> None:
    with ScriptedServer([tracker_error(403, "invalid_authentication"), OK]) as server:
        client = client_of(server)
        for path in ("me", "projects"):
            with pytest.raises(TokenRefused, match=r"GET /me: 403 invalid_authentication: No\."):
                client.get(path)
    assert len(server.requests) == 1


def test_trackers_own_words_are_passed_on() -> None:
    body = b'{"code": "invalid_parameter", "error": "A.", "general_problem": "B.", "possible_fix": "C."}'
    with ScriptedServer([answer(400, body)]) as server, pytest.raises(ParametersRefused) as refusal:
        client_of(server).get("projects/1/stories")
    assert str(refusal.value) == "GET /projects/1/stories: 400 invalid_parameter: A. B. C."


def test_the_token_is_sent_in_its_header_and_repeated_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "airbyte")
    bad = tracker_error(500, "unhandled_condition", f"bad {TOKEN}")
    with ScriptedServer([bad]) as server, pytest.raises(RetryableError) as error:
        client_of(server).get("me", attempts=2)
    assert f"X-TrackerToken: {TOKEN}" in server.requests[0]
    assert TOKEN not in str(error.value) + caplog.text
    assert "bad ****" in caplog.text


def test_the_environment_is_looked_through_once_for_each_host(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def no_proxies(url: str, **_: object) -> dict[str, str]:
        looked_up.append(url)
        return {}

    monkeypatch.setattr(requests.sessions, "get_environ_proxies", no_proxies)
    with ScriptedServer([OK]) as server:
        client = client_of(server)
        for path in ("me", "projects", "me"):
            client.get(path)
    assert looked_up == [f"{server.url}/me"]


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with ScriptedServer([OK]) as other:
        moved = answer(302, b"", f"Location: {other.url}/me")
        with ScriptedServer([moved]) as server, pytest.raises(InvalidResponse, match="a redirect to http://127"):
            client_of(server).get("me")
    assert other.requests == []


def test_a_redirect_on_the_same_host_is_followed() -> None:
    with ScriptedServer([answer(301, b"", "Location: /services/v5/you"), OK]) as server:
        assert client_of(server).get("me").parsed == {"id": 1}
    assert server.requests[1].startswith("GET /services/v5/you ")


def test_redirects_in_a_circle_end_after_a_handful_and_each_counts_for_the_limit() -> None:
    clock = itertools.count(step=400)
    rate_limiter = RateLimiter(1000, clock=clock.__next__, sleep=lambda _: None)
    with ScriptedServer([answer(302, b"", "Location: /services/v5/me?again=1")]) as server:
        client = TrackerClient(server.url, TOKEN, rate_limiter, sleep=Naps())
        with pytest.raises(IncompleteError, match=r"^GET /me: 302, after 5 redirects one more, to http://127"):
            client.get("me")
    assert len(server.requests) == client.requests == 6


def test_a_redirect_to_what_is_not_utf_8_is_an_error_in_words() -> None:
    moved = answer(302, b"").replace(b"Connection: close", b"Connection: close\r\nLocation: /\xff\xfe")
    with ScriptedServer([moved]) as server, pytest.raises(InvalidResponse, match="GET /me: 302, a redirect to /"):
        client_of(server).get("me")


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_waits_ten_minutes_in_all_at_the_most(status: int) -> None:
    waits: list[float] = []
    rate_limiter = RateLimiter(1000, clock=lambda: sum(waits), sleep=waits.append)
    with ScriptedServer([answer(status, b"", "Retry-After: 290")]) as server, pytest.raises(RetryableError):
        TrackerClient(server.url, TOKEN, rate_limiter, sleep=waits.append).get("me")
    assert [seconds for seconds in waits if seconds] == [290.0, 290.0]
    assert len(server.requests) == 3


def test_a_server_that_never_answers_is_given_up_by_a_time_out() -> None:
    sent: list[object] = []

    with ScriptedServer([OK]) as server:
        client = client_of(server)
        client._session.hooks["response"].append(lambda _, **options: sent.append(options["timeout"]))
        client.get("me")
    assert sent == [(10.0, 60.0)]


def test_an_answer_that_comes_byte_by_byte_and_does_not_end_in_time_is_an_error_that_may_pass() -> None:
    with (
        ScriptedServer([OK], seconds_between_bytes=0.005) as server,
        TrackerSession(TOKEN, longest_answer=0.1) as session,
    ):
        with pytest.raises(requests.ReadTimeout) as caught:
            session.read(f"{server.url}/me", None)
        error = of_exception(caught.value, server.url)
    assert isinstance(error, RetryableError)
    assert str(error) == "no answer in time: the answer had not ended after 0.1 s"


def test_a_file_that_comes_byte_by_byte_and_does_not_end_in_time_is_given_up() -> None:
    with (
        ScriptedServer([answer(200, b"x" * 1_000)], seconds_between_bytes=0.005) as server,
        TrackerSession(TOKEN, longest_download=0.1) as session,
        pytest.raises(requests.ReadTimeout, match=r"had not ended after 0\.1 s"),
    ):
        session.download(f"{server.url}/file", lambda _: None)


def test_an_answer_that_comes_byte_by_byte_is_read_whole() -> None:
    with ScriptedServer([OK], seconds_between_bytes=0.001) as server:
        assert client_of(server).get("me").parsed == {"id": 1}
    assert len(server.requests) == 1
