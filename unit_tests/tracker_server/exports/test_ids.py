"""Ids that are made up: the same for the same, and another one for everything else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tracker_server.exports.ids import LARGEST_ID, hashed_id, part_ids
from unit_tests.tracker_server.exports.exported import NAME, Served, modern, packed, served, source

BUSY: dict[str, Any] = {
    "Owned By": ["Ann", "Bob"],
    "Labels": "a, b",
    "Comment": ["Fine (Ann - Nov 23, 2014)", "Done (Bob - Nov 24, 2014)"],
    "Task": ["Test", "Test"],
    "Task Status": ["completed", "not completed"],
    "Blocker": "#1",
    "Review Type": "Code",
    "Reviewer": "Ann",
    "Review Status": "unstarted",
    "Pull Request": "https://github.com/o/r/pull/7",
    "Git Branch": "main",
}
FIELDS = (
    ":default,tasks,comments(:default,file_attachments),blockers,reviews(:default,review_type),pull_requests,branches"
)


def ids_in(data: Any) -> list[int]:
    """The ids in an answer, wherever they stand."""
    if isinstance(data, list):
        return [row_id for item in data for row_id in ids_in(item)]
    if isinstance(data, dict):
        own = [value for name, value in data.items() if name == "id"]
        return own + [row_id for value in data.values() for row_id in ids_in(value)]
    return []


def parts(exported: Served) -> dict[str, list[int]]:
    """The ids of what hangs on the one story."""
    story = exported.story(FIELDS)
    return {name: ids_in(rows) for name, rows in story.items() if isinstance(rows, list)}


@given(st.lists(st.text()), st.text())
def test_an_id_is_positive_and_has_53_bits(content: list[str], kind: str) -> None:
    assert 0 < hashed_id(kind, *content) <= LARGEST_ID


@given(st.lists(st.text(max_size=3)))
def test_parts_of_one_owner_have_different_ids_also_where_they_are_equal(contents: list[str]) -> None:
    ids = part_ids("task", 1, contents)
    assert len(set(ids)) == len(contents)
    assert part_ids("task", 1, [*contents, "one more"])[: len(contents)] == ids


def test_ids_depend_on_kind_owner_and_content() -> None:
    given = [("task", 1, "a"), ("task", 2, "a"), ("comment", 1, "a"), ("task", 1, "b")]
    assert len({part_ids(kind, owner_id, [content])[0] for kind, owner_id, content in given}) == len(given)


def test_the_same_file_gives_the_same_ids() -> None:
    content = packed({"my_project.csv": modern(BUSY), "1000/photo.png": b""})
    first, second = served(content, "a.zip"), served(content, "a.zip")
    for path in ("/projects", "{p}/stories", "{p}/labels", "{p}/memberships", "/me"):
        assert ids_in(first.get(path)) == ids_in(second.get(path)) != []
    assert parts(first) == parts(second)


def test_two_equal_tasks_have_two_ids() -> None:
    assert len(set(parts(served(modern(BUSY)))["tasks"])) == 2


def test_a_later_export_keeps_the_ids_of_what_stayed_as_it_was() -> None:
    later = {
        **BUSY,
        "Title": "Other",
        "Labels": "new, b, a",
        "Owned By": ["Bob", "Ann"],
        "Comment": ["Fine (Ann - Nov 23, 2014)", "Changed (Bob - Nov 24, 2014)"],
        "Task": ["Test", "Test"],
        "Task Status": ["completed", "completed"],
        "Blocker Status": "resolved",
        "Review Status": "pass",
    }
    before, after = served(modern(BUSY)), served(modern(later), "my_project_20250501_0000.csv")
    assert before.project_id == after.project_id
    for name in ("tasks", "blockers", "reviews", "pull_requests", "branches"):
        assert parts(before)[name] == parts(after)[name] != []
    assert set(parts(before)["labels"]) < set(parts(after)["labels"])
    assert set(before.story()["owner_ids"]) == set(after.story()["owner_ids"])
    assert parts(before)["comments"][0] == parts(after)["comments"][0]
    assert parts(before)["comments"][1] != parts(after)["comments"][1]


def test_a_person_is_one_in_all_projects() -> None:
    exported = Served(source(modern(BUSY), "a.csv"), source(modern(BUSY), "b.csv"))
    first, second = (
        {row["person"]["id"]: row["person"]["name"] for row in exported.get(f"/projects/{project_id}/memberships")}
        for project_id in exported.world.projects
    )
    assert first == second
    assert sorted(first.values()) == ["Ann", "Bob"]


def test_a_project_has_the_id_that_it_is_given() -> None:
    exported = Served(source(modern(BUSY)), my_project=99)
    assert [(row["id"], row["name"]) for row in exported.get("/projects")] == [(99, "my_project")]
    assert exported.story()["project_id"] == 99


def test_a_story_without_a_number_has_the_one_in_its_address() -> None:
    exported = served(modern({"Id": "", "URL": "https://www.pivotaltracker.com/story/show/77"}))
    assert exported.story()["id"] == 77
    assert exported.findings == []


def test_a_story_without_any_number_gets_one_of_its_content_and_is_reported() -> None:
    rows = [{"Id": "", "Title": "A"}, {"Id": "", "Title": "A"}, {"Id": "x7", "Title": "B"}]
    exported, again = served(modern(*rows)), served(modern(*rows))
    ids = [story["id"] for story in exported.stories()]
    assert len(set(ids)) == 3
    assert ids == [story["id"] for story in again.stories()]
    assert exported.findings == [
        f"{NAME}, line 2, Id: missing; a number is made up",
        f"{NAME}, line 3, Id: missing; a number is made up",
        f"{NAME}, line 4, Id: 'x7' is not the number of a story; its URL or else its content gives one",
    ]
