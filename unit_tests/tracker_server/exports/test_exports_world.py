"""From files to what the server tells: iterations, versions, several exports, and what an export does not tell."""

from __future__ import annotations

import io
import os
import re
import zipfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from tracker_server.api.resources import RESOURCES
from tracker_server.api.routes import OF_A_PERSON, OF_A_PROJECT
from tracker_server.exports import ExportError, Source, sources_at
from tracker_server.exports.unavailable import UNAVAILABLE_ATTRIBUTES, UNAVAILABLE_ENDPOINTS
from unit_tests.tracker_server.exports.exported import NAME, Served, modern, packed, served, source

FIRST = {"Iteration": "1", "Iteration Start": "Nov 3, 2014", "Iteration End": "Nov 16, 2014"}
SECOND = {"Iteration": "2", "Iteration Start": "Nov 17, 2014", "Iteration End": "Nov 23, 2014"}
FOURTH = {"Iteration": "4", "Iteration Start": "Dec 1, 2014", "Iteration End": "Dec 7, 2014"}
FIFTH = {"Iteration": "5", "Iteration Start": "Dec 8, 2014", "Iteration End": "Dec 14, 2014"}


def accepted(day: str, **cells: str) -> dict[str, str]:
    return {"Current State": "accepted", "Accepted at": day, "Estimate": "2", **cells}


PLANNED = (
    accepted("Nov 17, 2014", **FIRST),  # the zone of the project made it another day
    accepted("Nov 20, 2014", **SECOND),
    accepted("Dec 2, 2014", **FOURTH),
    {"Current State": "started", **FOURTH},
    {"Current State": "unstarted", **FIFTH},
    {"Current State": "unscheduled"},
)


def test_the_iterations_are_those_of_the_export() -> None:
    exported = served(modern(*PLANNED), "a.csv")
    rows = exported.get("{p}/iterations", fields="number,length,start,finish,story_ids,points,accepted_points")
    iterations = [
        (row["number"], row["length"], row["start"][:10], row["finish"][:10], row["story_ids"]) for row in rows
    ]
    assert iterations == [
        (1, 2, "2014-11-03", "2014-11-17", [1000]),
        (2, 1, "2014-11-17", "2014-11-24", [1001]),
        (3, 1, "2014-11-24", "2014-12-01", []),
        (4, 1, "2014-12-01", "2014-12-08", [1002, 1003]),
        (5, 1, "2014-12-08", "2014-12-15", [1004]),
    ]
    assert [row["accepted_points"] for row in rows] == [2, 2, 0, 2, 0]
    project = exported.get("{p}")
    assert (project["current_iteration_number"], project["iteration_length"]) == (4, 1)
    assert (project["start_date"], project["week_start_day"]) == ("2014-11-03", "Monday")


def test_the_start_of_a_project_is_told_only_by_its_first_iteration() -> None:
    project = served(modern({"Current State": "started", **FOURTH})).get("{p}")
    assert (project["iteration_length"], project["week_start_day"]) == (1, "Monday")
    assert project.keys().isdisjoint({"start_date", "start_time"})


def test_iterations_without_days_show_no_settings() -> None:
    project = served(modern({"Current State": "started", "Iteration": "4"})).get("{p}")
    assert (project["current_iteration_number"], "iteration_length" in project) == (4, False)


def test_an_accepted_story_without_a_date_is_in_the_iteration_that_its_row_names() -> None:
    exported = served(modern({**PLANNED[0], "Accepted at": ""}, *PLANNED[1:]))
    assert exported.get("{p}/iterations")[0]["stories"][0]["id"] == 1000
    assert "accepted_at" not in exported.stories()[0]


def test_without_iterations_there_are_weeks_with_what_was_accepted_in_them() -> None:
    exported = served(modern(accepted("Nov 28, 2014"), {"Current State": "started"}), "a.csv")
    rows = exported.get("{p}/iterations", fields="number,start,story_ids")
    assert [(row["number"], row["start"][:10], row["story_ids"]) for row in rows] == [
        (1, "2014-11-17", []), (2, "2014-11-24", [1000, 1001]),
    ]  # fmt: skip
    assert exported.get("{p}").keys() == {"id", "kind", "name", "version", "current_iteration_number"}


@pytest.mark.parametrize(
    ("rows", "name", "moment"),
    [
        ([{}], "a.csv", "2014-11-22"),
        ([{"Comment": "Hm (Ann - Dec 24, 2014)"}], "a.csv", "2014-12-24"),
        ([{}], "a_20250401_1212.csv", "2025-04-01"),
        ([{"Current State": "started", **FIFTH}], "a.csv", "2014-12-08"),
        ([{"Created at": ""}], "a.csv", "2025-04-30"),
    ],
    ids=["the last day", "of a comment", "in the name", "of the iteration in work", "when Tracker closed"],
)
def test_the_time_is_that_of_the_export(rows: list[dict[str, str]], name: str, moment: str) -> None:
    assert f"{served(modern(*rows), name).world.now:%Y-%m-%d}" == moment


def test_each_project_stands_at_the_time_of_its_own_export() -> None:
    later = {"Current State": "started", "Created at": "Jan 5, 2020"}
    exported = Served(source(modern(*PLANNED), "a.csv"), source(modern(later), "b.csv"))
    numbers = {row["name"]: row["current_iteration_number"] for row in exported.get("/projects")}
    assert numbers == {"a": 4, "b": 1}
    assert exported.world.now == datetime(2020, 1, 5, tzinfo=UTC)


CHANGES: list[dict[str, Any]] = [
    {"Title": "Other"}, {"Labels": "x"}, {"Estimate": "3"}, {"Current State": "started"}, {"Owned By": "Bob"},
    {"Requested By": "Bob"}, {"Description": "x"}, {"URL": "https://x"}, {"Deadline": "Dec 1, 2014"},
    {"Priority": "p1 - High"}, {"Created at": "Nov 21, 2014"}, {"Comment": "x (Ann - Nov 22, 2014)"}, {"Task": "x"},
    {"Blocker": "x"}, {"Review Type": "x"}, {"Pull Request": "x"}, {"Git Branch": "x"}, {"Type": "epic"}, FIRST,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_the_version_of_a_project_moves_with_whatever_changes(change: dict[str, Any]) -> None:
    def version(*rows: Any) -> int:
        return int(served(modern(*rows)).get("{p}")["version"])

    assert version({}, {}) != version(change, {})
    assert version(change, {}) != version({}, change)
    assert 0 < version(change) < 2**53


def test_the_version_is_the_same_for_the_same_content_however_it_is_written() -> None:
    content = modern(*PLANNED)
    lines = content.decode().splitlines(keepends=True)
    written = [
        content, b"\xef\xbb\xbf" + content, content.replace(b"\n", b"\r\n"), content.replace(b",,,,\n", b"\n"),
        "".join([*lines[:1], *lines[-1:], *lines[1:-1]]).encode(),
    ]  # fmt: skip
    versions = {served(content).get("{p}")["version"] for content in written}
    packed_version = served(packed({NAME: content}), "my_project_20250401_1212.zip").get("{p}")["version"]
    assert versions == {packed_version}


def test_the_version_moves_with_the_bytes_of_files() -> None:
    versions = {
        served(packed({NAME: modern({}), path: content}), "a.zip").get("{p}")["version"]
        for path, content in (("1000/a", b"x"), ("1000/a", b"y"), ("1000/b", b"x"), ("a/b", b""))
    }
    assert len(versions) == 4


def test_the_newest_of_several_exports_of_a_project_is_served() -> None:
    old = source(modern({"Title": "Old"}), "p_20240101_0000.csv")
    new = source(modern({"Title": "New", "Comment": "x (Ann - Dec 1, 2024)"}), "p (1).csv")
    for sources in ([old, new], [new, old]):
        exported = Served(*sources)
        assert exported.story()["name"] == "New"
        assert exported.findings == ["p_20240101_0000.csv: not served: p (1).csv is a newer export of 'p'"]


def test_an_id_for_a_project_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"There is no project 'shop'; there are 'my_project'\."):
        Served(source(modern({})), shop=1)


def test_one_id_for_two_projects_is_an_error() -> None:
    with pytest.raises(ExportError, match="Several projects have the id 1"):
        Served(source(modern({}), "a.csv"), source(modern({}), "b.csv"), a=1, b=1)


def test_each_endpoint_that_is_unavailable_is_one_and_says_so() -> None:
    exported = served(modern({}))
    named = {
        template: getattr(endpoint, "__name__", "")
        for template, endpoint in [*OF_A_PERSON.items(), *OF_A_PROJECT.items()]
    }
    assert UNAVAILABLE_ENDPOINTS.keys() <= set(named.values())
    paths = {name: template for template, name in named.items() if name in UNAVAILABLE_ENDPOINTS}
    assert paths.keys() == UNAVAILABLE_ENDPOINTS.keys()
    for name, path in paths.items():
        project = "" if path in OF_A_PERSON else "{p}"
        found = re.sub(r"<int:\w+>", "1", project.format(p=f"/projects/{exported.project_id}") + path)
        error = orjson.loads(exported.respond(found).body)
        assert (error["code"], error["general_problem"]) == ("route_not_found", UNAVAILABLE_ENDPOINTS[name])


def test_every_attribute_that_is_unavailable_is_one() -> None:
    for attribute in UNAVAILABLE_ATTRIBUTES:
        kind, _, name = attribute.partition(".")
        assert name in RESOURCES[kind].attributes


def test_what_an_export_does_not_tell_of_a_story_is_left_out() -> None:
    row = served(modern({})).story(":default,follower_ids,transitions,cycle_time_details,comments(google_attachments)")
    assert row == {
        "kind": "story", "id": 1000, "project_id": row["project_id"], "name": "Story 0", "story_type": "feature",
        "current_state": "unscheduled", "created_at": "2014-11-22T00:00:00Z", "updated_at": "2014-11-22T00:00:00Z",
        "owner_ids": [], "labels": [], "comments": [],
    }  # fmt: skip


def test_the_members_of_a_project_are_the_people_that_its_rows_name() -> None:
    exported = served(modern({"Owned By": "Bob", "Requested By": "Ann", "Reviewer": "Zoë", "Review Type": "Code"}))
    rows = exported.get("{p}/memberships", sort_by="name")
    assert [row["person"] for row in rows] == [
        {"kind": "person", "id": row["person"]["id"], "name": name}
        for row, name in zip(rows, ("Ann", "Bob", "Zoë"), strict=True)
    ]
    assert all(row.keys() == {"kind", "id", "project_id", "person"} for row in rows)


def test_the_reader_is_made_up_and_a_member_of_nothing() -> None:
    exported = served(modern({}))
    me = exported.get("/me")
    assert (me["name"], "api_token" in me) == ("Reader of the export", False)
    assert [row["project_name"] for row in me["projects"]] == ["my_project"]
    assert exported.get("{p}/memberships") == []


def test_a_story_and_an_epic_are_found_without_their_project() -> None:
    exported = Served(
        source(modern({"Id": "1"}, {"Id": "2", "Type": "epic"}), "a.csv"), source(modern({"Id": "3"}), "b.csv")
    )
    assert exported.get("/stories/3")["name"] == "Story 0"
    assert exported.get("/epics/2")["name"] == "Story 1"
    assert exported.respond("/stories/2").status == 404


def test_files_of_an_epic_hang_on_a_comment_of_it() -> None:
    exported = served(packed({NAME: modern({"Type": "epic"}), "1000/plan.pdf": b"PDF"}), "a.zip")
    (epic,) = exported.get("{p}/epics", fields="comments(:default,file_attachments)")
    (comment,) = epic["comments"]
    assert (comment["epic_id"], comment["file_attachments"][0]["filename"]) == (1000, "plan.pdf")


def test_files_of_no_story_are_reported() -> None:
    exported = served(packed({NAME: modern({}), "7/a.png": b"", "notes.txt": b"", "__MACOSX/7/._a.png": b""}), "a.zip")
    assert sorted(exported.findings) == [
        "a.zip/7/a.png: left out: no row has the number 7",
        "a.zip/notes.txt: not read: it is neither a CSV nor a ZIP, and not in the folder of a story",
        "a.zip: 1 entry of an operating system; not read",
    ]


def test_two_files_of_one_story_with_one_name_are_two() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = packed_twice("1000/a.txt", b"x", b"yy")
    exported = served(content, "a.zip")
    (comment,) = exported.story("comments(file_attachments)")["comments"]
    files = comment["file_attachments"]
    assert [file["size"] for file in files] == [1, 2]
    assert [_content(exported, file["download_url"]) for file in files] == [b"x", b"yy"]


def packed_twice(path: str, first: bytes, second: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(NAME, modern({}))
        archive.writestr(path, first)
        archive.writestr(path, second)
    return out.getvalue()


def _content(exported: Served, path: str) -> bytes:
    response = exported.respond(path)
    assert response.file is not None
    with response.file as file:
        return file.read()


def test_a_project_that_is_not_in_memory_is_read_again() -> None:
    names = {f"p{n}": f"In {n}" for n in range(6)}
    many = [source(modern({"Title": name, "Id": p[1:]}), f"{p}.csv") for p, name in names.items()]
    exported = Served(*many, most_in_memory=2)
    for _ in range(2):
        for row in exported.get("/projects"):
            (story,) = exported.get(f"/projects/{row['id']}/stories")
            assert (story["name"], story["project_id"]) == (names[row["name"]], row["id"])
    assert exported.get("/stories/5")["name"] == "In 5"


def test_a_project_that_has_changed_since_it_was_read_is_an_error() -> None:
    def now(name: str) -> io.BytesIO:
        return io.BytesIO(contents[name])

    contents = {"a.csv": modern({}), "b.csv": modern({"Id": "5"})}
    exported = Served(*(Source(name, partial(now, name)) for name in contents), most_in_memory=1)
    contents["a.csv"] = modern({"Title": "New"})
    response = exported.respond("/stories/1000")
    problem = orjson.loads(response.body)["general_problem"]
    assert (response.status, problem) == (500, "a.csv has changed or is damaged since it was opened")


@pytest.mark.parametrize("size", [0, 60])
def test_a_project_whose_zip_was_cut_off_is_an_error(size: int, tmp_path: Path) -> None:
    for name, row in (("a", {"Id": "4"}), ("b", {"Id": "5"})):
        (tmp_path / f"{name}.zip").write_bytes(packed({f"{name}.csv": modern(row)}))
    exported = Served(*sources_at(tmp_path), most_in_memory=1)
    os.truncate(tmp_path / "a.zip", size)
    os.truncate(tmp_path / "b.zip", size)
    problems = [
        orjson.loads(response.body)["general_problem"]
        for number in (4, 5)
        if (response := exported.respond(f"/stories/{number}")).status == 500
    ]
    (problem,) = problems
    assert re.fullmatch(
        r"([ab])[.]zip/\1[.]csv has changed or is damaged since it was opened: \1[.]zip/\1[.]csv is damaged"
        r" [(]File is not a zip file[)]: download or copy it again",
        problem,
    )


def test_a_project_whose_file_is_gone_is_an_error(tmp_path: Path) -> None:
    for name, row in (("a.csv", {"Id": "4"}), ("b.csv", {"Id": "5"})):
        (tmp_path / name).write_bytes(modern(row))
    exported = Served(*(Source.of(tmp_path / name) for name in ("a.csv", "b.csv")), most_in_memory=1)
    (tmp_path / "a.csv").unlink()
    response = exported.respond("/stories/4")
    problem = orjson.loads(response.body)["general_problem"]
    assert (response.status, problem) == (
        500,
        "a.csv has changed or is damaged since it was opened: a.csv cannot be read: No such file or directory",
    )
