"""What odd servers, networks and settings do to a read of PersistIQ: tried again, skipped and named, or an error."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import pytest
from persistiq_api import PREFIX, expected
from persistiq_scene import Scene
from persistiq_world import make_world
from serving import LoggedRequest, SampleServer, as_json
from werkzeug import Request, Response

LONGEST_WAIT = 120
"""Seconds; a reset that is later is waited for no longer."""
REFUSED_KEY = (
    "PersistIQ does not accept the API key (401). Take it from PersistIQ's Settings, Integrations, and put it into "
    "`api_key`."
)


def error(status: int, message: str) -> Response:
    return as_json({"status": "error", "error": {"reason": "a_reason", "message": message}}, status)


def cut_off() -> Response:
    return Response(b'{"tags":[{"id":"tag_1"},', headers={"Content-Length": "5000"}, mimetype="application/json")


BROKEN: dict[str, Callable[[], Response]] = {
    "users": lambda: error(500, "Oops"),
    "leads": lambda: Response("<html>Bad gateway</html>", 502, mimetype="text/html"),
    "campaigns": lambda: Response("", 503),
    "lead_statuses": lambda: Response("<html>Time-out</html>", 504, mimetype="text/html"),
    "lead_fields": lambda: Response('{"lead_fields": [{"id": "7', mimetype="application/json"),
    "events": lambda: as_json({"status": "success", "has_more": False}),
    "dnc_domains": lambda: as_json({"status": "success", "dnc_domains": {}}),
    "tags": cut_off,
}
"""An answer that is worth another try, for one stream each."""


def test_an_answer_that_fails_or_is_broken_is_asked_for_again_and_no_row_is_lost(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=60, events=60))
    left = {f"{PREFIX}/{stream}": answer for stream, answer in BROKEN.items()}
    scene.before = lambda request: left.pop(request.path)() if request.path in left else None

    read = scene.read(BROKEN)

    assert left == {}
    assert read.exit_code == 0
    assert read.counts == {stream: len(expected(scene.world, stream)) for stream in BROKEN}


def leads(**envelope: Any) -> Response:
    return as_json({"status": "success", "has_more": True, "leads": [{"id": "l_1"}]} | envelope)


FOREVER: dict[str, tuple[Callable[[Request], Response], str]] = {
    "users": (lambda _: error(200, "The index is away"), "The index is away (a_reason)."),
    "leads": (lambda _: leads(next_page=None), "leads says that it goes on, and does not say where."),
    "events": (
        lambda _: as_json({"events": [{"id": "e"}], "has_more": True, "next_page": "https://x/events?page=2&a=1"}),
        "events goes on with pages that came before",
    ),
    "campaigns": (lambda _: error(403, "Not for you"), "/campaigns: Not for you (a_reason)."),
    "tags": (lambda _: Response("nope", 404, mimetype="text/plain"), "/tags: it gives no reason."),
    "lead_fields": (lambda _: error(503, "Closed"), "PersistIQ failed at "),
    "dnc_domains": (
        lambda request: as_json(
            {
                "dnc_domains": [{"id": "dom_1"}],
                "has_more": True,
                "next_page": f"https://x/?page={int(request.args.get('page', 1)) + 1}",
            }
        ),
        "dnc_domains goes on with pages that came before",
    ),
}
"""An answer that does not get better, for one stream each, and what is said of it."""


def test_a_list_that_cannot_be_read_costs_its_own_stream_alone_says_why_and_keeps_its_state(scenes: Any) -> None:
    scene: Scene = scenes()
    answers = {f"{PREFIX}/{stream}": answer for stream, (answer, _) in FOREVER.items()}
    scene.before = lambda request: answers[request.path](request) if request.path in answers else None

    read = scene.read([*FOREVER, "lead_statuses"])

    assert read.exit_code == 1
    assert {stream for stream, end in read.ends.items() if end == "INCOMPLETE"} == set(FOREVER)
    assert {stream for stream, end in read.ends.items() if end == "COMPLETE"} == {"lead_statuses"}
    for stream, (_, words) in FOREVER.items():
        assert any(words in sentence for sentence in read.errors[stream]), read.errors[stream]
    assert read.state("leads") == {"_synced_until": "1970-01-01T00:00:00Z"}
    assert read.state("events") == {"_event_at": "2012-01-01T00:00:00Z"}
    asked = Counter(scene.requests())
    assert asked["/users"] == asked["/leads"] == asked["/tags"] == asked["/campaigns"] == 1
    times = [request.at for request in scene.server.log if request.path == f"{PREFIX}/lead_fields"]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(waits) == 7
    assert all(wait >= 2**number for number, wait in enumerate(waits)), "twice as long each time"


REFUSALS: dict[str, tuple[Callable[[], Response], str]] = {
    "a web server's": (
        lambda: Response("<html>404 Not Found - nginx</html>", 404, mimetype="text/html"),
        "cannot be read: the server, or a proxy before it, answers with 404",
    ),
    "a firewall's": (
        lambda: Response("<html>403 - WAF</html>", 403, mimetype="text/html"),
        "cannot be read: the server, or a proxy before it, answers with 403",
    ),
    "of an unknown path": (
        lambda: Response("nope", 404, mimetype="text/plain"),
        "cannot be read: the server, or a proxy before it, answers with 404",
    ),
    "the API's": (lambda: error(404, "No such campaign"), "brings nothing: the server refuses each of its "),
}
"""An answer to the lists of all campaigns, and what is said of it."""


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_of_all_campaigns_or_of_a_proxy_is_an_error_and_the_states_stay(scenes: Any, name: str) -> None:
    scene: Scene = scenes()
    streams = ["campaign_leads", "campaign_replies"]
    answer, words = REFUSALS[name]

    scene.before = lambda request: answer() if request.path.count("/") > 2 else None
    first = scene.read(streams)
    scene.before = None
    second = scene.read(streams, first.states)

    assert first.exit_code == 1
    assert first.ends == dict.fromkeys(streams, "INCOMPLETE")
    for stream in streams:
        assert [sentence for sentence in first.errors[stream] if words not in sentence] == []
    assert second.exit_code == 0
    assert second.counts == {stream: len(expected(scene.world, stream)) for stream in streams}


def test_a_key_that_is_refused_stops_the_sync_with_one_sentence_and_is_not_shown(scenes: Any) -> None:
    scene: Scene = scenes()
    wrong = "sample-key-of-somebody-else"

    read = scene.read(api_key=wrong)
    checked = scene.connector.run("check", config=scene.config(api_key=wrong))

    assert read.exit_code == 1
    sentences = [sentence for stream, all_of_it in read.errors.items() if stream for sentence in all_of_it]
    assert set(sentences) == {REFUSED_KEY}
    assert all(len(all_of_it) == 1 for stream, all_of_it in read.errors.items() if stream)
    assert len(scene.server.log) <= 8 + 1, "one for each thread at most, and the one of check"
    assert checked.exit_code == 0
    assert REFUSED_KEY in checked.status["message"]
    assert wrong not in read.printed + checked.printed


def test_a_429_waits_until_the_time_that_it_names_in_seconds_and_a_502_beside_it_does_not(scenes: Any) -> None:
    scene: Scene = scenes()
    resets: list[int] = []
    failed: list[str] = []

    def refuse(request: Request) -> Response | None:
        if request.path == f"{PREFIX}/tags" and not failed:
            failed.append(request.path)
            return as_json({}, 502, X_RateLimit_Reset="9999999999")
        if request.path == f"{PREFIX}/users" and not resets:
            resets.append(math.ceil(time.time()) + 5)
            return as_json({"error": {"reason": "too_many_requests"}}, 429, X_RateLimit_Reset=str(resets[0]))
        return None

    scene.before = refuse
    streams = ["users", "tags"]
    read = scene.read(streams)

    assert read.exit_code == 0
    assert read.counts == {stream: len(expected(scene.world, stream)) for stream in streams}
    asked = [(request.path.removeprefix(PREFIX), request.status) for request in scene.server.log]
    assert sorted(asked) == [("/tags", 200), ("/tags", 502), ("/users", 200), ("/users", 429)]
    at = {place: request.at for place, request in zip(asked, scene.server.log, strict=True)}
    assert at["/users", 200] >= resets[0]
    assert at["/tags", 200] - at["/tags", 502] < LONGEST_WAIT / 2


def test_the_budget_is_what_the_server_says_that_it_admits(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=300, events=0), page_size=10, requests_per_minute=40)

    read = scene.read(["leads"], requests_per_minute=None)

    assert read.exit_code == 0
    assert len(scene.server.log) == 60
    assert {request.status for request in scene.server.log} == {200}
    assert most_in_a_minute(scene.server.log) == 40


@pytest.mark.parametrize(("setting", "most"), [(None, 240), (90, 90)])
def test_a_server_that_admits_more_is_asked_more_unless_the_user_has_set_a_limit(
    scenes: Any, setting: int | None, most: int
) -> None:
    scene: Scene = scenes(make_world(leads=120, events=0), page_size=1, requests_per_minute=500)
    stop = 240 if setting is None else 95
    scene.before = lambda _: error(403, "Enough") if len(scene.server.log) >= stop else None

    scene.read(["leads"], requests_per_minute=setting)

    assert most_in_a_minute(scene.server.log) == most


def most_in_a_minute(log: list[LoggedRequest]) -> int:
    times = sorted(request.at for request in log)
    return max(sum(first <= at < first + 60 for at in times) for first in times)


def test_a_page_of_another_host_is_asked_for_at_the_configured_one(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=30, events=0), page_size=10)

    read = scene.read(["leads"])

    assert len(read.rows("leads")) == 30
    assert [request.query.get("page", "1") for request in scene.server.log] == ["1", "2", "3"] * 2


def test_a_redirect_to_another_host_is_not_followed_so_that_the_key_stays(scenes: Any) -> None:
    scene: Scene = scenes()
    with SampleServer(lambda _: as_json({"tags": [], "has_more": False})) as other:
        scene.before = lambda _: Response("", 302, {"Location": f"{other.url}/v1/tags"})
        read = scene.read(["tags"])

    assert other.log == []
    assert read.exit_code == 1
    assert "leads to another host, to which the API key is not sent" in read.errors["tags"][0]


@pytest.mark.parametrize(
    ("name", "value", "asked"),
    [
        ("api_key", " ", "the key as it was copied, at least 8 characters and no spaces in it"),
        ("start_date", "2024-01-01", "a past time in UTC such as 2024-01-01T00:00:00Z"),
        ("requests_per_minute", 5000, "a whole number from 1 to 1000"),
        ("include_replies", "yes", "true or false"),
        ("api_url", "https://me:secret@api.persistiq.com/v1", "an https:// address without credentials and query"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_what_is_asked_for(
    scenes: Any, name: str, value: object, asked: str
) -> None:
    scene: Scene = scenes()

    checked = scene.connector.run("check", config=scene.config(**{name: value}))

    assert checked.exit_code == 0
    assert checked.status["status"] == "FAILED"
    assert f"`{name}` has to be {asked}" in checked.status["message"]
    assert scene.server.log == []


def test_a_key_that_comes_back_in_any_answer_is_not_shown(scenes: Any) -> None:
    scene: Scene = scenes()
    key = 'secret"key\\1234'
    scene.before = lambda _: as_json(
        {"status": "error", "error": {"reason": "unauthorized", "message": f"The key {key} is odd"}}, X_Request_Id=key
    )

    read = scene.read(["users"], api_key=f" {key}\n")
    checked = scene.connector.run("check", config=scene.config(api_key=key))

    assert read.exit_code == 1
    assert checked.status["status"] == "FAILED"
    assert "is odd" in checked.status["message"]
    for printed in (read.printed, checked.printed):
        assert key not in printed
        assert json.dumps(key)[1:-1] not in printed


def test_a_page_that_is_passed_over_is_an_error(scenes: Any) -> None:
    scene: Scene = scenes()
    scene.before = lambda _: leads(next_page="https://api.persistiq.com/v1/leads?page=3")

    read = scene.read(["leads"])

    assert read.exit_code == 1
    assert read.errors["leads"] == ["leads goes on with 3, which is not its next page."]


@pytest.mark.parametrize("has_more", [None, False, 0, "no"])
def test_a_list_that_names_a_next_page_goes_on_whatever_it_says_of_more(scenes: Any, has_more: object) -> None:
    scene: Scene = scenes(make_world(leads=30, events=0), page_size=10)

    def contradict(request: Request) -> Response:
        body = scene.api(request).get_json()
        return as_json(body | {"has_more": has_more if body["has_more"] else False})

    scene.before = contradict
    read = scene.read(["leads"])

    assert read.exit_code == 0
    assert len(read.rows("leads")) == 30


def test_a_list_that_names_a_next_page_on_its_last_one_ends_with_a_page_without_rows(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=30, events=0), page_size=10)

    def lead_on(request: Request) -> Response:
        following = f"https://api.persistiq.com/v1/leads?page={int(request.args.get('page', 1)) + 1}"
        return as_json(scene.api(request).get_json() | {"next_page": following})

    scene.before = lead_on
    read = scene.read(["leads"])

    assert read.exit_code == 0
    assert len(read.rows("leads")) == 30


def test_a_next_page_without_its_number_is_an_error(scenes: Any) -> None:
    scene: Scene = scenes()
    scene.before = lambda _: leads(has_more=False, next_page="https://api.persistiq.com/v1/leads?after=l_1")

    read = scene.read(["leads"])

    assert read.exit_code == 1
    assert read.errors["leads"] == [
        "leads goes on with 'https://api.persistiq.com/v1/leads?after=l_1', which is not its next page."
    ]


@pytest.mark.parametrize(
    "value",
    ["yesterday", 1_700_000_000_000, "2024-02-30T00:00:00Z", {"a": 1}, 10**400, "0"],
    ids=lambda value: str(value)[:20],
)
def test_a_row_whose_time_is_none_comes_and_does_not_move_the_state(scenes: Any, value: object) -> None:
    scene: Scene = scenes(make_world(leads=60, events=60))
    streams = ["events", "campaign_replies"]
    healthy = scene.read(streams)

    def spoil(request: Request) -> Response:
        body = scene.api(request).get_json()
        for event in body.get("events", [])[20:21]:
            event.pop("event_at", None)
            event["created_at"] = value
        for reply in body.get("replies", [])[-1:]:
            reply["sent_at"] = value
        return as_json(body)

    scene.before = spoil
    read = scene.read(streams)

    assert read.exit_code == 0
    assert read.ends == dict.fromkeys(streams, "COMPLETE")
    assert read.counts == healthy.counts
    (event,) = [row for row in read.rows("events") if "_event_at" not in row]
    assert event["created_at"] == value
    assert read.state("events") == healthy.state("events")


def test_where_the_servers_clock_is_behind_leads_are_asked_for_by_that_clock(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=5))
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=40)
    scene.before = lambda request: as_json(scene.api(request).get_json(), Date=format_datetime(past, usegmt=True))

    read = scene.read(["leads"])

    assert read.state("leads") == {"_synced_until": past.strftime("%Y-%m-%dT%H:%M:%SZ")}
