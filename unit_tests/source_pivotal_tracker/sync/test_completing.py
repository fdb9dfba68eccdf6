"""Stories whose lists leave out what they need: by which requests it comes, in which order, and what a kill costs."""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from airbyte_cdk.models import AirbyteStateMessage

from source_pivotal_tracker.streams.hydrate import FEW_ROWS, MANY_UNDESCRIBED
from source_pivotal_tracker.streams.row_requests import IDS, MOST_AGGREGATED, MOST_AT_ONCE
from source_pivotal_tracker.sync.detection.by_row_digests import SWEEPS
from tracker_server import edits
from tracker_server.api.dialect import LITETRACKER, Dialect
from tracker_server.api.errors import ApiError, error_response
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import LoggedRequest, TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import make_world
from tracker_server.world import Project, World
from unit_tests.interception import Before, html, instead, json, path_of, query_of
from unit_tests.syncs import Row, Sync, config_for, key_of, swept_later

STORIES = 60
PARTS = ("story_tasks", "story_comments", "story_blockers", "story_reviews")
STREAMS = ("stories", *PARTS)
EACH = 1 + len(PARTS)
"""Requests for a story of which nothing else is known than that it is there."""

LIST = re.compile(r"/projects/\d+/(stories|epics|releases)")
ONE, PART = re.compile(r"/projects/\d+/stories/\d+"), re.compile(r"/projects/\d+/stories/\d+/\w+")
BULK, AGGREGATE = re.compile(r"/projects/\d+/stories/bulk"), re.compile(r"/aggregator")


def having(*endpoints: str, fields: bool = False) -> Dialect:
    """LiteTracker at its worst, apart from these endpoints."""
    return replace(LITETRACKER, fields=fields, missing_endpoints=LITETRACKER.missing_endpoints - set(endpoints))


WITH_BULK = replace(having("stories/bulk", fields=True), terse_lists=False)


def terse_lists_only(dialect: Dialect) -> Callable[[World], Before]:
    """A server that ignores `fields` in its lists and heeds it elsewhere."""

    def of(world: World) -> Before:
        api = TrackerApi(world, dialect=replace(dialect, fields=False, terse_lists=True))

        def before(request: Request) -> Response | None:
            return api.handle(request) if LIST.fullmatch(path_of(request)) else None

        return before

    return of


def shows_ids_of_parts(world: World) -> Before:
    """A server whose lists show the ids of what a story has."""
    api = TrackerApi(world, dialect=LITETRACKER)

    def before(request: Request) -> Response | None:
        if not LIST.fullmatch(path_of(request)):
            return None
        response = api.handle(request)
        rows = orjson.loads(response.body)
        for row in rows if isinstance(rows, list) else ():
            story = next((p.stories[row["id"]] for p in world.projects.values() if row["id"] in p.stories), {})
            row |= {name: [part["id"] for part in story.get(kind, ())] for kind, name in IDS.items()}
        return replace(response, headers={}, body=orjson.dumps(rows))

    return before


@dataclass(frozen=True)
class Way:
    """A server by what it offers beside its lists, and about how many requests it takes to complete so many stories."""

    dialect: Dialect
    most: Callable[[int], float]
    before: Callable[[World], Before] | None = None


WAYS = {
    "nothing": Way(LITETRACKER, lambda stories: EACH * stories),
    "many stories by their ids": Way(
        WITH_BULK, lambda stories: EACH + stories / MOST_AT_ONCE, terse_lists_only(WITH_BULK)
    ),
    "all of one story": Way(having(fields=True), lambda stories: stories, terse_lists_only(having(fields=True))),
    "many requests in one": Way(having("aggregator"), lambda stories: EACH + EACH * stories / MOST_AGGREGATED),
    "the ids of parts": Way(LITETRACKER, lambda stories: EACH * stories * 0.8, shows_ids_of_parts),
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(projects=1, stories=STORIES)


@pytest.fixture(scope="module")
def rows(world: World) -> dict[str, list[Row]]:
    """What the world has of these streams, as Tracker itself shows it."""
    with TrackerServer(world) as server:
        return in_order(Sync(config_for(server), STREAMS))


def in_order(sync: Sync) -> dict[str, list[Row]]:
    return {stream: sorted(sync.records[stream], key=lambda row: key_of(stream, row)) for stream in STREAMS}


def shown(rows: Iterable[Row], among: Iterable[Row]) -> list[Row]:
    """The rows with those of their attributes that the others have too, and the description in any case.

    What only `fields` selects is not shown everywhere, and there an edit of owners moves no time.
    """
    left = {"updated_at"}
    return [
        {"description": row.get("description")} | {name: row[name] for name in row.keys() & other.keys() - left}
        for row, other in zip(rows, among, strict=True)
    ]


def completing(log: Iterable[LoggedRequest]) -> list[str]:
    """The requests for more than lists show."""
    kinds = (ONE, PART, BULK, AGGREGATE)
    return [logged.path for logged in log if any(kind.fullmatch(logged.path) for kind in kinds)]


@pytest.mark.parametrize("versions", [False, True], ids=["without versions", "with versions"])
@every_way
def test_rows_are_whole_whatever_the_server_offers_and_take_no_more_requests_than_that_needs(
    way: Way, versions: bool, world: World, rows: dict[str, list[Row]]
) -> None:
    dialect = replace(way.dialect, versions=versions, activity_versions=versions)
    before = way.before(world) if way.before else None
    with TrackerServer(world, dialect=dialect, before=before) as server:
        sync = Sync(config_for(server), STREAMS, incremental=True)
    assert sync.failure is None
    came = in_order(sync)
    for stream in STREAMS:
        assert shown(rows[stream], came[stream]) == shown(came[stream], rows[stream])
    assert any(row.get("description") for row in came["stories"])
    # Besides: those that find out that there is no other way, and aggregates that are not full.
    assert len(completing(server.log)) <= way.most(STORIES) + 5


def fails_for_one(kind: str) -> Before:
    """An aggregator that has an error, or nothing, in place of a part."""

    def before(request: Request) -> Response | None:
        if path_of(request) != "/aggregator":
            return None
        places = orjson.loads(request.body)
        error = orjson.loads(error_response(ApiError(500, "unhandled_condition", "Oh.")).body)
        answers: dict[str, object] = {
            "errors": dict.fromkeys(places, error),
            "nothing": {},
            "null": dict.fromkeys(places),
            "rows without ids": {place: [{"text": "Oh"}] for place in places},
        }
        return html(int(kind)) if kind.isdigit() else Response(200, {}, orjson.dumps(answers.get(kind, [])))

    return before


@pytest.mark.parametrize("kind", ["errors", "nothing", "null", "rows without ids", "a list", "401", "504"])
def test_what_an_aggregate_does_not_bring_is_asked_for_by_itself(
    kind: str, world: World, rows: dict[str, list[Row]]
) -> None:
    with TrackerServer(world, dialect=having("aggregator"), before=fails_for_one(kind)) as server:
        sync = Sync(config_for(server), STREAMS, incremental=True)
    assert sync.failure is None
    assert {stream: len(some) for stream, some in in_order(sync).items()} == {
        stream: len(some) for stream, some in rows.items()
    }
    assert sum(logged.path == "/aggregator" for logged in server.log) <= 2


def changed(kind: re.Pattern[str], change: Callable[[Any, int], Any], dialect: Dialect) -> Callable[[World], Before]:
    """A server whose good answers of one kind are changed. `change` gets what is in one, and how many came before."""

    def of(world: World) -> Before:
        api = TrackerApi(world, dialect=dialect)
        in_lists = terse_lists_only(dialect)(world) if dialect.fields else instead({})
        number = itertools.count()

        def before(request: Request) -> Response | None:
            if not kind.fullmatch(path_of(request)):
                return in_lists(request)
            response = api.handle(request)
            if response.status != 200:
                return response
            answer = change(orjson.loads(response.body), next(number))
            return answer if isinstance(answer, Response) else replace(response, body=orjson.dumps(answer))

        return before

    return of


def all_of(sync: Sync) -> dict[str, list[tuple[Any, ...]]]:
    """The keys, and what only a complete row has."""
    assert sync.failure is None
    return {
        stream: [(*key_of(stream, row), row.get("description"), row.get("text")) for row in rows]
        for stream, rows in in_order(sync).items()
    }


ODD_BULKS: dict[str, tuple[Callable[[Any, int], Any], float]] = {
    "half of the rows": (lambda rows, _: rows[: len(rows) // 2], 0.2 * STORIES),
    "ids in lists": (lambda rows, _: [{**row, "id": [row["id"]]} for row in rows], STORIES),
    "other rows": (lambda rows, _: [{**row, "id": row["id"] + 1_000_000} for row in rows], STORIES),
    "no parts": (lambda rows, _: [{**row, "comments": None, "tasks": None} for row in rows], STORIES),
    "words for parts": (lambda rows, _: [{**row, "comments": "none"} for row in rows], STORIES),
    "ids for parts": (
        lambda rows, _: [{**row, "comments": [some["id"] for some in row["comments"]]} for row in rows],
        STORIES,
    ),
    "parts without ids": (lambda rows, _: [{**row, "comments": [{"text": "Oh"}]} for row in rows], STORIES),
    "nothing in time, once": (lambda rows, number: rows if number else html(504), 2 * FEW_ROWS),
    "nothing in time, of many": (lambda rows, _: rows if len(rows) <= 20 else html(504), 2 * FEW_ROWS),
}


@pytest.mark.parametrize(("change", "most"), ODD_BULKS.values(), ids=ODD_BULKS.keys())
def test_what_many_stories_by_their_ids_do_not_bring_is_asked_for(
    change: Callable[[Any, int], Any], most: float, world: World
) -> None:
    server = TrackerServer(world, dialect=WITH_BULK, before=changed(BULK, change, WITH_BULK)(world))
    with server, TrackerServer(world) as whole:
        assert all_of(Sync(config_for(server), STREAMS)) == all_of(Sync(config_for(whole), STREAMS))
    assert len(completing(server.log)) <= EACH + most + 3


def moved_on(answers: dict[str, Any], _: int) -> dict[str, Any]:
    """Under the path of each story and part what belongs to the next one of its kind."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for place in answers:
        kinds[re.sub(r"\d+|\?.*", "", place)].append(place)
    return {
        place: answers[after]
        for places in kinds.values()
        for place, after in zip(places, [*places[1:], places[0]], strict=True)
        if answers[after]
    }


ODD_AGGREGATES: dict[str, tuple[Callable[[Any, int], Any], float]] = {
    "of other stories": (moved_on, EACH * STORIES),
    "half of it": (lambda answers, _: dict(list(answers.items())[::2]), EACH * STORIES),
    "nothing, for a moment": (lambda answers, number: html(502) if number in (3, 4) else answers, EACH * 10),
    "no token, from then on": (lambda answers, number: html(401) if number > 2 else answers, EACH * STORIES),
}


@pytest.mark.parametrize(("change", "most"), ODD_AGGREGATES.values(), ids=ODD_AGGREGATES.keys())
def test_what_an_aggregate_brings_is_taken_for_what_it_is(
    change: Callable[[Any, int], Any], most: float, world: World
) -> None:
    dialect = having("aggregator")
    server = TrackerServer(world, dialect=dialect, before=changed(AGGREGATE, change, dialect)(world))
    with server, TrackerServer(world) as whole:
        assert all_of(Sync(config_for(server), STREAMS)) == all_of(Sync(config_for(whole), STREAMS))
    assert len(completing(server.log)) <= EACH + most + STORIES / 2


def test_a_story_that_comes_under_the_path_of_another_is_not_taken_for_it(world: World) -> None:
    def another(row: Row, _: int) -> Row:
        return {**row, "id": row["id"] + 1}

    with TrackerServer(world, dialect=LITETRACKER, before=changed(ONE, another, LITETRACKER)(world)) as server:
        sync = Sync(config_for(server), STREAMS)
    assert sync.failure
    assert "the row of another id came" in str(sync.errors)
    assert not sync.records["stories"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_descriptions_that_lists_show_as_empty_are_asked_for(nothing: str | None, world: World) -> None:
    def undescribed(rows: list[Row], _: int) -> list[Row]:
        return [{**row, "description": nothing} for row in rows]

    with TrackerServer(world, dialect=LITETRACKER, before=changed(LIST, undescribed, LITETRACKER)(world)) as server:
        came = Sync(config_for(server), ["stories"]).records["stories"]
    described = {row["id"]: row["description"] for row in came if row["description"]}
    stories = next(iter(world.projects.values())).stories.values()
    assert described == {story["id"]: story["description"] for story in stories if story.get("description")}


def undescribed_first(world: World, projects: int) -> None:
    """The newest stories of the first projects have no description, and those that follow do."""
    for number, project in enumerate(world.projects.values()):
        order = sorted(project.stories.values(), key=lambda story: story["updated_at"], reverse=True)
        for place, story in enumerate(order):
            story["description"] = None if number < projects and place < 2 * MANY_UNDESCRIBED else "Described"


@pytest.mark.parametrize("versions", [False, True], ids=["without versions", "with versions"])
@pytest.mark.parametrize("projects", [1, 2])
def test_many_stories_without_a_description_say_nothing_about_the_others(projects: int, versions: bool) -> None:
    world = make_world(projects=2, stories=STORIES)
    undescribed_first(world, projects)
    dialect = replace(LITETRACKER, fields=True, versions=versions, activity_versions=versions)
    with TrackerServer(world, dialect=dialect) as server:
        sync = Sync(config_for(server, num_workers=1), ["stories"], incremental=True)
    assert sync.failure is None
    stories = {story["id"]: story for project in world.projects.values() for story in project.stories.values()}
    came = {row["id"]: row.get("description") for row in sync.records["stories"]}
    assert came == {story: row["description"] for story, row in stories.items()}


def test_stories_without_a_description_take_few_requests_where_the_whole_list_shows_some() -> None:
    world = make_world(projects=1, stories=3 * STORIES)
    project, by = next(iter(world.projects.values())), next(iter(world.people))
    with TrackerServer(world) as server:
        first = Sync(config_for(server), ["stories"], incremental=True)
        world.now += timedelta(hours=1)
        some = list(project.stories.values())[: 2 * STORIES]
        for story in some:
            story["description"] = None
            edits.update_story(world, project, by, story["id"], name=f"{story['name']}, edited")
        seen = len(server.log)
        second = Sync(config_for(server), ["stories"], incremental=True, state=first.state)
    assert second.failure is None
    assert {story["id"] for story in some} <= {row["id"] for row in second.records["stories"]}
    assert len(completing(server.log[seen:])) <= MANY_UNDESCRIBED


def test_one_failure_of_a_way_that_works_costs_what_it_was_for_and_no_more() -> None:
    world = make_world(projects=1, stories=4 * STORIES)

    def fails_once(rows: Any, number: int) -> Any:
        return html(403) if number == 1 else rows

    server = TrackerServer(world, dialect=WITH_BULK, before=changed(BULK, fails_once, WITH_BULK)(world))
    with server, TrackerServer(world) as whole:
        assert all_of(Sync(config_for(server), STREAMS)) == all_of(Sync(config_for(whole), STREAMS))
    assert sum(bool(BULK.fullmatch(path)) for path in completing(server.log)) > 2


def test_parts_that_the_server_cuts_short_are_not_taken_for_all(world: World) -> None:
    def cut(parts: list[Row], _: int) -> Response:
        return json(parts[:1], Total=len(parts))

    with TrackerServer(world, dialect=LITETRACKER, before=changed(PART, cut, LITETRACKER)(world)) as server:
        sync = Sync(config_for(server), STREAMS)
    assert sync.failure
    assert "rows of a list without pages but sent 1" in str(sync.errors)


def test_what_changed_last_comes_first(world: World) -> None:
    with TrackerServer(world, dialect=LITETRACKER) as server:
        sync = Sync(config_for(server), STREAMS, incremental=True)
    times = [row["updated_at"] for row in sync.records["stories"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == STORIES


@pytest.mark.parametrize("killed_after", [60, 120, 200])
def test_a_first_sync_that_is_killed_goes_on_and_asks_for_no_story_twice_but_those_on_their_way(
    killed_after: int, world: World, rows: dict[str, list[Row]]
) -> None:
    def attempt(server: TrackerServer, last: Sync | None = None, killed_after: int | None = None) -> Sync:
        return Sync(
            config_for(server, num_workers=1),
            STREAMS,
            incremental=True,
            state=last.state if last else (),
            killed_after=killed_after,
            state_seconds=0,
        )

    attempts: list[Sync] = []
    asked: list[set[int]] = []
    with TrackerServer(world, dialect=LITETRACKER) as server:
        for killing in (killed_after, killed_after, None):
            before = len(server.log)
            attempts.append(attempt(server, attempts[-1] if attempts else None, killing))
            paths = filter(ONE.fullmatch, completing(server.log[before:]))
            asked.append({int(path.rpartition("/")[2]) for path in paths})
    assert attempts[-1].failure is None
    for stream in STREAMS:
        keys = {key_of(stream, row) for each in attempts for row in each.records[stream]}
        assert keys == {key_of(stream, row) for row in rows[stream]}
    came = [[row["id"] for row in each.records["stories"]] for each in attempts]
    # Twice: the first story, which shows what the server answers, those after the last state, and those of its second.
    assert sum(Counter(story for stories in came for story in stories).values()) - STORIES <= 2 * (FEW_ROWS + 2)
    for number in (1, 2):
        known = {story for stories in came[:number] for story in stories}
        assert len(asked[number] & known) <= FEW_ROWS + 2
    assert asked[1] - set(came[0])


def test_what_was_edited_between_two_attempts_comes_as_it_is_now(mode_free_world: World) -> None:
    world = mode_free_world
    project, by = next(iter(world.projects.values())), next(iter(world.people))
    with TrackerServer(world, dialect=LITETRACKER) as server:
        first = Sync(config_for(server, num_workers=1), STREAMS, incremental=True, killed_after=200, state_seconds=0)
        came = [row["id"] for row in first.records["stories"]]
        world.now += timedelta(hours=1)
        edits.update_story(world, project, by, came[0], name="Edited meanwhile")
        edits.update_story(world, project, by, came[-1], name="Edited meanwhile")
        edits.delete_stories(world, project, by, [came[1]])
        second = Sync(config_for(server), STREAMS, incremental=True, state=first.state)
    assert 0 < len(came) < STORIES
    last = {row["id"]: row for sync in (first, second) for row in sync.records["stories"]}
    assert {story for story, row in last.items() if row.get("name") == "Edited meanwhile"} == {came[0], came[-1]}
    assert last[came[1]].get("_ab_cdc_deleted_at")
    assert {story for story, row in last.items() if not row.get("_ab_cdc_deleted_at")} == set(project.stories)


@pytest.fixture
def mode_free_world() -> World:
    """One of its own, to be edited."""
    return make_world(projects=1, stories=STORIES)


def sweep(server: TrackerServer, last: Sync) -> Sync:
    sync = Sync(config_for(server), STREAMS, incremental=True, state=swept_later(last.state, -8))
    assert sync.failure is None
    return sync


def test_a_sweep_completes_a_share_of_the_stories_and_so_many_sweeps_all(world: World) -> None:
    with TrackerServer(world, dialect=LITETRACKER) as server:
        last = Sync(config_for(server), STREAMS, incremental=True)
        # What is as new as the cursor is asked for in each.
        last = Sync(config_for(server), STREAMS, incremental=True, state=last.state)
        always = {path for path in completing(server.log[-100:]) if ONE.fullmatch(path)}
        seen: Counter[str] = Counter()
        for _ in range(SWEEPS):
            before = len(server.log)
            last = sweep(server, last)
            swept = {path for path in completing(server.log[before:]) if PART.fullmatch(path)}
            seen.update({path.rpartition("/")[0] for path in swept})
            assert len(swept) <= EACH * (STORIES * 2 / SWEEPS + len(always))
    assert len(seen) == STORIES
    assert sorted(seen.values())[STORIES // 2] == 1


def test_what_a_list_shows_otherwise_comes_with_the_first_sweep_and_what_it_leaves_out_within_some(
    mode_free_world: World,
) -> None:
    world = mode_free_world
    project: Project = next(iter(world.projects.values()))
    commented = [story for story in project.stories.values() if story.get("comments")]
    with TrackerServer(world, dialect=LITETRACKER) as server:
        last = Sync(config_for(server), STREAMS, incremental=True)
        owned = next(iter(project.stories.values()))
        owned["owner_ids"] = [next(iter(world.people))]
        for story in commented:
            story["comments"] = [{**comment, "text": "Changed without a word"} for comment in story["comments"]]
        texts: set[int] = set()
        for number in range(SWEEPS):
            last = sweep(server, last)
            if number == 0:
                assert owned["id"] in {row["id"] for row in last.records["stories"]}
            texts |= {row["id"] for row in last.records["story_comments"] if row["text"] == "Changed without a word"}
    assert texts == {comment["id"] for story in commented for comment in story["comments"]}


def test_a_new_name_of_a_label_is_no_reason_to_ask_for_what_lists_leave_out(mode_free_world: World) -> None:
    world = mode_free_world
    project, by = next(iter(world.projects.values())), next(iter(world.people))
    with TrackerServer(world, dialect=LITETRACKER) as server:
        last = Sync(config_for(server), STREAMS, incremental=True)
        world.now += timedelta(hours=1)
        label = rename_a_label(world, project, by)
        before = len(server.log)
        last = Sync(config_for(server), STREAMS, incremental=True, state=last.state)
    assert last.failure is None
    labelled = {story["id"] for story in project.stories.values() if label in story["label_ids"]}
    assert 0 < len(labelled) < STORIES / 2
    assert labelled <= {row["id"] for row in last.records["stories"]}
    asked = {path for path in completing(server.log[before:]) if ONE.fullmatch(path)}
    assert len(asked) <= len(labelled) + FEW_ROWS


def rename_a_label(world: World, project: Project, by: int) -> int:
    used: Counter[int] = Counter(label for story in project.stories.values() for label in story["label_ids"])
    ((label, _),) = used.most_common(1)
    edits.update_label(world, project, by, label, name="renamed meanwhile")
    return label


def test_what_a_list_shows_otherwise_between_two_attempts_comes_with_the_second(mode_free_world: World) -> None:
    world = mode_free_world
    project, by = next(iter(world.projects.values())), next(iter(world.people))
    with TrackerServer(world, dialect=LITETRACKER) as server:
        first = Sync(config_for(server, num_workers=1), STREAMS, incremental=True, killed_after=200, state_seconds=0)
        world.now += timedelta(hours=1)
        label = rename_a_label(world, project, by)
        second = Sync(config_for(server), STREAMS, incremental=True, state=first.state)
    assert second.failure is None
    came = {row["id"] for row in first.records["stories"]}
    labelled = {story["id"] for story in project.stories.values() if label in story["label_ids"]}
    assert labelled & came
    last = {row["id"]: row for sync in (first, second) for row in sync.records["stories"]}
    renamed = {story for story, row in last.items() if "renamed meanwhile" in str(row["labels"])}
    assert renamed == labelled


def without_activity(_: World) -> Before:
    """A server that does not show what happened."""

    def before(request: Request) -> Response | None:
        is_activity = path_of(request).endswith("/activity")
        return error_response(ApiError(403, "unauthorized_operation", "Oh.")) if is_activity else None

    return before


def forgetting(world: World, project: Project) -> None:
    """The last sync was so long ago that the server has forgotten what came after it."""
    world.now += timedelta(days=30)
    person = next(iter(world.people))
    del project.activity[:]
    story = next(iter(project.stories))
    for text in ("One", "Two", "Three"):
        world.now += timedelta(minutes=1)
        edits.create_comment(world, project, person, story_id=story, text=text)


@pytest.mark.parametrize(
    ("reason", "messages"),
    [("a first sync without activity", 150), ("a sweep", 20), ("activity that is forgotten", 40)],
)
def test_a_comparison_that_is_killed_again_and_again_comes_to_its_end(reason: str, messages: int) -> None:
    world = make_world(projects=1, stories=3 * STORIES)
    before = without_activity(world) if "without" in reason else None
    with TrackerServer(world, dialect=LITETRACKER, before=before) as server:

        def attempt(state: Iterable[AirbyteStateMessage], killed_after: int | None = None) -> tuple[Sync, set[str]]:
            seen, config = len(server.log), config_for(server, num_workers=1)
            sync = Sync(config, STREAMS, incremental=True, state=state, killed_after=killed_after, state_seconds=0)
            return sync, {path for path in completing(server.log[seen:]) if ONE.fullmatch(path)}

        last = None if "without" in reason else attempt(())[0]
        states = last.state if last else []
        if reason == "a sweep":
            states = swept_later(attempt(states)[0].state, -8)
        elif last:
            forgetting(world, next(iter(world.projects.values())))
        asked: list[set[str]] = []
        statuses: set[str] = set()
        while statuses != {"COMPLETE"}:
            last, paths = attempt(states, killed_after=messages + 4 * len(asked))
            states = last.state
            asked.append(paths)
            statuses = {last.statuses[stream][-1] for stream in STREAMS if last.statuses[stream]}
            assert len(asked) < STORIES
        # What is as new as the cursor, and releases, are asked for each time.
        _, always = attempt(states)
    assert len(asked) > 2
    assert len(set().union(*asked)) >= 3 * STORIES * (0.7 / SWEEPS if reason == "a sweep" else 1)
    for number in range(1, len(asked)):
        again = asked[number].intersection(set().union(*asked[:number])) - always
        # Those on their way at a kill: some that wait to be written, and some that are being completed.
        assert len(again) <= 2 * FEW_ROWS + 2


def too_slow_above(rows: int) -> Before:
    """A gateway that gives up on pages of stories that are longer."""

    def before(request: Request) -> Response | None:
        is_slow = LIST.fullmatch(path_of(request)) and int(query_of(request).get("limit", "0")) > rows
        return html(504) if is_slow else None

    return before


@pytest.mark.parametrize("dialect", [Dialect(), replace(LITETRACKER, page_cap=None)], ids=["tracker", "litetracker"])
def test_a_page_that_takes_the_server_too_long_is_asked_for_in_smaller_ones(
    dialect: Dialect, world: World, rows: dict[str, list[Row]]
) -> None:
    with TrackerServer(world, dialect=dialect, before=too_slow_above(20)) as server:
        sync = Sync(config_for(server), STREAMS, incremental=True)
    assert sync.failure is None
    assert {row["id"] for row in sync.records["stories"]} == {row["id"] for row in rows["stories"]}
    limits = [
        (int(logged.query["limit"]), logged.status)
        for logged in server.log
        if LIST.fullmatch(logged.path) and logged.path.endswith("/stories") and logged.query.get("fields") != "id"
    ]
    assert [limit for limit, _ in limits[:6]] == [500, 250, 125, 62, 31, 15]
    # It tries longer ones again, and not for ever.
    assert 1 <= sum(status == 504 for _, status in limits[6:]) <= 2


@pytest.mark.parametrize("dialect", [Dialect(), LITETRACKER], ids=["tracker", "litetracker"])
def test_a_page_that_the_server_refuses_as_too_long_is_asked_for_in_smaller_ones(
    dialect: Dialect, world: World, rows: dict[str, list[Row]]
) -> None:
    refusal = error_response(ApiError(400, "invalid_parameter", "Oh.", general_problem="limit is more than 40"))

    def before(request: Request) -> Response | None:
        is_too_long = LIST.fullmatch(path_of(request)) and int(query_of(request).get("limit", "0")) > 40
        return refusal if is_too_long else None

    with TrackerServer(world, dialect=dialect, before=before) as server:
        sync = Sync(config_for(server), STREAMS, incremental=True)
    assert sync.failure is None
    assert {row["id"] for row in sync.records["stories"]} == {row["id"] for row in rows["stories"]}


def test_a_server_that_gives_all_it_is_asked_for_and_tells_no_size_is_asked_for_more() -> None:
    world = make_world(projects=1, stories=2600)
    dialect = replace(LITETRACKER, page_cap=None, terse_lists=False)
    with TrackerServer(world, dialect=dialect) as server:
        sync = Sync(config_for(server), ["stories"], incremental=True)
    assert sync.failure is None
    assert {row["id"] for row in sync.records["stories"]} == set(next(iter(world.projects.values())).stories)
    limits = [int(logged.query["limit"]) for logged in server.log if logged.query.get("offset")]
    assert max(limits) > 500


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO):
        yield caplog


def test_the_log_says_how_many_requests_a_list_takes_and_how_long_that_is(
    world: World, said: pytest.LogCaptureFixture
) -> None:
    with TrackerServer(world, dialect=LITETRACKER) as server:
        Sync(config_for(server), STREAMS, incremental=True)
    lines = [record.getMessage() for record in said.records]
    (announced,) = (re.fullmatch(ANNOUNCED, line) for line in lines if "fetching them" in line)
    assert announced
    assert int(announced[1]) == STORIES
    assert int(announced[2]) == EACH * (STORIES - 1)
    assert "2 lists to read, at least one request each: less than a minute at 1000 a minute" in lines


ANNOUNCED = (
    r"/projects/\d+/stories: the list lacks descriptions or parts of (\d+) of \d+ stories; fetching them takes about "
    r"(\d+) requests: (?:\d+ min|less than a minute) at 1000 a minute"
)
