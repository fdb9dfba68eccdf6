"""Times come in ISO 8601, however a server writes them: in records, in cursors and in states."""

from __future__ import annotations

import json as stdlib_json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
import pytest

from source_pivotal_tracker.api.dialect.values import DATES, TIMES, read_json
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from tracker_server.world import World
from unit_tests.editor import Editor
from unit_tests.interception import Before, instead, json, query_of
from unit_tests.source_pivotal_tracker.streams.reads import keys_come, keys_held, synced
from unit_tests.syncs import BY_NAME, Row, Sync, config_for, key_of, warnings

every_stream = pytest.mark.parametrize("stream", BY_NAME)


def in_millis(world: World) -> Before:
    """A server that writes all times as milliseconds since 1970."""
    api = TrackerApi(world)

    def before(request: Request) -> Response | None:
        return api.handle(replace(request, query=urlencode(query_of(request) | {"date_format": "millis"})))

    return before


def formats(schema: Any, name: str = "") -> Iterator[tuple[str, str | None]]:
    """Each attribute that a schema declares, at any level, with its format."""
    for name, field in schema.get("properties", {}).items():
        yield name, field.get("format")
        yield from formats(field, name)
    if "items" in schema:
        yield from formats(schema["items"], name)


class Both(NamedTuple):
    """The same world, read from a server that writes times as Tracker does and from one that counts milliseconds."""

    iso: Sync
    millis: Sync


@pytest.fixture(scope="module")
def both() -> Both:
    world = make_world(projects=2, stories=40)
    with TrackerServer(world) as server:
        # The links to attachments name the port.
        iso, port = Sync(config_for(server), incremental=True), int(server.url.split(":")[2].split("/")[0])
    with TrackerServer(world, port=port, before=in_millis(world)) as server:
        return Both(iso, Sync(config_for(server), incremental=True))


@every_stream
def test_every_attribute_that_a_schema_declares_as_a_time_is_known_as_one(stream: str) -> None:
    cls = BY_NAME[stream]
    declared = set(formats(cls.get_json_schema(cls.__new__(cls))))
    assert {name for name, form in declared if form == "date-time"} <= TIMES
    assert {name for name, form in declared if form == "date"} <= DATES
    assert {name for name, _ in declared - {(name, "date-time") for name in TIMES}} & TIMES == set()
    assert {name for name, _ in declared - {(name, "date") for name in DATES}} & DATES == set()


@every_stream
def test_rows_whose_times_are_milliseconds_are_those_of_a_server_that_writes_iso_8601(stream: str, both: Both) -> None:
    def rows(sync: Sync) -> list[Row]:
        return sorted(sync.records[stream], key=lambda row: key_of(stream, row))

    assert rows(both.iso)
    assert rows(both.millis) == rows(both.iso)


@every_stream
def test_the_state_is_the_same_too(stream: str, both: Both) -> None:
    assert both.millis.blob(stream) == both.iso.blob(stream)


def test_a_later_sync_of_milliseconds_brings_what_changed_and_an_unchanged_world_nothing() -> None:
    world = make_world(projects=2, stories=12)
    streams = ["stories", "story_tasks", "labels", "epics", "activity"]
    with TrackerServer(world, before=in_millis(world)) as server:
        first = Sync(config_for(server), streams, incremental=True)
        second = Sync(config_for(server), streams, incremental=True, state=first.state)
        world.now += timedelta(hours=1)
        Editor(world, seed=1).edit(10)
        third = Sync(config_for(server), streams, incremental=True, state=second.state)
    assert {stream: rows for stream, rows in second.records.items() if rows} == {}
    assert third.records["activity"]
    assert third.failure is None


SPELLINGS = {
    1401796805000: "2014-06-03T12:00:05Z",
    1401796805120: "2014-06-03T12:00:05.12Z",
    "1401796805000": "2014-06-03T12:00:05Z",
    1401796805500.0: "2014-06-03T12:00:05.5Z",
    1401796805: "2014-06-03T12:00:05Z",
    "1401796805": "2014-06-03T12:00:05Z",
    0: "1970-01-01T00:00:00Z",
    -1000: "1969-12-31T23:59:59Z",
    "-1000": "1969-12-31T23:59:59Z",
    "2014-06-03T12:00:05Z": "2014-06-03T12:00:05Z",
    "2014-06-03T12:00:05.120Z": "2014-06-03T12:00:05.12Z",
    "2014-06-03T14:00:05+02:00": "2014-06-03T12:00:05Z",
    "2014-06-03T14:00:05+0200": "2014-06-03T12:00:05Z",
    "2014-06-03": "2014-06-03",
    "2014-06-03T12:00:05": "2014-06-03T12:00:05",
    None: None,
}
NO_TIMES: list[Any] = [
    *("soon", "", True, 10**18, -(10**17), 1.5, "0x10", {}, {"at": 1}, [], ["2025-01-01T00:00:00Z"]),
    *("not-a-time-at-all-xZ", "2025-13-01T00:00:00Z", "2025-02-30T00:00:00Z", "0000-00-00T00:00:00Z"),
    *("2025-01-01T25:00:00Z", "2025-01-01T00:00:61Z", "2025-1-001T00:00:00Z", "２０２５-01-01T00:00:00Z"),
    *("2025-01-01T00:00:0\nZ", "2025-W01-1"),
]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=repr)
def test_a_time_is_read_however_it_is_spelled(spelling: Any) -> None:
    body, _ = read_json(orjson.dumps({"changes": [{"new_values": {"deadline": spelling, "estimate": 1401796805000}}]}))
    assert body == {"changes": [{"new_values": {"deadline": SPELLINGS[spelling], "estimate": 1401796805000}}]}


def test_a_date_is_read_from_milliseconds() -> None:
    assert read_json(b'{"start_date": 1401796805000}')[0] == {"start_date": "2014-06-03"}


@pytest.mark.parametrize("text", ["2025-02-28T23:59:59Z", "9999-12-31T23:59:59Z", "2024-02-29T00:00:00Z"])
def test_a_time_as_tracker_writes_it_stays_as_it_is(text: str) -> None:
    for _ in range(2):
        body, oddities = read_json(orjson.dumps({"id": 1, "updated_at": text}))
        assert (body["updated_at"], oddities) == (text, {})


@pytest.mark.parametrize("text", ["2025-02-28T24:00:00Z", "2025-02-28T00.00.00Z", "2025-02-29T23:59:59Z"])
def test_no_time_passes_because_a_part_of_it_was_seen_in_another(text: str) -> None:
    read_json(orjson.dumps([{"updated_at": "2025-02-28T23:59:59Z"}]))
    body, _ = read_json(orjson.dumps({"updated_at": text}))
    assert body["updated_at"] is None


@pytest.mark.parametrize("value", NO_TIMES, ids=repr)
def test_what_is_no_time_is_left_out_and_a_warning_names_the_row(
    value: Any, world: World, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    labels = json([{"id": 1, "kind": "label", "updated_at": value}, {"id": 2, "updated_at": "2026-01-01T00:00:00Z"}])
    sync = synced(world, "labels", before=instead({f"/projects/{first}/labels": labels}), project_ids=[first])
    assert {row["id"]: row["updated_at"] for row in sync.records["labels"]} == {1: None, 2: "2026-01-01T00:00:00Z"}
    (warning,) = warnings(caplog)
    assert warning == f"GET /projects/{first}/labels: values that are not times are left out: updated_at of label 1"


def test_seconds_are_told_once_with_the_rows(world: World, first: int, caplog: pytest.LogCaptureFixture) -> None:
    labels = json([{"id": label_id, "kind": "label", "updated_at": 1401796805} for label_id in range(1, 9)])
    synced(world, "labels", before=instead({f"/projects/{first}/labels": labels}), project_ids=[first])
    (warning,) = warnings(caplog)
    assert "as seconds since 1970" in warning
    assert warning.endswith("updated_at of label 5 and 3 more")


def test_iso_8601_and_milliseconds_in_one_list_are_one_order(world: World, first: int) -> None:
    times = ["2014-06-03T12:00:05Z", 1412683200000, "2014-10-01T00:00:00+02:00", "1400000000000"]
    labels = json([{"id": number, "updated_at": time} for number, time in enumerate(times, 1)])
    with TrackerServer(world, before=instead({f"/projects/{first}/labels": labels})) as server:
        sync = Sync(config_for(server, project_ids=[first]), ["labels"], incremental=True)
    assert len(sync.records["labels"]) == len(times)
    assert sync.blob("labels")["projects"][str(first)]["cursor"] == "2014-10-07T12:00:00Z"


def test_a_state_with_milliseconds_is_gone_on_from_and_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def with_millis(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: 1790000000000 if name == "cursor" else with_millis(inside) for name, inside in value.items()}
        return value

    with TrackerServer(world) as server:
        first = Sync(config_for(server), ["stories"], incremental=True)
        (state,) = first.state
        assert state.stream is not None
        blob = with_millis(first.blob("stories"))
        assert "1790000000000" in stdlib_json.dumps(blob)
        state.stream.stream_state = type(state.stream.stream_state)(blob)  # type: ignore[misc]
        second = Sync(config_for(server), ["stories"], incremental=True, state=[state])
    assert second.records["stories"] == []
    (warning,) = warnings(caplog)
    assert "stream stories has times as numbers" in warning


HALF, NUL = "\\ud800", "\\u0000"


def named(kind: str, name: str) -> bytes:
    """A list of two rows, of which the first has this JSON text in its name."""
    rows = '[{"kind":"%s","id":1,"name":"a%sb","labels":[{"id":7,"name":"%s"}],"%s":1},{"id":2,"name":"fine"}]'
    return (rows % (kind, name, name, name)).encode()


TEXTS = {
    "half a character as an escape": (HALF, "a\ufffdb"),
    "the other half": ("\\udc00", "a\ufffdb"),
    "both halves in the wrong order": ("\\udc00\\ud800", "a\ufffd\ufffdb"),
    "U+0000": (NUL, "ab"),
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("by_the_cdk", [True, False], ids=["by the cdk", "by the engine"])
def test_a_text_that_cannot_be_written_down_is_mended_and_told_once_with_the_row(
    text: str, *, by_the_cdk: bool, world: World, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    written, mended = TEXTS[text]
    body = named("story", written)
    answer = replace(json([], Total=2), body=body)
    with TrackerServer(world, before=instead({f"/projects/{first}/stories": answer})) as server:
        sync = Sync(config_for(server, project_ids=[first]), ["stories"], by_the_cdk=by_the_cdk)
    assert [row["name"] for row in sync.records["stories"]] == [mended, "fine"]
    assert orjson.dumps(sync.records["stories"])
    (warning,) = [text for text in warnings(caplog) if "cannot be stored" in text]
    assert warning.startswith(f"GET /projects/{first}/stories: ")
    assert "name of story 1" in warning


@pytest.mark.parametrize("content", [b'{"name": "caf\xe9"}', b'{"name": "caf\xed\xa0\x80"}'])
def test_bytes_that_are_no_utf_8_cost_no_more_than_their_characters(content: bytes) -> None:
    body, oddities = read_json(content)
    assert body["name"].rstrip("\ufffd") == "caf"
    assert list(oddities.values()) == [["name of row"]]


@pytest.mark.parametrize(
    "content", [b'["\\ud83d\\ude00", "\\\\ud800", "\\\\u0000"]', b'\xef\xbb\xbf["\xf0\x9f\x98\x80"]']
)
def test_whole_characters_and_escaped_backslashes_are_as_they_are(content: bytes) -> None:
    body, oddities = read_json(content)
    assert body == stdlib_json.loads(content.decode("utf-8-sig"))
    assert not oddities


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'[{"id": 1}, {"id', b"[NaN]", b'{"a": "\\ud800"', b"[" * 100_000, b'["\\ud800' + b"[" * 9999],
)
def test_what_is_no_json_stays_none(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_json(content)


def test_a_deep_answer_ends_nothing() -> None:
    depth = 900
    content = b'{"a":' * depth + b'{"updated_at":1401796805000,"name":"\\u0000"}' + b"}" * depth
    body, _ = read_json(content)
    for _ in range(depth):
        body = body["a"]
    assert body == {"updated_at": "2014-06-03T12:00:05Z", "name": ""}


def test_a_sync_of_texts_that_cannot_be_written_down_loses_no_row(world: World) -> None:
    api = TrackerApi(world)

    def before(request: Request) -> Response | None:
        answer = api.handle(request)
        return replace(answer, body=answer.body.replace(b'"name":"', b'"name":"\\ud800'))

    for stream in ("stories", "labels", "epics", "projects"):
        sync = synced(world, stream, before=before)
        assert keys_come(sync, stream) == keys_held(world, stream)
        assert all(row["name"].startswith("\ufffd") for row in sync.records[stream])
