"""The laws that hold for every stream, against a server whose world is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from airbyte_cdk.sources.utils.casing import camel_to_snake

from source_pivotal_tracker.streams import STREAMS
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import ParentKind
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests import expected_keys
from unit_tests.interception import asked
from unit_tests.modes import LITETRACKER_MODE, Mode, needs_fields, needs_versions, only_litetracker
from unit_tests.strict_schema import strict_validator
from unit_tests.syncs import Row, Sync, config_for, key_of, warnings

every_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: name_of(stream))


class Full(NamedTuple):
    """A full read of everything that a sample world holds, and the server, which still runs."""

    server: TrackerServer
    log: list[LoggedRequest]
    sync: Sync

    def again(self, stream: str, **settings: Any) -> tuple[list[Row], list[LoggedRequest]]:
        """The rows of one stream read alone, and the requests that it took."""
        before = len(self.server.log)
        rows = Sync(config_for(self.server, **settings), [stream]).records[stream]
        return rows, self.server.log[before:]


def name_of(stream: type[TrackerStream]) -> str:
    return camel_to_snake(stream.__name__)


def by_key(stream: str, rows: list[Row]) -> list[Row]:
    """The rows in one order: projects are read side by side."""
    return sorted(rows, key=lambda row: key_of(stream, row))


@pytest.fixture(scope="module")
def full(mode: Mode) -> Iterator[Full]:
    with TrackerServer(make_world(projects=3, stories=mode.fewer(120)), dialect=mode.dialect) as server:
        sync = Sync(config_for(server))
        yield Full(server, list(server.log), sync)


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    return {name_of(stream): stream.get_json_schema(stream.__new__(stream)) for stream in STREAMS}


def test_a_full_read_ends_without_an_error(full: Full) -> None:
    assert full.sync.failure is None
    assert full.sync.errors == []


@needs_fields
def test_a_full_read_is_refused_nothing_but_what_only_owners_may_see(full: Full) -> None:
    assert {logged.status for logged in full.log} == {200, 403}
    refused = {logged.path.rpartition("/")[2] for logged in full.log if logged.status == 403}
    assert refused == {"webhooks", "integrations"}


@every_stream
def test_every_row_that_the_server_can_show_comes_exactly_once(
    stream: type[TrackerStream], full: Full, mode: Mode
) -> None:
    name = name_of(stream)
    came = Counter(key_of(name, row) for row in full.sync.records[name])
    keys = expected_keys.keys(full.server.world, SAMPLE_TOKEN)[name]
    assert keys
    hint = "if the server of this mode cannot show the stream, add it to `unknown` in unit_tests/modes.py"
    assert came == Counter([] if name in mode.unknown else keys), hint


@every_stream
def test_every_record_is_valid_with_unknown_fields_forbidden(
    stream: type[TrackerStream], full: Full, schemas: dict[str, Any]
) -> None:
    name = name_of(stream)
    validator = strict_validator(schemas[name])
    problems = {
        f"{error.json_path}: {error.message[:200]}"
        for row in full.sync.records[name]
        for error in validator.iter_errors(row)
    }
    assert problems == set()


OF_A_COMMIT = ("commit_identifier", "commit_type")
OF_ANOTHER_SYSTEM = ("external_source", "external_author", "external_link")
NEVER_FILLED: dict[str, tuple[str, ...]] = {
    "epic_comments": (*OF_A_COMMIT, *OF_ANOTHER_SYSTEM),
    "epics": ("completed_at",),
    "file_attachments": ("archive", "member", "file_url", "bytes", "sha256"),
    "integrations": (
        "component", "statuses_to_exclude", "external_project_id", "update_comments", "update_state",
    ),
    "notifications": ("link", "epic"),
    "releases": ("projected_completion",),
    "stories": ("integration_id", "external_id", "projected_completion"),
    "story_branches": ("status",),
    "story_comments": (*OF_A_COMMIT, *OF_ANOTHER_SYSTEM),
}  # fmt: skip
"""What no row of the sample has, by stream: it comes from other systems, from exports, or hardly ever."""


@needs_fields
@every_stream
def test_every_field_of_a_schema_has_a_value_in_some_row(
    stream: type[TrackerStream], full: Full, schemas: dict[str, Any]
) -> None:
    name = name_of(stream)
    filled = {field for row in full.sync.records[name] for field, value in row.items() if value is not None}
    empty = schemas[name]["properties"].keys() - filled - {"_ab_cdc_deleted_at"}
    hint = "is it in tracker_server/api/resources.py, in `fields` of the class if on request, and does sample/ set it?"
    assert empty <= set(NEVER_FILLED.get(name, ())), hint


@every_stream
def test_the_schema_knows_the_key_and_the_cursor(stream: type[TrackerStream], schemas: dict[str, Any]) -> None:
    properties = schemas[name_of(stream)]["properties"]
    key = [stream.primary_key] if isinstance(stream.primary_key, str) else stream.primary_key
    assert all("null" not in properties[part]["type"] for part in key)
    assert not stream.cursor_field or properties[str(stream.cursor_field)]["format"] in ("date", "date-time")


@every_stream
def test_every_status_is_told_in_its_order(stream: type[TrackerStream], full: Full, mode: Mode) -> None:
    name = name_of(stream)
    running = [] if name in mode.unknown else ["RUNNING"]
    assert full.sync.statuses[name] == ["STARTED", *running, "COMPLETE"]


@every_stream
def test_the_token_is_in_no_record(stream: type[TrackerStream], full: Full) -> None:
    assert SAMPLE_TOKEN not in str(full.sync.records[name_of(stream)])


@every_stream
def test_rows_from_before_the_start_date_are_left_out_of_streams_with_a_cursor(
    stream: type[TrackerStream], full: Full
) -> None:
    name, cursor = name_of(stream), str(stream.cursor_field)
    rows, _ = full.again(name, start_date="2026-10-01T12:00:00Z")
    since = "2026-10-01" if cursor == "date" else "2026-10-01T12:00:00Z"
    expected = [row for row in full.sync.records[name] if not stream.cursor_field or row[cursor] >= since]
    assert Counter(key_of(name, row) for row in rows) == Counter(key_of(name, row) for row in expected)


@every_stream
def test_a_stream_read_alone_brings_the_rows_that_it_brings_among_all(stream: type[TrackerStream], full: Full) -> None:
    name = name_of(stream)
    alone, _ = full.again(name)
    assert by_key(name, alone) == by_key(name, full.sync.records[name])


@every_stream
def test_a_stream_that_is_read_by_project_ids_brings_these_and_lists_no_projects(
    stream: type[TrackerStream], full: Full
) -> None:
    name = name_of(stream)
    chosen = [project["id"] for project in full.sync.records["projects"]][1:]
    rows, log = full.again(name, project_ids=chosen)
    assert all(logged.path != "/projects" for logged in log)
    in_projects = stream.provides_parent is ParentKind.PROJECT or any(
        endpoint.parent is ParentKind.PROJECT for endpoint in stream.endpoints
    )
    expected = [row for row in full.sync.records[name] if not in_projects or row["project_id"] in chosen]
    assert by_key(name, rows) == by_key(name, expected)


@every_stream
def test_the_cdks_own_read_brings_the_same_rows_and_so_do_both_with_the_state_that_it_leaves(
    stream: type[TrackerStream], full: Full
) -> None:
    name = name_of(stream)
    rows = by_key(name, full.sync.records[name])
    first = Sync(config_for(full.server), [name], by_the_cdk=True)
    again = Sync(config_for(full.server), [name], by_the_cdk=True, incremental=True, state=first.state)
    by_the_engine = Sync(config_for(full.server), [name], incremental=True, state=again.state)
    for sync in (first, again, by_the_engine):
        assert sync.failure is None
        assert by_key(name, sync.records[name]) == rows


@only_litetracker
@pytest.mark.parametrize("stream", LITETRACKER_MODE.unknown)
def test_a_stream_that_the_server_cannot_show_is_complete_and_empty_and_a_warning_says_so(
    stream: str, full: Full, caplog: pytest.LogCaptureFixture
) -> None:
    sync = Sync(config_for(full.server), [stream])
    assert sync.failure is None
    assert sync.records[stream] == []
    assert sync.statuses[stream][-1] == "COMPLETE"
    assert any(stream in warning for warning in warnings(caplog))


@needs_versions
def test_no_request_is_made_twice(full: Full) -> None:
    assert max(Counter((logged.path, logged.query.get("offset")) for logged in full.log).values()) == 1


@needs_fields
def test_children_cost_no_request_of_their_own(full: Full) -> None:
    per_story = [logged.path for logged in full.log if "/stories/" in logged.path or "/epics/" in logged.path]
    assert per_story == []


def test_the_largest_page_is_asked_for_and_pages_follow_by_what_came() -> None:
    with TrackerServer(make_world(projects=1, stories=1101)) as server:
        stories = Sync(config_for(server), ["stories"]).records["stories"]
    assert asked(server.log, "limit") == ["500", "500", "500"]
    assert asked(server.log, "offset") == ["0", "500", "1000"]
    assert len({story["id"] for story in stories}) == 1101
