"""What a read of a PersistIQ account brings: every row once, what changed since, nothing lost to edits meanwhile."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from declarative_runner import merged, violations
from persistiq_api import expected
from persistiq_scene import STREAMS, Paging, Scene
from persistiq_world import World, iso, make_world
from serving import as_json
from werkzeug import Request, Response

ADDED = {"_synced_until", "_event_at", "lead_id"}
"""What the connector adds to a row."""
pagings = pytest.mark.parametrize("paging", ["offset", "key"])


def served(row: dict[str, Any]) -> dict[str, Any]:
    """The row without what the connector adds, and without nulls, which the cdk leaves out."""
    return {name: value for name, value in row.items() if name not in ADDED and value is not None}


def held(world: World, stream: str) -> dict[str, dict[str, Any]]:
    """What the account holds of a stream, by id."""
    return {row["id"]: served(row) for row in expected(world, stream)}


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
        assert {row["id"]: served(row) for row in rows} == held(scene.world, stream), stream
        assert len(rows) == len({row["id"] for row in rows}), stream
        assert violations(catalog[stream]["json_schema"], rows) == []
    assert scene.api.writes == 0


def test_what_the_connector_adds_to_a_row(scenes: Any) -> None:
    scene: Scene = scenes()

    read = scene.read()

    assert all(row["lead_id"] == row["lead"]["id"] for row in read.rows("campaign_leads"))
    assert len({row["_synced_until"] for row in read.rows("leads")}) == 1
    for row in read.rows("events"):
        event_at = datetime.fromisoformat((row.get("event_at") or row["created_at"]).replace("Z", "+00:00"))
        assert datetime.fromisoformat(row["_event_at"].replace("Z", "+00:00")) == event_at


def test_replies_are_offered_only_to_those_who_ask_for_them(scenes: Any) -> None:
    scene: Scene = scenes()
    config = scene.config()

    without = {stream["name"] for stream in scene.connector.catalog(config | {"include_replies": False})["streams"]}
    with_them = {stream["name"] for stream in scene.connector.catalog(config)["streams"]}

    assert with_them - without == {"campaign_replies"}


def test_check_makes_one_request_and_says_what_it_found_and_discover_makes_none(scenes: Any) -> None:
    scene: Scene = scenes()

    checked = scene.connector.run("check", config=scene.config())
    assert checked.status["status"] == "SUCCEEDED"
    assert scene.requests() == ["/users"]
    assert [words for words in checked.log("INFO") if "users" in words] == ["users: 6 rows on the first page."]

    assert scene.connector.run("discover", config=scene.config()).exit_code == 0
    assert scene.requests() == ["/users"]


def test_a_list_of_several_pages_is_read_until_each_of_its_rows_has_come_again(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=250, events=40))

    scene.read(["leads", "users", "lead_statuses"])

    assert Counter(scene.requests()) == {"/leads": 6, "/users": 1, "/lead_statuses": 1}


@pagings
def test_the_second_sync_of_an_account_in_which_nothing_happens_asks_for_one_page_of_each_list_of_changes(
    scenes: Any, paging: Paging
) -> None:
    scene: Scene = scenes(make_world(leads=240, events=240), paging=paging, page_size=20)
    first = scene.read(["leads", "events"])
    assert len(scene.requests()) == 2 * (12 + 12)

    second = scene.read(["leads", "events"], first.states)

    assert Counter(scene.requests(48)) == {"/leads": 1, "/events": 1}
    assert second.counts["leads"] == 0
    assert second.ends == {"leads": "COMPLETE", "events": "COMPLETE"}


def test_a_later_sync_brings_the_leads_events_and_replies_of_the_time_since_less_ten_minutes(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=120, events=30))
    world: World = scene.world
    first = scene.read(["leads", "events", "campaign_replies"])
    world.now = datetime.now(UTC) - timedelta(minutes=1)
    edited = next(iter(world.leads))
    world.edit("leads", edited, status="replied")
    lead = world.create("leads", status="new", data={"email": "new@example.org"})
    event = world.create("events", kind="message_sent", event_at=iso(world.now))
    campaign = next(iter(world.campaigns))
    reply = world.create("campaign_replies", campaign_id=campaign, subject="Re: hello", sent_at=iso(world.now))

    second = scene.read(["leads", "events", "campaign_replies"], first.states)

    assert {row["id"] for row in second.rows("leads")} == {edited, lead["id"]}
    assert event["id"] in {row["id"] for row in second.rows("events")}
    assert second.counts["events"] < len(world.events)
    assert reply["id"] in {row["id"] for row in second.rows("campaign_replies")}
    assert second.counts["campaign_replies"] <= 2 * len(world.campaigns) + 1, "the newest of each campaign once more"
    lower = datetime.fromisoformat(first.state("leads")["_synced_until"].replace("Z", "+00:00"))
    (asked,) = [request.query for request in scene.server.log if request.query.get("updated_after")]
    assert datetime.fromisoformat(asked["updated_after"].replace("Z", "+00:00")) == lower - timedelta(minutes=10)


def test_events_are_asked_for_up_to_the_start_of_the_sync_so_that_pages_stand_still(scenes: Any) -> None:
    scene: Scene = scenes(make_world(events=1_200))

    scene.read(["events"])

    ends = {request.query["end_at"] for request in scene.server.log}
    assert len(ends) == 1
    assert all("start_at" in request.query for request in scene.server.log)


def test_a_start_date_leaves_out_what_was_before_it(scenes: Any) -> None:
    scene: Scene = scenes()
    world: World = scene.world
    start = (world.now - timedelta(days=200)).replace(microsecond=0)

    read = scene.read(["leads", "events", "users"], start_date=start.strftime("%Y-%m-%dT%H:%M:%SZ"))

    changed = {key for key in world.leads if world.updated[key] >= start}
    assert 0 < len(changed) < len(world.leads)
    assert {row["id"] for row in read.rows("leads")} == changed
    assert {row["id"] for row in read.rows("events")} == {key for key in world.events if world.created[key] >= start}
    assert read.counts["users"] == len(expected(world, "users"))


EDITED = ("leads", "campaigns", "dnc_domains", "tags", "users", "campaign_leads")


@pagings
@pytest.mark.parametrize("seed", range(2))
def test_what_is_done_between_any_two_pages_is_in_the_tables_after_the_next_sync(
    scenes: Any, paging: Paging, seed: int
) -> None:
    scene: Scene = scenes(make_world(leads=60, campaigns=2, events=30, seed=seed), paging=paging, page_size=10)
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
        reads = (first, second) if stream == "leads" else (second,)
        table = {key: served(row) for key, row in merged(catalog[stream], *reads).items()}
        for key, row in held(world, stream).items():
            assert table.get(key) == row, f"{stream} {key}"


def _edit_something(world: World, chance: random.Random) -> None:
    lead = chance.choice(list(world.leads))
    action = chance.choice(["edit", "create", "delete", "delete", "domain", "tag", "campaign_lead"])
    if action == "edit":
        world.edit("leads", lead, status=f"status {chance.random()}")
    elif action == "create":
        world.create("leads", status="new", data={"email": f"{chance.random()}@example.org"})
    elif action == "delete":
        world.delete("leads", lead)
    elif action == "domain":
        world.delete("dnc_domains", chance.choice(list(world.dnc_domains)))
    elif action == "tag":
        world.create("tags", name=f"tag {chance.random()}")
    else:
        campaign = chance.choice(list(world.campaigns))
        world.create("campaign_leads", campaign_id=campaign, lead=world.leads[lead])


def test_a_list_in_which_a_row_leaves_at_each_pass_is_told_and_its_state_stays(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=150, events=30), page_size=20)
    world: World = scene.world

    def delete(request: Request) -> Response | None:
        if request.path.endswith("/leads") and request.args.get("page") == "3":
            world.delete("leads", expected(world, "leads")[0]["id"])
        return None

    scene.before = delete
    first = scene.read(["leads", "tags"])
    scene.before = None

    assert first.exit_code == 1
    assert first.ends == {"leads": "INCOMPLETE", "tags": "COMPLETE"}
    (sentence,) = first.errors["leads"]
    assert sentence.startswith("leads was read 4 times, and rows left it each time")
    assert first.state("leads") == {"_synced_until": "1970-01-01T00:00:00Z"}
    second = scene.read(["leads"], first.states)
    assert {row["id"] for row in second.rows("leads")} == set(world.leads)


def test_a_campaign_that_vanishes_costs_its_own_rows_and_is_named(scenes: Any) -> None:
    scene: Scene = scenes()
    gone, *rest = scene.world.campaigns

    def vanish(request: Request) -> Response | None:
        if request.path.endswith(f"/campaigns/{gone}/leads"):
            return Response('{"status":"error","error":{"reason":"invalid_request","message":"gone"}}', 404)
        return None

    scene.before = vanish
    read = scene.read(["campaign_leads", "campaigns"])

    assert read.exit_code == 0
    others = {key for campaign in rest for key in scene.world.campaign_leads[campaign]}
    assert {row["id"] for row in read.rows("campaign_leads")} == others != set()
    assert read.log("WARN") == [f"campaign_leads of campaign_id {gone} is skipped: the server answers with 404."]


def test_an_event_without_a_time_and_a_campaign_lead_without_a_lead_cost_the_others_nothing(scenes: Any) -> None:
    scene: Scene = scenes(make_world(leads=20, events=20))
    world: World = scene.world
    campaign = next(iter(world.campaigns))
    lone = world.create("campaign_leads", campaign_id=campaign, lead=None)
    timeless = {"id": "evt_timeless", "kind": "lead_created", "event_at": None, "created_at": None}

    def put_first(request: Request) -> Response | None:
        if not request.path.endswith("/events"):
            return None
        body = scene.api(request).get_json()
        return as_json(body | {"events": [timeless, *body["events"]]})

    scene.before = put_first
    read = scene.read(["campaign_leads", "events"])

    assert read.exit_code == 0
    assert "lead_id" not in next(row for row in read.rows("campaign_leads") if row["id"] == lone["id"])
    times = {row["id"]: row.get("_event_at") for row in read.rows("events")}
    assert times.pop("evt_timeless") is None
    assert times.keys() == world.events.keys()
    assert all(moment and moment.endswith("Z") for moment in times.values())
