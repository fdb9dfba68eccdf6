"""What lies at a place: one rule for ZIPs, folders and what is in them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import orjson
import pytest

from tracker_server.api.tracker_api import TrackerApi
from tracker_server.exports import ExportError, ExportReport, inspect, read_exports, sources_at
from tracker_server.http_message import Request
from tracker_server.world import World
from unit_tests.tracker_server.exports.exported import ATTACHED, FILES, NAME, ZIP, below, laid, modern, packed

TOLD = [
    "1003/of nobody.png: left out: no row has the number 1003",
    "notes.md: not read: it is neither a CSV nor a ZIP, and not in the folder of a story",
]


SHAPES: dict[str, Callable[[Path], Path]] = {
    "a ZIP": lambda folder: laid(folder, {ZIP: packed(FILES)}) / ZIP,
    "a folder with the ZIP": lambda folder: laid(folder, {ZIP: packed(FILES)}),
    "the ZIP unpacked": lambda folder: laid(folder, FILES),
    "a folder with the unpacked ZIP": lambda folder: laid(folder, below("my_project_20250401_1212", FILES)),
    "by year and number": lambda folder: laid(folder, below("2025/1027488", FILES)),
    "a packed folder": lambda folder: laid(folder, {"backup.zip": packed(below("2025/my_project", FILES))}),
    "a ZIP in a ZIP": lambda folder: laid(folder, {"all.zip": packed({"2025/my_project.zip": packed(FILES)})}),
}  # fmt: skip
every_shape = pytest.mark.parametrize("shape", SHAPES)


def found(place: Path) -> tuple[World, ExportReport]:
    return read_exports(sources_at(place))


def attached(world: World) -> dict[str, bytes]:
    contents = {}
    for file in world.files.values():
        with file.open() as opened:
            contents[file.filename] = opened.read()
            assert file.size == len(contents[file.filename])
    return contents


@every_shape
def test_in_every_shape_the_same_rows_files_and_findings_come_of_it(shape: str, tmp_path: Path) -> None:
    world, report = found(SHAPES[shape](tmp_path))
    (project,) = world.projects.values()
    assert (project.row["name"], list(project.stories), list(project.epics)) == ("my_project", [1000, 1001], [1002])
    assert attached(world) == ATTACHED
    assert report.failures == []
    lines = [str(finding) for finding in report.findings]
    of_the_system = [line for line in lines if "operating system" in line]
    others = [line for line in lines if line not in of_the_system]
    assert sorted(line[line.index(own) :] for line in others for own in TOLD if line.endswith(own)) == TOLD
    assert len(others) == len(TOLD)
    assert sum(int(words.rpartition(": ")[2].split()[0]) for words in of_the_system) in (4, 5)


@every_shape
def test_inspect_finds_in_every_shape_what_is_read(shape: str, tmp_path: Path) -> None:
    place = SHAPES[shape](tmp_path)
    findings: list[str] = []
    (summary,) = inspect(sources_at(place), lambda finding: findings.append(str(finding)))
    _, report = found(place)
    assert [summary] == report.served
    assert findings == [str(finding) for finding in report.findings]


FOLDERS = {
    "a year beside the newest": {"p_20250101_0000.csv": modern({}), "2023/p_20230101_0000.csv": modern({"Id": "7"})},
    "a year with a ZIP": {"p_20250101_0000.csv": modern({}), "2023/p.zip": packed({"p.csv": modern({"Id": "7"})})},
    "a number of a project": {"1027488/p.csv": modern({}), "1027488/more/p.csv": modern({"Id": "7"})},
    "an unpacked one with its ZIP": {
        "p_20250101_0000.zip": packed({"p_20250101_0000.csv": modern({}, {"Id": "7"})}),
        "p_20250101_0000/p_20250101_0000.csv": modern({}, {"Id": "7"}),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_called_by_a_number_is_a_storys_only_where_a_csv_says_so(name: str, tmp_path: Path) -> None:
    world, report = found(laid(tmp_path, FOLDERS[name]))
    assert [sorted(project.stories) for project in world.projects.values()] == [[7, 1000]]
    assert (report.failures, world.files) == ([], {})


def test_a_story_folder_that_lies_apart_from_the_csv_is_the_storys(tmp_path: Path) -> None:
    world, report = found(laid(tmp_path, {"csv/p.csv": modern({}), "files/1000/a.png": b"A"}))
    assert (attached(world), report.findings) == ({"a.png": b"A"}, [])


def test_each_project_of_a_folder_has_the_files_that_lie_with_it(tmp_path: Path) -> None:
    files = {
        "one/one.csv": modern({"Id": "1"}), "one/1/a.png": b"one", "other/other.csv": modern({"Id": "2"}),
        "other/2/a.png": b"other", "other/1/of one.png": b"",
    }  # fmt: skip
    world, report = found(laid(tmp_path, files))
    by_project = {
        project.row["name"]: [
            file["filename"] for comment in row["comments"] for file in comment.get("file_attachments", ())
        ]
        for project in world.projects.values()
        for row in project.stories.values()
    }
    assert by_project == {"one": ["a.png", "of one.png"], "other": ["a.png"]}
    assert [str(finding) for finding in report.findings] == []


SYSTEM = (
    ".DS_Store", "._a.csv", "Thumbs.db", "thumbs.db", "desktop.ini", "__MACOSX/a.csv", "Icon\r", ".Trash/a.csv",
    "~$my_project.csv", ".~lock.my_project.csv#", "my_project.csv~", "lost+found/a.csv", "@eaDir/a.csv", ".git/a.csv",
)  # fmt: skip


@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("is_packed", [False, True], ids=["in a folder", "in a ZIP"])
def test_what_a_system_puts_there_is_no_export_and_no_file_of_a_story(
    name: str, tmp_path: Path, *, is_packed: bool
) -> None:
    files = {NAME: modern({}), name: b"\0\5\26\7" + bytes(90), f"1000/{name}": b"x"}
    place = laid(tmp_path, {"a.zip": packed(files)} if is_packed else files)
    world, report = found(place)
    assert ([len(project.stories) for project in world.projects.values()], world.files) == ([1], {})
    assert report.failures == []
    assert all("operating system" in str(finding) for finding in report.findings)


BAD: dict[str, Mapping[str, bytes]] = {
    "a ZIP that is cut short": {"bad.zip": packed({"bad.csv": modern({})})[:-30]},
    "a ZIP with nothing but its beginning": {"bad.zip": packed({"bad.csv": modern({})})[:60] + bytes(99)},
    "a CSV with an open quote": {"bad.csv": modern({}) + b'5,"open\n'},
    "a CSV in Latin-1": {"bad.csv": modern({"Title": "Größe"}).decode().encode("latin-1")},
    "a CSV in UTF-16": {"bad.csv": modern({}).decode().encode("utf-16")},
    "an empty CSV": {"bad.csv": b""},
    "a ZIP that leads out": {"bad.zip": packed({"../bad.csv": modern({})})},
}  # fmt: skip
every_bad_file = pytest.mark.parametrize("name", BAD)


@every_bad_file
@pytest.mark.parametrize("folder", ["", "2023/", "packed"])
def test_a_file_that_cannot_be_read_costs_its_project_and_no_other(name: str, folder: str, tmp_path: Path) -> None:
    files = BAD[name]
    bad = {"more.zip": packed(files)} if folder == "packed" else {f"{folder}{path}": files[path] for path in files}
    good = {"good.csv": modern({}), "bad_20240101_0000.csv": modern({"Id": "7"})}
    world, report = found(laid(tmp_path, {**good, **bad}))
    assert [project.row["name"] for project in world.projects.values()] == ["good"]
    words = [failure.words for failure in report.failures]
    assert next(iter(files)) in words[0]
    also = "bad_20240101_0000.csv: not read, because a file of 'bad' that cannot be read may be newer."
    assert words[1:] in ([], [also])
    errors = [
        str(outcome) for outcome in inspect(sources_at(tmp_path), lambda _: None) if isinstance(outcome, ExportError)
    ]
    assert sorted(errors) == sorted(words)


@every_bad_file
def test_where_nothing_can_be_read_that_is_the_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="bad"):
        found(laid(tmp_path, {"bad/" + path: content for path, content in BAD[name].items()}))


def test_a_damaged_zip_of_several_projects_costs_those_that_an_older_one_of_its_name_holds(tmp_path: Path) -> None:
    whole = packed({"one.csv": modern({"Id": "1"}), "two.csv": modern({"Id": "2"})})
    files = {"all_20240101_0000.zip": whole, "all_20250101_0000.zip": whole[:-20], "three.csv": modern({"Id": "3"})}
    world, report = found(laid(tmp_path, files))
    assert [project.row["name"] for project in world.projects.values()] == ["three"]
    assert [failure.file for failure in report.failures] == [
        "all_20250101_0000.zip", "all_20240101_0000.zip/one.csv", "all_20240101_0000.zip/two.csv",
    ]  # fmt: skip


NOBODY = 65_534


@pytest.fixture
def no_root() -> Iterator[Path]:
    """A folder for somebody who is not root, as whom the test runs: nothing is closed to root."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        was = os.geteuid()
        if was == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield place
        os.seteuid(was)


@pytest.mark.parametrize("closed", ["closed", "2023", "p.csv"])
def test_what_may_not_be_looked_into_is_a_failure(no_root: Path, closed: str) -> None:
    laid(
        no_root,
        {"q.csv": modern({}), f"{closed}/q.csv": modern({})}
        if closed != "p.csv"
        else {"q.csv": modern({}), closed: b""},
    )
    (no_root / closed).chmod(0)
    world, report = found(no_root)
    (no_root / closed).chmod(0o700)
    assert [failure.words for failure in report.failures] == [f"{closed} cannot be read: Permission denied."]
    assert [project.row["name"] for project in world.projects.values()] == ["q"]


def test_a_place_that_may_not_be_looked_into_is_an_error(no_root: Path) -> None:
    laid(no_root, {"closed/q.csv": modern({})})
    (no_root / "closed").chmod(0)
    with pytest.raises(ExportError, match=r"closed cannot be read: Permission denied\."):
        found(no_root / "closed")
    (no_root / "closed").chmod(0o700)


def test_links_are_followed_and_a_folder_is_read_once(tmp_path: Path) -> None:
    laid(tmp_path, {"there/p.csv": modern({}), "place/q.csv": modern({"Id": "7"})})
    place = tmp_path / "place"
    (place / "link").symlink_to(tmp_path / "there")
    (place / "circle").symlink_to(place)
    (place / "nowhere.csv").symlink_to(place / "missing.csv")
    world, report = found(place)
    assert sorted(project.row["name"] for project in world.projects.values()) == ["p", "q"]
    assert [failure.words for failure in report.failures] == ["nowhere.csv cannot be read: No such file or directory."]


TEXTS = {"tabs.txt": "\t", "tabs.tsv": "\t", "semicolons.csv": ";", "commas.txt": ","}


@pytest.mark.parametrize("name", TEXTS)
def test_what_a_spreadsheet_calls_a_text_is_read(name: str, tmp_path: Path) -> None:
    rows = ["Id", "Title", "Type", "Description"], ["7", "A story", "bug", '"two\nlines"']
    content = "".join(TEXTS[name].join(row) + "\r\n" for row in rows).encode()
    world, report = found(laid(tmp_path, {name: b"\xef\xbb\xbf" + content, "notes.txt": b"Hello, world"}))
    (project,) = world.projects.values()
    assert [(row["id"], row["story_type"], row["description"]) for row in project.stories.values()] == [
        (7, "bug", "two\nlines")
    ]
    assert [str(finding) for finding in report.findings] == [
        "notes.txt: not read: it is neither a CSV nor a ZIP, and not in the folder of a story"
    ]


def test_excels_line_about_the_separator_is_no_header(tmp_path: Path) -> None:
    world, report = found(laid(tmp_path, {"a.csv": b"sep=;\r\nId;Title\r\n7;A\r\n;\r\n8;B;C\r\n"}))
    (project,) = world.projects.values()
    assert list(project.stories) == [7, 8]
    assert [str(finding) for finding in report.findings] == [
        "a.csv, line 5: 1 cells are beyond the last column; left out"
    ]


def test_a_folder_of_other_things_holds_no_export(tmp_path: Path) -> None:
    laid(tmp_path, {"users.csv": b"name,mail\nAnn,a@b.example\n", "b/notes.txt": b"", "c.zip": packed({"a.md": b""})})
    with pytest.raises(ExportError, match="no CSV with stories in it"):
        found(tmp_path)


NOT_UNDERSTOOD: dict[str, bytes] = {
    "p_20250101_0000.csv": b"name,mail\nAnn,a@b.example\n",
    "p_20250101_0000.txt": modern({}).decode().replace(",", "\t").encode("utf-16"),
    "p (1).csv": b"a,b\n",
    "q_20250101_0000.csv": b"a,b\n",
}


@pytest.mark.parametrize("name", NOT_UNDERSTOOD)
def test_what_is_called_like_an_export_and_cannot_be_read_as_one_is_a_failure(name: str, tmp_path: Path) -> None:
    laid(tmp_path, {"p_20240101_0000.csv": modern({}), "good.csv": modern({}), name: NOT_UNDERSTOOD[name]})
    world, report = found(tmp_path)
    assert name in report.failures[0].words
    expected = {"good"} if name.startswith("p") else {"good", "p"}
    assert {project.row["name"] for project in world.projects.values()} == expected


ABOVE = {"a blank row": b",,,\n", "a title": b"My project,,,\n\n", "pipes": b""}


@pytest.mark.parametrize("name", ABOVE)
def test_a_header_may_stand_below_a_title_and_cells_between_pipes(name: str, tmp_path: Path) -> None:
    day = {"Created at": "2014-11-22"}
    content = ABOVE[name] + modern(day, day)
    world, report = found(laid(tmp_path, {"p.csv": content if name != "pipes" else content.replace(b",", b"|")}))
    (project,) = world.projects.values()
    assert (list(project.stories), len(report.findings)) == ([1000, 1001], int(name == "a title"))


def test_a_bad_file_in_a_zip_costs_no_other_of_that_zip(tmp_path: Path) -> None:
    bad = {
        "alpha.csv": modern({}).decode().encode("utf-16"),
        "mid.csv": modern({}) + b'5,"open',
        "beta.csv": modern({}),
    }
    world, report = found(laid(tmp_path, {"all.zip": packed(bad), "zeta.csv": modern({})}))
    assert {project.row["name"] for project in world.projects.values()} == {"beta", "zeta"}
    assert {failure.file for failure in report.failures} == {"all.zip/alpha.csv", "all.zip/mid.csv"}


@pytest.mark.parametrize("way", ["cut short", "encrypted"])
def test_a_zip_that_cannot_be_read_spoils_the_projects_whose_csvs_it_has(way: str, tmp_path: Path) -> None:
    content = bytearray(packed({"alpha_20250101_0000.csv": modern({}), "beta_20250101_0000.csv": modern({})}))
    if way == "encrypted":
        for start, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            content[content.index(start) + place] |= 1
    files = {
        "backup.zip": bytes(content[:-30] if way == "cut short" else content),
        "alpha_20240101_0000.csv": modern({}),
    }
    world, report = found(laid(tmp_path, {**files, "good.csv": modern({})}))
    assert {project.row["name"] for project in world.projects.values()} == {"good"}
    assert [failure.file for failure in report.failures] == ["backup.zip", "alpha_20240101_0000.csv"]


APART: dict[str, dict[str, bytes]] = {
    "below a folder with another CSV": {
        "p.csv": modern({}),
        "files/q.csv": modern({"Id": "7"}),
        "files/1000/a.png": b"A",
    },
    "below a year": {"p.csv": modern({}), "2024/1000/a.png": b"A"},
    "with another project": {"p/p.csv": modern({}), "q/q.csv": modern({"Id": "7"}), "q/1000/a.png": b"A"},
}


@pytest.mark.parametrize("name", APART)
def test_a_file_of_a_story_is_found_wherever_its_folder_lies(name: str, tmp_path: Path) -> None:
    world, report = found(laid(tmp_path, APART[name]))
    assert (attached(world), report.findings) == ({"a.png": b"A"}, [])


@pytest.mark.parametrize("ending", [".csv", ".txt", ".zip"])
def test_an_export_in_a_folder_of_a_year_beside_a_csv_is_read(ending: str, tmp_path: Path) -> None:
    content = modern({"Id": "7"})
    inner = packed({"b.csv": content}) if ending == ".zip" else content
    world, _ = found(laid(tmp_path, {"a.csv": modern({}), f"2024/b{ending}": inner}))
    assert {project.row["name"] for project in world.projects.values()} == {"a", "b"}


@pytest.mark.parametrize("rows", [0, 20])
def test_what_is_attached_beside_a_csv_that_cannot_be_read_becomes_no_project(rows: int, tmp_path: Path) -> None:
    bad = modern(*[{}] * rows) + b'1,"open'
    laid(tmp_path, {"p.csv": bad, "1/attached.csv": modern({"Id": "7"}), "good/good.csv": modern({})})
    world, report = found(tmp_path)
    assert {project.row["name"] for project in world.projects.values()} == {"good"}
    assert [failure.file for failure in report.failures] == ["p.csv"]


ODD: dict[str, dict[str, bytes]] = {
    "points beyond all numbers": {"b.csv": modern({"Estimate": "1e30"})},
    "digits that are none": {"\uff111.csv": modern({}), "b.csv": modern({"Id": "7"})},
    "a name of digits in a ZIP": {"b.zip": packed({"1" * 200 + ".csv": modern({})})},
    "an iteration of many digits": {"b.csv": modern({"Iteration": "9" * 5000, "Iteration Start": "11/05/2023"})},
    "iterations far apart": {
        "b.csv": modern(
            {"Iteration": "5000", "Iteration Start": "Jan 5, 1970"},
            {"Iteration": "5001", "Iteration Start": "Jan 5, 2099"},
        )
    },
    "folders in each other in a ZIP": {"b.zip": packed({"a/" * 1500 + "x.csv": modern({})})},
    "a name with a line break": {"a\nb.csv": modern({})},
    "bytes that are no UTF-8": {b"1000/ph\xff.png".decode(errors="surrogateescape"): b"x"},
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_file_costs_no_other(name: str, tmp_path: Path) -> None:
    laid(tmp_path, {"good.csv": modern({}), **ODD[name]})
    world, report = found(tmp_path)
    assert "good" in {project.row["name"] for project in world.projects.values()}
    assert not any("defect" in failure.words for failure in report.failures)
    assert not any("\n" in str(finding) for finding in report.findings)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    laid(tmp_path, {"good.csv": modern({})})
    os.mkfifo(tmp_path / "x.csv")
    (tmp_path / "loop").symlink_to("loop")
    _, report = found(tmp_path)
    assert [failure.words for failure in report.failures] == ["x.csv cannot be read: Is no file."]


def test_a_place_is_the_same_by_its_full_path_and_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = laid(tmp_path / "my_team", {"stories.csv": modern({}), "1000/a.png": b"A", "._x.csv": b"\0"})
    monkeypatch.chdir(place)
    (here, _), (there, _) = found(Path(".")), found(place)
    assert list(here.projects) == list(there.projects)
    assert [project.row["name"] for project in here.projects.values()] == ["my_team"]


def test_a_folder_and_a_file_in_it_are_one_file(tmp_path: Path) -> None:
    laid(tmp_path, {"p.csv": modern({})})
    _, report = read_exports([*sources_at(tmp_path), *sources_at(tmp_path / "p.csv")])
    assert report.findings == []


def test_a_file_that_is_gone_or_has_changed_while_served_is_told(tmp_path: Path) -> None:
    laid(tmp_path, {"p.csv": modern({}), "1000/a.png": b"A", "1000/b.png": b"B"})
    world, _ = found(tmp_path)
    api = TrackerApi(world)
    (tmp_path / "1000" / "a.png").unlink()
    (tmp_path / "1000" / "b.png").write_bytes(b"BB")
    problems = []
    for file_id in world.files:
        response = api.handle(Request("GET", f"/file_attachments/{file_id}/download", ""))
        problems.append((response.status, orjson.loads(response.body)["general_problem"]))
    assert sorted(problems) == [
        (500, "a.png cannot be read: No such file or directory."),
        (500, f"b.png cannot be read: {tmp_path}/1000/b.png has changed."),
    ]


def test_pages_that_were_written_beside_the_exports_are_no_files_of_stories(tmp_path: Path) -> None:
    files = {"my_tracker/tracker-site.txt": b"index.html", "my_tracker/story/show/1000/index.html": b"<p>"}
    world, report = found(laid(tmp_path, {NAME: modern({}), **files}))
    assert world.files == {}
    assert [str(finding) for finding in report.findings] == [
        "my_tracker: not read: these are pages that tracker-server site wrote"
    ]
