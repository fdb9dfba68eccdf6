"""The examples with dlt's own `rest_api` source are run as their reader would, again and again, with edits between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from werkzeug import Request, Response

EXAMPLES = Path(__file__).parents[1]
for connector in ("source-rocketlane", "source-persistiq"):
    sys.path.append(str(EXAMPLES.parent / "connectors" / connector / "sample_server"))
rocketlane_api: Any = import_module("rocketlane_api")
rocketlane_world: Any = import_module("rocketlane_world")
persistiq_api: Any = import_module("persistiq_api")
persistiq_world: Any = import_module("persistiq_world")
serving: Any = import_module("serving")

KEY = "sample-key-of-the-account"
DAY = timedelta(days=1)
LAG = timedelta(minutes=10)
EACH_PROJECT = {"pageSize": "100", "includeArchive.eq": "true"}
BOOKKEEPING = {"_dlt_id", "_dlt_load_id", "_cursor", "_synced_until", "_event_at"}

Row = dict[str, Any]
Rows = dict[Any, Row]
Before = Callable[[Request], Response | None]
column_of = NamingConvention().normalize_identifier


class Account(ABC):
    """A made-up account. Its newest record is a day old, whenever the test runs.

    `keys` are the resources of the example with the key of each. `changing` are those that it asks for changes, and by
    which parameter.
    """

    name: ClassVar[str]
    prefix: ClassVar[str]
    keys: ClassVar[Mapping[str, str]]
    changing: ClassVar[Mapping[str, str]]
    world: Any

    @abstractmethod
    def api(self, every: float | None = None) -> Any:
        """The application that serves the account. It may admit one request `every` so many seconds."""

    @abstractmethod
    def expected(self, resource: str) -> list[Row]:
        """The rows that a perfect read brings."""

    @abstractmethod
    def changed_at(self, resource: str, row: Row) -> datetime:
        """What the server goes by when it is asked for changes."""

    @abstractmethod
    def edit(self) -> dict[str, set[Any]]:
        """What people do between two syncs: the keys of what came or changed in each of the `changing`."""

    def at_now(self) -> Any:
        """The world, with edits to come now. Persons edit in whole seconds here, as the examples ask in them."""
        self.world.now = datetime.now(UTC).replace(microsecond=0)
        return self.world

    def path(self, resource: str) -> str:
        return f"{self.prefix}/{resource}"


class Rocketlane(Account):
    name = "rocketlane"
    prefix = "/api/1.0"
    keys = {
        "projects": "projectId",
        "tasks": "taskId",
        "users": "userId",
        "fields": "fieldId",
        "time_offs": "timeOffId",
        "phases": "phaseId",
        "spaces": "spaceId",
        "space_documents": "spaceDocumentId",
        "time_entries": "timeEntryId",
    }
    changing = dict.fromkeys(("projects", "tasks", "users", "fields", "time_entries"), "updatedAt.ge")

    def __init__(self, projects: int = 4, tasks: int = 60) -> None:
        self.world = rocketlane_world.make_world(projects, tasks)
        later = round((datetime.now(UTC) - DAY - self.world.now) / timedelta(milliseconds=1))
        for rows in self.world.rows.values():
            for row in rows.values():
                row |= {name: value + later for name, value in row.items() if name.endswith("At")}

    def api(self, every: float | None = None) -> Any:
        limit = {"lists_per_minute": 1, "window_seconds": every} if every else {}
        return rocketlane_api.RocketlaneApi(self.world, KEY, **limit)

    def expected(self, resource: str) -> list[Row]:
        rows = rocketlane_api.expected(self.world, resource)
        if resource in ("phases", "spaces"):
            return [row | {"projectId": row["project"]["projectId"]} for row in rows]
        return list(rows)

    def changed_at(self, resource: str, row: Row) -> datetime:
        return datetime.fromtimestamp((row.get("updatedAt") or row["createdAt"]) / 1000, UTC)

    def path(self, resource: str) -> str:
        return super().path(resource.replace("_", "-"))

    def edit(self) -> dict[str, set[Any]]:
        world = self.at_now()
        keys = {resource: list(rows) for resource, rows in world.rows.items()}
        project, other = keys["projects"][:2]
        world.archive("projects", other)
        world.archive("tasks", keys["tasks"][0])
        world.edit("tasks", keys["tasks"][1], taskName="007", progress=None, phase=None)
        task = world.create("tasks", taskName="New", project={"projectId": project}, progress=12.5, fields=[])
        user = world.create("users", email="new@example.org", type="CUSTOMER", status="INVITED")
        del user["updatedAt"]
        world.edit("fields", keys["fields"][0], fieldLabel="2026-01-01T00:00:00Z")
        world.delete("time_entries", keys["time_entries"][0])
        world.delete("time_offs", keys["time_offs"][0])
        world.delete("phases", keys["phases"][0])
        world.edit("phases", keys["phases"][1], phaseName="Renamed")
        world.create("phases", phaseName="New", project={"projectId": project}, startDate="2026-01-01")
        world.edit("spaces", keys["spaces"][0], spaceName="Renamed")
        world.delete("space_documents", keys["space_documents"][0])
        return {
            "projects": {other},
            "tasks": {*keys["tasks"][:2], task["taskId"]},
            "users": {user["userId"]},
            "fields": {keys["fields"][0]},
            "time_entries": {keys["time_entries"][0]},
        }


class Persistiq(Account):
    name = "persistiq"
    prefix = "/v1"
    keys = dict.fromkeys(
        (
            *("users", "leads", "campaigns", "lead_statuses", "lead_fields", "campaign_leads", "events"),
            *("dnc_domains", "tags"),
        ),
        "id",
    )
    changing = {"leads": "updated_after", "events": "start_at"}

    def __init__(self) -> None:
        self.world = persistiq_world.make_world()
        later = datetime.now(UTC) - DAY - self.world.now
        for times in (self.world.created, self.world.updated):
            times |= {row_id: moment + later for row_id, moment in times.items()}
        for event in self.world.events.values():
            for name in {"event_at", "created_at"} & event.keys():
                event[name] = (moment_of(event[name]) + later).isoformat(timespec="milliseconds")

    def api(self, every: float | None = None) -> Any:
        limit = {"requests_per_minute": 1, "window_seconds": every} if every else {}
        return persistiq_api.PersistiqApi(self.world, KEY, **limit)

    def expected(self, resource: str) -> list[Row]:
        return list(persistiq_api.expected(self.world, resource))

    def changed_at(self, resource: str, row: Row) -> datetime:
        times = self.world.created if resource == "events" else self.world.updated
        return moment_of(times[row["id"]].isoformat())

    def edit(self) -> dict[str, set[Any]]:
        world = self.at_now()
        user, other = list(world.users)[:2]
        campaign, gone = list(world.campaigns)[:2]
        lead = next(iter(world.leads.values()))
        world.edit("leads", lead["id"], status="replied", bounced="true", owner_id=None)
        new = world.create("leads", data={"email": "new@example.org", "first_name": "007"})
        world.create("campaign_leads", campaign_id=campaign, lead=new)
        world.delete("campaign_leads", next(iter(world.campaign_leads[campaign])))
        events = [
            world.create("events", kind="lead_created", user_id=user, lead={"id": new["id"]}),
            world.create("events", event_type="lead_created", data={"lead_id": new["id"]}),
        ]
        world.edit("campaigns", campaign, name="2026-01-01T00:00:00Z")
        world.delete("campaigns", gone)
        world.archive_user(other)
        for tag in list(world.tags):
            world.delete("tags", tag)
        world.create("dnc_domains", name="new.example")
        return {"leads": {lead["id"], new["id"]}, "events": {event["id"] for event in events}}


@dataclass(frozen=True)
class Table:
    """The rows of a resource by their key, as the server would write them, and which load each came with."""

    types: Mapping[str, str]
    rows: Rows
    loads: Mapping[Any, str]


@dataclass(frozen=True)
class Ran:
    """An example that has ended: what it said and asked for, and the tables and the server at its end."""

    exit_code: int
    output: str
    requests: list[Any]
    tables: dict[str, Table]
    served: dict[str, Rows]

    @property
    def rows(self) -> dict[str, Rows]:
        return {resource: table.rows for resource, table in self.tables.items()}

    def asked(self, path: str) -> list[dict[str, str]]:
        """The parameters of each request for a path, but of those that ask which projects there are."""
        return [request.query for request in self.requests if request.path == path and request.query != EACH_PROJECT]


class Scene:
    """An account, its server, and the example that syncs it."""

    def __init__(self, account: Account, server: Any, folder: Path) -> None:
        self.account = account
        self.server = server
        self.before: Before | None = None
        self._folder = folder
        self._database = folder / "account.duckdb"

    def run(self, *resources: str, before: Before | None = None, key: str = KEY) -> Ran:
        """Run the example once; `before` sees its requests, as SampleServer's does."""
        self.before = before
        seen = len(self.server.log)
        source = f"SOURCES__{self.account.name.upper()}__"
        ended = subprocess.run(
            [sys.executable, EXAMPLES / f"dlt_{self.account.name}.py", self._database, *resources],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            cwd=self._folder,
            env={
                **os.environ,
                "HOME": str(self._folder),
                f"{source}API_KEY": key,
                f"{source}BASE_URL": self.server.url + self.account.prefix,
            },
        )
        print(ended.stdout, ended.stderr)  # for whoever looks into a test that failed
        self.before = None
        tables = {resource: table for resource in self.account.keys if (table := self._table(resource)) is not None}
        served = {resource: self._served(resource, table.types) for resource, table in tables.items()}
        return Ran(ended.returncode, ended.stdout + ended.stderr, self.server.log[seen:], tables, served)

    def _table(self, resource: str) -> Table | None:
        if not self._database.exists():
            return None
        with duckdb.connect(str(self._database), read_only=True) as connection:
            try:
                relation = connection.sql(f'FROM "{self.account.name}_dataset"."{resource}"')
            except duckdb.CatalogException:
                return None
            types = dict(zip(relation.columns, map(str, relation.types), strict=True))
            rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        key = column_of(self.account.keys[resource])
        loads = {row[key]: row["_dlt_load_id"] for row in rows}
        assert len(loads) == len(rows), f"{len(rows) - len(loads)} rows of {resource} are there twice"
        return Table(
            types,
            {
                row[key]: {
                    name: json.loads(value) if types[name] == "JSON" else value
                    for name, value in row.items()
                    if value is not None and name not in BOOKKEEPING
                }
                for row in rows
            },
            loads,
        )

    def _served(self, resource: str, types: Mapping[str, str]) -> Rows:
        """What the server has, with the values that columns of these types can hold."""
        key = self.account.keys[resource]
        return {
            row[key]: {
                column_of(name): in_column(types.get(column_of(name), ""), value)
                for name, value in row.items()
                if value is not None
            }
            for row in self.account.expected(resource)
        }


def in_column(kind: str, value: Any) -> Any:
    if kind == "DATE":
        return date.fromisoformat(value)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return moment_of(value)
    return {"true": True, "false": False}.get(value, value) if kind == "BOOLEAN" else value


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@contextmanager
def scene_of(account: Account, folder: Path, every: float | None = None) -> Iterator[Scene]:
    def before(request: Request) -> Response | None:
        return scene.before(request) if scene.before else None

    with serving.SampleServer(account.api(every), before=before) as server:
        scene = Scene(account, server, folder)
        yield scene


@dataclass
class Story:
    """A sync, edits, a sync that is refused at one list, and one that works."""

    account: Account
    lagging: dict[str, set[Any]]
    changed: dict[str, set[Any]]
    first: Ran
    refused: Ran
    second: Ran


ACCOUNTS = pytest.mark.parametrize("kind", [Rocketlane, Persistiq], ids=lambda kind: kind.name)


@pytest.fixture(scope="module", params=[Rocketlane, Persistiq], ids=lambda kind: kind.name)
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    account: Account = request.param()
    with scene_of(account, tmp_path_factory.mktemp("example")) as scene:
        first = scene.run()
        lagging = {resource: within_the_lag(account, resource) for resource in account.changing}
        changed = account.edit()
        refused = scene.run(before=refusing(account))
        yield Story(account, lagging, changed, first, refused, scene.run())


def within_the_lag(account: Account, resource: str) -> set[Any]:
    """The rows that are asked for again because they are nearly as new as the newest; of leads no time is known."""
    times = {row[account.keys[resource]]: account.changed_at(resource, row) for row in account.expected(resource)}
    since = max(times.values()) - LAG - timedelta(seconds=1)
    return {key for key, moment in times.items() if moment >= since and resource != "leads"}


def refusing(account: Account) -> Before:
    """Refuses the list that the example names last."""
    path = account.path(list(account.keys)[-1])
    return lambda request: serving.as_json({"error": "refused"}, 400) if request.path == path else None


def assert_failed(ran: Ran, why: str) -> None:
    """One sentence, and nothing of the key."""
    assert ran.exit_code == 1
    (sentence,) = ran.output.splitlines()
    assert sentence.startswith("The sync failed: ")
    assert why in sentence
    assert KEY not in sentence


def test_the_first_sync_brings_every_row_of_every_resource_once(story: Story) -> None:
    assert story.first.exit_code == 0, story.first.output
    assert story.first.tables.keys() == story.account.keys.keys()
    assert story.first.rows == story.first.served
    assert all(story.first.rows.values())


def test_a_sync_after_edits_leaves_what_the_server_has(story: Story) -> None:
    assert story.second.exit_code == 0, story.second.output
    assert story.second.rows == story.second.served
    assert story.second.rows != story.first.rows


def test_a_sync_that_fails_midway_loads_nothing_and_says_why(story: Story) -> None:
    assert_failed(story.refused, "400 Client Error")
    assert story.refused.rows == story.first.rows


def test_the_first_sync_leaves_out_no_row_for_its_time(story: Story) -> None:
    for resource, parameter in story.account.changing.items():
        asked = {query.get(parameter, "0") for query in story.first.asked(story.account.path(resource))}
        assert asked == {"0"}


def test_later_syncs_ask_for_what_changed_alone(story: Story) -> None:
    for resource, parameter in story.account.changing.items():
        (asked,) = story.second.asked(story.account.path(resource))
        assert asked[parameter] > "0"
    assert len(story.second.requests) < len(story.first.requests)


def test_rows_that_did_not_change_are_not_loaded_again(story: Story) -> None:
    for resource, changed in story.changed.items():
        before, after = story.first.tables[resource].loads, story.second.tables[resource].loads
        loaded = {key for key, load in after.items() if load != before.get(key)}
        assert changed <= loaded <= changed | story.lagging[resource]


def test_what_has_parts_stays_in_one_column_as_json(story: Story) -> None:
    parts = {
        (resource, column_of(name))
        for resource in story.account.keys
        for row in story.account.expected(resource)
        for name, value in row.items()
        if isinstance(value, dict | list)
    }
    assert parts
    assert {story.first.tables[resource].types[column] for resource, column in parts} == {"JSON"}


def test_no_column_is_split_because_its_values_look_unlike(story: Story) -> None:
    columns = [column for table in story.second.tables.values() for column in table.types]
    assert [column for column in columns if "__" in column] == []


def test_only_what_is_asked_for_is_synced(tmp_path: Path) -> None:
    with scene_of(Rocketlane(2, 3), tmp_path) as scene:
        ran = scene.run("spaces", "users")
    assert ran.exit_code == 0, ran.output
    assert ran.tables.keys() == {"spaces", "users"}
    assert ran.rows == ran.served


def test_a_resource_that_there_is_not_is_named(tmp_path: Path) -> None:
    with scene_of(Persistiq(), tmp_path) as scene:
        ran = scene.run("users", "replies")
    assert_failed(ran, "there is no resource replies. There are: users, leads, ")
    assert ran.requests == []


@ACCOUNTS
def test_a_wrong_key_ends_with_one_sentence_that_does_not_show_it(kind: type[Account], tmp_path: Path) -> None:
    with scene_of(kind(), tmp_path) as scene:
        ran = scene.run(key="wrong-" + KEY)
    assert_failed(ran, "does not accept the API key")
    assert {request.status for request in ran.requests} == {401}


@ACCOUNTS
def test_without_a_key_nothing_is_asked_for(kind: type[Account], tmp_path: Path) -> None:
    with scene_of(kind(), tmp_path) as scene:
        missing, broken = scene.run(key=""), scene.run(key="two\nlines")
    for ran in (missing, broken):
        assert_failed(ran, f"there is no API key in SOURCES__{kind.name.upper()}__API_KEY or .dlt/secrets.toml.")
        assert ran.requests == []


@ACCOUNTS
def test_a_redirect_to_another_host_does_not_get_the_key(kind: type[Account], tmp_path: Path) -> None:
    with scene_of(kind(), tmp_path) as scene, serving.SampleServer(scene.account.api()) as other:
        away = Response(status=307, headers={"Location": f"{other.url}{scene.account.prefix}/users"})
        ran = scene.run("users", before=lambda _: away)
    assert_failed(ran, "leads to another address, to which the API key is not sent.")
    assert other.log == []


@ACCOUNTS
@pytest.mark.parametrize(
    "body",
    [
        {},
        "nope",
        {"data": None, "users": None},
        {"status": "error", "users": []},
        {"data": [], "pagination": {"hasMore": True}},
    ],
    ids=str,
)
def test_an_answer_without_its_list_is_a_failure(kind: type[Account], body: Any, tmp_path: Path) -> None:
    with scene_of(kind(), tmp_path) as scene:
        ran = scene.run("users", before=lambda _: serving.as_json(body))
    assert_failed(ran, "answers without a list")


@ACCOUNTS
def test_after_a_429_the_next_request_comes_when_the_server_admits_it(kind: type[Account], tmp_path: Path) -> None:
    with scene_of(kind(), tmp_path, every=3) as scene:
        ran = scene.run("users", list(kind.keys)[3])
    assert ran.exit_code == 0, ran.output
    assert [request.status for request in ran.requests] == [200, 429, 200]


def test_a_list_without_paging_is_one_page(tmp_path: Path) -> None:
    account = Persistiq()
    body = {"status": "success", "errors": [], "users": account.expected("users")}
    with scene_of(account, tmp_path) as scene:
        ran = scene.run("users", before=lambda _: serving.as_json(body))
    assert ran.exit_code == 0, ran.output
    assert len(ran.requests) == 1
    assert ran.rows == ran.served


def test_lists_of_projects_beyond_the_first_page_of_projects_come(tmp_path: Path) -> None:
    with scene_of(Rocketlane(101, 0), tmp_path) as scene:
        ran = scene.run("phases")
    assert ran.exit_code == 0, ran.output
    assert len(ran.asked("/api/1.0/phases")) == 101
    assert ran.rows == ran.served


def test_a_project_that_goes_while_its_lists_are_read_is_no_failure(tmp_path: Path) -> None:
    account = Rocketlane(3, 0)
    gone = next(iter(account.world.rows["projects"]))

    def delete(request: Request) -> None:
        if request.args.get("projectId") == str(gone):
            account.world.delete("projects", gone)

    with scene_of(account, tmp_path) as scene:
        ran = scene.run("spaces", before=delete)
    assert ran.exit_code == 0, ran.output
    assert sorted(request.status for request in ran.requests) == [200, 200, 200, 404]
    assert ran.rows == ran.served


def test_a_task_that_was_edited_behind_the_reader_comes_with_the_next_sync_however_new_the_newest_is(
    tmp_path: Path,
) -> None:
    account = Rocketlane()
    tasks = [row["taskId"] for row in account.expected("tasks")]

    def edit(request: Request) -> None:
        if "pageToken" in request.args and account.world.rows["tasks"][tasks[-1]]["taskName"] != "Newest":
            account.at_now().edit("tasks", tasks[0], taskName="Edited")
            account.world.now += timedelta(minutes=30)
            account.world.edit("tasks", tasks[-1], taskName="Newest")

    with scene_of(account, tmp_path) as scene:
        during, after = scene.run("tasks", before=edit), scene.run("tasks")
    assert during.rows["tasks"][tasks[0]]["task_name"] != "Edited"
    assert during.rows["tasks"][tasks[-1]]["task_name"] == "Newest"
    assert after.rows == after.served


def test_a_lead_that_was_edited_behind_the_reader_comes_with_the_next_sync(tmp_path: Path) -> None:
    account = Persistiq()
    lead = account.expected("leads")[0]["id"]

    def edit(request: Request) -> None:
        if request.args["page"] == "2":
            account.at_now().edit("leads", lead, status="edited")

    with scene_of(account, tmp_path) as scene:
        during, after = scene.run("leads", before=edit), scene.run("leads")
    assert during.rows["leads"][lead].get("status") != "edited"
    assert after.rows == after.served


def test_what_was_deleted_stays_where_no_list_tells_of_it(tmp_path: Path) -> None:
    account = Rocketlane(2, 3)
    (task, *_) = account.world.rows["tasks"]
    with scene_of(account, tmp_path) as scene:
        scene.run("tasks")
        account.at_now().delete("tasks", task)
        after = scene.run("tasks")
    assert after.rows["tasks"].keys() - after.served["tasks"].keys() == {task}
