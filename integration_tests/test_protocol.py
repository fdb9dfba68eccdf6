"""Every line that the verbs print is a message of the Airbyte protocol, with no field that it does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from integration_tests.command_line import NOBODY_THERE, OTHER_TOKEN, Ended
from integration_tests.scene import Scene, catalog, scene_in, states_of
from tools.program import Message
from tracker_server.api.errors import ApiError, error_response
from tracker_server.sample import SAMPLE_TOKEN
from unit_tests.interception import html
from unit_tests.protocol_schema import FIELD_OF_TYPE, violations

PAUSE = 4
"""Seconds; a sync looks every second whether requests are held back."""
WITH_ALL_LOGS = {"LOG_LEVEL": "DEBUG"}
"""As the platform asks for them. With `--debug`, which it never gives, the cdk prints lines of a form of its own."""


def second_sync(scene: Scene) -> Ended:
    first = scene.read()
    scene.edit()
    return scene.read(state=states_of(first))


def failing_sync(scene: Scene) -> Ended:
    scene.mood.always["labels"] = html(403)
    return scene.read()


def limited_sync(scene: Scene) -> Ended:
    refusal = error_response(ApiError(429, "rate_limit_exceeded", "Too many requests."))
    scene.mood.once["stories"] = replace(refusal, headers={**refusal.headers, "Retry-After": str(PAUSE)})
    return scene.read(environment=WITH_ALL_LOGS)


def refused_token(scene: Scene) -> Ended:
    return scene.run("read", config={**scene.config, "api_token": OTHER_TOKEN}, catalog=catalog(incremental=True))


RUNS: dict[str, tuple[Callable[[Scene], Ended], int, set[str]]] = {
    "spec": (lambda scene: scene.run("spec"), 0, {"SPEC"}),
    "check": (lambda scene: scene.run("check", config=scene.config), 0, {"CONNECTION_STATUS"}),
    "a check that fails": (
        lambda scene: scene.run("check", config={**scene.config, "api_url": NOBODY_THERE}),
        0,
        {"CONNECTION_STATUS"},
    ),
    "discover": (lambda scene: scene.run("discover", config=scene.config), 0, {"CATALOG"}),
    "discover without a good configuration": (lambda scene: scene.run("discover", config=b"{"), 1, {"TRACE ERROR"}),
    "a full refresh": (
        lambda scene: scene.read(incremental=False),
        0,
        {"LOG", "RECORD", "STATE", "TRACE ESTIMATE", "TRACE STREAM_STATUS"},
    ),
    "a first sync": (Scene.read, 0, {"LOG", "RECORD", "STATE", "TRACE ESTIMATE", "TRACE STREAM_STATUS"}),
    "a second sync": (second_sync, 0, {"LOG", "RECORD", "STATE", "TRACE STREAM_STATUS"}),
    "a sync that fails": (failing_sync, 1, {"LOG", "RECORD", "STATE", "TRACE ERROR", "TRACE STREAM_STATUS"}),
    "a sync that is held up, with all logs": (
        limited_sync,
        0,
        {"LOG", "LOG DEBUG", "RECORD", "STATE", "TRACE STREAM_STATUS", "TRACE STREAM_STATUS RATE_LIMITED"},
    ),
    "a sync whose token is refused": (refused_token, 1, {"TRACE ERROR"}),
}
"""What is run, with which exit code it ends, and which kinds of messages it has to print."""


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with scene_in(tmp_path) as scene:
        yield scene


@pytest.mark.parametrize(("run", "exit_code", "kinds"), RUNS.values(), ids=RUNS.keys())
def test_every_line_is_a_message_of_the_protocol(
    run: Callable[[Scene], Ended], exit_code: int, kinds: set[str], scene: Scene
) -> None:
    ended = run(scene)
    assert (ended.exit_code, ended.stderr) == (exit_code, "")
    assert ended.stdout.endswith("\n")
    found = [
        f"line {number}: {violation}"
        for number, message in enumerate(ended.messages, 1)
        for violation in violations(message)
    ]
    assert found == []
    assert SAMPLE_TOKEN not in ended.stdout
    assert kinds <= {kind for message in ended.messages for kind in kinds_of(message)}


def kinds_of(message: Message) -> Iterator[str]:
    """What a message is called here: its type, for some with what is in it."""
    yield message["type"]
    said = message[FIELD_OF_TYPE[message["type"]]]
    if message["type"] == "LOG":
        yield f"LOG {said['level']}"
    if message["type"] == "TRACE":
        yield f"TRACE {said['type']}"
        for reason in said.get("stream_status", {}).get("reasons", ()):
            yield f"TRACE {said['type']} {reason['type']}"


def test_a_second_sync_brings_a_tombstone_and_a_first_one_brings_every_stream(scene: Scene) -> None:
    """The reads above have them to be wrong in."""
    first = scene.read()
    assert {message["record"]["stream"] for message in first.of_type("RECORD")} == names()
    scene.edit()
    second = scene.read(state=states_of(first))
    assert any(message["record"]["data"].get("_ab_cdc_deleted_at") for message in second.of_type("RECORD"))


def names() -> set[str]:
    return {configured["stream"]["name"] for configured in catalog(incremental=True)["streams"]}
