"""Export archives read in this process: the rows that a server over them sends, and what newer ones change."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from airbyte_cdk.models import AirbyteConnectionStatus, AirbyteStateBlob, FailureType, Status

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import SourceChanged
from source_pivotal_tracker.api.rate_limit import RateLimiter
from source_pivotal_tracker.commands.convert import NOT_IN_EXPORTS
from source_pivotal_tracker.exports.adapter import SERVED_AT, ExportAdapter
from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.exports import Source, read_exports, write_export
from tracker_server.sample import make_world, sample_files
from tracker_server.world import Project, World
from unit_tests import expected_keys
from unit_tests.replica import Replica
from unit_tests.strict_schema import strict_validator
from unit_tests.syncs import BY_NAME, Row, Sync, config_for, key_of
from unit_tests.tracker_server.exports.exported import ICEBOX, MORE, NAME, PANELS, WHOLE, laid, modern, packed

NOBODYS = ("me", "my_activity", "notifications", "workspaces")
"""What only the token's person has."""
OF_A_HISTORY = ("activity", "project_history_days", "story_cycle_times", "story_transitions")
"""What an export tells of only with a history."""
IN_EXPORTS = [stream for stream in BY_NAME if stream not in NOT_IN_EXPORTS]
WITH_TOMBSTONES = ("stories", "releases", "epics", "labels")
KILLS = 8

WHERE_A_FILE_IS = {"download_url", "archive", "member"}
"""A server gives files an address; without one, a file is in an archive."""

every_stream = pytest.mark.parametrize("stream", BY_NAME)


class Read(NamedTuple):
    """A full read of an export in process, what it warned of, and one of a server over the same file."""

    here: Sync
    warned: list[str]
    served: Sync
    world: World


def written(world: World, path: Path) -> Path:
    """The path of an export of the world."""
    with path.open("wb") as out:
        write_export(world, out)
    return path


def config_of(path: Path | str, **settings: Any) -> dict[str, Any]:
    return {"export_archive": str(path), **settings}


def read(path: Path, **options: Any) -> Sync:
    """An incremental read of all streams."""
    return Sync(config_of(path), incremental=True, **options)


def checked(place: Path | str, **settings: Any) -> AirbyteConnectionStatus:
    return SourcePivotalTracker().check(logging.getLogger("airbyte"), config_of(place, **settings))


def by_key(stream: str, rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: key_of(stream, row))


def keys_of(stream: str, rows: list[Row]) -> Counter[expected_keys.Key]:
    return Counter(key_of(stream, row) for row in rows)


def without_hosts(value: Any) -> Any:
    """The same with every URL without its scheme and host."""
    if isinstance(value, dict):
        return {key: without_hosts(inside) for key, inside in value.items() if key not in WHERE_A_FILE_IS}
    if isinstance(value, list):
        return [without_hosts(inside) for inside in value]
    if isinstance(value, str) and value.startswith("http://127.0.0.1:"):
        return urlsplit(value).path
    return value


def sample() -> World:
    """Three projects, with the bytes of their files."""
    world = make_world(projects=3, stories=60)
    world.files = sample_files(world)
    return world


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(sample(), tmp_path_factory.mktemp("exports") / "all_20250401_1212.zip")


@pytest.fixture(scope="module")
def full(export: Path) -> Iterator[Read]:
    with _Warned() as warned:
        here = Sync(config_of(export))
    world, _ = read_exports([Source.of(export)])
    with TrackerServer(world) as server:
        yield Read(here, warned.words, Sync(config_for(server)), world)


class _Warned(logging.Handler):
    """What the connector warns of while the block runs: `caplog` is for single tests."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.words: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.words.append(record.getMessage())

    def __enter__(self) -> _Warned:
        logging.getLogger("airbyte.tracker").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("airbyte.tracker").removeHandler(self)


@every_stream
def test_the_rows_are_those_that_a_server_over_the_same_export_sends(stream: str, full: Read) -> None:
    expected = [] if stream in NOBODYS else full.served.records[stream]
    here = by_key(stream, full.here.records[stream])
    assert without_hosts(here) == without_hosts(by_key(stream, expected))
    hint = f"{stream} belongs into NOT_IN_EXPORTS of convert.py, if no export has a row of it, and else not"
    assert bool(here) == (stream in IN_EXPORTS), hint


@every_stream
def test_no_key_comes_twice(stream: str, full: Read) -> None:
    assert [key for key, times in keys_of(stream, full.here.records[stream]).items() if times > 1] == []


@pytest.mark.parametrize("stream", ["stories", "epics", "releases"])
def test_what_has_a_number_in_tracker_comes_by_it(stream: str, full: Read) -> None:
    projects = sample().projects.values()
    rows = [row for project in projects for row in (project.epics if stream == "epics" else project.stories).values()]
    expected = [row["id"] for row in rows if stream != "releases" or row["story_type"] == "release"]
    assert sorted(row["id"] for row in full.here.records[stream]) == sorted(expected)


@every_stream
def test_every_row_is_valid_with_unknown_fields_forbidden(stream: str, full: Read) -> None:
    kind = BY_NAME[stream]
    validator = strict_validator(dict(kind.get_json_schema(kind.__new__(kind))))
    problems = {error.message for row in full.here.records[stream] for error in validator.iter_errors(row)}
    assert problems == set()


@every_stream
def test_every_stream_is_complete_without_an_error(stream: str, full: Read) -> None:
    assert (full.here.failure, full.here.errors) == (None, [])
    assert full.here.statuses[stream][-1] == "COMPLETE"


@pytest.mark.parametrize("stream", sorted(NOT_IN_EXPORTS))
def test_a_warning_names_a_stream_of_which_an_export_tells_nothing(stream: str, full: Read) -> None:
    assert [words for words in full.warned if stream in words] != []


def test_of_an_export_without_a_history_a_warning_names_the_streams_that_need_one(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(modern({}))
    with _Warned() as warned:
        sync = Sync(config_of(tmp_path), incremental=True)
    assert sync.failure is None
    for stream in OF_A_HISTORY:
        assert sync.records[stream] == []
        assert [words for words in warned.words if stream in words] != []


@pytest.mark.parametrize("stream", IN_EXPORTS)
def test_no_warning_names_a_stream_that_has_rows(stream: str, full: Read) -> None:
    assert [words for words in full.warned if stream in words.replace(",", "").split()] == []


def test_a_full_refresh_of_the_same_export_brings_all_again(export: Path, full: Read) -> None:
    again = Sync(config_of(export), state=read(export).state)
    assert {name: len(again.records[name]) for name in BY_NAME} == {
        name: len(full.here.records[name]) for name in BY_NAME
    }


@pytest.fixture(scope="module")
def twice(export: Path) -> tuple[Sync, Sync]:
    first = read(export)
    return first, read(export, state=first.state)


@every_stream
def test_a_second_sync_of_the_same_export_brings_no_row_of_a_stream_with_a_cursor(
    stream: str, twice: tuple[Sync, Sync]
) -> None:
    first, second = twice
    assert second.failure is None
    assert second.statuses[stream][-1] == "COMPLETE"
    if stream == "project_history_days":  # The last days come again, because they change without a version.
        assert all(row in first.records[stream] for row in second.records[stream])
        return
    expected = [] if BY_NAME[stream].cursor_field else first.records[stream]
    assert by_key(stream, second.records[stream]) == by_key(stream, expected)


class Newer(NamedTuple):
    """Incremental reads of an export, a newer one and the first again; a full read of the newer; what was done."""

    first: Sync
    second: Sync
    third: Sync
    full: Sync
    changed: int
    deleted: dict[str, set[int]]
    moved: int


def some(project: Project, count: int, *, kind: str = "feature") -> list[int]:
    return [story_id for story_id in project.order if project.stories[story_id]["story_type"] == kind][:count]


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Newer:
    """A story is changed, another one moves to another project; stories, a release, an epic and a label are deleted."""
    folder = tmp_path_factory.mktemp("newer")
    world = sample()
    before = written(world, folder / "before.zip")
    one, other, _ = world.projects.values()
    by = next(iter(world.tokens.values()))
    changed, moved, *deleted = some(one, 5)
    releases = some(one, 1, kind="release")
    epic = next(iter(one.epics))
    labels = {label_id: row["name"] for label_id, row in one.labels.items()}
    unused = labels.keys() - {row["label_id"] for row in one.epics.values()}
    label = min(unused)
    world.now += timedelta(days=1)
    with world.lock:
        edits.update_story(world, one, by, changed, name="Changed")
        edits.delete_stories(world, one, by, [*deleted, *releases])
        edits.move_story_to_project(world, one, other, by, moved)
        edits.delete_epic(world, one, by, epic)
        edits.delete_label(world, one, by, label)
    after = written(world, folder / "after.zip")
    first = read(before)
    gone = {"stories": {*deleted, *releases}, "releases": set(releases), "epics": {epic}}
    second = read(after, state=first.state)
    third = read(before, state=second.state)
    return Newer(first, second, third, Sync(config_of(after)), changed, gone, moved)


def tombstones(stream: str, sync: Sync) -> set[int]:
    return {row["id"] for row in sync.records[stream] if row.get("_ab_cdc_deleted_at")}


def test_after_a_newer_export_the_destination_holds_what_a_full_read_of_it_brings(newer: Newer) -> None:
    assert (newer.first.failure, newer.second.failure, newer.full.failure) == (None, None, None)
    differences = Replica(newer.first, newer.second).differences(Replica(newer.full))
    # Days that the history of the older export covers stay.
    assert [words for words in differences if not words.startswith("project_history_days")] == []


@pytest.mark.parametrize("stream", ["stories", "releases", "epics"])
def test_what_a_newer_export_does_not_have_any_more_gets_a_tombstone(stream: str, newer: Newer) -> None:
    assert tombstones(stream, newer.second) == newer.deleted[stream]


@pytest.mark.parametrize("stream", ["stories", "releases", "epics"])
def test_what_comes_back_with_the_older_export_is_there_again(stream: str, newer: Newer) -> None:
    held = Replica(newer.first, newer.second, newer.third).rows[stream]
    assert newer.deleted[stream] <= {key[0] for key in held}


def test_the_labels_that_a_newer_export_does_not_have_any_more_get_tombstones(newer: Newer) -> None:
    before, after = ({row["id"] for row in sync.records["labels"]} for sync in (newer.first, newer.full))
    assert before - after != set()
    assert tombstones("labels", newer.second) == before - after


def test_a_story_that_is_in_another_project_of_a_newer_export_is_not_deleted(newer: Newer) -> None:
    (row,) = [row for row in newer.second.records["stories"] if row["id"] == newer.moved]
    (now,) = [row for row in newer.full.records["stories"] if row["id"] == newer.moved]
    assert row == now


@pytest.mark.parametrize(
    "stream", [stream for stream in IN_EXPORTS if BY_NAME[stream].cursor_field and stream not in OF_A_HISTORY]
)
def test_a_newer_export_brings_no_row_that_is_as_it_was(stream: str, newer: Newer) -> None:
    before = {key_of(stream, row): row for row in newer.first.records[stream]}
    again = [row for row in newer.second.records[stream] if before.get(key_of(stream, row)) == row]
    assert again == []


@pytest.mark.parametrize("seed", range(KILLS))
def test_reads_that_are_killed_and_resumed_bring_all_together(seed: int, export: Path, full: Read) -> None:
    rolls = random.Random(seed)  # noqa: S311
    syncs = []
    state: list[Any] = []
    for _ in range(4):
        attempt = Sync(
            config_of(export), incremental=True, state=state, killed_after=rolls.randrange(1, 900), state_seconds=0
        )
        syncs.append(attempt)
        state = attempt.state
    syncs.append(Sync(config_of(export), incremental=True, state=state))
    brought = {name: {key_of(name, row) for sync in syncs for row in sync.records[name]} for name in BY_NAME}
    assert brought == {name: {key_of(name, row) for row in full.here.records[name]} for name in BY_NAME}


GOOD = packed({NAME: modern(*({"Description": random.Random(n).randbytes(500).hex()} for n in range(50)))})  # noqa: S311
BAD_FILES = {
    "folder": (None, "holds no .zip and no .csv."),
    "missing.zip": (None, "cannot be read: No such file or directory."),
    "other.csv": (b"a,b\n1,2\n", "is not a Tracker export: its first line must name the columns"),
    "none.zip": (GOOD[: len(GOOD) // 2], "none.zip is damaged (File is not a zip file): download or copy it again."),
    "turned.zip": (GOOD[:9000] + bytes(8) + GOOD[9008:], "is damaged"),
}


@pytest.mark.parametrize("stream", ["stories", "me"])
@pytest.mark.parametrize("name", BAD_FILES)
def test_what_is_no_export_fails_check_and_read_with_the_same_sentence(
    name: str, stream: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content, words = BAD_FILES[name]
    (tmp_path / "folder").mkdir()
    if content:
        (tmp_path / name).write_bytes(content)
    status = checked(tmp_path / name)
    message = str(status.message)
    sync = Sync(config_of(tmp_path / name), [stream])
    assert status.status is Status.FAILED
    assert sync.errors == []
    assert message.startswith("export_archive: ")
    assert words in message
    assert (message.count("export_archive"), message.endswith("..")) == (1, False)
    assert sync.failure
    assert (sync.failure.message, sync.failure.failure_type) == (message, FailureType.config_error)
    assert "COMPLETE" not in sync.statuses[stream]
    assert "Traceback" not in caplog.text


def test_a_file_that_cannot_be_read_costs_its_project_alone_and_deletes_nothing_of_it(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.zip"
    good.write_bytes(modern({"Id": "5"}))
    bad.write_bytes(packed({"bad.csv": modern({"Id": "7"}, {"Id": "8"})}))
    first = read(tmp_path)
    good.write_bytes(modern({"Id": "5", "Title": "New"}))
    bad.write_bytes(bad.read_bytes()[:-20])
    words = "export_archive: bad.zip is damaged (File is not a zip file): download or copy it again."
    second = read(tmp_path, state=first.state)
    assert [row["name"] for row in second.records["stories"]] == ["New"]
    assert all(tombstones(stream, second) == set() for stream in WITH_TOMBSTONES)
    in_projects = [stream for stream in IN_EXPORTS if stream in second.statuses]
    assert {second.statuses[stream][-1] for stream in in_projects} == {"INCOMPLETE"}
    assert all(words in error for error in second.errors)
    assert second.failure
    assert second.failure.failure_type is FailureType.config_error
    bad.write_bytes(packed({"bad.csv": modern({"Id": "7"}, {"Id": "8", "Title": "New"})}))
    third = read(tmp_path, state=second.state)
    assert ([row["id"] for row in third.records["stories"]], third.failure) == ([8], None)


def test_check_succeeds_where_a_project_can_be_read_and_says_which_file_cannot(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_bytes(modern({}))
    (tmp_path / "bad.csv").write_bytes(modern({}) + b'5,"open')
    status = checked(tmp_path)
    assert status.status is Status.SUCCEEDED
    assert "good (id " in str(status.message)
    assert "bad.csv, line 3: a quote opens in this row and is never closed." in str(status.message)


def test_a_csv_of_something_else_in_a_folder_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_bytes(modern({}))
    (tmp_path / "other.csv").write_bytes(b"a,b\n1,2\n")
    with _Warned() as warned:
        sync = Sync(config_of(tmp_path), ["stories"])
    assert (len(sync.records["stories"]), sync.failure) == (1, None)
    assert warned.words == ["Not understood in the export: other.csv: not read: its columns are not those of stories"]


def test_a_folder_of_zips_and_csvs_is_read_as_a_whole_and_nothing_else_in_it(export: Path, tmp_path: Path) -> None:
    (tmp_path / "all_20250401_1212.ZIP").write_bytes(export.read_bytes())
    (tmp_path / NAME).write_bytes(modern({}, {}))
    (tmp_path / "notes.txt").write_bytes(b"no export")
    sync = Sync(config_of(tmp_path), ["projects", "stories"])
    assert sync.failure is None
    assert len(sync.records["projects"]) == 4
    assert len(sync.records["stories"]) == 3 * 60 + 2


def test_a_csv_alone_is_an_export(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(modern({"Id": "7"}))
    assert [row["id"] for row in Sync(config_of(tmp_path / NAME), ["stories"]).records["stories"]] == [7]


def test_project_ids_choose_among_the_projects_of_an_export(export: Path, full: Read) -> None:
    chosen = min(full.world.projects)
    rows = Sync(config_of(export, project_ids=[chosen]), ["stories"]).records["stories"]
    expected = [row for row in full.here.records["stories"] if row["project_id"] == chosen]
    assert by_key("stories", rows) == by_key("stories", expected)


def test_check_names_the_projects_of_an_export_and_those_of_project_ids_that_it_has_not(
    export: Path, full: Read
) -> None:
    good, bad = checked(export), checked(export, project_ids=[1])
    assert good.status is Status.SUCCEEDED
    assert all(str(project_id) in str(good.message) for project_id in full.world.projects)
    assert bad.status is Status.FAILED
    assert str(bad.message).startswith("project_ids: the exports have no project 1; they contain ")


def test_the_ids_that_check_prints_are_ready_to_be_given_and_others_go_before_them(export: Path, full: Read) -> None:
    message = str(checked(export).message)
    printed = json.loads(message.partition("As export_project_ids: ")[2].removesuffix("."))
    assert printed == {project.row["name"]: project.id for project in full.world.projects.values()}
    assert (
        Sync(config_of(export, export_project_ids=printed), ["stories"]).records
        == Sync(config_of(export), ["stories"]).records
    )
    name = next(iter(printed))
    rows = Sync(config_of(export, export_project_ids={name.upper(): "1027488"}), ["projects", "labels"]).records
    assert {row["id"] for row in rows["projects"]} == {1027488, *printed.values()} - {printed[name]}
    assert 1027488 in {row["project_id"] for row in rows["labels"]}


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (
            {"harbour_web_shop": 1, "Harbour Web-Shop": 2},
            "export_project_ids: 'harbour_web_shop' and 'Harbour Web-Shop' are one project; give it one id.",
        ),
        ({"nobodys": 7}, "export_project_ids: There is no project 'nobodys'; there are "),
        ({"harbour_web_shop": 7, "ferry_mobile_app": 7}, "export_project_ids: Several projects have the id 7."),
    ],
)
def test_ids_that_do_not_fit_the_projects_are_told_in_one_sentence(
    ids: dict[str, int], words: str, export: Path
) -> None:
    status = checked(export, export_project_ids=ids)
    assert status.status is Status.FAILED
    assert str(status.message).startswith(words)
    sync = Sync(config_of(export, export_project_ids=ids), ["stories"])
    assert sync.failure
    assert str(sync.failure.message).startswith(words)


ZIP = packed({NAME: modern({"Id": "5"}, {"Id": "6", "Type": "release"})})


@pytest.mark.parametrize("name", ["x.zip", "x.csv"])
def test_a_folder_that_is_called_like_an_export_is_a_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(modern({}))
    (tmp_path / name).mkdir()
    (tmp_path / name / "other.csv").write_bytes(modern({"Id": "7"}))
    sync = Sync(config_of(tmp_path), ["stories"])
    assert (sorted(row["id"] for row in sync.records["stories"]), sync.failure) == ([7, 1000], None)


def test_exports_in_folders_of_the_folder_are_read(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "here.zip").write_bytes(ZIP)
    (tmp_path / "in" / "there.zip").write_bytes(packed({"other.csv": modern({})}))
    sync = Sync(config_of(tmp_path), ["stories"])
    assert {row["id"] for row in sync.records["stories"]} == {5, 6, 1000}


def test_what_macos_puts_beside_an_export_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "one.zip").write_bytes(ZIP)
    (tmp_path / "._one.zip").write_bytes(b"\0\5\26\7" + bytes(100))
    assert len(Sync(config_of(tmp_path), ["stories"]).records["stories"]) == 2


def test_the_same_zip_under_several_names_is_read_once_and_none_is_called_newer(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip", "one (1).zip"):
        (tmp_path / name).write_bytes(ZIP)
    with _Warned() as warned:
        sync = Sync(config_of(tmp_path), ["stories"])
    assert sorted(row["id"] for row in sync.records["stories"]) == [5, 6]
    not_served = [words for words in warned.words if "not served" in words]
    assert [" is an equally new export of " in words for words in not_served] == [True, True]


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")])
def test_a_story_in_exports_of_two_projects_comes_from_the_newer_alone_and_a_warning_says_so(
    names: tuple[str, str], tmp_path: Path
) -> None:
    older, newer = f"{names[0]}_20250101_1200.csv", f"{names[1]}_20250201_1200.csv"
    (tmp_path / older).write_bytes(modern({"Id": "5", "Title": "Before"}, {"Id": "6"}))
    (tmp_path / newer).write_bytes(modern({"Id": "5", "Title": "After"}, {"Id": "7"}))
    with _Warned() as warned:
        sync = read(tmp_path)
    assert [row["name"] for row in sync.records["stories"] if row["id"] == 5] == ["After"]
    assert [words for words in warned.words if "of another project" in words] == [
        f"Not understood in the export: {older}, Id: 1 of its stories are in {newer} too, an export of another project:"
        " that one counts"
    ]


def test_a_story_that_a_newer_export_of_another_project_has_is_read_from_there_and_gets_no_tombstone(
    tmp_path: Path,
) -> None:
    (tmp_path / "harbour_20250101_1200.csv").write_bytes(modern({"Id": "5", "Title": "Before"}, {"Id": "6"}))
    first = read(tmp_path)
    (tmp_path / "ferry_20250201_1200.csv").write_bytes(modern({"Id": "5", "Title": "After"}, {"Id": "7"}))
    (tmp_path / "harbour_20250301_1200.csv").write_bytes(modern({"Id": "6"}))
    second = read(tmp_path, state=first.state)
    assert [row["name"] for row in second.records["stories"] if row["id"] == 5] == ["After"]
    assert tombstones("stories", second) == set()
    assert Replica(first, second).differences(Replica(read(tmp_path))) == []


CHANGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda path: os.truncate(path, 60),
    "emptied": lambda path: os.truncate(path, 0),
    "replaced": lambda path: path.write_bytes(packed({"other.csv": modern({"Id": "99"})})),
    "deleted": Path.unlink,
}
FILE_OF = {"one": "5", "two": "6", "three": "7"}


class _Changing(ExportAdapter):
    """Changes a file after the first answer, and counts the requests that fail then."""

    def __init__(self, folder: Path, change: Callable[[Path], object]) -> None:
        super().__init__(str(folder), most_in_memory=1)
        self._change: Callable[[Path], object] | None = change
        self._path = folder / "two.zip"
        self.after_the_change = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        try:
            answer = super().send(request)
        except SourceChanged:
            self.after_the_change += 1
            raise
        if self._change:
            self._change(self._path)
            self._change = None
        return answer


@pytest.mark.parametrize("change", CHANGES)
def test_a_zip_that_changes_while_it_is_read_costs_its_project_alone_and_is_not_waited_for(
    change: str, tmp_path: Path
) -> None:
    for name, number in FILE_OF.items():
        (tmp_path / f"{name}.zip").write_bytes(packed({f"{name}.csv": modern({"Id": number})}))
    exports = _Changing(tmp_path, CHANGES[change])
    slept: list[float] = []
    client = TrackerClient(
        SERVED_AT, "none", RateLimiter(1_000_000), adapter=exports, completeness=exports, sleep=slept.append
    )
    sync = Sync(config_of(tmp_path), ["stories"], client_of=lambda _: client)
    assert {row["id"] for row in sync.records["stories"]} == {5, 7}
    assert sync.statuses["stories"][-1] == "INCOMPLETE"
    (error,) = {*sync.errors}
    assert "two.zip/two.csv has changed or is damaged since it was opened" in error
    assert "bug" not in error
    assert slept == []
    assert exports.after_the_change == 1


def test_a_zip_that_is_gone_from_the_folder_deletes_nothing_and_a_warning_names_its_project(tmp_path: Path) -> None:
    (tmp_path / "one.zip").write_bytes(ZIP)
    (tmp_path / "other.csv").write_bytes(modern({"Id": "7"}))
    first = read(tmp_path)
    (gone,) = {row["project_id"] for row in first.records["stories"] if row["id"] == 7}
    (tmp_path / "other.csv").unlink()
    with _Warned() as warned:
        second = read(tmp_path, state=first.state)
    assert second.records["stories"] == []
    assert [words for words in warned.words if "so their rows stay as they are" in words] == [
        f"The server no longer shows some projects of the state, so their rows stay as they are: projects {gone}"
    ]
    (tmp_path / "other.csv").write_bytes(modern({"Id": "8"}))
    with _Warned() as warned:
        third = read(tmp_path, state=second.state)
    assert [row["id"] for row in third.records["stories"]] == [8]
    assert [words for words in warned.words if "in no export any more" in words] == [
        f"Project {gone}: 1 rows of the list of stories that were sent before are in no export any more. They stay, "
        "because no newer export proves to be all of the project"
    ]


def test_a_story_that_becomes_a_release_in_a_newer_export_is_among_the_releases_and_back_again(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(modern({"Id": "5"}, {"Id": "6"}))
    first = read(file)
    file.write_bytes(modern({"Id": "5", "Type": "release"}, {"Id": "6"}))
    second = read(file, state=first.state)
    assert [row["story_type"] for row in second.records["stories"]] == ["release"]
    assert [row["id"] for row in second.records["releases"]] == [5]
    file.write_bytes(modern({"Id": "5"}, {"Id": "6"}))
    third = read(file, state=second.state)
    assert [row["story_type"] for row in third.records["stories"]] == ["feature"]
    assert tombstones("releases", third) == {5}
    assert tombstones("stories", third) == set()


def test_a_start_date_leaves_out_what_is_older_and_a_newer_export_brings_what_came_since(tmp_path: Path) -> None:
    file = tmp_path / NAME
    rows = [{"Id": "5"}, {"Id": "6", "Created at": "Mar 1, 2020"}]
    file.write_bytes(modern(*rows))
    config = config_of(file, start_date="2019-01-01")
    first = Sync(config, incremental=True)
    assert [row["id"] for row in first.records["stories"]] == [6]
    assert len(first.records["iterations"]) == len(Sync(config_of(file)).records["iterations"])
    late = {"Comment": "Late (Ada - Jan 5, 2021)"}
    file.write_bytes(modern({**rows[0], **late}, {**rows[1], "Title": "New"}, {"Id": "7", "Created at": "May 1, 2021"}))
    second = Sync(config, incremental=True, state=first.state)
    assert {row["id"] for row in second.records["stories"]} == {5, 6, 7}
    assert [row["story_id"] for row in second.records["story_comments"]] == [5]
    assert len(second.records["iterations"]) == len(Sync(config_of(file)).records["iterations"])


def test_an_export_is_read_the_same_with_many_workers(export: Path, full: Read) -> None:
    many = Sync(config_of(export, num_workers=20))
    assert {name: len(many.records[name]) for name in BY_NAME} == {
        name: len(full.here.records[name]) for name in BY_NAME
    }


def test_damaged_row_digests_make_their_list_be_read_anew_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / NAME
    file.write_bytes(modern({"Id": "5"}, {"Id": "6"}))
    first = read(file)
    for message in first.state:
        assert message.stream
        blob = first.blob(message.stream.stream_descriptor.name)
        for mark in blob.get("projects", {}).values():
            if "ledger" in mark:
                mark["ledger"] = mark["ledger"][3:]
        message.stream.stream_state = AirbyteStateBlob(blob)
    file.write_bytes(modern({"Id": "5"}, {"Id": "6"}, {"Id": "7"}))
    with _Warned() as warned:
        second = read(file, state=first.state)
    assert second.failure is None
    assert {row["id"] for row in second.records["stories"]} == {5, 6, 7}
    assert [words for words in warned.words if "The state of stream stories is damaged" in words] != []


DAY_1, DAY_2 = "p_20231114_1212.csv", "p_20231115_0900.csv"
EVENING = "p_20231115_2100.csv"
WITHOUT_EPICS = packed({"p.csv": modern(*PANELS.values()), "1/a.png": b""})
SEQUENCES: dict[str, tuple[dict[str, bytes], dict[str, bytes], set[int]]] = {
    "a newer whole export lacks two": (
        {DAY_1: modern(*WHOLE, *MORE[:2])}, {DAY_1: modern(*WHOLE, *MORE[:2]), DAY_2: modern(*WHOLE)}, {10, 11},
    ),
    "and it alone is there": ({DAY_1: modern(*WHOLE, *MORE[:2])}, {DAY_2: modern(*WHOLE)}, {10, 11}),
    "a part comes beside it": ({DAY_1: modern(*WHOLE)}, {DAY_1: modern(*WHOLE), DAY_2: modern(ICEBOX)}, set()),
    "a part comes in its place": ({DAY_1: modern(*WHOLE)}, {DAY_2: modern(ICEBOX)}, set()),
    "only an older whole export is left": (
        {DAY_2: modern(*WHOLE, {**ICEBOX, "Id": "9", "Created at": "Nov 15, 2023"})}, {DAY_1: modern(*WHOLE)}, set(),
    ),
    "a story without any day": (
        {DAY_2: modern(*WHOLE, {**ICEBOX, "Id": "9", "Created at": ""})}, {DAY_1: modern(*WHOLE)}, set(),
    ),
    "a story of the day on which the whole export was made": (
        {DAY_2: modern(*WHOLE), EVENING: modern({**ICEBOX, "Id": "9", "Created at": "Nov 15, 2023"})},
        {DAY_2: modern(*WHOLE)}, set(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_only_what_a_newer_whole_export_lacks_gets_tombstones(name: str, tmp_path: Path) -> None:
    before, after, gone = SEQUENCES[name]
    first = read(laid(tmp_path / "exports", before))
    shutil.rmtree(tmp_path / "exports")
    second = read(laid(tmp_path / "exports", after), state=first.state)
    assert (first.failure, second.failure) == (None, None)
    assert tombstones("stories", second) == gone
    assert all(tombstones(stream, second) == set() for stream in ("epics", "releases"))


def test_the_label_of_an_epic_that_stays_is_not_deleted(tmp_path: Path) -> None:
    first = read(laid(tmp_path / "exports", {DAY_1: modern(*WHOLE)}))
    second = read(laid(tmp_path / "exports", {DAY_2.replace(".csv", ".zip"): WITHOUT_EPICS}), state=first.state)
    assert [row["name"] for row in first.records["labels"]] == ["big"]
    assert tombstones("labels", second) == tombstones("epics", second) == set()
