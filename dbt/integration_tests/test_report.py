"""The queries of the report on models that dbt built, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from postgres import PASSWORD, USER, postgres
from warehouses import DuckDb, PostgresDatabase, Warehouse, differing

from tracker_report.databases import Models, opened
from tracker_report.errors import ReportError
from tracker_report.picture import PICTURES, Picture, text_of

QUERIES = {"projects": text_of("projects.sql"), **{picture.name: picture.sql for picture in PICTURES}}


@pytest.fixture(params=["in_duckdb", "in_postgres", "awkward"])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return request.getfixturevalue(request.param)


def models_of(warehouse: Warehouse) -> AbstractContextManager[Models]:
    if isinstance(warehouse, DuckDb):
        return opened(str(warehouse.path))
    user, password, port = (warehouse.environment[f"TRACKER_POSTGRES_{name}"] for name in ("USER", "PASSWORD", "PORT"))
    return opened(f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{port}/postgres")


def rows_of(warehouse: Warehouse, name: str) -> list[tuple[Any, ...]]:
    with models_of(warehouse) as models:
        return models.query(QUERIES[name]).rows


@pytest.mark.parametrize("name", QUERIES)
def test_both_databases_find_the_same_rows(name: str, in_duckdb: DuckDb, in_postgres: PostgresDatabase) -> None:
    one, other = rows_of(in_duckdb, name), rows_of(in_postgres, name)
    assert len(one) == len(other) > 0
    assert differing(one, other) == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_rows_come_by_project_and_their_columns_have_a_meaning(picture: Picture, warehouse: Warehouse) -> None:
    with models_of(warehouse) as models:
        columns, rows = models.query(picture.sql)
        definitions = models.definitions()
    projects = [row[0] for row in rows]
    assert sorted(projects) == projects
    meant = set(picture.definitions) | {column for table, column in definitions if table == picture.table}
    assert set(columns) - {"project_id", "url"} <= meant


def test_the_velocity_at_the_top_is_that_of_tracker(warehouse: Warehouse) -> None:
    ours = [(row[0], row[3]) for row in rows_of(warehouse, "projects")]
    theirs = warehouse.rows("SELECT project_id, velocity_by_tracker FROM tracker.tracker__project")
    assert differing(ours, theirs) == []


def test_the_line_of_what_is_accepted_ends_at_the_sum_of_the_done_iterations(warehouse: Warehouse) -> None:
    done = warehouse.rows(
        "SELECT project_id, sum(accepted_points) FROM tracker.tracker__iteration WHERE panel = 'done' GROUP BY 1"
    )
    accepted = [(row[0], row[4]) for row in rows_of(warehouse, "burn_up") if row[4] is not None]
    assert len(done) >= 3
    assert differing(done, dict(accepted).items()) == []


@pytest.fixture(scope="module")
def odd() -> Iterator[str]:
    """The URL of a PostgreSQL whose models have times that Python has none for, and one of a zone."""
    with postgres() as server:
        with server.connect() as connection:
            connection.execute("CREATE SCHEMA odd")
            connection.execute(
                "CREATE TABLE odd.tracker__project (id bigint, at timestamp, day date, of_zone timestamptz)"
            )
            times = "'infinity', '20000-01-01', '2026-11-20 23:30:00+00'"
            connection.execute(f"INSERT INTO odd.tracker__project VALUES (1, {times})")
        yield f"postgresql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/postgres"


def test_a_time_that_python_has_none_for_costs_itself_alone(odd: str) -> None:
    with opened(odd) as models:
        ((number, *times, of_zone),) = models.query("SELECT * FROM tracker__project").rows
    assert (number, times, of_zone) == (1, [None, None], datetime(2026, 11, 20, 23, 30, tzinfo=UTC))


def test_what_the_url_says_of_the_connection_holds(odd: str) -> None:
    with pytest.raises(ReportError, match='role "nosuch" does not exist'), opened(f"{odd}?options=-crole%3Dnosuch"):
        pass


def test_nothing_is_written_to_the_database(odd: str) -> None:
    with opened(odd) as models, pytest.raises(ReportError, match="read-only transaction"):
        models.query("DELETE FROM tracker__project")
