"""The models on both databases: dbt's own tests, and each measure that Tracker computes too against its figure."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from warehouses import DuckDb, PostgresDatabase, Warehouse, dbt, differing

from conftest import CONNECTORS_PYTHON, ROOT, variables

MARTS = sorted(path.stem for path in (ROOT / "dbt" / "models" / "marts").glob("*.sql"))
STATES = ("accepted", "delivered", "finished", "started", "rejected", "planned", "unstarted", "unscheduled")


@pytest.fixture(params=["in_duckdb", "in_postgres", "awkward"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return request.getfixturevalue(request.param)


def raw(warehouse: Warehouse) -> str:
    return "main" if isinstance(warehouse, DuckDb) else "raw"


def test_the_velocity_is_that_of_tracker(warehouse: Warehouse) -> None:
    rows = warehouse.rows("SELECT project_id, velocity, velocity_by_tracker FROM tracker.tracker__project")
    assert len(rows) >= 3
    assert [row for row in rows if row[1] != row[2]] == []


def test_the_points_of_an_iteration_are_those_of_tracker(warehouse: Warehouse) -> None:
    ours = warehouse.rows("SELECT project_id, number, points, accepted_points FROM tracker.tracker__iteration")
    theirs = warehouse.rows(f"SELECT project_id, number, points, accepted_points FROM {raw(warehouse)}.iterations")
    assert len(ours) > 50
    assert differing(ours, theirs) == []


def test_the_velocity_of_an_iteration_is_that_of_tracker(warehouse: Warehouse) -> None:
    ours = warehouse.rows(
        "SELECT project_id, number, velocity FROM tracker.tracker__iteration WHERE panel <> 'backlog'"
    )
    theirs = warehouse.rows(
        f"SELECT i.project_id, i.number, i.velocity FROM {raw(warehouse)}.iterations i"
        f" JOIN {raw(warehouse)}.projects p ON p.id = i.project_id AND i.number <= p.current_iteration_number"
    )
    assert differing(ours, theirs) == []


@pytest.mark.parametrize("state", STATES)
def test_the_days_are_those_of_tracker(state: str, warehouse: Warehouse) -> None:
    ours = warehouse.rows(
        "SELECT days.project_id, days.date, coalesce(stories, 0), coalesce(points, 0)"
        f" FROM {raw(warehouse)}.project_history_days AS days LEFT JOIN tracker.tracker__daily_flow AS flow"
        f" ON flow.project_id = days.project_id AND flow.date = days.date AND flow.state = '{state}'"
    )
    theirs = warehouse.rows(
        f"SELECT project_id, date, counts_{state}, points_{state} FROM {raw(warehouse)}.project_history_days"
    )
    assert len(ours) > 300
    assert differing(ours, theirs) == []


def test_no_day_is_missing_between_the_first_and_the_last(warehouse: Warehouse) -> None:
    rows = warehouse.rows(
        "SELECT project_id, count(DISTINCT date), max(date) - min(date) + 1 FROM tracker.tracker__daily_flow GROUP BY 1"
    )
    assert [row for row in rows if row[1] != row[2]] == []


@pytest.mark.parametrize("state", ["started", "finished", "delivered", "rejected"])
def test_the_time_in_a_state_is_that_of_tracker(state: str, warehouse: Warehouse) -> None:
    ours = warehouse.rows(f"SELECT story_id, coalesce(round(days_{state} * 86400000), 0) FROM tracker.tracker__story")
    theirs = warehouse.rows(f"SELECT story_id, {state}_time FROM {raw(warehouse)}.story_cycle_times")
    assert len(theirs) > 400
    assert differing(ours, theirs) == []


def test_rejections_are_those_of_tracker(warehouse: Warehouse) -> None:
    """Tracker counts none where no transition tells of any; the models say that it is not known."""
    ours = warehouse.rows("SELECT story_id, coalesce(times_rejected, 0) FROM tracker.tracker__story")
    theirs = warehouse.rows(f"SELECT story_id, rejected_count FROM {raw(warehouse)}.story_cycle_times")
    assert differing(ours, theirs) == []


def test_an_epic_is_complete_when_tracker_says_so(warehouse: Warehouse) -> None:
    ours = warehouse.rows("SELECT epic_id, completed_at IS NULL FROM tracker.tracker__epic")
    theirs = warehouse.rows(
        f"SELECT id, completed_at IS NULL FROM {raw(warehouse)}.epics WHERE _ab_cdc_deleted_at IS NULL"
    )
    assert len(ours) >= 15
    assert differing(ours, theirs) == []


def test_a_forecast_by_velocity_is_within_two_iterations_of_that_of_tracker(warehouse: Warehouse) -> None:
    """Tracker lets no story lie across two iterations, so that its plan is up to some longer than the points say."""
    apart = warehouse.rows(
        "SELECT epic_id, weeks FROM tracker.tracker__epic AS e JOIN tracker.tracker__project AS p USING (project_id)"
        " WHERE abs(extract(epoch FROM projected_by_velocity) - extract(epoch FROM projected_by_tracker))"
        " > 2 * weeks * 7 * 86400"
    )
    assert apart == []
    one_alone = "(projected_by_velocity IS NULL) <> (projected_by_tracker IS NULL)"
    assert warehouse.rows(f"SELECT count(*) FROM tracker.tracker__epic WHERE {one_alone}") == [(0,)]


def test_the_labels_have_the_stories_that_tracker_counts(warehouse: Warehouse) -> None:
    is_duckdb = isinstance(warehouse, DuckDb)
    ours = warehouse.rows("SELECT label_id, stories FROM tracker.tracker__label")
    counted = "+".join(
        f"coalesce(cast(json_extract_string(counts, '$.number_of_stories_by_state.{state}') AS bigint), 0)" if is_duckdb
        else f"coalesce(cast(counts #>> '{{number_of_stories_by_state,{state}}}' AS bigint), 0)"
        for state in STATES
    )  # fmt: skip
    theirs = warehouse.rows(f"SELECT id, {counted} FROM {raw(warehouse)}.labels WHERE _ab_cdc_deleted_at IS NULL")
    assert differing(ours, theirs) == []


def test_what_was_deleted_is_in_no_model(warehouse: Warehouse) -> None:
    gone = f"SELECT id FROM {raw(warehouse)}.stories WHERE _ab_cdc_deleted_at IS NOT NULL"
    found = warehouse.rows(f"SELECT count(*) FROM tracker.tracker__story_state_spans WHERE story_id IN ({gone})")
    assert found == [(0,)]


@pytest.mark.parametrize("mart", MARTS)
def test_both_databases_make_the_same_rows(mart: str, in_duckdb: DuckDb, in_postgres: PostgresDatabase) -> None:
    described = in_duckdb.rows(f"DESCRIBE tracker.{mart}")
    columns = ", ".join(f'"{name}"' for name, *_ in described)
    query = f"SELECT {columns} FROM tracker.{mart}"
    one, other = in_duckdb.rows(query), in_postgres.rows(query)
    assert len(one) == len(other) > 0
    assert differing(one, other) == []


@pytest.mark.parametrize(
    "missing",
    [
        ["story_reviews", "story_blockers"],
        ["epics", "labels", "releases"],
        ["activity", "iterations"],
    ],
    ids=lambda names: " ".join(names),
)
def test_a_stream_that_is_missing_costs_what_hangs_on_it_alone(
    missing: list[str], synced: Path, tmp_path: Path
) -> None:
    shutil.copy(synced, tmp_path / "less.duckdb")
    warehouse = DuckDb(tmp_path / "less.duckdb")
    warehouse.execute(f"DROP TABLE {missing[0]}")
    named = ", ".join(missing[1:])
    built = dbt(warehouse, "build", tmp_path, variables("main")[:-1] + f", tracker_missing_streams: [{named}]}}")
    assert built.returncode == 0, built.stdout[-3000:]
    ((stories,),) = warehouse.rows("SELECT count(*) FROM tracker.tracker__story")
    assert stories > 700


def test_without_transitions_no_state_is_invented(synced: Path, tmp_path: Path) -> None:
    shutil.copy(synced, tmp_path / "less.duckdb")
    warehouse = DuckDb(tmp_path / "less.duckdb")
    warehouse.execute("DROP TABLE story_transitions")
    built = dbt(warehouse, "build", tmp_path, variables("main"))
    assert built.returncode == 0, built.stdout[-3000:]
    known = "count(*), count(days_started), count(times_rejected), count(times_reopened), max(states_from)"
    ((stories, *told),) = warehouse.rows(f"SELECT {known} FROM tracker.tracker__story")
    assert stories > 700
    assert told == [0, 0, 0, "story"]
    open_since = "current_state <> 'accepted' AND in_state_since IS NOT NULL"
    assert warehouse.rows(f"SELECT count(*) FROM tracker.tracker__story WHERE {open_since}") == [(0,)]
    assert warehouse.rows("SELECT DISTINCT state FROM tracker.tracker__story_state_spans") == [("accepted",)]
    assert warehouse.rows("SELECT count(*) FROM tracker.tracker__daily_flow") == [(0,)]
    assert warehouse.rows("SELECT count(spilled_over_points) FROM tracker.tracker__iteration") == [(0,)]


def test_the_rows_of_an_export_are_enough(synced: Path, in_duckdb: DuckDb, tmp_path: Path) -> None:
    """By way of SQLite, as `tracker-server convert` writes it: with times as texts, and no transitions for many.

    A row of it has the day of acceptance alone, and its history the time. So a story whose history reaches back to its
    first start has the cycle time and the rejections that the API tells.
    """
    export, rows = synced.with_name("demo-export.zip"), tmp_path / "lines"
    command = [CONNECTORS_PYTHON.with_name("tracker-server"), "convert", export, rows, "--to", "jsonl"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    warehouse = DuckDb(tmp_path / "export.duckdb")
    for path in rows.glob("*.jsonl"):
        warehouse.execute(f"CREATE TABLE {path.stem} AS FROM read_json('{path}', sample_size = -1)")
    built = dbt(warehouse, "build", tmp_path, variables("main"))
    assert built.returncode == 0, built.stdout[-3000:]
    told = dict(warehouse.rows("SELECT states_from, count(*) FROM tracker.tracker__story GROUP BY 1"))
    assert told["transitions"] > 100
    assert told["story"] > 50
    moves = (
        "SELECT story_id, string_agg(state || epoch(occurred_at), ' ' ORDER BY occurred_at) FROM story_transitions"
        " WHERE state NOT IN ('unscheduled', 'unstarted', 'planned') GROUP BY 1"
    )
    whole = set(warehouse.rows(moves)) & set(in_duckdb.rows(moves))
    times = (
        "SELECT story_id, cycle_time_days, days_started, days_finished, days_delivered, times_rejected, times_reopened"
        f" FROM tracker.tracker__story WHERE cycle_time_days IS NOT NULL AND story_id IN {tuple(dict(whole))}"
    )
    exported, live = warehouse.rows(times), in_duckdb.rows(times)
    assert len(exported) == len(live) > 300
    assert differing(exported, live) == []
    assert sum(row[-2] for row in exported) > 10


def test_every_column_of_a_model_is_described(in_duckdb: DuckDb) -> None:
    documented = {
        model["name"]: {column["name"] for column in model["columns"] if column["description"]}
        for model in yaml.safe_load((ROOT / "dbt" / "models" / "marts" / "marts.yml").read_text())["models"]
    }
    assert documented.keys() == set(MARTS)
    for mart in MARTS:
        assert {name for name, *_ in in_duckdb.rows(f"DESCRIBE tracker.{mart}")} == documented[mart]
