"""Several exports of one project: which rows count, and what counts as deleted."""

from __future__ import annotations

import random
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tracker_server.exports import ExportError, read_exports, sources_at
from unit_tests.tracker_server.exports.exported import (
    BACKLOG,
    CURRENT,
    DONE,
    EPIC,
    ICEBOX,
    MORE,
    PANELS,
    WHOLE,
    Row,
    Served,
    laid,
    modern,
    packed,
    source,
    story,
)

OLD, NEW = "my_project_20231114_1212.csv", "my_project_20231115_0900.csv"


def served(*files: tuple[str, bytes]) -> Served:
    return Served(*(source(content, name) for name, content in files))


def ids(exported: Served) -> list[int]:
    project = next(iter(exported.world.projects.values()))
    return sorted([*project.stories, *project.epics])


def names(exported: Served) -> dict[int, str]:
    return {row["id"]: row["name"] for row in exported.stories()}


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_row_of_the_newest_export_that_has_it_counts_in_whatever_order_they_lie(order: tuple[int, ...]) -> None:
    have = {"20230101": (1, 2), "20230201": (2, 3), "20230301": (3,)}
    titles = dict(zip(have, ("Oldest", "Newer", "Newest"), strict=True))
    files = [
        (f"my_project_{day}_0000.csv", modern(*(story(number, "started", Title=titles[day]) for number in numbers)))
        for day, numbers in have.items()
    ]
    exported = served(*(files[place] for place in order))
    assert names(exported) == {1: "Oldest", 2: "Newer", 3: "Newest"}


PARTS: dict[str, list[Row]] = {
    "one story": [story(2, "finished", 5)],
    "selected stories of all panels": [DONE, CURRENT, BACKLOG, ICEBOX],
    "Epics": [EPIC],
    **{name: [row] for name, row in PANELS.items()},
    **{f"all but {left}": [EPIC, *(row for name, row in PANELS.items() if name != left)] for left in PANELS},
    "all but Epics": list(PANELS.values()),
    "nothing": [],
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_a_project_adds_and_updates_and_deletes_nothing(name: str) -> None:
    part = [{**row, "Title": "New"} for row in PARTS[name]]
    exported = served((OLD, modern(*WHOLE, *MORE)), (NEW, modern(*part)))
    assert ids(exported) == [1, 2, 3, 4, 10, 11, 12, 13, 50]
    updated = {int(str(row["Id"])) for row in part if row.get("Type") != "epic"}
    assert {row_id for row_id, title in names(exported).items() if title == "New"} == updated
    (line,) = [words for words in exported.findings if "they stay" in words]
    assert line.startswith(f"{OLD}: ")


def test_a_part_as_old_as_the_whole_adds_to_it() -> None:
    exported = served((OLD, modern(*WHOLE)), (OLD.replace(".csv", " (1).csv"), modern(*MORE)))
    assert ids(exported) == [1, 2, 3, 4, 10, 11, 12, 13, 50]


@pytest.mark.parametrize("lost", [10, 11, 12, 13])
def test_a_story_that_a_newer_export_of_the_whole_project_lacks_is_deleted(lost: int) -> None:
    newer = [row for row in (*WHOLE, *MORE) if row["Id"] != str(lost)]
    exported = served((OLD, modern(*WHOLE, *MORE)), (NEW, modern(*newer)))
    assert ids(exported) == sorted({1, 2, 3, 4, 10, 11, 12, 13, 50} - {lost})
    assert exported.findings == [
        f"{OLD}: 1 of its rows are not in {NEW}, which is newer and complete: the stories among them count as deleted"
    ]


def test_an_epic_that_a_newer_export_of_the_whole_project_lacks_is_deleted() -> None:
    exported = served((OLD, modern(*WHOLE, {**EPIC, "Id": "51"})), (NEW, modern(*WHOLE)))
    assert ids(exported) == [1, 2, 3, 4, 50]


def test_an_epic_stays_where_the_newer_export_of_the_project_shows_none() -> None:
    new = packed({NEW: modern(*PANELS.values()), "1/photo.png": b"PNG"})
    exported = served((OLD, modern(*WHOLE, *MORE)), (NEW.replace(".csv", ".zip"), new))
    assert ids(exported) == [1, 2, 3, 4, 50]


@pytest.mark.parametrize("beside", ["1/photo.png", "my_project_history_20231115_0900.csv"])
def test_files_and_a_history_prove_that_an_export_is_no_selection(beside: str) -> None:
    history = b"ID,Type,Message,Performed By,Occurred At\n"
    new = packed({NEW: modern(*PANELS.values()), beside: history})
    exported = served((OLD, modern(*PANELS.values(), *MORE)), (NEW.replace(".csv", ".zip"), new))
    assert ids(exported) == [1, 2, 3, 4]


def test_a_story_that_came_after_the_whole_export_stays() -> None:
    exported = served((OLD, modern(*WHOLE)), (NEW, modern(story(5, "unscheduled"))))
    assert ids(exported) == [1, 2, 3, 4, 5, 50]


def test_what_an_older_whole_export_lacks_of_a_still_older_one_is_deleted_beside_a_newer_part() -> None:
    oldest = ("my_project_20220101_0000.csv", modern(*WHOLE, *MORE))
    exported = served(oldest, (OLD, modern(*WHOLE)), (NEW, modern(story(5, "unscheduled"))))
    assert ids(exported) == [1, 2, 3, 4, 5, 50]


def test_done_and_icebox_of_one_project_are_put_together_and_a_line_says_so() -> None:
    exported = served((OLD, modern(DONE)), (NEW, modern(ICEBOX)))
    assert ids(exported) == [1, 4]
    assert any(
        "treated as parts of one project; rename one of them if they belong to two" in line
        for line in exported.findings
    )


MANY: dict[str, tuple[list[Row], list[Row]]] = {
    "both are whole projects": (WHOLE, [{**row, "Id": f"9{row['Id']}"} for row in WHOLE]),
    "iterations began on other days": ([DONE], [{**story(9, "accepted", 4), "Iteration Start": "Nov 8, 2023"}]),
    "much is done in both, and nothing in common": (
        [story(number, "accepted") for number in range(100, 130)],
        [story(number, "accepted") for number in range(200, 230)],
    ),
}


@pytest.mark.parametrize("name", MANY)
def test_exports_of_one_name_that_are_surely_of_two_projects_are_an_error_of_that_name_alone(name: str) -> None:
    one, other = MANY[name]
    files = (("a/p.csv", modern(*one)), ("b/p.csv", modern(*other)))
    with pytest.raises(
        ExportError,
        match=r"/p\.csv and ./p\.csv are both called 'p' but have no story in common, so .*: rename",
    ):
        served(*files)
    exported = served(*files, ("a/q.csv", modern({})))
    assert [project.row["name"] for project in exported.world.projects.values()] == ["q"]
    assert len(exported.report.failures) == 1


def test_a_project_that_was_renamed_is_one_with_its_former_name() -> None:
    rows = [story(number, "unscheduled", Title="Old") for number in range(1, 31)]
    new = [*({**row, "Title": "New"} for row in rows[:-1]), story(99, "unscheduled")]
    exported = served(("shop_20230101_0000.csv", modern(*rows)), ("web_shop_20240101_0000.csv", modern(*new)))
    assert [project.row["name"] for project in exported.world.projects.values()] == ["shop"]
    assert ids(exported) == [*range(1, 31), 99]
    assert names(exported)[1] == "New"
    assert exported.findings[0] == (
        "web_shop_20240101_0000.csv: 29 of its 30 stories are in shop_20230101_0000.csv too:"
        " treated as one project, 'shop'"
    )


def test_a_few_stories_that_moved_make_no_one_project_of_two() -> None:
    one = [story(number, "unscheduled") for number in range(1, 31)]
    other = [*one[:12], *(story(number, "unscheduled") for number in range(50, 70))]
    exported = served(("one_20230101_0000.csv", modern(*one)), ("other_20240101_0000.csv", modern(*other)))
    assert sorted(project.row["name"] for project in exported.world.projects.values()) == ["one", "other"]
    assert "12 of its stories are in other_20240101_0000.csv too, an export of another project" in exported.findings[0]


BETWEEN_TWO = {
    "harbour_20250101_1200.csv": modern(story(1, "started", Title="old"), story(2, "started")),
    "ferry_20250201_1200.csv": modern(story(1, "accepted", Title="NEW", Comment="hello"), story(3, "started")),
    "harbour_20250301_1200.csv": modern(story(2, "started")),
}
"""A story has moved, and its former project was exported once more."""


def test_a_story_that_moved_is_in_the_project_of_the_newest_export_that_has_it() -> None:
    exported = served(*BETWEEN_TWO.items())
    assert where(exported) == {1: ("ferry", "NEW"), 2: ("harbour", "Story 0"), 3: ("ferry", "Story 1")}
    assert [summary.rows for summary in exported.report.served] == [{"feature": 2}, {"feature": 1}]
    assert exported.findings[-1] == (
        "harbour_20250101_1200.csv, Id: 1 of its stories are in ferry_20250201_1200.csv too, an export of another"
        " project: that one counts"
    )


def test_a_story_that_moved_takes_its_files_along_and_its_former_project_keeps_its_proofs_and_its_time() -> None:
    harbour = {"harbour_20250101_1200.csv": modern(*WHOLE[1:], *MORE), "1/a.png": b"a"}
    ferry = {"ferry_20250201_1200.csv": modern(story(1, "accepted"), story(30, "started"))}
    exported = served(("harbour.zip", packed(harbour)), ("ferry.zip", packed(ferry)))
    alone = served(("harbour.zip", packed(harbour)))
    (before,) = alone.world.projects.values()
    project = next(project for project in exported.world.projects.values() if project.row["name"] == "harbour")
    assert (project.complete_at, project.as_of) == (before.complete_at, before.as_of)
    assert project.complete_at
    assert 1 not in project.stories
    assert 1 not in project.iteration_of
    assert filenames(exported) == {"a.png": b"a"}


def where(exported: Served) -> dict[int, tuple[str, str]]:
    """The project and the name of each story; each is in one project."""
    found = {}
    for project in exported.world.projects.values():
        for number, row in project.stories.items():
            assert number not in found
            found[number] = project.row["name"], row["name"]
            held = exported.world.with_story(number)
            assert held is not None
            assert held.id == project.id
    return found


@pytest.mark.parametrize("seed", range(30))
def test_of_any_exports_over_time_the_newest_with_a_story_has_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    homes = {number: chance.choice(("harbour", "ferry", "quay")) for number in range(1, 10)}
    expected: dict[int, tuple[str, str]] = {}
    files = []
    for month in range(1, 9):
        homes |= {number: chance.choice(("harbour", "ferry", "quay")) for number in chance.sample(sorted(homes), 2)}
        project = chance.choice(("harbour", "ferry", "quay"))
        here = {number: (project, f"of {month}") for number, home in homes.items() if home == project}
        picked = dict(chance.sample(sorted(here.items()), chance.randint(0, len(here))))
        rows = [story(number, "started", Title=title) for number, (_, title) in picked.items()]
        files.append((f"{project}_20250{month}01_1200.csv", modern(*rows)))
        expected |= picked
    chance.shuffle(files)
    ids = {project: number for number, project in enumerate(sorted({name.partition("_")[0] for name, _ in files}), 1)}
    exported = Served(*(source(content, name) for name, content in files), **ids)
    assert where(exported) == expected


def test_ids_that_were_given_to_both_keep_two_projects_apart() -> None:
    content = modern(*(story(number, "unscheduled") for number in range(1, 31)))
    exported = Served(source(content, "one.csv"), source(content, "two.csv"), one=1, two=2)
    assert sorted(exported.world.projects) == [1, 2]


def filenames(exported: Served) -> dict[str, bytes]:
    found = {}
    for file in exported.world.files.values():
        with file.open() as opened:
            found[file.filename] = opened.read()
    return found


def test_the_files_of_a_story_are_those_of_all_exports_and_of_one_name_that_of_the_newest() -> None:
    old = packed({OLD: modern(*WHOLE), "1/a.png": b"old", "1/b.png": b"b", "4/gone.png": b""})
    new = packed({NEW: modern(DONE), "1/a.png": b"new", "1/c.png": b"c"})
    exported = served((OLD.replace(".csv", ".zip"), old), (NEW.replace(".csv", ".zip"), new))
    assert filenames(exported) == {"a.png": b"new", "b.png": b"b", "c.png": b"c", "gone.png": b""}


def test_of_equal_exports_that_with_the_files_counts() -> None:
    content = modern(*WHOLE)
    zipped = packed({OLD: content, "1/a.png": b"a"})
    for files in permutations([(OLD, content), (OLD.replace(".csv", ".zip"), zipped), ("my_project.csv", content)]):
        exported = served(*files)
        assert (ids(exported), filenames(exported)) == ([1, 2, 3, 4, 50], {"a.png": b"a"})
        assert sorted(words.partition(":")[0] for words in exported.findings) == sorted((OLD, "my_project.csv"))


def test_labels_and_people_are_those_of_the_rows_that_count() -> None:
    old = modern({**story(1, "started", Labels="old"), "Owned By": "Ann"}, story(2, "started", Labels="kept"))
    exported = served((OLD, old), (NEW, modern({**story(1, "started", Labels="new"), "Owned By": "Bob"})))
    assert [row["name"] for row in exported.get("{p}/labels")] == ["kept", "new"]
    assert [row["person"]["name"] for row in exported.get("{p}/memberships")] == ["Bob"]


def test_a_story_that_an_older_export_planned_into_an_iteration_that_is_over_is_in_none() -> None:
    old = modern(story(1, "accepted", 4), story(2, "unstarted", 4), story(3, "unstarted", 6))
    exported = served((OLD, old), (NEW, modern(story(8, "started", 5))))
    planned = {row["number"]: row["story_ids"] for row in exported.get("{p}/iterations", fields="number,story_ids")}
    assert (planned[4], planned[5], planned[6]) == ([1], [8], [3])
    assert exported.get("{p}")["current_iteration_number"] == 5


def summaries(exported: Served) -> list[dict[str, Any]]:
    return [summary.counting for summary in exported.report.served]


def test_the_report_says_how_many_rows_of_each_file_count() -> None:
    exported = served((OLD, modern(*WHOLE)), (NEW, modern({**DONE, "Title": "New"}, story(5, "unscheduled"))))
    assert summaries(exported) == [{NEW: 2, OLD: 4}]


SELECTION = list(PANELS.values())
NO_PROOFS: dict[str, dict[str, bytes]] = {
    "a folder of a year with a document": {"2019/minutes.pdf": b"x"},
    "a history of another project": {"other_history.csv": b"ID,Type,Message,Performed By,Occurred At\n"},
    "a CSV that is only called history": {"my_project_history.csv": b"a,b\n"},
    "the folders of the older export": {"10/photo.png": b"x", "1/photo.png": b"x"},
    "another project with a file": {"zzz.csv": modern(story(5000, "started")), "5000/photo.png": b"x"},
}


@pytest.mark.parametrize("name", NO_PROOFS)
def test_what_lies_beside_a_selection_for_other_reasons_proves_nothing(name: str, tmp_path: Path) -> None:
    files = {OLD: modern(*WHOLE, *MORE), NEW: modern(*SELECTION), **NO_PROOFS[name]}
    world, _ = read_exports(sources_at(laid(tmp_path, files)))
    project = next(project for project in world.projects.values() if project.row["name"] == "my_project")
    assert sorted(project.stories) == [1, 2, 3, 4, 10, 11, 12, 13]


LATER: dict[str, dict[str, str]] = {
    "an iteration of 2141": {"Iteration Start": "Dec 1, 2141", "Iteration End": "Dec 7, 2141"},
    "a comment of 2141": {"Comment": "x (Ann - Dec 3, 2141)"},
    "a day of 2141": {"Created at": "Dec 3, 2141"},
}


@pytest.mark.parametrize("cells", LATER.values(), ids=LATER.keys())
@pytest.mark.parametrize("name", [OLD, "my_project.csv"])
def test_a_cell_with_a_day_to_come_makes_no_export_the_newest(cells: dict[str, str], name: str) -> None:
    old = [{**row, **cells} if row["Id"] == "2" else row for row in WHOLE]
    exported = served((name, modern(*old)), (NEW, modern(story(1, "started", Title="New"), story(5, "started"))))
    assert ids(exported) == [1, 2, 3, 4, 5, 50]
    assert names(exported)[1] == "New"


def test_the_day_in_the_name_goes_before_those_in_the_rows() -> None:
    old = modern({**story(1, "unstarted", Title="Old"), "Comment": "x (Ann - Jan 5, 2025)"})
    new = modern({**story(1, "unstarted", Title="New"), "Iteration": "3"})
    assert names(served((OLD, old), (NEW, new)))[1] == "New"


def test_of_exports_without_a_day_in_the_name_that_with_the_later_day_is_newer() -> None:
    old = modern(*WHOLE, story(5, "unscheduled"))
    new = modern(*WHOLE[:1], {**DONE, "Title": "New", "Comment": "x (Ann - Nov 30, 2014)"}, *WHOLE[2:])
    exported = served(("p.csv", old), ("p (1).csv", new))
    assert names(exported)[1] == "New"


@pytest.mark.parametrize("old", [modern({**story(1, "started", Title="Old"), "Created at": ""}), modern()])
def test_an_export_that_tells_no_day_is_the_oldest_and_deletes_nothing(old: bytes) -> None:
    exported = served(("p.csv", old), ("p_20130101_1212.csv", modern(story(1, "started", Title="New"))))
    assert names(exported) == {1: "New"}


TWINS = {
    "one after a part of the other": ("web/web.csv", "web/web2.csv"),
    "in spelling alone": ("Web.csv", "web!.csv"),
    "in bytes that are no UTF-8": (
        b"caf\xe9.csv".decode(errors="surrogateescape"),
        b"caf\xe8.csv".decode(errors="surrogateescape"),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_two_projects_whose_names_are_as_good_as_one_are_an_error(name: str, tmp_path: Path) -> None:
    one, other = TWINS[name]
    twin = [{**row, "Id": f"9{row['Id']}"} for row in WHOLE]
    with pytest.raises(ExportError, match="have no story in common"):
        read_exports(sources_at(laid(tmp_path, {one: modern(*WHOLE), other: modern(*twin)})))


def test_of_tables_that_share_a_story_the_one_with_the_later_day_counts() -> None:
    new = modern({**story(1, "started", Title="New"), "Comment": "x (Ann - Mar 3, 2015)"})
    files = {"p_1.csv": modern(story(1, "started", Title="Old")), "p_2.csv": new}
    assert names(served(("p.zip", packed(files)))) == {1: "New"}


def test_parts_of_one_export_prove_together_that_it_is_whole() -> None:
    parts = {f"{NEW[:-4]}_{number}.csv": modern(row) for number, row in enumerate(WHOLE, 1)}
    exported = served((OLD, modern(*WHOLE, *MORE)), ("all.zip", packed(parts)))
    assert ids(exported) == [1, 2, 3, 4, 50]


def test_an_id_that_is_given_for_one_of_two_names_of_a_project_is_its_id() -> None:
    content = modern(*(story(number, "unscheduled") for number in range(1, 31)))
    exported = Served(source(content, "one_20240101_0000.csv"), source(content, "two_20250101_0000.csv"), two=777)
    assert list(exported.world.projects) == [777]


def test_a_moved_story_by_its_number_alone_is_that_of_the_newer_project() -> None:
    one, other = modern(story(1, "started", Title="Old")), modern(story(1, "started", Title="New"))
    exported = served(("a_20240101_0000.csv", one), ("b_20250101_0000.csv", other))
    assert exported.get("/stories/1")["name"] == "New"


def test_a_moved_story_has_the_files_that_its_former_project_has() -> None:
    old = packed({OLD: modern(*WHOLE, *MORE), "10/photo.png": b"x"})
    new = packed({NEW: modern(*WHOLE), "1/a.png": b""})
    moved = ("other_20231115_0900.csv", modern(story(10, "started")))
    exported = served((OLD.replace(".csv", ".zip"), old), (NEW.replace(".csv", ".zip"), new), moved)
    assert sorted(filenames(exported)) == ["a.png", "photo.png"]


def test_of_stories_without_numbers_that_are_equal_the_second_stays_the_second() -> None:
    row = {"Id": "", "Title": "Test", "Current State": "started"}
    exported = served((OLD, modern(row, row)), (NEW, modern(row)))
    assert len(ids(exported)) == 2
