"""A world that is written as an export and read again is the same in all that the format can say."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tracker_server import edits
from tracker_server.exports import ExportReport, ExportWriter, read_exports, write_export
from tracker_server.exports.columns import SINGLE
from tracker_server.exports.table import UNSTORABLE
from tracker_server.sample import make_world, sample_files
from tracker_server.world import Project, Row, StoredFile, World
from unit_tests.tracker_server.exports.expected_export import expected_export
from unit_tests.tracker_server.exports.exported import served, source

NOW = datetime(2024, 1, 24, 12, tzinfo=UTC)


def written(world: World) -> bytes:
    out = io.BytesIO()
    write_export(world, out)
    return out.getvalue()


def read_again(world: World) -> tuple[World, ExportReport]:
    return read_exports([source(written(world), "all_20240124_1200.zip")])


def small_world(zone: str = "America/Los_Angeles") -> World:
    """Ann and Bob in one empty project."""
    world = World(now=NOW)
    for person_id, name in ((1, "Ann"), (2, "Bob (QA)")):
        world.people[person_id] = {"kind": "person", "id": person_id, "name": name, "initials": name[0]}
    row = {
        "id": 99, "kind": "project", "name": "My Project", "iteration_length": 1, "week_start_day": "Monday",
        "point_scale": "0,1,2,3", "bugs_and_chores_are_estimatable": True, "velocity_averaged_over": 2,
        "time_zone": {"kind": "time_zone", "olson_name": zone, "offset": "-08:00"}, "initial_velocity": 5,
        "start_time": "2024-01-01T08:00:00Z", "automatic_planning": True,
    }  # fmt: skip
    world.projects[99] = Project(row)
    world.projects[99].review_types[5] = {"kind": "review_type", "id": 5, "project_id": 99, "name": "Code"}
    return world


@pytest.mark.parametrize("seed", [1, 2])
def test_a_sample_world_is_the_same_after_a_round_trip(seed: int) -> None:
    world = make_world(3, 120, seed)
    again, report = read_again(world)
    before, after = expected_export(world), expected_export(again)
    assert report.findings == []
    assert sorted(project["order"] for project in before) == sorted(project["order"] for project in after)
    by_stories = {tuple(project["order"]): project for project in after}
    for project in before:
        assert by_stories[tuple(project["order"])] == project


def test_the_files_of_a_world_are_the_same_after_a_round_trip() -> None:
    world = make_world(1, 30)
    world.files = sample_files(world)
    before, after = expected_export(world), expected_export(read_again(world)[0])
    files = [story["files"] for story in before[0]["stories"].values()]
    assert any(files)
    assert files == [story["files"] for story in after[0]["stories"].values()]
    assert [epic["files"] for epic in before[0]["epics"].values()] == [
        epic["files"] for epic in after[0]["epics"].values()
    ]


def test_two_files_of_one_name_get_two_names() -> None:
    world = small_world()
    story = edits.create_story(world, world.projects[99], 1, name="A")
    files: list[Row] = [{"filename": "a.txt", "size": 1}, {"filename": "a.txt", "size": 2}]
    edits.create_comment(world, world.projects[99], 1, story_id=story["id"], file_attachments=files)
    rows = story["comments"][0]["file_attachments"]
    world.files = {
        row["id"]: StoredFile("a.txt", row["size"], None, lambda row=row: io.BytesIO(b"x" * row["size"]))  # type: ignore[misc]
        for row in rows
    }
    again, _ = read_again(world)
    assert sorted((file.filename, file.size) for file in again.files.values()) == [("2 a.txt", 2), ("a.txt", 1)]


def test_an_export_has_the_columns_of_trackers_last() -> None:
    world = small_world()
    edits.create_story(world, world.projects[99], 1, name="A", tasks=["a", "b"])
    with zipfile.ZipFile(io.BytesIO(written(world))) as archive:
        assert archive.namelist() == ["my_project_20240124_1200.csv", "my_project_history_20240124_1200.csv"]
        lines = archive.read("my_project_20240124_1200.csv").decode().splitlines()
    assert lines[0].split(",")[: len(SINGLE)] == list(SINGLE)
    assert lines[0].split(",")[len(SINGLE) :] == [
        "Owned By", "Blocker", "Blocker Status", "Comment", "Task", "Task Status", "Task", "Task Status",
        "Review Type", "Reviewer", "Review Status", "Pull Request", "Git Branch",
    ]  # fmt: skip


def test_days_are_those_of_the_projects_time_zone() -> None:
    world = small_world()
    world.now = datetime(2024, 1, 9, 3, tzinfo=UTC)  # the evening before in Los Angeles
    edits.create_story(world, world.projects[99], 1, name="A", current_state="accepted", estimate=1)
    world.now = NOW
    story = served(written(world), "a.zip").story()
    assert (story["created_at"], story["accepted_at"]) == ("2024-01-08T00:00:00Z",) * 2


def test_the_same_world_gives_the_same_bytes() -> None:
    assert written(make_world(2, 20)) == written(make_world(2, 20))


def test_projects_of_one_name_get_two_files() -> None:
    world = small_world()
    world.projects[100] = Project({**world.projects[99].row, "id": 100, "name": "my project!"})
    for project in world.projects.values():
        edits.create_story(world, project, 1, name="A")
    again, _ = read_again(world)
    assert sorted(project.row["name"] for project in again.projects.values()) == ["2 my_project", "my_project"]


UNSTORABLE_CHARACTERS = [character for character in map(chr, range(sys.maxunicode + 1)) if UNSTORABLE.match(character)]
ANY_TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters=UNSTORABLE_CHARACTERS), min_size=1, max_size=40
)
WORDS = (
    "web", "Web", "web app", "export", "exports", "2", "2024", "1027488", "done", "Icebox", "history", "hi\u017ftory",
    "copy", "copy 2", "part", "counterpart", "mall", "all", "stories", "backup", "csv", "project", "my", "20240101",
    "2024-01-01", "20240101_1200", "(1)", "\u00df", "e\u0301", "\u0130", "\u30c8\u30e9", "!",
)  # fmt: skip
CALLED = st.lists(st.one_of(st.sampled_from(WORDS), ANY_TEXT), max_size=3).flatmap(
    lambda words: st.sampled_from([" ", "_", "", "-"]).map(lambda between: between.join(words))
)
AROUND = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map("_".join)


@settings(max_examples=200, deadline=None)
@example(["Web", "Web Export"], "all", "all")
@example(["Web", "Web 2"], "web", "all")
@example(["Web 2"], "backup", "web")
@example(["2024", "2025"], "mybackup", "all")
@example(["Done", "Icebox"], "litetracker", "all")
@example(["Web", "Web Histories", "Web History"], "web", "web")
@example(["Copy", "copy"], "all", "all")
@given(st.lists(CALLED, min_size=1, max_size=4), AROUND, AROUND)
def test_projects_of_any_names_are_read_again_as_what_they_are_called(
    names: list[str], archive: str, folder: str
) -> None:
    world = small_world()
    row = world.projects.pop(99).row
    for project_id, name in enumerate(names, 100):
        project = world.projects[project_id] = Project({**row, "id": project_id, "name": name})
        edits.create_story(world, project, 1, name=f"Of {project_id}")
    out = io.BytesIO()
    with ExportWriter(out, NOW) as writer:
        called = {writer.add(world, project): project.id for project in world.projects.values()}
    place = f"/exports/{folder}/{archive}.zip"
    one = source(out.getvalue(), place)
    for found in (one, dataclasses.replace(one, root=f"/exports/{folder}")):
        again, report = read_exports([found], called)
        assert report.findings == []
        assert report.failures == []
        assert {project.row["name"]: project_id for project_id, project in again.projects.items()} == called
        for project_id, project in again.projects.items():
            assert [story["name"] for story in project.stories.values()] == [f"Of {project_id}"]
            assert len(project.activity) == len(world.projects[project_id].activity)


def test_no_cell_is_a_formula_and_every_text_comes_back_as_it_was() -> None:
    world = small_world()
    project = world.projects[99]
    for person_id, person in world.people.items():
        person["name"] = f'=HYPERLINK("https://evil.example/{person_id}")'
    project.review_types[5]["name"] = "=Code"
    label = edits.create_label(world, project, 1, name="=a label")
    epic = edits.create_epic(world, project, 1, name="=an epic")
    edits.create_comment(world, project, 1, epic_id=epic["id"], text="=said")
    story = edits.create_story(
        world, project, 2, name="=1+1", description="=2", current_state="started", owner_ids=[1, 2], tasks=["=3"],
        label_ids=[label["id"]],
    )  # fmt: skip
    edits.create_blocker(world, project, 1, story["id"], description="=4")
    story["branches"] = [{"id": 1, "kind": "branch", "story_id": story["id"], "name": "=5"}]
    story["reviews"] = [{"id": 2, "kind": "review", "review_type_id": 5, "reviewer_id": 1, "status": "pass"}]
    with zipfile.ZipFile(io.BytesIO(written(world))) as archive:
        for name in archive.namelist():
            rows = csv.reader(io.StringIO(archive.read(name).decode(), newline=""))
            assert [cell for row in rows for cell in row if cell.startswith("=")] == []
    again, report = read_again(world)
    assert report.findings == []
    assert expected_export(again) == expected_export(world)
    (project_again,) = again.projects.values()
    assert {row["name"] for row in again.people.values()} >= {row["name"] for row in world.people.values()}
    before = {(row["message"], row["performed_by"]["name"], row["kind"]) for row in project.activity}
    found = {(row["message"], row["performed_by"]["name"], row["kind"]) for row in project_again.activity}
    assert found == before


NASTY = st.sampled_from(
    [
        "=1+1", "a\r\nb", "a\rb", "a\nb", '"', '""', ",", "(", ")", "a (b)", "x (Ann - Nov 22, 2014)", " ", "\t", "'",
        "''=", "\ufeff", "\u2028", "é", "e\u0301", "🚀", "שלום", "#7", "a;b", "a\\b", "NULL", "-1",
    ]
)  # fmt: skip
TEXT = st.lists(st.one_of(NASTY, ANY_TEXT), min_size=1, max_size=4).map("".join)
ESCAPED = TEXT.filter(lambda text: not text.startswith("'="))  # a text that begins like this looks like an escaped one
NAME = ESCAPED.filter(str.strip).map(lambda name: name.strip().replace(",", " ").strip()).filter(bool)
LABEL = NAME.map(lambda name: name.replace("\n", " ").replace("\r", " ").strip()).filter(bool)
STATES = ("accepted", "delivered", "finished", "started", "rejected", "unstarted", "unscheduled")


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A small world with whatever texts."""
    world = small_world(draw(st.sampled_from(["Etc/UTC", "Asia/Kolkata", "America/Los_Angeles"])))
    project = world.projects[99]
    for label in draw(st.lists(LABEL.map(str.lower), max_size=3, unique=True)):
        if label not in {row["name"] for row in project.labels.values()}:
            edits.create_label(world, project, 1, name=label)
    for _ in range(draw(st.integers(1, 3))):
        state = draw(st.sampled_from(STATES))
        values: Row = {"current_state": state}
        if project.labels:
            values["label_ids"] = draw(st.lists(st.sampled_from(list(project.labels)), unique=True))
        if draw(st.booleans()):
            values["description"] = draw(ESCAPED)
        values["estimate"] = draw(st.sampled_from([0, 0.5, 3])) if state != "unscheduled" else None
        values["owner_ids"] = draw(st.sampled_from([[], [1], [2, 1]]))
        tasks, comments = draw(st.lists(ESCAPED, max_size=2)), draw(st.lists(ESCAPED, max_size=2))
        story = edits.create_story(world, project, 2, name=draw(ESCAPED), tasks=tasks, comments=comments, **values)
        for text in draw(st.lists(ESCAPED, max_size=2)):
            edits.create_blocker(world, project, 1, story["id"], description=text)
    return world


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_texts_of_any_kind_come_back_as_they_were(world: World) -> None:
    again, report = read_again(world)
    assert expected_export(again) == expected_export(world)
    assert report.findings == []


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")), min_size=2, max_size=5))
def test_cells_of_any_kind_come_back_from_the_csv_as_they_were(cells: list[str]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    assert next(csv.reader(io.StringIO(text.getvalue(), newline=""), strict=True)) == cells
