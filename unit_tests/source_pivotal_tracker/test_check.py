"""What check tells the user about a server, a token and the projects, and how much it asks for that."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from airbyte_cdk.models import AirbyteConnectionStatus, Status

from source_pivotal_tracker.api.answers import CA_BUNDLES
from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server.api.protocol import PREFIX
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.world import World
from unit_tests.scripted_server import RESET, ScriptedServer, answer
from unit_tests.syncs import config_for

TOKEN = "fedcba9876543210fedcba9876543210"
HTML = "Content-Type: text/html"
UNKNOWN_PROJECTS = [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def server() -> Iterator[TrackerServer]:
    with TrackerServer(make_world(projects=3, stories=5)) as running:
        yield running


def checked(config: dict[str, Any]) -> AirbyteConnectionStatus:
    return SourcePivotalTracker().check(logging.getLogger("airbyte"), config)


def checked_against(server: ScriptedServer, **settings: Any) -> AirbyteConnectionStatus:
    return checked({"api_token": TOKEN, "api_url": server.url, **settings})


def checked_and_logged(server: TrackerServer, **settings: Any) -> tuple[AirbyteConnectionStatus, list[LoggedRequest]]:
    before = len(server.log)
    return checked(config_for(server, **settings)), server.log[before:]


def words(status: AirbyteConnectionStatus) -> str:
    return str(status.message)


def json(body: object, status: int = 200) -> bytes:
    return answer(status, orjson.dumps(body), "Content-Type: application/json")


def named(world: World) -> str:
    return ", ".join(f"{project.row['name']} (id {project.id})" for project in world.projects.values())


def test_it_names_the_owner_of_the_token_and_counts_the_projects(server: TrackerServer) -> None:
    person = server.world.people[server.world.tokens[SAMPLE_TOKEN]]
    status, log = checked_and_logged(server)
    assert status == AirbyteConnectionStatus(
        status=Status.SUCCEEDED,
        message=f"The token belongs to {person['name']}. It sees 3 projects: {named(server.world)}.",
    )
    assert [logged.path for logged in log] == ["/me", "/projects"]


def test_a_single_project_is_counted_in_the_singular() -> None:
    with ScriptedServer([json({"id": 1, "name": "Ann"}), json([{"id": 7}])]) as server:
        assert words(checked_against(server)) == "The token belongs to Ann. It sees 1 project: id 7."


def test_a_project_is_named_by_its_title_where_a_server_calls_it_so() -> None:
    with ScriptedServer([json({"id": 1, "name": "Ann"}), json([{"id": 7, "title": "Alpha"}])]) as server:
        assert words(checked_against(server)).endswith("It sees 1 project: Alpha (id 7).")


@pytest.mark.parametrize("project_ids", [[], [7]])
def test_a_server_that_refuses_fields_is_asked_without(project_ids: list[int]) -> None:
    refusal = json({"code": "invalid_parameter", "error": "No."}, 400)
    project = {"id": 7, "name": "Alpha"}
    with ScriptedServer([json({"id": 1}), refusal, json(project if project_ids else [project])]) as server:
        status = checked_against(server, project_ids=project_ids)
    assert status.status is Status.SUCCEEDED
    assert "Alpha (id 7)" in words(status)
    assert len(server.requests) == 3


def test_what_the_person_may_read_is_named_beside_what_they_may_not(server: TrackerServer) -> None:
    status, _ = checked_and_logged(server, project_ids=[1])
    assert status.status is Status.FAILED
    assert words(status).endswith(f"The token's owner is a member of {named(server.world)}.")


def test_an_owner_without_a_name_is_named_by_id() -> None:
    with ScriptedServer([json({"id": 1}), json([])]) as server:
        assert words(checked_against(server)) == "The token belongs to 1. It sees 0 projects."


def test_the_projects_of_the_tokens_person_cost_no_further_request(server: TrackerServer) -> None:
    status, log = checked_and_logged(server, project_ids=list(server.world.projects))
    assert status.status is Status.SUCCEEDED
    assert words(status).endswith(f"It sees all 3 of the project_ids: {named(server.world)}.")
    assert [logged.path for logged in log] == ["/me"]


def test_a_public_project_of_other_people_is_asked_for_by_its_id() -> None:
    with ScriptedServer([json({"id": 1, "projects": []}), json({"id": 7})]) as server:
        status = checked_against(server, project_ids=[7])
    assert status.status is Status.SUCCEEDED
    assert server.requests[1].startswith(f"GET {PREFIX}/projects/7?fields=id%2Cname ")


@pytest.mark.parametrize("good", [0, 1, 2])
@pytest.mark.parametrize("bad", [0, 1, 2, 5])
def test_it_takes_three_requests_at_most_and_names_every_project_that_cannot_be_read(
    good: int, bad: int, server: TrackerServer
) -> None:
    readable, unreadable = list(server.world.projects)[:good], UNKNOWN_PROJECTS[:bad]
    status, log = checked_and_logged(server, project_ids=[*unreadable, *readable])
    assert len(log) <= 3
    assert status.status is (Status.FAILED if bad else Status.SUCCEEDED)
    if unreadable:
        named, _, _ = words(status).partition(". Take them out")
        assert named.startswith("project_ids: the token cannot read 1 (GET /projects/1: 404 unfound_resource: ")
        assert all(f" {project_id} (" in named for project_id in unreadable)
        assert not any(f" {project_id} (" in named for project_id in readable)


def test_what_three_requests_could_not_tell_is_said_to_be_untried() -> None:
    readable = [json({"id": 1, "projects": [{"project_id": 10}]}), json({"id": 7}), json({"id": 8})]
    with ScriptedServer(readable) as server:
        status = checked_against(server, project_ids=[7, 10, 8, 9])
    assert status.status is Status.SUCCEEDED
    assert words(status).endswith(
        "It sees 3 of the project_ids: id 10, id 7, id 8; not tried: 9 (the token's owner is not a member)."
    )
    assert len(server.requests) == 3


def test_a_wrong_token_is_told_to_be_that_after_one_request(server: TrackerServer) -> None:
    status, log = checked_and_logged(server, api_token=TOKEN)
    assert status.status is Status.FAILED
    assert words(status).startswith(
        f"api_token: {server.url} does not accept it (GET /me: 403 invalid_authentication: "
    )
    assert "Verify that your token value matches" in words(status)
    assert [logged.status for logged in log] == [403]


def test_an_address_without_the_path_of_the_api_is_asked_to_be_completed(server: TrackerServer) -> None:
    status, _ = checked_and_logged(server, api_url=server.url.removesuffix(PREFIX))
    assert status.status is Status.FAILED
    assert words(status).startswith("api_url: ")
    assert words(status).endswith("Does the address end with /services/v5?")


NO_TRACKER = {
    "a web page": answer(200, b"<html>Welcome</html>", HTML),
    "a web page of another status": answer(404, b"<html>Nothing here</html>", HTML),
    "a list": json([]),
    "null": json(None),
    "a string": json("hello"),
    "a number": json(5),
    "an object without an id": json({"name": "Ann"}),
    "nothing at all": RESET,
}


@pytest.mark.parametrize("body", NO_TRACKER.values(), ids=NO_TRACKER.keys())
def test_a_server_that_describes_no_person_is_told_to_be_no_tracker(body: bytes) -> None:
    with ScriptedServer([body]) as server:
        status = checked_against(server)
    assert status.status is Status.FAILED
    assert words(status).startswith(f"api_url: no Tracker v5 API answers at {server.url} (GET /me: ")
    assert len(server.requests) <= 2


@pytest.mark.parametrize("projects", [5, "x", ["x"], [5]], ids=repr)
def test_memberships_in_a_shape_that_is_not_trackers_are_a_failure_in_words(projects: object) -> None:
    with ScriptedServer([json({"id": 1, "projects": projects})]) as server:
        status = checked_against(server, project_ids=[7])
    assert status.status is Status.FAILED
    assert "`projects` of row 1 does not hold objects" in words(status)


@pytest.mark.parametrize("me", [{"id": 1}, {"id": 1, "projects": None}, {"id": 1, "projects": [{}]}], ids=repr)
def test_where_the_person_shows_no_memberships_each_project_is_asked_for(me: dict[str, Any]) -> None:
    with ScriptedServer([json(me), json({"id": 7})]) as server:
        status = checked_against(server, project_ids=[7])
    assert status.status is Status.SUCCEEDED
    assert len(server.requests) == 2


def test_a_list_of_projects_that_is_no_list_is_a_failure() -> None:
    with ScriptedServer([json({"id": 1}), json({"projects": []})]) as server:
        status = checked_against(server)
    assert status.status is Status.FAILED
    assert "GET /projects: the answer is not a list" in words(status)


def test_nobody_listening_is_told_with_the_address_and_the_cause() -> None:
    with ScriptedServer([RESET]) as server:
        pass
    status = checked_against(server)
    assert status.status is Status.FAILED
    assert words(status).startswith(f"api_url: no Tracker v5 API answers at {server.url}")
    assert "Connection refused" in words(status)


def test_a_failure_that_passes_is_not_reported() -> None:
    with ScriptedServer([answer(503, b""), json({"id": 1, "name": "Ann"}), json([{"id": 7}, {"id": 8}])]) as server:
        status = checked_against(server)
    assert status == AirbyteConnectionStatus(
        status=Status.SUCCEEDED, message="The token belongs to Ann. It sees 2 projects: id 7, id 8."
    )
    assert len(server.requests) == 3


REPEATS_THE_TOKEN = {
    "refused": json({"code": "invalid_authentication", "error": f"No {TOKEN}"}, 403),
    "failed": json({"code": "unhandled_condition", "error": f"No {TOKEN}"}, 500),
    "moved": answer(302, b"", f"Location: https://elsewhere.example/?token={TOKEN}"),
}


@pytest.mark.parametrize("repeating", REPEATS_THE_TOKEN.values(), ids=REPEATS_THE_TOKEN.keys())
def test_a_token_that_the_server_repeats_is_not_in_the_message(repeating: bytes) -> None:
    with ScriptedServer([repeating]) as server:
        status = checked_against(server)
    assert status.status is Status.FAILED
    assert TOKEN not in words(status)
    assert "****" in words(status)


def test_certificates_that_the_environment_names_and_that_are_not_there_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    status = checked({"api_token": TOKEN, "api_url": "https://127.0.0.1:9/services/v5"})
    assert status.status == Status.FAILED
    assert "REQUESTS_CA_BUNDLE" in words(status)
    assert "/nowhere/ca.pem" in words(status)


CERTIFICATES = {"nothing": b"", "rubbish": b"abc", "half a certificate": b"-----BEGIN CERTIFICATE-----\nMIIB\n"}


@pytest.mark.parametrize("content", CERTIFICATES.values(), ids=CERTIFICATES.keys())
@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_file_of_certificates_without_one_is_named_with_its_variable(
    variable: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(content)
    for name in CA_BUNDLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(bundle))
    with ScriptedServer([answer(200, b"{}")]) as server:
        status = checked({"api_token": TOKEN, "api_url": server.url.replace("http://", "https://")})
    assert f"the certificates that {variable} names cannot be read: {bundle} holds none" in words(status)
    assert "api_url" not in words(status)


BAD_PROXIES = {
    "a port that is no number": ("http://me:hunter2@127.0.0.1:abc", "it is no address of a host and a port"),
    "no host": ("http://", "it is no address of a host and a port"),
    "no host, with a password": ("http://me:hunter2@", "it is no address of a host and a port"),
    "a kind that is not supported": ("socks5://me:hunter2@127.0.0.1:1", "it cannot be spoken to (Missing dependencies"),
}


@pytest.mark.parametrize(("proxy", "reason"), BAD_PROXIES.values(), ids=BAD_PROXIES.keys())
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_used_is_named_with_its_variable_and_without_its_password(
    scheme: str, proxy: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", proxy)
    monkeypatch.setenv("no_proxy", "")
    status = checked({"api_token": TOKEN, "api_url": f"{scheme}://127.0.0.1:9/services/v5"})
    assert f"that {scheme}_proxy names cannot be used: {reason}" in words(status)
    assert "hunter2" not in words(status)
    assert "api_url" not in words(status)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_is_named_with_its_variable(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer([answer(407, b"<html>")]) as proxy:
        address = proxy.url.removeprefix("http://").partition("/")[0]
        monkeypatch.setenv(f"{scheme}_proxy", f"http://me:hunter2@{address}")
        monkeypatch.setenv("no_proxy", "")
        status = checked(
            {"api_token": TOKEN, "api_url": f"{scheme}://tracker.example.org/services/v5", "allow_http": True}
        )
    assert f"the proxy http://{address} that {scheme}_proxy names cannot be used: it does not accept" in words(status)
    assert "hunter2" not in words(status)
    assert "api_url" not in words(status)


def test_a_proxy_that_does_not_answer_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with ScriptedServer([json({"id": 1, "name": "Me"})]) as server:
        status = checked_against(server)
    assert status.status == Status.FAILED
    assert "no connection to the proxy http://127.0.0.1:9: " in words(status)
    assert "hunter2" not in words(status)
    assert server.requests == []
