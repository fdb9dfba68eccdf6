"""The tables of the dbt models, made by hand: their columns and descriptions are those of marts.yml."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import yaml

MARTS = Path(__file__).parents[2] / "dbt" / "models" / "marts" / "marts.yml"
HOSTILE = "</script><script>document.title='broken'</script><img src=x onerror=alert(1)> \u2028 {{ 7*7 }} ${1} \"'&lt;"
NOW = datetime(2026, 11, 20, 12)  # noqa: DTZ001  # as the models have times: UTC without a zone
TEXTS = {
    "project", "name", "url", "story_type", "current_state", "state", "panel", "owners", "labels", "epics", "source",
    "states_from", "story_priority", "requested_by", "initials", "time_zone", "week_start_day",
}  # fmt: skip

STATES = ("accepted", "delivered", "finished", "rejected", "started", "unstarted", "planned", "unscheduled")

Row = Mapping[str, Any]


def columns_of_models() -> dict[str, dict[str, str]]:
    """The columns of each model, with what they mean."""
    models = yaml.safe_load(MARTS.read_text("utf-8"))["models"]
    return {model["name"]: {column["name"]: column["description"] for column in model["columns"]} for model in models}


@contextmanager
def models_in(path: Path, schema: str = "tracker") -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with the tables of all models, empty."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; USE {schema}")
        for model, columns in columns_of_models().items():
            connection.execute(f"CREATE TABLE {model} ({', '.join(f'{name} {_type(name)}' for name in columns)})")
            for name, meaning in columns.items():
                quoted = meaning.replace("'", "''")
                connection.execute(f"COMMENT ON COLUMN {model}.{name} IS '{quoted}'")
        yield connection


def _type(name: str) -> str:
    if name in TEXTS:
        return "VARCHAR"
    if name.startswith("is_"):
        return "BOOLEAN"
    if name.endswith("_at") or name.startswith("projected_") or name == "deadline":
        return "TIMESTAMP"
    if name == "date":
        return "DATE"
    return "BIGINT" if name.endswith("_id") or name in ("number", "weeks") else "DOUBLE"


def insert(connection: duckdb.DuckDBPyConnection, model: str, rows: Iterable[Row]) -> None:
    """Rows that say some columns; the others are null."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump([dict(row) for row in rows], file, default=str)
        file.flush()
        connection.execute(f"INSERT INTO {model} BY NAME FROM read_json('{file.name}')")


def a_team_with(text: str, project_id: int = 1, stories: int = 12) -> dict[str, list[Row]]:
    """A project with something for each picture; `text` is its name and that of all that has one."""
    week = timedelta(days=7)
    start = NOW - 4 * week
    url = f"https://tracker.example.com/story/show/{project_id}"
    project = {"project_id": project_id, "project": text}
    kinds = ("feature", "bug", "chore", "feature")
    accepted = [
        {
            **project, "story_id": project_id * 1000 + n, "name": text, "url": f"{url}{n:03}",
            "story_type": kinds[n % 4], "current_state": "accepted", "points": n % 4,
            "panel": "done", "iteration_number": 1 + n % 3,
            "created_at": start - week, "accepted_at": start + (n % 3) * week + timedelta(hours=n), "owners": text,
            "cycle_time_days": 1.25 * n, "lead_time_days": 2.5 * n, "times_rejected": n % 2, "times_reopened": 0,
            "is_blocked": False, "blockers": 0, "states_from": "transitions",
        }
        for n in range(stories)
    ]  # fmt: skip
    waiting = [
        {
            **project, "story_id": project_id * 1000 + 900 + n, "name": text, "url": "javascript:alert(1)",
            "story_type": "bug", "current_state": state, "points": 2, "panel": "current", "iteration_number": 4,
            "created_at": start, "owners": text, "times_rejected": 0, "times_reopened": 0, "is_blocked": n == 0,
            "blockers": 1, "states_from": "transitions",
        }
        for n, state in enumerate(("started", "unstarted"))
    ]  # fmt: skip
    return {
        "tracker__project": [
            {
                "project_id": project_id, "name": text, "weeks": 1, "current_iteration_number": 4, "velocity": 10,
                "velocity_p50": 9.5, "velocity_p85": 2.25, "stories": stories + 2, "points": 22, "accepted_points": 18,
                "stories_in_progress": 1, "blocked_stories": 1, "unestimated_stories": 0, "cycle_time_days_p50": 6.875,
                "cycle_time_days_p85": 12.5, "last_updated_at": NOW, "states_from": "transitions",
            }
        ],
        "tracker__iteration": [
            {
                **project, "number": n + 1, "panel": "done" if n < 3 else "current" if n == 3 else "backlog",
                "started_at": start + n * week, "finished_at": start + (n + 1) * week, "weeks": 1, "team_strength": 1,
                "committed_points": 6, "added_points": 1, "accepted_points": 6 if n < 3 else 0,
                "spilled_over_points": 2, "velocity": 10,
            }
            for n in range(5)
        ],
        "tracker__story": [*accepted, *waiting],
        "tracker__story_state_spans": [
            {
                "story_id": story["story_id"], "project_id": project_id, "sequence": 1, "state": story["current_state"],
                "started_at": start, "is_current": True, "seconds": 86_400 * (2 + place), "source": "transitions",
            }
            for place, story in enumerate(waiting)
        ],
        "tracker__daily_flow": [
            {"project_id": project_id, "date": (start + timedelta(days=n)).date(), "state": state,
             "stories": 100 * place + n, "points": n}
            for n in range(20) for place, state in enumerate(STATES, 1)
        ],
        "tracker__release": [
            {
                **project, "release_id": project_id * 1000 + 800, "name": text, "url": f"{url}800",
                "current_state": "unstarted", "deadline": NOW + week, "remaining_points": 4,
                "projected_p50": NOW + week, "projected_p85": NOW + 3 * week, "is_at_risk": True,
            }
        ],
        "tracker__epic": [
            {
                **project, "epic_id": project_id * 1000 + 700, "name": text, "url": f"{url}700",
                "remaining_stories": 2, "remaining_points": 4, "projected_p50": NOW + 2 * week,
                "projected_p85": NOW + 4 * week,
            }
        ],
    }  # fmt: skip


def database(path: Path, *teams: Mapping[str, Iterable[Row]], schema: str = "tracker") -> Path:
    """A database with the models of these teams."""
    with models_in(path, schema) as connection:
        for team in teams:
            for model, rows in team.items():
                insert(connection, model, rows)
    return path
