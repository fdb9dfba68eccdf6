"""What odd servers, networks and settings do to a read of Rocketlane: tried again, skipped and named, or an error."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from rocketlane_api import PREFIX, expected
from rocketlane_scene import Scene
from rocketlane_world import RESOURCES, make_world
from serving import LoggedRequest, SampleServer, as_json
from werkzeug import Request, Response

REFUSED_KEY = (
    "Rocketlane does not accept the API key (401). Make one in Rocketlane under Settings, API, and put it into "
    "`api_key`."
)


def path_of(stream: str) -> str:
    return f"{PREFIX}/{RESOURCES[stream].path}"


def error(status: int, message: str, field: str | None = None) -> Response:
    entry = {"errorCode": "CODE", "errorMessage": message} | ({"field": field} if field else {})
    return as_json({"errors": [entry]}, status)


def cut_off() -> Response:
    return Response(b'{"data":[{"userId":1},', headers={"Content-Length": "5000"}, mimetype="application/json")


def page(rows: int, **pagination: Any) -> Callable[[], Response]:
    data = [{"fieldId": number, "timeOffId": number, "companyId": number, "taskId": number} for number in range(rows)]
    return lambda: as_json({"data": data, "pagination": {"totalRecordCount": rows} | pagination})


BROKEN: dict[str, Callable[[], Response]] = {
    "users": lambda: error(500, "Oops"),
    "fields": lambda: Response("<html>Bad gateway</html>", 502, mimetype="text/html"),
    "time_offs": lambda: Response("", 503),
    "companies": lambda: Response("<html>Time-out</html>", 504, mimetype="text/html"),
    "comments": lambda: Response('{"data": [{"commentId": 7', mimetype="application/json"),
    "invoices": lambda: Response("<html>Please log in</html>", mimetype="text/html"),
    "time_entry_categories": lambda: as_json({"pagination": {"hasMore": False}}),
    "resource_allocations": lambda: as_json({"data": None, "pagination": {"hasMore": False}}),
    "projects": cut_off,
    "tasks": lambda: as_json([]),
}
"""An answer that is worth another try, for one stream each."""


def test_an_answer_that_fails_or_is_broken_is_asked_for_again_and_no_row_is_lost(scenes: Any) -> None:
    scene: Scene = scenes()
    left = {path_of(stream): answer for stream, answer in BROKEN.items()}
    scene.before = lambda request: left.pop(request.path)() if request.path in left else None

    read = scene.read(BROKEN)

    assert left == {}
    assert read.exit_code == 0
    assert read.counts == {stream: len(expected(scene.world, stream)) for stream in BROKEN}


FOREVER: dict[str, tuple[Callable[[], Response], str]] = {
    "users": (lambda: error(500, "Oops"), "Rocketlane failed at "),
    "comments": (lambda: as_json({"pagination": {}}), "it has no list `data`"),
    "tasks": (page(9, hasMore=True), "tasks says that it goes on, and does not say where."),
    "fields": (page(9, hasMore=True, nextPageToken="same"), "fields goes on with pages that came before"),
    "invoices": (lambda: error(403, "Not for you"), "/invoices: Not for you."),
    "projects": (lambda: error(400, "No such thing", "includeArchive"), "No such thing (includeArchive)."),
}
"""An answer that does not get better, for one stream each, and what is said of it."""


def test_a_list_that_cannot_be_read_costs_its_own_stream_alone_says_why_and_keeps_its_state(scenes: Any) -> None:
    scene: Scene = scenes()
    pages = iter(range(10**9))
    answers = {path_of(stream): answer for stream, (answer, _) in FOREVER.items()}
    answers[path_of("companies")] = lambda: page(9, hasMore=True, nextPageToken=f"page {next(pages)}")()
    scene.before = lambda request: answers[request.path]() if request.path in answers else None

    read = scene.read([*FOREVER, "companies", "time_offs", "time_entries"])

    assert read.exit_code == 1
    failed = {*FOREVER, "companies"}
    assert {stream for stream, end in read.ends.items() if end == "INCOMPLETE"} == failed
    assert {stream for stream, end in read.ends.items() if end == "COMPLETE"} == {"time_offs", "time_entries"}
    for stream, (_, words) in FOREVER.items():
        assert any(words in sentence for sentence in read.errors[stream]), read.errors[stream]
    assert "companies goes on with pages that came before" in read.errors["companies"][0]
    assert read.counts["time_entries"] == len(expected(scene.world, "time_entries"))
    assert {read.state(stream)["updatedAt"] for stream in ("users", "tasks", "fields", "projects")} == {"0"}
    asked = Counter(scene.requests())
    assert asked["/users"] == asked["/comments"] == 6, "five times again"
    assert asked["/tasks"] == asked["/invoices"] == asked["/projects"] == 1


def test_a_key_that_is_refused_stops_the_sync_with_one_sentence_and_is_not_shown(scenes: Any) -> None:
    scene: Scene = scenes()
    wrong = "rl-99999999-8888-4777-8666-555555555555"

    read = scene.read(api_key=wrong)
    checked = scene.connector.run("check", config=scene.config(api_key=wrong))

    assert read.exit_code == 1
    sentences = [sentence for stream, all_of_it in read.errors.items() if stream for sentence in all_of_it]
    assert set(sentences) == {REFUSED_KEY}
    assert all(len(all_of_it) == 1 for stream, all_of_it in read.errors.items() if stream)
    assert len(scene.server.log) <= 8 + 1, "one for each thread at most, and the one of check"
    assert checked.exit_code == 0
    assert checked.status == {"status": "FAILED", "message": f"'Stream users is not available: {REFUSED_KEY}'"}
    assert wrong not in read.printed + checked.printed


def test_a_429_waits_until_the_time_that_it_names_in_milliseconds(scenes: Any) -> None:
    scene: Scene = scenes()
    resets: list[float] = []

    def refuse(request: Request) -> Response | None:
        if request.path.endswith("/users") and not resets:
            resets.append(time.time() + 4)
            return as_json({"errors": []}, 429, X_Retry_After=str(round(resets[0] * 1000)))
        return None

    scene.before = refuse
    read = scene.read(["users", "companies"])

    assert read.exit_code == 0
    assert read.counts == {stream: len(expected(scene.world, stream)) for stream in ("users", "companies")}
    asked = [(request.path.removeprefix(PREFIX), request.status) for request in scene.server.log]
    assert sorted(asked) == [("/companies", 200), ("/users", 200), ("/users", 429)]
    assert scene.server.log[asked.index(("/users", 200))].at >= resets[0]
    reasons = [
        reason["type"]
        for message in read.messages
        if message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS"
        for reason in message["trace"]["stream_status"].get("reasons") or []
    ]
    assert set(reasons) == {"RATE_LIMITED"}


def test_a_project_that_vanished_or_is_forbidden_is_skipped_and_named_and_its_state_stays(scenes: Any) -> None:
    scene: Scene = scenes()
    first = scene.read(["phases"])
    gone, hidden, *rest = (str(row["projectId"]) for row in expected(scene.world, "projects"))
    statuses = {gone: 404, hidden: 403}

    def refuse(request: Request) -> Response | None:
        status = statuses.get(request.args.get("projectId", ""))
        return error(status, "No") if status else None

    scene.before = refuse
    second = scene.read(["phases"])
    third = scene.read(["phases"], first.states)

    assert second.exit_code == third.exit_code == 0
    assert second.ends == {"phases": "COMPLETE"}
    others = {row["phaseId"] for row in expected(scene.world, "phases") if str(row["project"]["projectId"]) in rest}
    assert {row["phaseId"] for row in second.rows("phases")} == others != set()
    warnings = {f"phases of projectId {key} is skipped: the server answers with {statuses[key]}." for key in statuses}
    assert set(second.log("WARN")) == warnings
    assert _times(second.state("phases"), [gone, hidden]) == {"0"}
    assert _times(third.state("phases"), [gone, hidden]) == _times(first.state("phases"), [gone, hidden])


REFUSALS: dict[str, tuple[Callable[[int], Response], str]] = {
    "a firewall's": (
        lambda status: Response(f"<html>{status} - WAF</html>", status, mimetype="text/html"),
        "cannot be read: the server, or a proxy before it, answers with ",
    ),
    "an empty one": (lambda status: Response("", status), "cannot be read: the server, or a proxy before it, answers"),
    "a text in JSON": (lambda status: as_json("Forbidden", status), "cannot be read: the server, or a proxy before it"),
    "the API's": (lambda status: error(status, "No"), "brings nothing: the server refuses each of its 4 lists."),
}
"""An answer to the lists of all projects, and what is said of it."""


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_of_all_projects_or_of_a_proxy_is_an_error_and_the_states_stay(
    scenes: Any, name: str, status: int
) -> None:
    scene: Scene = scenes()
    streams = ["phases", "conversations"]
    answer, words = REFUSALS[name]
    before = scene.read(streams)

    scene.before = lambda request: answer(status) if not request.path.endswith("/projects") else None
    first = scene.read(streams)
    later = scene.read(streams, before.states)
    scene.before = None
    second = scene.read(streams, first.states)

    assert first.exit_code == 1
    assert first.ends == later.ends == dict.fromkeys(streams, "INCOMPLETE")
    for stream in streams:
        assert [sentence for sentence in first.errors[stream] if words not in sentence] == []
    assert second.exit_code == 0
    assert second.counts == before.counts
    projects = [str(row["projectId"]) for row in expected(scene.world, "projects")]
    assert _times(later.state("phases"), projects) == _times(before.state("phases"), projects)


def _times(state: dict[str, Any], projects: list[str]) -> set[str]:
    return {part["cursor"]["updatedAt"] for part in state["states"] if str(part["partition"]["projectId"]) in projects}


def test_a_page_token_that_has_expired_begins_its_list_again(scenes: Any) -> None:
    scene: Scene = scenes(make_world(projects=2, tasks=60), page_size=50)
    expired: list[str] = []

    def expire(request: Request) -> Response | None:
        if request.args.get("pageToken") and not expired:
            expired.append(request.args["pageToken"])
            return error(400, "The token is too old", "pageToken")
        return None

    scene.before = expire
    read = scene.read(["tasks"])

    assert read.exit_code == 0
    assert len(read.rows("tasks")) == len({row["taskId"] for row in read.rows("tasks")}) == 120
    assert len(scene.server.log) == 2 + 3


def test_page_tokens_that_expire_at_once_are_an_error(scenes: Any) -> None:
    scene: Scene = scenes(token_seconds=0, page_size=50)

    read = scene.read(["tasks"])

    assert read.exit_code == 1
    assert read.errors["tasks"] == ["tasks: the page token expired each of 4 times."]


def test_a_redirect_to_another_host_is_not_followed_so_that_the_key_stays(scenes: Any) -> None:
    scene: Scene = scenes()
    with SampleServer(lambda _: as_json({"data": [], "pagination": {"hasMore": False}})) as other:
        scene.before = lambda _: Response("", 307, {"Location": f"{other.url}/api/1.0/users"})
        read = scene.read(["users"])

    assert other.log == []
    assert read.exit_code == 1
    assert "leads to another host, to which the API key is not sent" in read.errors["users"][0]


def test_a_redirect_within_the_host_is_followed(scenes: Any) -> None:
    scene: Scene = scenes()
    scene.before = lambda request: (
        None
        if request.args.get("includeAllFields")
        else Response("", 307, {"Location": f"{PREFIX}/users?includeAllFields=true"})
    )

    assert scene.connector.run("check", config=scene.config()).status["status"] == "SUCCEEDED"


def test_a_thousand_projects_stay_within_the_budget_of_requests(scenes: Any) -> None:
    scene: Scene = scenes(make_world(projects=1_000, tasks=1), lists_per_minute=400)

    # Fewer than the server takes, because requests come in other intervals than they left in while a machine is busy.
    read = scene.read(["phases"], requests_per_minute=360)

    assert read.exit_code == 0
    assert len(read.rows("phases")) == len(scene.world.rows["phases"])
    assert len(scene.server.log) == 10 + 1_000
    assert {request.status for request in scene.server.log} == {200}
    assert most_in_a_minute(scene.server.log) <= 400


def most_in_a_minute(log: list[LoggedRequest]) -> int:
    times = sorted(request.at for request in log)
    return max(sum(first <= at < first + 60 for at in times) for first in times)


BAD_SETTINGS = {
    "api_key": "",
    "start_date": "yesterday",
    "include_archived": "yes",
    "requests_per_minute": 0,
    "api_url": "ftp://api.rocketlane.com",
}


@pytest.mark.parametrize(
    ("name", "value", "asked"),
    [
        ("api_key", "two words", "the key as it was copied, at least 8 characters and no spaces in it"),
        ("api_key", 7, "the key as it was copied, at least 8 characters and no spaces in it"),
        ("start_date", "2024-02-30T00:00:00Z", "a past time in UTC such as 2024-01-01T00:00:00Z"),
        ("start_date", "2999-01-01T00:00:00Z", "a past time in UTC such as 2024-01-01T00:00:00Z"),
        ("requests_per_minute", "many", "a whole number from 1 to 400"),
        ("include_archived", 1, "true or false"),
        ("api_url", "http://api.rocketlane.com/api/1.0", "an https:// address without credentials and query"),
    ],
)
def test_a_setting_that_is_wrong_is_named_with_what_is_asked_for(
    scenes: Any, name: str, value: object, asked: str
) -> None:
    scene: Scene = scenes()

    checked = scene.connector.run("check", config=scene.config(**{name: value}))

    shown = "" if name in ("api_key", "api_url") else f", and is {value!r}"
    assert checked.exit_code == 0
    assert checked.status["status"] == "FAILED"
    assert f"`{name}` has to be {asked}{shown}." in checked.status["message"]
    assert scene.server.log == []


def test_all_settings_that_are_wrong_are_named_at_once_by_read_as_well(scenes: Any) -> None:
    scene: Scene = scenes()
    catalog = scene.connector.catalog(scene.config())
    users = [stream for stream in catalog["streams"] if stream["name"] == "users"]
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}

    read = scene.connector.run(
        "read", config=scene.config(**BAD_SETTINGS), catalog={"streams": [{"stream": users[0], **modes}]}
    )

    assert read.exit_code == 1
    (sentence,) = read.errors["users"]
    assert [name for name in BAD_SETTINGS if f"`{name}` has to be " not in sentence] == []
    assert scene.server.log == []


def test_a_setting_that_is_null_counts_as_not_given(scenes: Any) -> None:
    scene: Scene = scenes()

    checked = scene.connector.run("check", config=scene.config(start_date=None, include_archived=None))

    assert checked.status["status"] == "SUCCEEDED"


def test_a_configuration_without_a_key_says_so(scenes: Any) -> None:
    scene: Scene = scenes()
    config = scene.config()
    del config["api_key"]

    checked = scene.connector.run("check", config=config)

    assert checked.status["status"] == "FAILED"
    assert "'api_key' is a required property" in checked.status["message"]


def test_a_state_that_is_damaged_is_left_out_with_a_warning_and_everything_is_read(scenes: Any) -> None:
    scene: Scene = scenes()
    first = scene.read(["users", "phases"])
    damaged = json.loads(json.dumps(first.states))
    for state in damaged:
        state["stream"]["stream_state"] = {"updatedAt": "long ago", "states": [{"partition": {}, "cursor": 7}]}

    second = scene.read(["users", "phases"], damaged)

    assert second.exit_code == 0
    assert second.counts == first.counts
    assert len(second.log("WARN")) == 2


@pytest.mark.parametrize("status", [403, 404])
def test_a_project_that_is_refused_after_its_first_page_is_an_error_and_its_state_stays(
    scenes: Any, status: int
) -> None:
    scene: Scene = scenes(page_size=2)
    scene.before = lambda request: (
        error(status, "No") if request.args.get("pageToken") and request.path.endswith("/phases") else None
    )

    read = scene.read(["phases"])

    assert read.exit_code == 1
    assert all(
        f"ends in the middle: the server answers with {status}." in sentence for sentence in read.errors["phases"]
    )
    scene.before = None
    again = scene.read(["phases"], read.states)
    assert {row["phaseId"] for row in again.rows("phases")} == set(scene.world.rows["phases"])


ODD: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "rows that are no objects": (lambda body: body["data"].insert(0, 7), "holds rows that are no objects"),
    "a row without its key": (lambda body: body["data"][0].pop("companyId"), "holds a row without `companyId`"),
    "a token that is an object": (
        lambda body: body["pagination"].update(hasMore=True, nextPageToken={"a": 1}),
        "which is not its next page",
    ),
    "more, said in another type": (
        lambda body: body["pagination"].update(hasMore="true"),
        "says that it goes on, and does not say where",
    ),
}
"""An answer that is half right, and what is said of it."""


@pytest.mark.parametrize("name", ODD)
def test_an_answer_that_is_half_right_is_an_error_in_a_sentence(scenes: Any, name: str) -> None:
    scene: Scene = scenes()
    change, words = ODD[name]

    def spoil(request: Request) -> Response:
        body = scene.api(request).get_json()
        change(body)
        return as_json(body)

    scene.before = spoil
    read = scene.read(["companies"])

    assert read.exit_code == 1
    assert [sentence for sentence in read.errors["companies"] if words not in sentence] == []


BEARABLE: dict[str, Callable[[dict[str, Any]], object]] = {
    "a count that is a text": lambda body: body["pagination"].update(totalRecordCount="5"),
    "no word of whether there is more": lambda body: body["pagination"].pop("hasMore", None),
    "a time in words": lambda body: [row.update(updatedAt="lately") for row in body["data"]],
}


@pytest.mark.parametrize("name", BEARABLE)
def test_an_oddity_that_costs_no_row_costs_none(scenes: Any, name: str) -> None:
    scene: Scene = scenes(page_size=4)

    def spoil(request: Request) -> Response:
        body = scene.api(request).get_json()
        BEARABLE[name](body)
        return as_json(body, Date="garbage")

    scene.before = spoil
    read = scene.read(["users"])

    assert read.exit_code == 0
    assert read.counts["users"] == len(scene.world.rows["users"])


def ends_at_once(body: dict[str, Any], number: int) -> None:
    if number == 1:
        _end(body)


def ends_one_row_early(body: dict[str, Any], number: int) -> None:
    body["pagination"]["totalRecordCount"] = 2 * 4 + 1
    if number == 2:
        _end(body)


def lacks_rows_on_each_page(body: dict[str, Any], _: int) -> None:
    del body["data"][3:]


def holds_no_rows(body: dict[str, Any], _: int) -> None:
    body["data"] = []
    _end(body)


def _end(body: dict[str, Any]) -> None:
    body["pagination"] = {"pageSize": 4, "hasMore": False, "totalRecordCount": body["pagination"]["totalRecordCount"]}


CUT_OFF = (ends_at_once, ends_one_row_early, lacks_rows_on_each_page, holds_no_rows)
"""What a server does to the pages of a list, each with its number, so that the list has fewer rows than it counts."""


@pytest.mark.parametrize("cut", CUT_OFF)
@pytest.mark.parametrize(("stream", "cut_list"), [("tasks", "/tasks"), ("phases", "/projects")])
def test_a_list_that_is_cut_off_is_an_error_and_the_next_read_brings_its_rows(
    scenes: Any, stream: str, cut_list: str, cut: Callable[[dict[str, Any], int], None]
) -> None:
    scene: Scene = scenes(make_world(projects=12, tasks=20), page_size=4)
    pages: dict[str, int] = {}

    def spoil(request: Request) -> Response | None:
        if request.path != PREFIX + cut_list:
            return None
        body = scene.api(request).get_json()
        if token := body["pagination"].get("nextPageToken"):
            pages[token] = pages.get(request.args.get("pageToken", ""), 1) + 1
        cut(body, pages.get(request.args.get("pageToken", ""), 1))
        return as_json(body)

    scene.before = spoil
    first = scene.read([stream])
    scene.before = None
    second = scene.read([stream], first.states)

    assert first.exit_code == 1
    assert first.ends == {stream: "INCOMPLETE"}
    assert all(" is cut off: " in sentence for sentence in first.errors[stream])
    assert second.exit_code == 0
    key = RESOURCES[stream].key
    kept = first.rows(stream) if stream == "phases" else []  # Each project has a state of its own.
    assert {row[key] for row in [*kept, *second.rows(stream)]} == set(scene.world.rows[stream])


def test_a_server_that_counts_all_rows_of_a_list_of_changes_is_believed(scenes: Any) -> None:
    scene: Scene = scenes(make_world(projects=12, tasks=20), page_size=50)
    first = scene.read(["tasks"])

    def counts_all(request: Request) -> Response | None:
        if request.path != f"{PREFIX}/tasks":
            return None
        body = scene.api(request).get_json()
        body["pagination"]["totalRecordCount"] = len(scene.world.rows["tasks"])
        return as_json(body)

    scene.before = counts_all
    second = scene.read(["tasks"], first.states)
    assert (second.exit_code, second.ends) == (0, {"tasks": "COMPLETE"})
    assert 0 < len(second.rows("tasks")) < len(scene.world.rows["tasks"]) - 5


@pytest.mark.parametrize("value", [10**400, -(10**18), "9" * 400, {"a": 1}, [], True], ids=lambda value: str(value)[:9])
def test_a_row_whose_time_is_none_comes_and_does_not_move_the_state(scenes: Any, value: object) -> None:
    scene: Scene = scenes()
    streams = ["tasks", "phases", "users"]
    healthy = scene.read(streams)

    def spoil(request: Request) -> Response:
        body = scene.api(request).get_json()
        for row in body["data"][-1:]:
            row["updatedAt"] = value
        if request.path == path_of("users"):
            del body["data"][0]["updatedAt"]
            body["data"][0]["createdAt"] = value
        return as_json(body)

    scene.before = spoil
    read = scene.read(streams)

    assert read.exit_code == 0
    assert read.ends == dict.fromkeys(streams, "COMPLETE")
    assert read.counts == healthy.counts
    assert read.state("tasks") == healthy.state("tasks")


def test_bytes_that_are_not_utf_8_are_replaced_and_told(scenes: Any) -> None:
    scene: Scene = scenes()

    def spoil(request: Request) -> Response:
        body = scene.api(request).get_data()
        return Response(body.replace(b'"companyName": "', b'"companyName": "\xe9'), mimetype="application/json")

    scene.before = spoil
    read = scene.read(["companies"])

    assert read.exit_code == 0
    assert all(row["companyName"].startswith("\ufffd") for row in read.rows("companies"))
    assert len(read.rows("companies")) == len(scene.world.rows["companies"])
    assert "is not UTF-8" in read.log("WARN")[0]


@pytest.mark.parametrize("value", ["4102444800000", "2026-01-01", "99999999999999999999", None, {"a": 1}])
def test_a_state_without_a_past_time_is_not_used(scenes: Any, value: object) -> None:
    scene: Scene = scenes()
    state = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"updatedAt": value}}}

    read = scene.read(["users"], [state])

    assert read.exit_code == 0
    assert read.counts["users"] == len(scene.world.rows["users"])
    assert "is not used" in read.log("WARN")[0]


def test_where_the_servers_clock_is_behind_the_state_is_by_that_clock(scenes: Any) -> None:
    scene: Scene = scenes()
    past = datetime.now(UTC) - timedelta(days=300)
    scene.before = lambda request: as_json(scene.api(request).get_json(), Date=format_datetime(past, usegmt=True))

    read = scene.read(["tasks"])

    times = [row["updatedAt"] for row in read.rows("tasks")]
    assert max(times) > past.timestamp() * 1000
    assert int(read.state("tasks")["updatedAt"]) == max(moment for moment in times if moment <= past.timestamp() * 1000)
