"""What Airbyte's retired connector-acceptance-test asked of a source and the cdk's suite does not, of every stream.

A state that is ahead of the server is in test_airbyte_standards.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from integration_tests.command_line import Ended
from integration_tests.scene import Scene, scene_in, states_of
from source_pivotal_tracker.sync.state import NEUTRAL
from tools.program import Message
from tracker_server.api.call import Caps
from unit_tests.expected_keys import Key
from unit_tests.strict_schema import strict_validator
from unit_tests.syncs import BY_NAME, Row, key_of

SMALL_PAGES = Caps(stories=20, releases=2, iterations=10, activity=40, transitions=40)
SLOW = 0.1
"""Seconds that an answer takes, so that a sync lasts some seconds: a stream prints a state about once a second."""
PAGED = ("stories", "story_comments", "story_transitions", "activity", "iterations")
MODES = ("incremental", "full refresh")

every_stream = pytest.mark.parametrize("stream", BY_NAME)
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A world that stands still."""
    with scene_in(tmp_path_factory.mktemp("still"), SMALL_PAGES) as scene:
        yield scene


def rows_of(ended: Ended, stream: str) -> list[Row]:
    return [message["record"]["data"] for message in ended.of_type("RECORD") if message["record"]["stream"] == stream]


def whole(rows: Sequence[Row]) -> Counter[bytes]:
    return Counter(orjson.dumps(row, option=orjson.OPT_SORT_KEYS) for row in rows)


@pytest.fixture(scope="module")
def two_full_refreshes(scene: Scene) -> tuple[Ended, Ended]:
    return scene.read(incremental=False), scene.read(incremental=False)


@every_stream
def test_two_reads_one_after_the_other_bring_the_same_rows(
    stream: str, two_full_refreshes: tuple[Ended, Ended]
) -> None:
    first, second = (rows_of(ended, stream) for ended in two_full_refreshes)
    assert first
    assert whole(second) == whole(first)


@pytest.fixture(scope="module")
def two_incremental_syncs(scene: Scene) -> tuple[Ended, Ended]:
    """Nobody edits between them: after an edit, all parts of a story come, however old they are."""
    first = scene.read()
    return first, scene.read(state=states_of(first), lookback_window="PT0S")


@pytest.mark.parametrize("stream", [name for name, stream in BY_NAME.items() if stream.cursor_field])
def test_with_the_state_of_a_sync_nothing_comes_that_is_older_than_its_cursor(
    stream: str, two_incremental_syncs: tuple[Ended, Ended]
) -> None:
    first, second = two_incremental_syncs
    (blob,) = [blob_of(state) for state in states_of(first) if name_of(state) == stream]
    cursor = str(BY_NAME[stream].cursor_field)
    assert [row for row in rows_of(second, stream) if row[cursor] < oldest_cursor(blob, row.get("project_id"))] == []


def oldest_cursor(blob: dict[str, Any], project_id: int | None) -> str:
    """Up to where a state says that all has come of the lists of a project, or of those that hang on none.

    Where it is a day, the one before it: that may have ended since.
    """
    checkpoint = blob["projects"][str(project_id)] if "projects" in blob else blob["server"]
    of_each = [checkpoint] if "cursor" in checkpoint else checkpoint.values()
    cursor = min(str(one["cursor"]) for one in of_each)
    return cursor if "T" in cursor else str(date.fromisoformat(cursor) - timedelta(days=1))


@dataclass(frozen=True)
class Intermediate:
    """A state of a stream while it is read: the message, and the rows of the stream that came before it."""

    state: Message
    rows: list[Row]


Slowly = dict[str, dict[str, list[Intermediate]]]


@pytest.fixture(scope="module")
def intermediate(scene: Scene) -> Slowly:
    """By mode and stream, all states that a sync printed, but for the neutral one at the end of a full refresh."""
    scene.mood.seconds = SLOW
    syncs = {mode: scene.read(incremental=mode == "incremental", num_workers=2) for mode in MODES}
    scene.mood.seconds = 0.0
    assert {ended.exit_code for ended in syncs.values()} == {0}
    return {
        mode: {
            stream: [known for known in states(ended, stream) if blob_of(known.state) != NEUTRAL] for stream in BY_NAME
        }
        for mode, ended in syncs.items()
    }


def states(ended: Ended, stream: str) -> Iterator[Intermediate]:
    rows: list[Row] = []
    for message in ended.messages:
        if message["type"] == "RECORD" and message["record"]["stream"] == stream:
            rows.append(message["record"]["data"])
        elif message["type"] == "STATE" and name_of(message["state"]) == stream:
            yield Intermediate(message["state"], list(rows))


def name_of(state: Message) -> str:
    return str(state["stream"]["stream_descriptor"]["name"])


def blob_of(state: Message) -> dict[str, Any]:
    blob: dict[str, Any] = state["stream"]["stream_state"]
    return blob


@pytest.mark.sampled(3)
@every_stream
@every_mode
def test_a_read_from_each_state_on_the_way_loses_nothing_and_repeats_nothing_of_what_was_finished(
    stream: str, mode: str, intermediate: Slowly, two_full_refreshes: tuple[Ended, Ended], scene: Scene
) -> None:
    every_key = keys(stream, rows_of(two_full_refreshes[0], stream))
    for known in intermediate[mode][stream]:
        ended = scene.read(stream, incremental=mode == "incremental", state=[known.state])
        after = rows_of(ended, stream)
        assert ended.exit_code == 0
        assert keys(stream, known.rows) | keys(stream, after) == every_key, known.state
        again = keys(stream, known.rows) & keys(stream, [row for row in after if is_finished(known, stream, row)])
        assert again == set(), known.state


def keys(stream: str, rows: Sequence[Row]) -> set[Key]:
    return {key_of(stream, row) for row in rows}


def is_finished(known: Intermediate, stream: str, row: Row) -> bool:
    """Whether a state says that all has come of the lists that this row may be in, and that it does not come again.

    An incremental stream whose rows change while the version of their project stands still is read all the same.
    """
    blob = blob_of(known.state)
    if not blob.get("full_refresh") and BY_NAME[stream].changes_without_version:
        return False
    lists = blob["projects"].get(str(row.get("project_id"))) if "projects" in blob else None
    if lists is None:
        return bool(blob.get("server", {}).get("done"))
    endpoints = BY_NAME[stream].endpoints
    of_each = [lists.get(endpoint.name, {"walk": {}}) for endpoint in endpoints] if len(endpoints) > 1 else [lists]
    return not any("walk" in checkpoint for checkpoint in of_each)


@every_mode
def test_the_states_on_the_way_stand_in_the_middle_of_lists_and_between_projects(
    mode: str, intermediate: Slowly
) -> None:
    """What is read on from above."""
    blobs = {stream: [blob_of(known.state) for known in intermediate[mode][stream]] for stream in PAGED}
    walks = {
        stream: [project.get("walk", {}).get("offset") for blob in found for project in blob["projects"].values()]
        for stream, found in blobs.items()
    }
    assert [stream for stream, offsets in walks.items() if not any(offsets)] == []
    assert [stream for stream, offsets in walks.items() if None not in offsets] == []


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Message], list[Ended]]:
    """The schemas that discover prints, and two syncs with edits and deletions in between."""
    with scene_in(tmp_path_factory.mktemp("edited")) as scene:
        (found,) = scene.run("discover", config=scene.config).of_type("CATALOG")
        first = scene.read()
        scene.edit()
        second = scene.read(state=states_of(first))
    return {stream["name"]: stream["json_schema"] for stream in found["catalog"]["streams"]}, [first, second]


@every_stream
def test_no_record_has_a_field_at_any_depth_that_discover_does_not_declare(
    stream: str, edited: tuple[dict[str, Message], list[Ended]]
) -> None:
    schemas, syncs = edited
    validator = strict_validator(schemas[stream])
    rows = [row for ended in syncs for row in rows_of(ended, stream)]
    assert rows
    problems = {f"{error.json_path}: {error.message[:200]}" for row in rows for error in validator.iter_errors(row)}
    assert problems == set()
