"""What a search finds in a sample world, held against a plain look at its rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, date, datetime

import pytest

from tracker_server import edits
from tracker_server.sample import make_world
from tracker_server.search.documents import END, START
from tracker_server.search.index import BUSY, MOST_RANKED, Results, SearchIndex, SearchTooLong
from tracker_server.search.keywords import CHOICES
from tracker_server.search.parsing import parse
from tracker_server.view import Views
from tracker_server.world import Project, Row, World

TODAY = date(2026, 11, 20)
Holds = Callable[[Row], bool]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(projects=2, stories=120)


@pytest.fixture(scope="module")
def index(world: World) -> SearchIndex:
    index = SearchIndex(Views(world))
    index.update_all()
    return index


def search(index: SearchIndex, text: str, *, done: bool = True) -> Results:
    return index.search(parse(text, TODAY), limit=1_000_000, done=done)


def found(index: SearchIndex, text: str) -> set[int]:
    return {hit.id for hit in search(index, text).hits}


def enriched(world: World, project: Project, row: Row) -> Row:
    """The row of a story with the names of its labels, and a function that names people by their ids."""
    labels = {project.labels[label_id]["name"] for label_id in row["label_ids"]}
    return row | {"label names": labels, "names": lambda ids: {world.people[i]["name"] for i in ids if i}}


def _parts(row: Row, name: str) -> list[Row]:
    return row.get(name) or []


STORIES: dict[str, Holds] = {
    "type:bug": lambda s: s["story_type"] == "bug",
    "-type:bug type:feature,bug": lambda s: s["story_type"] == "feature",
    "state:started,unstarted": lambda s: s["current_state"] in ("started", "unstarted"),
    "priority:p1": lambda s: s.get("story_priority") == "p1",
    "label:checkout": lambda s: "checkout" in s["label names"],
    'label:"Tech Debt"': lambda s: "tech debt" in s["label names"],
    'owner:"Ada Martínez"': lambda s: "Ada Martínez" in s["names"](s["owner_ids"]),
    "owner:am": lambda s: "Ada Martínez" in s["names"](s["owner_ids"]),
    'requester:"Zoë O\'Neill"': lambda s: "Zoë O'Neill" in s["names"]([s["requested_by_id"]]),
    "follower:AM": lambda s: "Ada Martínez" in s["names"](s["follower_ids"]),
    "reviewer:AM": lambda s: "Ada Martínez" in s["names"](r.get("reviewer_id") for r in _parts(s, "reviews")),
    "commenter:AM": lambda s: "Ada Martínez" in s["names"](c.get("person_id") for c in _parts(s, "comments")),
    "mywork:AM": lambda s: "Ada Martínez" in s["names"](s["owner_ids"]) and s["current_state"] != "accepted",
    "epic:checkout": lambda s: "checkout" in s["label names"],
    "estimate:3": lambda s: s.get("estimate") == 3,
    "estimate:1..3": lambda s: 1 <= (s.get("estimate") or 0) <= 3,
    "estimate:>1": lambda s: (s.get("estimate") or 0) > 1,
    "estimate:-1": lambda s: s["story_type"] == "feature" and s.get("estimate") is None,
    "has:task": lambda s: bool(_parts(s, "tasks")),
    "has:pull_request": lambda s: bool(_parts(s, "pull_requests")),
    "no:owner": lambda s: not s["owner_ids"],
    "is:blocked": lambda s: any(not b["resolved"] for b in _parts(s, "blockers")),
    "is:blocking": lambda s: bool(s.get("blocked_story_ids")),
    "created:2026-09": lambda s: s["created_at"].startswith("2026-09"),
    "accepted:2026-09-01..2026-10-31": lambda s: "2026-09" <= s.get("accepted_at", "")[:7] <= "2026-10",
    "deadline:2026": lambda s: s.get("deadline", "").startswith("2026"),
    "name:gift": lambda s: "gift" in s["name"].lower(),
    '"gift cards" name:gift': lambda s: "gift cards" in s["name"].lower(),
    "(type:bug OR type:chore) -state:accepted": lambda s: (
        s["story_type"] in ("bug", "chore") and s["current_state"] != "accepted"
    ),
}


@pytest.mark.parametrize(("text", "holds"), STORIES.items(), ids=STORIES.keys())
def test_a_query_finds_the_stories_that_a_plain_look_finds(
    text: str, holds: Holds, world: World, index: SearchIndex
) -> None:
    expected = {
        story["id"] for project in world.projects.values() for story in project.stories.values()
        if holds(enriched(world, project, story))
    }  # fmt: skip
    assert expected
    assert found(index, f"({text}) -type:epic") == expected


@pytest.mark.parametrize("value", [f"{name}:{value}" for name, values in CHOICES.items() for value in values])
def test_every_choice_can_be_asked_for_and_excluded(value: str, index: SearchIndex) -> None:
    total = search(index, "").total
    assert search(index, value).total + search(index, f"-{value}").total == total


FIELDS: dict[str, Callable[[Row], str]] = {
    "name": lambda story: story["name"],
    "description": lambda story: story.get("description") or "",
    "comment": lambda story: " ".join(c["text"] for c in story["comments"]),
    "task": lambda story: " ".join(t["description"] for t in story["tasks"]),
    "file": lambda story: " ".join(f["filename"] for c in story["comments"] for f in c["file_attachments"]),
}


LARGEST = {
    "words": " ".join(["type:bug"] * 100), "sides": " OR ".join(["type:bug"] * 50),
    "parentheses": "-(" * 30 + "type:bug" + ")" * 30, "levels": "(type:bug OR " * 24 + "type:bug" + ")" * 24,
    "attributes": "-(-type:bug OR project:0 " * 14 + "type:bug" + ")" * 14,
    "values": "type:bug OR name:" + ",".join("q" * 990), "numbers": "type:bug OR estimate:" + ",".join("9" * 980),
    "days": "type:bug OR created:" + ",".join(["1990"] * 390),
}  # fmt: skip


@pytest.mark.parametrize("text", LARGEST.values(), ids=LARGEST.keys())
def test_the_largest_queries_that_are_understood_are_answered(text: str, world: World, index: SearchIndex) -> None:
    assert parse(text, TODAY)
    stories = (story for project in world.projects.values() for story in project.stories.values())
    bugs = {story["id"] for story in stories if story["story_type"] == "bug"}
    assert found(index, text) == bugs


@pytest.mark.parametrize("text", ["type:bug _", "type:bug __ …", 'type:bug "_"'])
def test_what_is_no_word_is_not_searched_for(text: str, index: SearchIndex) -> None:
    assert found(index, text) == found(index, "type:bug") != set()


@pytest.mark.parametrize("field", FIELDS)
def test_the_words_of_each_field_are_found_in_it_and_marked(field: str, world: World, index: SearchIndex) -> None:
    stories = [story for project in world.projects.values() for story in project.stories.values()]
    story = next(story for story in stories if FIELDS[field](story))
    word = max(
        FIELDS[field](story).replace(".", " ").split(), key=lambda word: word.isascii() and word.isalpha() and len(word)
    )
    results = search(index, f"{field}:{word}")
    assert story["id"] in {hit.id for hit in results.hits}
    for hit in results.hits:
        marked = hit.name if field == "name" else hit.excerpt
        assert START in marked
        assert END in marked
        assert hit.where == ("" if field == "name" else field)


def test_case_accents_and_endings_of_words_do_not_count(index: SearchIndex) -> None:
    assert found(index, "INVOICE") == found(index, "invoices") != set()
    assert found(index, "GROßE") == found(index, "größe") != set()


def test_a_star_finds_the_beginnings_of_words(index: SearchIndex) -> None:
    assert found(index, "name:invo*") == found(index, "name:invoices")


def test_scripts_without_spaces_are_found_by_parts_of_their_texts(index: SearchIndex) -> None:
    assert found(index, "已经修复")
    assert found(index, "修复") >= found(index, "已经修复")
    assert found(index, "复修") == set()


def test_korean_is_found_however_a_mac_has_written_it() -> None:
    world = make_world(projects=1, stories=4)
    story = next(iter(next(iter(world.projects.values())).stories.values()))
    story["name"] = unicodedata.normalize("NFD", "보고서 2024")
    index = SearchIndex(Views(world))
    index.update_all()
    for text in ("보고서", "고서", unicodedata.normalize("NFD", "보고")):
        assert found(index, text) == {story["id"]}


def test_the_number_of_a_story_or_an_epic_finds_it(world: World, index: SearchIndex) -> None:
    for project in world.projects.values():
        for row_id in [*list(project.stories)[:5], *project.epics]:
            assert found(index, f"id:{row_id}") == found(index, f"#{row_id}") == {row_id}
            assert row_id in found(index, str(row_id))


def test_a_project_is_asked_for_by_its_id_or_its_name(world: World, index: SearchIndex) -> None:
    for project in world.projects.values():
        everything = {*project.stories, *project.epics}
        assert found(index, f"project:{project.id}") == everything
        assert found(index, f'project:"{project.row["name"]}"') == everything


def test_stories_of_iterations_that_are_over_count_unless_they_are_left_out(world: World, index: SearchIndex) -> None:
    views = Views(world)
    past = {story_id for project in world.projects.values() for story_id in views.of(project).figures.past_done}
    without = {hit.id for hit in search(index, "", done=False).hits}
    assert past
    assert found(index, "") - without == past == found(index, "is:done")
    assert found(index, "includedone:false") == without
    assert {hit.id for hit in search(index, "includedone:true", done=False).hits} == found(index, "")


def test_pages_of_hits_hold_each_hit_once(index: SearchIndex) -> None:
    for text in ("gift", "type:feature", "gift OR type:bug"):
        whole = search(index, text)
        assert whole.total == len(whole.hits) == len({hit.id for hit in whole.hits})
        pages = [index.search(parse(text, TODAY), offset=start, limit=7).hits for start in range(0, whole.total, 7)]
        assert [hit for page in pages for hit in page] == list(whole.hits)


def test_a_hit_in_the_name_comes_before_one_in_a_comment() -> None:
    small = make_world(projects=1, stories=10)
    first, second, *_ = next(iter(small.projects.values())).stories.values()
    first["comments"] = [{"id": 1, "text": "a xylophone"}]
    second["name"] = "The xylophone"
    index = SearchIndex(Views(small))
    index.update_all()
    assert [hit.id for hit in search(index, "xylophone").hits] == [second["id"], first["id"]]


def test_after_an_edit_the_new_words_are_found_and_the_old_ones_not() -> None:
    world = make_world(projects=1, stories=20)
    project = next(iter(world.projects.values()))
    index = SearchIndex(Views(world))
    index.update_all()
    story_id = next(iter(project.stories))
    person_id = next(iter(world.people))
    edits.update_story(world, project, person_id, story_id, name="Zanzibar")
    index.update_all()
    assert found(index, "zanzibar") == {story_id}
    assert search(index, "").total == len(project.stories) + len(project.epics)
    edits.delete_stories(world, project, person_id, [story_id])
    index.update_all()
    assert found(index, "zanzibar") == set()


def test_a_project_that_is_gone_is_not_found() -> None:
    world = make_world(projects=2, stories=10)
    index = SearchIndex(Views(world))
    index.update_all()
    gone = next(iter(world.projects))
    del world.projects[gone]
    index.update_all()
    assert {hit.project_id for hit in search(index, "").hits} == set(world.projects)


def test_what_is_in_one_project_alone_is_asked_for_in_priority_order(world: World, index: SearchIndex) -> None:
    for project in world.projects.values():
        assert index.ids(parse("", TODAY), "story", project) == project.order
        assert index.ids(parse("", TODAY), "epic", project) == list(project.epics)


HOSTILE = [
    '"', "*", "a*b", "name:*", '"" OR a', "NEAR(a b)", "a NEAR/2 b", "{name}: a", "^a", "a + b", "\0",
    "'; DROP TABLE item", "words MATCH 1", "-a", "\ue000a\ue001", "attribute0", "a" * 1_000, "％", "\ud800",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_taken_for_a_command_of_the_database(text: str, index: SearchIndex) -> None:
    for quoted in (text, f'name:"{text}"', f'label:"{text}"', f'owner:"{text}"'):
        try:
            query = parse(quoted, TODAY)
        except ValueError:
            continue
        index.search(query)
        index.search(query, offset=MOST_RANKED)


def test_a_search_that_takes_too_long_is_given_up(index: SearchIndex, world: World) -> None:
    impatient = SearchIndex(Views(world), most_seconds=0)
    impatient.update_all()
    with pytest.raises(SearchTooLong, match="search for less"):
        impatient.search(parse(" OR ".join(["estimate:9"] * 50), TODAY))
    assert index.search(parse("a*", TODAY)).total


def test_a_search_waits_for_others_no_longer_than_it_may_take(world: World) -> None:
    index = SearchIndex(Views(world), most_seconds=0.3)
    index.update_all()
    with ThreadPoolExecutor(4) as threads, index._limited():
        waiting = [threads.submit(search, index, "type:bug") for _ in range(4)]
        assert wait(waiting, timeout=60).not_done == set()
        assert all(isinstance(one.exception(), SearchTooLong) for one in waiting)
        assert {str(one.exception()) for one in waiting} == {BUSY}
    assert search(index, "type:bug").total


def test_today_is_the_day_of_the_worlds_state() -> None:
    index = SearchIndex(Views(World(now=datetime(2024, 5, 3, 23, tzinfo=UTC))))
    assert index.today() == date(2024, 5, 3)
    assert index.today(Project(row={"id": 1}, as_of=datetime(2020, 1, 2, tzinfo=UTC))) == date(2020, 1, 2)
