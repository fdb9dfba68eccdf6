"""A live server as an export: the same bytes as if its world were written, and a sentence for all that is lost."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tracker_server import edits
from tracker_server.api.call import Caps
from tracker_server.api.dialect import LITETRACKER
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.exports import read_exports, sources_at, write_export
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.world import Project, Row, World
from unit_tests import loaded_program
from unit_tests.tracker_server.exports.exported import NAME, modern, packed


def of_yesterday() -> bytes:
    out = io.BytesIO()
    write_export(make_world(1, 1, 1), out)
    return out.getvalue()


OF_YESTERDAY = of_yesterday()
NOT_OURS = "does not say that this command wrote it; name a new file."


def backup(
    server: TrackerServer, out: Path, *options: str, token: str = SAMPLE_TOKEN
) -> subprocess.CompletedProcess[str]:
    url = ("--api-url", server.url, "--requests-per-minute", "1000")
    return loaded_program.run_server("backup", *url, *options, out, TRACKER_API_TOKEN=token)


@pytest.fixture
def world() -> World:
    world = make_world(2, 20, 1)
    world.files = sample_files(world)
    return world


def members(content: bytes | Path) -> dict[str, bytes]:
    """What is in a ZIP, by its path without the time."""
    with zipfile.ZipFile(io.BytesIO(content) if isinstance(content, bytes) else content) as archive:
        return {re.sub(r"_\d{8}_\d{4}", "", name): archive.read(name) for name in archive.namelist()}


def written(world: World) -> dict[str, bytes]:
    out = io.BytesIO()
    write_export(world, out, history=None)
    return members(out.getvalue())


def table(content: bytes) -> list[dict[str, list[str]]]:
    """The rows of a CSV, with the cells of columns of one name together."""
    header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
    return [
        {name: [cell for other, cell in zip(header, row, strict=True) if other == name and cell] for name in header}
        for row in rows
    ]


def test_it_is_the_export_that_the_server_would_have_written(world: World, tmp_path: Path) -> None:
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith(f"Wrote {tmp_path / 'all.zip'}: 2 projects, 40 stories, 10 epics, ")
    assert members(tmp_path / "all.zip") == written(world)


def test_what_is_backed_up_is_read_again_with_its_history_and_files(world: World, tmp_path: Path) -> None:
    with TrackerServer(world) as server:
        backup(server, tmp_path / "all.zip")
    again, report = read_exports(sources_at(tmp_path / "all.zip"))
    assert (report.failures, report.finding_count) == ([], 0)
    for project, before in zip(
        sorted(again.projects.values(), key=lambda project: str(project.row["name"])),
        sorted(world.projects.values(), key=lambda project: str(project.row["name"])),
        strict=True,
    ):
        assert project.order == before.order
        assert len(project.activity) == len(before.activity)
    contents = [sorted(file.open().read() for file in one.files.values()) for one in (again, world)]
    assert contents[0] == contents[1]


def test_a_server_that_shows_less_gives_all_that_it_shows(world: World, tmp_path: Path) -> None:
    with TrackerServer(world, dialect=LITETRACKER) as server:
        ended = backup(server, tmp_path / "all.zip")
    assert ended.returncode == 0
    found, expected = members(tmp_path / "all.zip"), written(world)
    lost = {"Pull Request", "Git Branch", "Review Type"}
    for name in (name for name in expected if name.endswith(".csv") and "/" not in name and "history" not in name):
        rows, all_rows = table(found[name]), table(expected[name])
        assert len(rows) == len(all_rows)
        for row, whole in zip(rows, all_rows, strict=True):
            assert {key: row.get(key, []) for key in whole.keys() - lost} == {
                key: whole[key] for key in whole.keys() - lost
            }


def test_one_of_the_projects_alone(world: World, tmp_path: Path) -> None:
    project_id = next(iter(world.projects))
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "one.zip", "--project", str(project_id), "--no-files")
        assert not any(request.path.startswith("/file_attachments") for request in server.log)
    assert ended.stdout.startswith(f"Wrote {tmp_path / 'one.zip'}: 1 projects, 20 stories, 5 epics, 0 files, ")


def test_somebody_who_has_left_keeps_a_name_of_which_the_number_is_known(world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    story = project.stories[project.order[0]]
    story["requested_by_id"] = 987654
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 0
    assert "1 people whose names are not known" in ended.stdout
    assert any(b"Person 987654" in content for content in members(tmp_path / "all.zip").values())


def test_a_list_that_cannot_be_read_is_named_and_costs_itself_alone(world: World, tmp_path: Path) -> None:
    project_id = next(iter(world.projects))

    def break_iterations(request: Request) -> Response | None:
        is_broken = request.path.endswith(f"/projects/{project_id}/iterations")
        return Response(404, {"Content-Type": "text/html"}, b"no such page") if is_broken else None

    with TrackerServer(world, before=break_iterations) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert "iterations" in ended.stderr
    assert ended.stdout.startswith(f"Wrote {tmp_path / 'all.zip'}: 2 projects, 40 stories")


def test_a_file_that_cannot_be_had_is_a_loss(world: World, tmp_path: Path) -> None:
    lost = next(iter(world.files))
    world.files = {file_id: file for file_id, file in world.files.items() if file_id != lost}
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip")
    assert ended.returncode == 1
    assert f"(id {lost})" in ended.stderr
    assert "1 attached files could not be had" in ended.stderr
    assert members(tmp_path / "all.zip") == written(world)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--project", "0"), 2, "argument --project: 0 is not between 1 and "),
        (("--requests-per-minute", "0"), 2, "argument --requests-per-minute: 0 is not between 1 and 1000"),
        (("--token-file", "/nowhere/token"), 2, "argument --token-file: /nowhere/token cannot be read: No such file"),
        (("--token-file", "/dev/null"), 2, "argument --token-file: /dev/null holds no token in its first line"),
        (("--api-url", "app.example.com"), 1, "--api-url does not start with https:// or http://."),
        (("--api-url", "http://app.example.com"), 1, "which only --allow-http permits."),
    ],
)
def test_what_is_wrong_is_told_in_the_words_of_the_command_line(
    options: tuple[str, str], code: int, words: str, world: World, tmp_path: Path
) -> None:
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", *options)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr
    assert "_" not in ended.stderr
    assert not (tmp_path / "all.zip").exists()


def test_a_token_with_a_space_is_told_so(world: World, tmp_path: Path) -> None:
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", token="x y")
    assert ended.returncode == 1
    assert ended.stderr.startswith("The token contains a space")


def test_a_project_that_cannot_be_read_among_those_that_are_wanted_is_a_problem(world: World, tmp_path: Path) -> None:
    project_id = next(iter(world.projects))
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files", "--project", str(project_id), "--project", "999999")
    assert ended.returncode == 1
    assert ended.stderr.count("999999") == 1
    assert found_in(tmp_path / "all.zip") == set(world.projects[project_id].stories)


def test_where_no_project_that_is_wanted_can_be_read_that_is_told_once(world: World, tmp_path: Path) -> None:
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--project", "999999")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.count("999999") == 1


def test_a_list_that_many_streams_need_is_told_once(world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    with TrackerServer(world, before=refusing(f"/projects/{project.id}/epics")) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"{project.row['name']}: epics, epic_comments, file_attachments, google_attachments cannot be read: "
        f"projects/{project.id}/epics: 403 unauthorized_operation.\n"
    )


def refusing(path: str) -> Callable[[Request], Response | None]:
    """Lets a server say that it does not show a list."""
    refused = json.dumps({"code": "unauthorized_operation", "kind": "error", "error": "no"}).encode()

    def refuse(request: Request) -> Response | None:
        is_refused = request.path.endswith(path)
        return Response(403, {"Content-Type": "application/json"}, refused) if is_refused else None

    return refuse


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_token_that_is_not_good_is_one_sentence_and_leaves_what_was_there(
    token: str, world: World, tmp_path: Path
) -> None:
    (tmp_path / "all.zip").write_bytes(OF_YESTERDAY)
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", token=token)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "oken" in ended.stderr.replace(str(tmp_path), "")
    assert "Traceback" not in ended.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"all.zip": OF_YESTERDAY}


def test_the_token_may_be_in_a_file(world: World, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SAMPLE_TOKEN}\n")
    with TrackerServer(world) as server:
        options = ("--token-file", str(tmp_path / "token"), "--no-files")
        assert backup(server, tmp_path / "all.zip", *options, token="").returncode == 0


def found_in(export: Path) -> set[int]:
    again, _ = read_exports(sources_at(export))
    return {story_id for project in again.projects.values() for story_id in project.stories}


def test_edits_during_the_backup_leave_no_story_out(world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    before = set(project.stories)
    by = world.tokens[SAMPLE_TOKEN]
    edits_left = iter(range(8))

    def edit(request: Request) -> Response | None:
        if request.path.endswith("/stories") and "offset" in request.query and next(edits_left, None) is not None:
            edits.move_story(world, project, by, project.order[-1], before=project.order[0])
        return None

    with TrackerServer(world, before=edit, caps=Caps(stories=5)) as server:
        assert backup(server, tmp_path / "all.zip", "--no-files").returncode == 0
    assert before <= found_in(tmp_path / "all.zip")


def test_a_story_that_goes_into_a_project_that_was_read_already_is_in_it(world: World, tmp_path: Path) -> None:
    first, second = world.projects.values()
    before = {*first.stories, *second.stories}
    by = world.tokens[SAMPLE_TOKEN]
    moved = second.order[0]
    asked: list[str] = []

    def move(request: Request) -> Response | None:
        # The projects are read in the order of the list, which has the newest first or last.
        projects = [project for project in (first, second) if f"/projects/{project.id}/stories" in request.path]
        asked.extend(str(project.id) for project in projects)
        others = [project for project in (first, second) if asked and str(project.id) == asked[0]]
        if projects and others and projects[0] is not others[0] and moved_from(others[0]) in projects[0].stories:
            edits.move_story_to_project(world, projects[0], others[0], by, moved_from(others[0]))
        return None

    def moved_from(other: Project) -> int:
        return moved if other is first else first_of_first

    first_of_first = first.order[0]
    with TrackerServer(world, before=move) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 0
    assert before == found_in(tmp_path / "all.zip")


@pytest.mark.parametrize(
    ("first", "second", "out"), [("Web", "Web Export", "all"), ("Web", "Web 2", "web"), ("2024", "2025", "mybackup")]
)
def test_the_options_that_it_prints_fit_what_it_has_written(
    first: str, second: str, out: str, world: World, tmp_path: Path
) -> None:
    for project, name in zip(world.projects.values(), (first, second), strict=True):
        project.row["name"] = name
    with TrackerServer(world) as server:
        printed = backup(server, tmp_path / f"{out}.zip", "--no-files").stdout
    (options,) = re.findall("For serve, site and convert, note: (.*)", printed)
    places = (tmp_path / f"{out}.zip", tmp_path / "rows")
    assert loaded_program.run_server("convert", *places, "--to", "jsonl", *shlex.split(options)).returncode == 0
    found = [json.loads(line) for line in (tmp_path / "rows" / "stories.jsonl").read_text("utf-8").splitlines()]
    assert {(row["project_id"], row["id"]) for row in found} == {
        (project.id, story_id) for project in world.projects.values() for story_id in project.stories
    }


@pytest.mark.parametrize("path", ["/epics", "/activity"])
def test_of_two_projects_with_one_name_the_problems_of_each_are_told(path: str, world: World, tmp_path: Path) -> None:
    first, second = world.projects.values()
    first.row["name"] = second.row["name"] = "foo"
    for project in (first, second):
        with TrackerServer(world, before=refusing(f"/projects/{project.id}{path}")) as server:
            ended = backup(server, tmp_path / "all.zip", "--no-files")
        assert ended.returncode == 1
        assert ended.stderr.startswith(f"foo ({project.id}): {path[1:]}")
        assert f"projects/{project.id}{path}: 403" in ended.stderr
        assert len(found_in(tmp_path / "all.zip")) == 40


@pytest.mark.parametrize("name", ["The projects", "The account"])
def test_a_project_may_be_called_as_the_lists_are(name: str, world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    project.row["name"] = name
    with TrackerServer(world, before=refusing(f"/projects/{project.id}/epics")) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{name}: epics, ")


@pytest.mark.parametrize("path", ["/accounts", "/memberships"])
def test_an_account_that_is_not_shown_is_no_loss(path: str, world: World, tmp_path: Path) -> None:
    def refuse(request: Request) -> Response | None:
        return refusing(path)(request) if "/accounts" in request.path else None

    with TrackerServer(world, before=refuse) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 0
    assert len(found_in(tmp_path / "all.zip")) == 40


def names_in(export: Path, *columns: str) -> set[str]:
    """The cells of these columns of all tables."""
    tables = (table(content) for name, content in members(export).items() if name.endswith(".csv") and "/" not in name)
    return {cell for rows in tables for row in rows for column in columns for cell in row.get(column, ())}


@pytest.mark.parametrize("attribute", ["username", "initials", None])
def test_people_without_a_name_are_not_lost(attribute: str | None, world: World, tmp_path: Path) -> None:
    people = {
        person_id: {"kind": "person", "id": person_id, **({attribute: f"p{person_id}"} if attribute else {})}
        for person_id in world.people
    }

    def shown(row: Row) -> Row:
        return {**row, **{name: people[row[name]["id"]] for name in ("person", "performed_by") if name in row}}

    with TrackerServer(world, before=with_rows(("/memberships", "/activity"), shown)) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert (ended.returncode, ended.stderr) == (0, "")
    owners = {
        owner for project in world.projects.values() for row in project.stories.values() for owner in row["owner_ids"]
    }
    found = names_in(tmp_path / "all.zip", "Owned By")
    assert found == {f"p{owner}" if attribute else f"Person {owner}" for owner in owners}
    assert "" not in names_in(tmp_path / "all.zip", "Performed By")
    again, _ = read_exports(sources_at(tmp_path / "all.zip"))
    assert sum(len(project.activity) for project in again.projects.values()) == sum(
        len(project.activity) for project in world.projects.values()
    )
    assert ("people whose names are not known" in ended.stdout) == (attribute is None)


def test_a_name_is_better_than_another_word_for_a_person(world: World, tmp_path: Path) -> None:
    def shown(row: Row) -> Row:
        return {**row, "person": {"id": row["person"]["id"], "initials": "XX"}}

    with TrackerServer(world, before=with_rows(("/memberships",), shown)) as server:
        backup(server, tmp_path / "all.zip", "--no-files")
    performers = {row["performed_by"]["id"] for project in world.projects.values() for row in project.activity}
    assert {world.people[person]["name"] for person in performers} <= {
        *names_in(tmp_path / "all.zip", "Requested By", "Owned By", "Performed By")
    }


class Rounds:
    """Counts how often the list of projects was asked for, and does something from one time on."""

    def __init__(self, first: int, then: Callable[[Request], Response | None]) -> None:
        self._first = first
        self._then = then
        self._asked = 0

    def __call__(self, request: Request) -> Response | None:
        self._asked += request.path.endswith("/projects")
        return self._then(request) if self._asked >= self._first else None


@pytest.mark.parametrize("first", [2, 5])
def test_a_project_that_appears_while_the_others_are_read_is_read_too(first: int, world: World, tmp_path: Path) -> None:
    stays, late = world.projects.values()
    del world.projects[late.id]
    by = world.tokens[SAMPLE_TOKEN]

    def appear(_: Request) -> None:
        world.projects[late.id] = late

    rounds = Rounds(first, appear)

    def change(request: Request) -> None:
        rounds(request)
        if request.path.endswith(f"/projects/{stays.id}/epics"):
            edits.move_story(world, stays, by, stays.order[-1], before=stays.order[0])

    with TrackerServer(world, before=change) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert f"{stays.row['name']}: people kept changing it while it was read" in ended.stderr
    assert len(found_in(tmp_path / "all.zip")) == 40


@pytest.mark.parametrize("code", ["invalid_authentication", "unauthorized_operation"])
def test_where_the_projects_cannot_be_looked_at_again_what_was_read_is_written(
    code: str, world: World, tmp_path: Path
) -> None:
    refused = json.dumps({"code": code, "kind": "error", "error": "no"}).encode()

    def refuse(request: Request) -> Response | None:
        is_refused = request.path.endswith("/projects")
        return Response(403, {"Content-Type": "application/json"}, refused) if is_refused else None

    with TrackerServer(world, before=Rounds(2, refuse)) as server:
        ended = backup(server, tmp_path / "all.zip")
    assert ended.returncode == 1
    assert "could not be looked at again" in ended.stderr
    assert members(tmp_path / "all.zip") == written(world)


@pytest.mark.parametrize("path", ["stories", "epics"])
def test_what_cannot_be_read_again_is_written_as_it_was(path: str, world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    stories = set(found_stories(world))
    by = world.tokens[SAMPLE_TOKEN]

    def change_and_refuse(request: Request) -> Response | None:
        if request.path.endswith("/projects"):
            edits.move_story(world, project, by, project.order[-1], before=project.order[0])
        return refusing(f"/projects/{project.id}/{path}")(request)

    with TrackerServer(world, before=Rounds(2, change_and_refuse)) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert f"{project.row['name']}: people changed it while it was read, and it could not be read again" in ended.stderr
    assert found_in(tmp_path / "all.zip") == stories
    again, _ = read_exports(sources_at(tmp_path / "all.zip"))
    assert sum(len(found.epics) for found in again.projects.values()) == 10


def found_stories(world: World) -> Iterator[int]:
    for project in world.projects.values():
        yield from project.stories


ODD: dict[str, tuple[str, Callable[[Row], Row]]] = {
    "a label without a name": ("/labels", lambda row: {**row, "name": None}),
    "a label of a story without a name": ("/stories", lambda row: {**row, "labels": [{"id": 5}]}),
    "labels that are no list": ("/stories", lambda row: {**row, "labels": "a"}),
    "a story without a type": ("/stories", lambda row: {**row, "story_type": None}),
    "a story of an unknown type": ("/stories", lambda row: {**row, "story_type": {"name": "bug"}}),
    "a story without a state": ("/stories", lambda row: {**row, "current_state": None}),
    "a story with an odd state": ("/stories", lambda row: {**row, "current_state": "lost"}),
    "an odd estimate": ("/stories", lambda row: {**row, "estimate": "many"}),
    "odd owners": ("/stories", lambda row: {**row, "owner_ids": ["Ann"]}),
    "an odd requester": ("/stories", lambda row: {**row, "requested_by_id": {"id": 5}}),
    "an odd day": ("/stories", lambda row: {**row, "deadline": "soon"}),
    "an odd description": ("/stories", lambda row: {**row, "description": ["a"]}),
    "a task without a text": ("/stories", lambda row: {**row, "tasks": [{"id": 7}]}),
    "an odd comment": ("/stories", lambda row: {**row, "comments": [{"id": 7, "text": 5}]}),
    "an odd review": ("/stories", lambda row: {**row, "reviews": [{"id": 7, "status": 5}]}),
    "an odd pull request": ("/stories", lambda row: {**row, "pull_requests": [{"id": 7}]}),
    "an odd branch": ("/stories", lambda row: {**row, "branches": [{"id": 7}]}),
    "an odd blocker": ("/stories", lambda row: {**row, "blockers": [{"id": 7, "description": None}]}),
    "an odd name of an epic": ("/epics", lambda row: {**row, "name": 5}),
    "an odd label of an epic": ("/epics", lambda row: {**row, "label": "a label"}),
    "an odd start of an iteration": ("/iterations", lambda row: {**row, "start": "soon"}),
    "odd stories of an iteration": ("/iterations", lambda row: {**row, "stories": [{"id": "5"}]}),
    "an odd line of history": ("/activity", lambda row: {**row, "occurred_at": "soon"}),
    "an odd message": ("/activity", lambda row: {**row, "message": 5}),
    "an odd thing in the history": ("/activity", lambda row: {**row, "primary_resources": ["a"]}),
    "an odd doer": ("/activity", lambda row: {**row, "performed_by": ["a"]}),
    "an odd length of iterations": ("/projects", lambda row: {**row, "iteration_length": "two"}),
    "an odd weekday": ("/projects", lambda row: {**row, "week_start_day": 1}),
    "an odd start of a project": ("/projects", lambda row: {**row, "start_time": "soon"}),
}


HARMLESS = (
    "an odd label of an epic",  # it is one by its name
    "an odd day", "an odd start of an iteration", "an odd start of a project",  # the log of the read says it
    "odd stories of an iteration",
)  # fmt: skip


@pytest.mark.sampled(3)
@pytest.mark.parametrize("what", ODD)
def test_a_row_of_an_odd_shape_costs_itself_alone(what: str, world: World, tmp_path: Path) -> None:
    path, change = ODD[what]
    changed: list[object] = []

    def change_the_first(row: Row) -> Row:
        key = row.get("id") or row.get("number") or row.get("guid")
        if not changed:
            changed.append(key)
        return change(row) if key == changed[0] else row

    with TrackerServer(world, before=with_rows((path,), change_the_first)) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert "Traceback" not in ended.stderr
    assert "left out: the server sent" not in ended.stderr
    assert len(found_in(tmp_path / "all.zip")) == 40
    names = tuple(f"{project.row['name']}: " for project in world.projects.values())
    assert ended.returncode == any(line.startswith(names) for line in ended.stderr.splitlines())
    assert ended.returncode or what in HARMLESS
    assert not ended.returncode or what not in HARMLESS


def test_what_is_not_understood_is_named_with_its_rows(world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    some = sorted(project.stories)[:5]

    def change(row: Row) -> Row:
        return {**row, "story_type": "wish"} if row["id"] in some else row

    with TrackerServer(world, before=with_rows(("/stories",), change)) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    (sentence,) = (line for line in ended.stderr.splitlines() if line.startswith(f"{project.row['name']}: story "))
    assert sentence.endswith(" and 2 more: story_type is not understood; written as feature.")
    assert sum(str(story_id) in sentence for story_id in some) == 3


def test_texts_of_any_length_and_estimates_are_read_again(world: World, tmp_path: Path) -> None:
    project = next(iter(world.projects.values()))
    first, second, third, *_ = project.order
    project.stories[first]["description"] = "long " * 400_000
    project.stories[second]["estimate"] = 12345678.123456
    project.stories[third]["estimate"] = 1e-07
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert (ended.returncode, ended.stderr) == (0, "")
    again, report = read_exports(sources_at(tmp_path / "all.zip"))
    assert (report.failures, report.findings) == ([], [])
    stories = {number: row for other in again.projects.values() for number, row in other.stories.items()}
    assert stories[first]["description"] == "long " * 400_000
    assert [stories[second]["estimate"], stories[third]["estimate"]] == [12345678.123456, 1e-07]


def test_a_project_that_is_written_and_cannot_be_read_again_is_a_loss(world: World, tmp_path: Path) -> None:
    first, second = world.projects.values()
    first.stories[first.order[0]]["description"] = "x" * 17_000_000
    second.stories[second.order[1]]["estimate"] = 1e-30
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert f"story {second.order[1]}: estimate is not understood; left out." in ended.stderr
    assert "It was written, but cannot be read: " in ended.stderr
    assert "a row of more than 16,777,216 bytes begins here" in ended.stderr
    assert found_in(tmp_path / "all.zip") == set(second.stories)


def test_what_an_export_cannot_say_is_said(world: World, tmp_path: Path) -> None:
    first = next(iter(world.projects.values()))
    label = next(iter(first.labels.values()))
    label["name"] = "red, blue"
    ids = sorted({owner for row in first.stories.values() for owner in row["owner_ids"]})[:2]
    for person_id in ids:
        world.people[person_id]["name"] = "Ann"
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"{first.row['name']}: labels with a comma in their names become several in an export: " in ended.stdout
    assert "'red, blue'" in ended.stdout
    assert f"2 people are called Ann (ids {ids[0]}, {ids[1]}); an export makes one of them.\n" in ended.stdout


def test_the_ids_of_projects_are_told_as_they_are_to_be_given(world: World, tmp_path: Path) -> None:
    for project, name in zip(world.projects.values(), ("My Shop", "my shop!"), strict=True):
        project.row["name"] = name
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    *_, for_serve, for_the_connector = ended.stdout.splitlines()
    options = shlex.split(for_serve.partition("note: ")[2])
    ids = json.loads("{" + for_the_connector.partition("note: ")[2] + "}")["export_project_ids"]
    assert options == [word for name, number in ids.items() for word in ("--project", f"{name}={number}")]
    again, _ = read_exports(sources_at(tmp_path / "all.zip"), ids)
    assert {project.id: set(project.stories) for project in again.projects.values()} == {
        project.id: set(project.stories) for project in world.projects.values()
    }


@pytest.mark.parametrize("content", [b"years of work", b"", b"PK\x05\x06" + bytes(18), packed({NAME: modern({})})])
def test_what_is_no_backup_is_never_overwritten(content: bytes, world: World, tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_bytes(content)
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "thesis.docx")
        assert server.log == []
    assert (ended.returncode, ended.stderr) == (1, f"{tmp_path / 'thesis.docx'} {NOT_OURS}\n")
    assert (tmp_path / "thesis.docx").read_bytes() == content


def test_it_looks_first_whether_it_can_write(world: World, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with TrackerServer(world) as server:
        ended = [backup(server, out) for out in (tmp_path, tmp_path / "no" / "all.zip", tmp_path / "file" / "all.zip")]
        assert server.log == []
    assert [(one.returncode, one.stderr) for one in ended] == [
        (1, f"{tmp_path} is a folder; name a new file.\n"),
        (1, f"Cannot write {tmp_path / 'no' / 'all.zip'}: No such file or directory.\n"),
        (1, f"Cannot write {tmp_path / 'file' / 'all.zip'}: Not a directory.\n"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_stays_one_and_leads_to_the_new_backup(world: World, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "all.zip").symlink_to(tmp_path / "disk" / "all.zip")
    with TrackerServer(world) as server:
        for _ in range(2):
            assert backup(server, tmp_path / "all.zip", "--no-files").returncode == 0
    assert (tmp_path / "all.zip").is_symlink()
    assert len(found_in(tmp_path / "disk" / "all.zip")) == 40


def test_a_device_that_keeps_nothing_ends_in_no_trace(world: World) -> None:
    with TrackerServer(world) as server:
        ended = backup(server, Path("/dev/null"))
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("stream", ["epics", "activity", "iterations", "labels", "memberships"])
def test_a_list_that_is_not_shown_is_a_loss_that_is_named(stream: str, world: World, tmp_path: Path) -> None:
    refused = {"code": "unauthorized_operation", "kind": "error", "error": "no"}

    def refuse(request: Request) -> Response | None:
        is_refused = request.path.endswith(f"/{stream}")
        return Response(403, {"Content-Type": "application/json"}, json.dumps(refused).encode()) if is_refused else None

    with TrackerServer(world, before=refuse) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert "cannot be read: projects/" in ended.stderr
    assert len(found_in(tmp_path / "all.zip")) == 40


@pytest.mark.parametrize("status", [403, 404])
def test_a_project_whose_stories_are_not_shown_is_left_out(status: int, world: World, tmp_path: Path) -> None:
    hidden, shown = world.projects.values()
    codes = {403: "unauthorized_operation", 404: "unfound_resource"}
    refused = json.dumps({"code": codes[status], "kind": "error", "error": "no"}).encode()

    def refuse(request: Request) -> Response | None:
        is_refused = f"/projects/{hidden.id}/stories" in request.path
        return Response(status, {"Content-Type": "application/json"}, refused) if is_refused else None

    with TrackerServer(world, before=refuse) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert f"{hidden.row['name']}: left out, because its stories cannot be read." in ended.stderr
    assert "1 projects, 20 stories" in ended.stdout
    assert found_in(tmp_path / "all.zip") == set(shown.stories)


def test_a_token_that_is_refused_in_the_middle_leaves_the_export_of_yesterday(world: World, tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(OF_YESTERDAY)
    *_, last = world.projects.values()
    refused = json.dumps({"code": "invalid_authentication", "kind": "error", "error": "no"}).encode()

    def refuse(request: Request) -> Response | None:
        is_refused = f"/projects/{last.id}/" in request.path
        return Response(403, {"Content-Type": "application/json"}, refused) if is_refused else None

    with TrackerServer(world, before=refuse) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert ended.returncode == 1
    assert (tmp_path / "all.zip").read_bytes() == OF_YESTERDAY


@pytest.mark.parametrize("name", ["../../evil", "..", "", "a/b.png", ".DS_Store", "Thumbs.db", "._x", None, "x\ny"])
def test_a_file_with_an_odd_name_is_read_again(name: str | None, world: World, tmp_path: Path) -> None:
    for project in world.projects.values():
        for owner in (*project.stories.values(), *project.epics.values()):
            for comment in owner["comments"]:
                for row in comment["file_attachments"]:
                    row["filename"] = name
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip")
    assert (ended.returncode, ended.stderr) == (0, "")
    again, report = read_exports(sources_at(tmp_path / "all.zip"))
    assert report.failures == []
    assert len(again.files) == len(world.files)


@pytest.mark.parametrize(
    "names", [("foo", "foo history"), ("foo", "Foo"), ("2 foo", "foo"), ("foo", "foo"), ("Fó!", "ß"), ("", "  ")]
)
def test_projects_with_names_that_are_alike_are_told_apart(
    names: tuple[str, str], world: World, tmp_path: Path
) -> None:
    for project, name in zip(world.projects.values(), names, strict=True):
        project.row["name"] = name
    with TrackerServer(world) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert (ended.returncode, ended.stderr) == (0, "")
    again, report = read_exports(sources_at(tmp_path / "all.zip"))
    assert (report.failures, report.finding_count) == ([], 0)
    found = sorted((len(project.stories), len(project.activity)) for project in again.projects.values())
    assert found == sorted((len(project.stories), len(project.activity)) for project in world.projects.values())


@pytest.mark.parametrize(
    "zone",
    ["Pacific Time (US & Canada)", {"olson_name": "Mars/Base"}, {"olson_name": None}, {"olson_name": "../x"}, None],
)
def test_a_time_zone_that_is_none_costs_nothing(zone: object, world: World, tmp_path: Path) -> None:
    with TrackerServer(world, before=with_attribute("/projects", "time_zone", zone)) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(found_in(tmp_path / "all.zip")) == 40


@pytest.mark.parametrize(
    ("path", "attribute", "value"),
    [
        ("/memberships", "person", "Ann"), ("/memberships", "person", {"name": "Ann"}),
        ("/activity", "performed_by", "Ann"), ("/activity", "occurred_at", None),
        ("/activity", "primary_resources", None), ("/stories", "labels", ["a"]),
        ("/stories", "labels", [{"name": "a"}]), ("/projects", "name", None),
    ],
)  # fmt: skip
def test_rows_of_an_odd_shape_end_in_no_trace_and_cost_no_story(
    path: str, attribute: str, value: object, world: World, tmp_path: Path
) -> None:
    with TrackerServer(world, before=with_attribute(path, attribute, value)) as server:
        ended = backup(server, tmp_path / "all.zip", "--no-files")
    assert "Traceback" not in ended.stderr
    assert len(found_in(tmp_path / "all.zip")) == 40


def with_attribute(path: str, attribute: str, value: object) -> Callable[[Request], Response | None]:
    """Lets the rows of a list have this attribute, by way of a server that has them as they are."""
    return with_rows((path,), lambda row: {**row, attribute: value})


def with_rows(paths: tuple[str, ...], change_row: Callable[[Row], Row]) -> Callable[[Request], Response | None]:
    """The same for any change of a row."""
    inner = TrackerApi(make_world(2, 20, 1))

    def change(request: Request) -> Response | None:
        if not request.path.endswith(paths):
            return None
        answer = inner.handle(request)
        if answer.status != 200:
            return None
        rows = [change_row(row) for row in json.loads(answer.body)]
        headers = {name: text for name, text in answer.headers.items() if name.lower() != "content-length"}
        return Response(200, headers, json.dumps(rows).encode())

    return change


@pytest.mark.parametrize("asked", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], ids=lambda asked: asked.name)
def test_a_backup_that_is_stopped_leaves_nothing_behind(asked: signal.Signals, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    environment = {**os.environ, "TRACKER_API_TOKEN": "a" * 32, "TMPDIR": str(tmp_path / "parts")}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/services/v5"
        program = [sys.executable, "-m", "tracker_server", "backup", "--api-url", url, str(tmp_path / "b.zip")]
        with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=environment) as process:
            silent.settimeout(60)
            connection, _ = silent.accept()
            assert [path.name[:7] for path in (tmp_path / "parts").iterdir()] == ["backup-"]
            process.send_signal(asked)
            _, errors = process.communicate(timeout=60)
            connection.close()
    assert (process.returncode, errors) == (128 + asked, "Stopped before the end.\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["parts"]
