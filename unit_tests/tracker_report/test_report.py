"""What `tracker-report` writes and refuses, from databases whose models were filled by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tracker_report.databases import opened
from tracker_report.page import FIGURES, LONGEST_TEXT, MOST_BYTES, PROJECT
from tracker_report.picture import PICTURES, Picture
from unit_tests.tracker_report.marts import HOSTILE, a_team_with, columns_of_models, database, models_in

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
        definitions = models.definitions()
    assert columns[0] == "project_id"
    assert {row[0] for row in rows} == {1, 2}
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    with opened(str(two / "models.duckdb")) as models:
        assert models.query(picture.sql_on([2])).rows == [row for row in rows if row[0] == 2]
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


def test_a_burn_up_ends_where_the_pace_to_promise_meets_the_scope(page: Scripts) -> None:
    """12 stories brought 18 points in three iterations, and two of 2 points wait: at 2.25 points they take two more."""
    burn_up = page.data["pictures"]["burn_up"]
    rows = [dict(zip(burn_up["columns"], row, strict=True)) for row in burn_up["rows"]["1"]]
    assert [row["accepted_points"] for row in rows] == [6, 12, 18, None, None]
    assert [row["scope_points"] for row in rows] == [22] * 5
    assert [row["projected_points"] for row in rows] == [None, None, 18, 22, 22]
    assert [row["projected_points_p85"] for row in rows] == [None, None, 18, 20.25, 22]
    assert [row["finished_at"][:10] for row in rows[2:]] == ["2026-11-13", "2026-11-20", "2026-11-27"]


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
        (database_arguments, "There is no file .*: give a DuckDB file, or postgresql://…"),
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
