"""What a read of a Rocketlane account brings: every row once, what changed since, nothing lost to edits meanwhile."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from declarative_runner import merged, violations
from rocketlane_api import expected
from rocketlane_scene import STREAMS, Paging, Scene
from rocketlane_world import RESOURCES, World, make_world
from werkzeug import Request, Response

OF_CHANGES = ("projects", "tasks", "users", "fields", "time_entries")
OF_PROJECTS = ("phases", "spaces", "space_documents")
pagings = pytest.mark.parametrize("paging", ["key", "offset"])


def served(row: dict[str, Any]) -> dict[str, Any]:
    """The row without what the connector adds, and without nulls, which the cdk leaves out."""
    return {name: value for name, value in row.items() if value is not None and name != "allocationKey"}


def held(world: World, stream: str, **options: bool) -> list[dict[str, Any]]:
    """What the account holds of a stream, each row as a read brings it."""
    rows = [served(row) for row in expected(world, stream, **options)]
    if stream in ("phases", "spaces"):
        return [row | {"projectId": row["project"]["projectId"]} for row in rows]
    if stream == "conversations":
        return [row | {"projectId": row["source"]["sourceId"]} for row in rows]
    return rows


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


@pagings
def test_a_full_read_equals_the_server_with_each_row_once_and_as_its_schema_says(scenes: Any, paging: Paging) -> None:
    scene: Scene = scenes(paging=paging)
    catalog = {stream["name"]: stream for stream in scene.connector.catalog(scene.config())["streams"]}

    read = scene.read()

    assert read.exit_code == 0
    assert set(read.ends) == set(STREAMS) == set(catalog)
    assert set(read.ends.values()) == {"COMPLETE"}
    for stream in STREAMS:
        rows = read.rows(stream)
        ((key,),) = catalog[stream]["source_defined_primary_key"]
        assert len({row[key] for row in rows}) == len(rows), stream
        assert in_order([served(row) for row in rows]) == in_order(held(scene.world, stream)), stream
        assert violations(catalog[stream]["json_schema"], rows) == []


def test_rows_that_are_archived_or_deleted_come_with_their_flag(scenes: Any) -> None:
    scene: Scene = scenes()

    read = scene.read(["projects", "tasks", "time_entries"])

    assert any(row["archived"] for row in read.rows("projects"))
    assert any(row["archived"] for row in read.rows("tasks"))
    assert any(row.get("deleted") for row in read.rows("time_entries"))


def test_who_does_not_want_what_is_archived_gets_none_of_it(scenes: Any) -> None:
    scene: Scene = scenes()

    read = scene.read(["projects", "tasks", "phases"], include_archived=False)

    for stream in ("projects", "tasks", "phases"):
        assert in_order(read.rows(stream)) == in_order(held(scene.world, stream, include_archived=False)), stream


def test_check_makes_one_request_and_says_what_it_found_and_discover_makes_none(scenes: Any) -> None:
    scene: Scene = scenes()

    checked = scene.connector.run("check", config=scene.config())
    assert checked.status["status"] == "SUCCEEDED"
    assert scene.requests() == ["/users"]
    assert "users: 9 rows." in checked.log("INFO")

    assert scene.connector.run("discover", config=scene.config()).exit_code == 0
    assert scene.requests() == ["/users"]


def test_a_list_that_stands_still_is_asked_for_once(scenes: Any) -> None:
    scene: Scene = scenes(make_world(projects=2, tasks=150))

    scene.read(["tasks", "time_offs"])

    assert Counter(scene.requests()) == {"/tasks": 3, "/time-offs": 1}


@pagings
def test_the_second_sync_of_an_account_in_which_nothing_happens_takes_a_tenth_of_the_requests(
    scenes: Any, paging: Paging
) -> None:
    scene: Scene = scenes(make_world(projects=2, tasks=200), paging=paging, page_size=20)
    first = scene.read(OF_CHANGES)
    asked = len(scene.server.log)

    second = scene.read(OF_CHANGES, first.states)

    again = scene.requests(asked)
    assert Counter(again) == {f"/{RESOURCES[stream].path}": 1 for stream in OF_CHANGES}
    assert len(again) <= asked / 10
    assert second.exit_code == 0
    assert sum(second.counts.values()) <= 4 * len(OF_CHANGES), "what changed in the last ten minutes before the state"


def test_a_later_sync_brings_what_was_created_edited_archived_and_deleted(scenes: Any) -> None:
    scene: Scene = scenes()
    world: World = scene.world
    first = scene.read()
    world.now = datetime.now(UTC) + timedelta(seconds=1)
    project, task, entry, phase = (
        next(iter(world.rows[name])) for name in ("projects", "tasks", "time_entries", "phases")
    )
    world.edit("tasks", task, taskName="Renamed")
    world.archive("projects", project)
    world.edit("time_entries", entry, deleted=True)
    world.edit("phases", phase, phaseName="Renamed")
    created = world.create("tasks", taskName="New", project=world.rows["tasks"][task]["project"], archived=False)
    person = world.create("users", email="new@example.org", status="INVITED")
    del person["updatedAt"]
    time.sleep(1.1)

    second = scene.read(state=first.states)

    changed = {stream: {row[RESOURCES[stream].key] for row in second.rows(stream)} for stream in OF_CHANGES}
    assert {task, created["taskId"]} <= changed["tasks"]
    assert project in changed["projects"]
    assert entry in changed["time_entries"]
    assert person["userId"] in changed["users"]
    assert phase in {row["phaseId"] for row in second.rows("phases")}
    catalog = {stream["name"]: stream for stream in scene.connector.catalog(scene.config())["streams"]}
    for stream in (*OF_CHANGES, *OF_PROJECTS):
        table = [served(row) for row in merged(catalog[stream], first, second).values()]
        truth = held(world, stream)
        if stream == "users":
            truth = [{"updatedAt": row["createdAt"]} | row for row in truth]
        assert in_order(table) == in_order(truth), stream


def test_a_project_that_comes_back_brings_its_old_rows_too(scenes: Any) -> None:
    scene: Scene = scenes()
    world: World = scene.world
    project = next(key for key, row in world.rows["projects"].items() if row["archived"])
    first = scene.read(["phases"], include_archived=False)
    world.edit("projects", project, archived=False)

    second = scene.read(["phases"], first.states, include_archived=False)

    old = {row["phaseId"] for row in expected(world, "phases") if row["project"]["projectId"] == project}
    assert old
    assert old <= {row["phaseId"] for row in second.rows("phases")}
    assert old.isdisjoint(row["phaseId"] for row in first.rows("phases"))


def test_a_start_date_leaves_out_what_was_last_changed_before_it(scenes: Any) -> None:
    scene: Scene = scenes()
    start = (scene.world.now - timedelta(days=200)).replace(microsecond=0)

    read = scene.read(["tasks", "phases"], start_date=start.strftime("%Y-%m-%dT%H:%M:%SZ"))

    for stream in ("tasks", "phases"):
        since = [row for row in held(scene.world, stream) if row["updatedAt"] >= start.timestamp() * 1000]
        assert 0 < len(since) < len(scene.world.rows[stream])
        assert in_order(read.rows(stream)) == in_order(since), stream


def test_what_is_changed_during_the_sync_comes_and_does_not_move_the_state_past_its_start(scenes: Any) -> None:
    scene: Scene = scenes(make_world(projects=2, tasks=120))
    world: World = scene.world
    newest = max(row["updatedAt"] for row in world.rows["tasks"].values())

    def edit(request: Request) -> Response | None:
        if request.args.get("pageToken"):
            world.now = datetime.now(UTC) + timedelta(minutes=5)
            world.edit("tasks", expected(world, "tasks")[-1]["taskId"], taskName="Renamed meanwhile")
        return None

    scene.before = edit
    read = scene.read(["tasks"])

    assert "Renamed meanwhile" in {row["taskName"] for row in read.rows("tasks")}
    assert read.state("tasks") == {"updatedAt": str(newest)}


EDITED = ("projects", "tasks", "users", "time_entries", "phases", "companies", "comments")


@pagings
@pytest.mark.parametrize("seed", range(2))
def test_what_is_done_between_any_two_pages_is_in_the_tables_after_the_next_sync(
    scenes: Any, paging: Paging, seed: int
) -> None:
    scene: Scene = scenes(make_world(projects=3, tasks=25, seed=seed), paging=paging, page_size=10)
    world: World = scene.world
    catalog = {stream["name"]: stream for stream in scene.connector.catalog(scene.config())["streams"]}
    chance = random.Random(seed)  # noqa: S311
    edits = 0

    def edit(_: Request) -> Response | None:
        nonlocal edits
        world.now = datetime.now(UTC)
        if edits < 25 and chance.random() < 0.4:
            edits += 1
            _edit_something(world, chance)
        return None

    scene.before = edit
    first = scene.read(EDITED)
    scene.before = None
    second = scene.read(EDITED, first.states)

    assert edits > 5
    assert second.exit_code == 0
    for stream in EDITED:
        is_incremental = "incremental" in catalog[stream]["supported_sync_modes"]
        table = merged(catalog[stream], *((first, second) if is_incremental else (second,)))
        for row in held(world, stream):
            key = row[RESOURCES[stream].key]
            assert served(table[key]) == row, f"{stream} {key}"


def _edit_something(world: World, chance: random.Random) -> None:
    task = chance.choice(list(world.rows["tasks"]))
    action = chance.choice(["edit", "create", "delete", "delete", "archive", "subtask", "entry", "comment", "phase"])
    if action == "edit":
        world.edit("tasks", task, taskName=f"Task {chance.random()}")
    elif action == "create":
        world.create("tasks", taskName="New", project=world.rows["tasks"][task]["project"], archived=False)
    elif action == "subtask":
        parent = {"taskId": task, "taskName": "Parent"}
        world.create(
            "tasks", taskName="Sub", project=world.rows["tasks"][task]["project"], archived=False, parent=parent
        )
    elif action == "delete":
        world.delete("tasks", task)
    elif action == "archive":
        world.archive("tasks", task)
    else:
        name = {"entry": "time_entries", "comment": "comments", "phase": "phases"}[action]
        world.delete(name, chance.choice(list(world.rows[name])))


def test_a_list_that_shrinks_at_each_reading_is_told_and_its_state_stays(scenes: Any) -> None:
    scene: Scene = scenes(make_world(projects=2, tasks=60), paging="offset", page_size=20)
    world: World = scene.world

    def delete(request: Request) -> Response | None:
        if request.path.endswith("/tasks") and request.args.get("pageToken"):
            world.delete("tasks", expected(world, "tasks")[0]["taskId"])
        return None

    scene.before = delete
    first = scene.read(["tasks", "companies"])
    scene.before = None

    assert first.exit_code == 1
    assert first.ends == {"tasks": "INCOMPLETE", "companies": "COMPLETE"}
    (sentence,) = first.errors["tasks"]
    assert sentence.startswith("tasks was read 4 times, and rows left it each time")
    assert first.state("tasks") == {"updatedAt": "0"}
    second = scene.read(["tasks"], first.states)
    assert {row["taskId"] for row in second.rows("tasks")} == set(world.rows["tasks"])


def test_a_row_that_slips_past_behind_one_that_comes_is_found_when_the_list_is_read_again(scenes: Any) -> None:
    """A count that stands still hides the row that left; what was created since shows that there may be one."""
    scene: Scene = scenes(make_world(projects=2, tasks=60), paging="offset", page_size=20)
    world: World = scene.world
    done: list[int] = []

    def swap(request: Request) -> Response | None:
        if request.args.get("pageToken") and not done:
            world.now = datetime.now(UTC) + timedelta(seconds=2)
            first = expected(world, "companies")[0]["companyId"]
            done.append(first)
            world.delete("companies", first)
            company = world.create("companies", companyName="New", companyType="CUSTOMER")
            world.rows["companies"][company["companyId"]]["createdAt"] = world.now_ms()
            _put_last(world, company["companyId"])
        return None

    for number in range(60):
        world.create("companies", companyName=f"Company {number}", companyType="VENDOR")
    scene.before = swap
    read = scene.read(["companies"])

    assert {row["companyId"] for row in read.rows("companies")} >= set(world.rows["companies"])


def _put_last(world: World, company: int) -> None:
    """The server lists by time of creation; others that are newer than this one put it on the last page."""
    for key, row in world.rows["companies"].items():
        if key != company:
            row["createdAt"] += 10**9


def test_a_count_that_differs_from_the_rows_that_came_is_a_warning_with_both(scenes: Any) -> None:
    scene: Scene = scenes()

    def miscount(request: Request) -> Response | None:
        return scene.answer(request, totalRecordCount=7)

    scene.before = miscount
    read = scene.read(["companies"])

    assert read.exit_code == 0
    (warning,) = read.log("WARN")
    assert warning.startswith("companies: 5 rows came, and the server counts 7.")


def test_allocations_without_an_id_get_a_key_that_stays(scenes: Any) -> None:
    scene: Scene = scenes()

    first, second = scene.read(["resource_allocations"]), scene.read(["resource_allocations"])

    keys = [row["allocationKey"] for row in first.rows("resource_allocations")]
    assert len(set(keys)) == len(keys) == len(scene.world.rows["resource_allocations"])
    assert keys == [row["allocationKey"] for row in second.rows("resource_allocations")]


def test_what_is_null_or_absent_where_the_connector_looks_costs_nothing(scenes: Any) -> None:
    scene: Scene = scenes()
    world: World = scene.world
    for row in world.rows["resource_allocations"].values():
        row.update(member=None, placeholder=None)
    person = next(iter(world.rows["users"].values()))
    del person["updatedAt"], person["createdAt"]

    read = scene.read(["resource_allocations", "users"])

    assert read.exit_code == 0
    assert read.counts["resource_allocations"] == len(world.rows["resource_allocations"])
    assert "updatedAt" not in next(row for row in read.rows("users") if row["userId"] == person["userId"])
