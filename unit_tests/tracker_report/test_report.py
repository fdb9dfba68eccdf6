"""What `tracker-report` writes and refuses, from databases whose models were filled by hand."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tracker_report.databases import opened
from tracker_report.page import FIGURES, LONGEST_TEXT, MOST_BYTES, PROJECT
from tracker_report.picture import PICTURES, Picture
from unit_tests.tracker_report.marts import HOSTILE, NOW, Row, a_team_with, columns_of_models, database, models_in

Team = dict[str, list[Row]]
PROGRAM = [sys.executable, "-m", "tracker_report"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, encoding="utf-8", timeout=120, check=False)


class Scripts(HTMLParser):
    """The scripts of a page, and what an HTML parser takes for elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._is_in_a_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        self._is_in_a_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._is_in_a_script = self._is_in_a_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._is_in_a_script:
            self.scripts[-1] += data

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def written(folder: Path, *arguments: str) -> Scripts:
    """The page on the database in a folder."""
    out = folder / "out.html"
    ran = run(folder / "models.duckdb", out, *arguments)
    assert (ran.returncode, ran.stderr) == (0, "")
    return Scripts(out.read_text("utf-8"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database of two projects, of which one has hostile names."""
    folder = tmp_path_factory.mktemp("two")
    database(folder / "models.duckdb", a_team_with("Harbour"), a_team_with(HOSTILE, project_id=2))
    return folder


@pytest.fixture(scope="module")
def page(two: Path) -> Scripts:
    return written(two)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_has_rows_of_each_project_and_says_what_every_column_means(picture: Picture, two: Path) -> None:
    with opened(str(two / "models.duckdb")) as models:
        columns, rows = models.query(picture.sql)
        of_the_second = models.query(picture.sql_on([2])).rows
        definitions = models.definitions()
    assert columns[0] == "project_id"
    assert {row[0] for row in rows} == {1, 2}
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert of_the_second == [row for row in rows if row[0] == 2]
    shown = [column for column in columns[1:] if column != "url"]
    meanings = {column: picture.definitions.get(column) or definitions.get((picture.table, column)) for column in shown}
    assert [column for column, meaning in meanings.items() if not meaning] == []
    assert picture.definitions.keys() <= set(columns), "a definition of a column that the picture lacks"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_specification_draws_only_columns_that_its_query_finds(picture: Picture, two: Path) -> None:
    with opened(str(two / "models.duckdb")) as models:
        columns = models.query(picture.sql).columns
    specification = json.dumps(picture.specification)
    drawn = set(re.findall(r'"field": "(\w+)"', specification))
    made = set(re.findall(r'"as": "(\w+)"', specification))
    made |= {name for names in re.findall(r'"as": \[([^\]]+)\]', specification) for name in re.findall(r"\w+", names)}
    folded = {
        name for names in re.findall(r'"fold": \[([^\]]+)\]', specification) for name in re.findall(r"\w+", names)
    }
    assert drawn - made <= set(columns)
    assert folded <= set(columns)


def test_the_figures_at_the_top_are_columns_with_a_description() -> None:
    assert FIGURES.keys() <= columns_of_models()[PROJECT].keys()


def test_the_page_has_the_values_of_the_models(page: Scripts) -> None:
    data = page.data
    harbour = next(project for project in data["projects"] if project["name"] == "Harbour")
    assert (harbour["velocity"], harbour["cycle_time_days_p50"], harbour["last_updated_at"]) == (
        10,
        6.88,
        "2026-11-20T12:00:00",
    )
    velocity = data["pictures"]["velocity"]
    assert velocity["columns"][:2] == ["number", "started_at"]
    assert [row[0] for row in velocity["rows"]["1"]] == [1, 2, 3, 4]


def rows_of(name: str, folder: Path, *teams: Team) -> list[dict[str, Any]]:
    """What a picture shows of the first project."""
    picture = next(picture for picture in PICTURES if picture.name == name)
    with opened(str(database(folder / "values.duckdb", *teams))) as models:
        columns, rows = models.query(picture.sql)
    return [dict(zip(columns, row, strict=True)) for row in rows if row[0] == 1]


FIRST_ROWS: dict[str, dict[str, Any]] = {
    "velocity": {
        "number": 1, "committed_points": 6, "added_points": 1, "accepted_points": 6, "spilled_over_points": 2,
        "velocity": 10,
    },
    "burn_up": {"number": 1, "scope_points": 22, "accepted_points": 6, "projected_points": None},
    "forecast": {
        "kind": "release", "number": 1800, "remaining_points": 4, "deadline": NOW + timedelta(days=7),
        "projected_p50": NOW + timedelta(days=7), "projected_p85": NOW + timedelta(days=21), "is_at_risk": True,
    },
    "cycle_time": {
        "story_id": 1011, "story_type": "feature", "points": 3, "cycle_time_days": 13.75, "lead_time_days": 27.5,
        "cycle_time_days_p50": 6.875, "cycle_time_days_p85": 12.5,
    },
    "cumulative_flow": {
        "accepted": 100, "delivered": 200, "finished": 300, "rejected": 400, "started": 500, "waiting": 600 + 700,
        "unscheduled": 800,
    },
    "throughput": {"number": 1, "features": 2, "bugs": 1, "chores": 1, "releases": 0},
    "rejections": {
        "number": 1, "accepted_at_once": 2, "came_back": 2, "not_known": 0, "times_rejected": 2, "times_reopened": 0,
    },
    "blocked": {"story_id": 1900, "current_state": "started", "days_in_state": 2},
    "age": {"story_id": 1901, "current_state": "unstarted", "story_type": "bug", "days_in_state": 3},
}  # fmt: skip
"""Of a_team_with, worked out by hand; every story with an odd number came back once."""


@pytest.mark.parametrize("name", FIRST_ROWS)
def test_the_first_row_of_a_picture_has_these_values(name: str, tmp_path: Path) -> None:
    row = rows_of(name, tmp_path, a_team_with("Harbour"))[0]
    assert {column: row[column] for column in FIRST_ROWS[name]} == FIRST_ROWS[name]


def test_every_picture_has_values_worked_out_by_hand() -> None:
    assert list(FIRST_ROWS) == [picture.name for picture in PICTURES]


def test_of_stories_without_transitions_nobody_knows_whether_they_came_back(tmp_path: Path) -> None:
    team = a_team_with("Harbour")
    team["tracker__story"] = [{**row, "states_from": "story", "times_rejected": 0} for row in team["tracker__story"]]
    first = rows_of("rejections", tmp_path, team)[0]
    assert (first["accepted_at_once"], first["came_back"], first["not_known"]) == (0, 0, 4)


PACES: dict[str, tuple[dict[str, float | None], int, list[Any], list[Any], list[Any]]] = {
    "each slower than the one before": (
        {"velocity": 10, "velocity_p50": 9.5, "velocity_p85": 2.25}, 0, [22, 22], [22, 22], [20.25, 22],
    ),
    "no iteration is done": (
        {"velocity": 2, "velocity_p50": None, "velocity_p85": None}, 0, [20, 22], [None, None], [None, None],
    ),
    "the velocity is the slowest": (
        {"velocity": 1, "velocity_p50": 2, "velocity_p85": 3}, 0, [19, 20, 21, 22], [20, 22, 22, 22], [21, 22, 22, 22],
    ),
    "more is accepted than the pace": (
        {"velocity": 1, "velocity_p50": 1, "velocity_p85": 1}, 2, [20, 21, 22], [20, 21, 22], [20, 21, 22],
    ),
}  # fmt: skip
"""The paces, what the current iteration has brought, and what is projected at each pace. 18 of 22 points are done."""


@pytest.mark.parametrize("case", PACES)
def test_a_burn_up_goes_on_at_three_paces_until_the_slowest_meets_the_scope(case: str, tmp_path: Path) -> None:
    paces, current, *expected = PACES[case]
    team = a_team_with("Harbour")
    team["tracker__project"] = [{**team["tracker__project"][0], **paces}]
    if current:
        *others, story = team["tracker__story"]
        accepted_now = {"current_state": "accepted", "points": current, "accepted_at": NOW - timedelta(days=1)}
        team["tracker__story"] = [*others, {**story, **accepted_now}]
    rows = rows_of("burn_up", tmp_path, team)
    assert [row["accepted_points"] for row in rows[:3]] == [6, 12, 18]
    assert {row["scope_points"] for row in rows} == {22}
    columns = ("projected_points", "projected_points_p50", "projected_points_p85")
    assert [[row[column] for row in rows[3:]] for column in columns] == expected
    assert [row["finished_at"] for row in rows[2:5]] == [NOW + timedelta(days=days) for days in (-7, 0, 7)][
        : len(rows) - 2
    ]


def test_a_pace_of_nothing_never_gets_there_and_is_shown_for_a_year(tmp_path: Path) -> None:
    team = a_team_with("Harbour")
    team["tracker__project"] = [{**team["tracker__project"][0], "velocity_p85": 0}]
    rows = rows_of("burn_up", tmp_path, team)
    assert len(rows) == 3 + 53
    assert {row["projected_points_p85"] for row in rows[2:]} == {18}


def test_text_of_a_stranger_stays_data(page: Scripts) -> None:
    assert HOSTILE in {project["name"] for project in page.data["projects"]}
    kinds = [attributes.get("type") for tag, attributes in page.elements if tag == "script"]
    assert kinds == ["application/json", None, None]
    assert not any(tag == "img" or any(name.startswith("on") for name in found) for tag, found in page.elements)


def test_an_address_that_is_no_web_page_is_not_led_to(page: Scripts) -> None:
    for name in ("blocked", "age", "cycle_time"):
        found = page.data["pictures"][name]
        links = {row[found["columns"].index("url")] for row in found["rows"]["1"]}
        assert links == {None} if name != "cycle_time" else all(link.startswith("https://") for link in links)


def test_the_policy_of_the_page_lets_only_its_own_scripts_run(page: Scripts) -> None:
    (policy,) = [found["content"] or "" for tag, found in page.elements if found.get("http-equiv")]
    assert policy.startswith("default-src 'none'")
    assert len(re.findall("'sha256-", policy)) == 2
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def test_chosen_projects_alone_are_in_the_page(two: Path) -> None:
    assert [project["name"] for project in written(two, "--project", "Harbour").data["projects"]] == ["Harbour"]


def test_a_page_of_many_projects_stays_small_and_names_those_that_are_left_out(tmp_path: Path) -> None:
    many = 40
    teams = [a_team_with(f"{number:03} {'long ' * 28}", number, stories=100) for number in range(1, many + 1)]
    database(tmp_path / "models.duckdb", *teams)
    page = written(tmp_path)
    size = (tmp_path / "out.html").stat().st_size
    shown = len(page.data["projects"])
    assert 0.8 * MOST_BYTES < size <= MOST_BYTES
    assert 0 < shown < many
    assert f"{many - shown} more projects" in (tmp_path / "out.html").read_text("utf-8")


def test_a_long_title_is_cut_and_what_is_no_number_is_left_out(tmp_path: Path) -> None:
    path = database(tmp_path / "models.duckdb", a_team_with("long " * 1_000))
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE tracker.tracker__iteration SET velocity = 'nan'")
    data = written(tmp_path, "--project", "long " * 1_000).data
    cycle_time, velocity = data["pictures"]["cycle_time"], data["pictures"]["velocity"]
    names = {row[cycle_time["columns"].index("name")] for row in cycle_time["rows"]["1"]}
    assert [len(name) for name in names] == [LONGEST_TEXT]
    assert [row[-1] for row in velocity["rows"]["1"]] == [None] * 4


def untouched(folder: Path) -> list[str]:
    """The database in place of the page."""
    path = str(database(folder / "x.duckdb", a_team_with("Harbour")))
    return [path, path]


def a_link_to_it(folder: Path) -> list[str]:
    path, _ = untouched(folder)
    (folder / "out").symlink_to(path)
    return [path, str(folder / "out")]


def somebody_elses(folder: Path) -> list[str]:
    path, _ = untouched(folder)
    (folder / "thesis.txt").write_text("Chapter 1")
    return [path, str(folder / "thesis.txt")]


@pytest.mark.parametrize("arguments", [untouched, a_link_to_it, somebody_elses])
def test_what_is_no_page_is_not_overwritten(arguments: Any, tmp_path: Path) -> None:
    database_path, out = map(Path, arguments(tmp_path))
    before = out.read_bytes()
    ran = run(database_path, out)
    assert (ran.returncode, out.read_bytes()) == (1, before)
    assert ran.stderr == f"{out} is there and is no page, so it is left as it is: name another file.\n"


def test_a_page_that_is_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    database(tmp_path / "models.duckdb", a_team_with("Harbour"))
    written(tmp_path)
    before = (tmp_path / "out.html").read_bytes()
    command = f"ulimit -f 500; {shlex.join([*PROGRAM, str(tmp_path / 'models.duckdb'), str(tmp_path / 'out.html')])}"
    ran = subprocess.run(["/bin/bash", "-c", command], capture_output=True, encoding="utf-8", check=False)
    assert ran.returncode == 1
    assert ran.stderr == f"Cannot write {tmp_path / 'out.html'}: File too large.\n"
    assert (tmp_path / "out.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["models.duckdb", "out.html"]


def test_a_pipe_gets_the_page_and_nothing_else(tmp_path: Path) -> None:
    path = database(tmp_path / "models.duckdb", a_team_with("Harbour"))
    ran = run(path, "/dev/stdout")
    assert ran.stdout.endswith("</html>")
    assert ran.stderr.startswith("Wrote /dev/stdout, ")


def test_projects_whose_numbers_a_browser_takes_for_one_are_two(tmp_path: Path) -> None:
    first, second = 2**53, 2**53 + 1
    database(tmp_path / "models.duckdb", a_team_with("One", first), a_team_with("Other", second))
    data = written(tmp_path).data
    assert {str(project["project_id"]) for project in data["projects"]} == {str(first), str(second)}
    assert {key: len(rows) for key, rows in data["pictures"]["velocity"]["rows"].items()} == {
        str(first): 4,
        str(second): 4,
    }


def test_what_has_no_name_is_called_by_its_number(tmp_path: Path) -> None:
    path = database(tmp_path / "models.duckdb", a_team_with("Harbour"))
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE tracker.tracker__project SET name = NULL")
    assert [project["name"] for project in written(tmp_path).data["projects"]] == ["Project 1"]
    refused = run(path, tmp_path / "other.html", "--project", "Ferry")
    assert refused.stderr == "There is no project Ferry; there are: Project 1.\n"


def test_an_endless_address_leads_nowhere(tmp_path: Path) -> None:
    path = database(tmp_path / "models.duckdb", a_team_with("Harbour"))
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE tracker.tracker__story SET url = 'https://example.com/' || repeat('<', 100000)")
    cycle_time = written(tmp_path).data["pictures"]["cycle_time"]
    assert {row[cycle_time["columns"].index("url")] for row in cycle_time["rows"]["1"]} == {None}


def test_times_of_a_zone_are_shown_as_those_of_utc(tmp_path: Path) -> None:
    path = database(tmp_path / "models.duckdb", a_team_with("Harbour"))
    with duckdb.connect(str(path)) as connection:
        column = "tracker.tracker__project ALTER COLUMN last_updated_at"
        connection.execute(f"SET TimeZone = 'UTC'; ALTER TABLE {column} SET DATA TYPE TIMESTAMPTZ")
    out = tmp_path / "out.html"
    environment = {**os.environ, "TZ": "America/New_York"}
    command = [*PROGRAM, str(path), str(out)]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
    (project,) = Scripts(out.read_text("utf-8")).data["projects"]
    assert project["last_updated_at"] == "2026-11-20T12:00:00"


def test_models_in_another_schema_are_found(tmp_path: Path) -> None:
    database(tmp_path / "models.duckdb", a_team_with("Harbour"), schema='"Analytics 1"')
    assert len(written(tmp_path).data["projects"]) == 1


def test_of_two_schemas_with_models_one_is_chosen(tmp_path: Path) -> None:
    path = database(tmp_path / "models.duckdb", a_team_with("Harbour"))
    database(path, a_team_with("Ferry"), schema="other")
    refused = run(path, tmp_path / "out.html")
    assert refused.returncode == 1
    assert "choose one with --schema" in refused.stderr
    assert "other, tracker" in refused.stderr
    assert [project["name"] for project in written(tmp_path, "--schema", "other").data["projects"]] == ["Ferry"]


def no_models(folder: Path) -> list[str]:
    with models_in(folder / "x.duckdb") as connection:
        connection.execute(f"DROP TABLE {PROJECT}")
    return [str(folder / "x.duckdb"), str(folder / "out.html")]


def older_models(folder: Path) -> list[str]:
    with duckdb.connect(str(database(folder / "x.duckdb", a_team_with("Harbour")))) as connection:
        connection.execute("ALTER TABLE tracker.tracker__iteration DROP COLUMN added_points")
    return database_arguments(folder)


def database_arguments(folder: Path) -> list[str]:
    return [str(folder / "x.duckdb"), str(folder / "out.html")]


def empty_models(folder: Path) -> list[str]:
    database(folder / "x.duckdb")
    return database_arguments(folder)


def no_database(folder: Path) -> list[str]:
    (folder / "x.duckdb").write_bytes(b"no database")
    return database_arguments(folder)


def unknown_project(folder: Path) -> list[str]:
    database(folder / "x.duckdb", a_team_with("Harbour"))
    return [*database_arguments(folder), "--project", "Ferry"]


def unknown_schema(folder: Path) -> list[str]:
    database(folder / "x.duckdb", a_team_with("Harbour"))
    return [*database_arguments(folder), "--schema", "main"]


def no_folder(folder: Path) -> list[str]:
    database(folder / "x.duckdb", a_team_with("Harbour"))
    return [str(folder / "x.duckdb"), str(folder / "nowhere" / "out.html")]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (database_arguments, "There is no file '.*': give a DuckDB file, or postgresql://…"),
        (no_database, "Cannot open .*"),
        (no_models, "There are no models in the database: build them first, as dbt/README.md says."),
        (older_models, "The models are not those of this release (.*added_points.*): build them again."),
        (empty_models, "The models have no project in them."),
        (unknown_project, "There is no project Ferry; there are: Harbour."),
        (unknown_schema, "There are no models in the schema 'main'; there are some in tracker."),
        (no_folder, "Cannot write .*: No such file or directory."),
        (
            lambda folder: ["postgresql://me:pass%word@127.0.0.1:1/x", str(folder / "out.html")],
            "The URL of PostgreSQL is not well formed: encode what is special in it, or set PGPASSWORD.",
        ),
        (lambda folder: ["postgresql://127.0.0.1:1/x", str(folder / "out.html")], "Cannot connect to PostgreSQL: .*"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: Any, problem: str, tmp_path: Path) -> None:
    ran = run(*arguments(tmp_path))
    pattern = re.escape(problem).replace(r"\.\*", ".*")
    assert ran.returncode == 1
    assert re.fullmatch(pattern, ran.stderr.removesuffix("\n")), ran.stderr
    assert not (tmp_path / "out.html").exists()
