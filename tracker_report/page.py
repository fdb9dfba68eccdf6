"""Writes the page: what the queries found, as data in a page of fixed text and script."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from itertools import groupby
from typing import Any, NamedTuple

import jinja2
from markupsafe import escape

from tracker_report.databases import INSTALL, Models, Table
from tracker_report.errors import ReportError
from tracker_report.picture import PICTURES, text_of

MOST_BYTES = 2_000_000
"""Of the page. Projects that would make it larger are left out, and it says so."""
FIGURES = {
    "velocity": "Velocity",
    "accepted_points": "Accepted points",
    "points": "Points",
    "stories_in_progress": "In progress",
    "blocked_stories": "Blocked",
    "unestimated_stories": "Not estimated",
    "cycle_time_days_p50": "Cycle time, days, 50 in 100",
    "cycle_time_days_p85": "Cycle time, days, 85 in 100",
}
"""The columns of `tracker__project` that stand at the top of the page, and what they are called there."""
PROJECT = "tracker__project"

AT_A_TIME = 20
"""Projects whose rows are asked for at a time: a page holds some dozens."""
LONGEST_TEXT = 150
"""Characters; a title in Tracker may have 5,000."""
LONGEST_LINK = 1_000
MARGIN = 100
"""Bytes of what stands between the data of a project and of the next."""
LARGEST_NUMBER = 2**53
"""Beyond it, a browser takes two numbers for one."""

Rows = dict[str, list[list[Any]]]
"""Rows by the id of their project, without it."""


class Picked(NamedTuple):
    """The projects of a page, as far as they fit; by picture its columns, and its rows of these projects."""

    projects: list[dict[str, Any]]
    left_out: list[str]
    columns: dict[str, list[str]]
    rows: dict[str, Rows]


def report(models: Models, names: Collection[str] = ()) -> str:
    """The page on all projects, or on those with these names; those that changed last come first. Raises ReportError.

    Text of stories stands in it as data alone. Its policy lets no other script run and nothing be loaded.
    """
    page = _Page(models.definitions())
    projects = list(map(_named, _objects(models.query(text_of("projects.sql")))))
    if not projects:
        raise ReportError("The models have no project in them.")
    if unknown := set(names) - {project["name"] for project in projects}:
        known = ", ".join(project["name"] for project in projects)
        raise ReportError(f"There is no project {', '.join(sorted(unknown))}; there are: {known}.")
    projects = [
        {**project, "name": _short(project["name"])} for project in projects if not names or project["name"] in names
    ]
    return page.html(_fitting(models, page, projects))


def _fitting(models: Models, page: _Page, projects: Sequence[dict[str, Any]]) -> Picked:
    """As many of the projects as fit into the page, the first in any case."""
    picked = Picked([], [], {}, {picture.name: {} for picture in PICTURES})
    room = 0
    for start in range(0, len(projects), AT_A_TIME):
        some = projects[start : start + AT_A_TIME]
        ids = [project["project_id"] for project in some]
        tables = {picture.name: models.query(picture.sql_on(ids)) for picture in PICTURES}
        if not picked.columns:
            picked.columns.update({name: table.columns[1:] for name, table in tables.items()})
            without_any = picked._replace(left_out=[project["name"] for project in projects])
            room = MOST_BYTES - len(page.html(without_any).encode())
        found = {name: _by_project(table) for name, table in tables.items()}
        for place, project in enumerate(some, start):
            own = {name: rows.get(str(project["project_id"]), []) for name, rows in found.items()}
            option = f"<option value={project['project_id']}>{escape(project['name'])}</option>\n"
            room -= len((_json([project, own]) + option).encode()) + MARGIN
            if room < 0 and picked.projects:
                picked.left_out.extend(left["name"] for left in projects[place:])
                return picked
            picked.projects.append(project)
            for name, rows in own.items():
                picked.rows[name][str(project["project_id"])] = rows
    return picked


class _Page:
    """The page without its data. `definitions` are what the columns of the models mean."""

    def __init__(self, definitions: Mapping[tuple[str, str], str]) -> None:
        self._definitions = {column: text.replace("`", "") for column, text in definitions.items()}
        self._scripts = [_bundle(), _page_file("report.js")]
        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        self._template = environment.from_string(_page_file("report.html"))

    def html(self, picked: Picked) -> str:
        pictures = {
            picture.name: {
                "specification": picture.specification,
                "columns": picked.columns[picture.name],
                "rows": picked.rows[picture.name],
            }
            for picture in PICTURES
        }
        return self._template.render(
            pictures=PICTURES,
            columns=picked.columns,
            meaning=lambda picture, column: picture.definitions.get(column) or self._meaning(picture.table, column),
            figures=[(name, title, self._meaning(PROJECT, name)) for name, title in FIGURES.items()],
            projects=picked.projects,
            left_out=picked.left_out,
            data=_json({"projects": picked.projects, "pictures": pictures}),
            scripts=self._scripts,
            hashes=[base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in self._scripts],
            style=_page_file("report.css"),
        )

    def _meaning(self, table: str, column: str) -> str:
        return self._definitions.get((table, column), "")


def _named(project: dict[str, Any]) -> dict[str, Any]:
    return {**project, "name": project["name"] or f"Project {project['project_id']}"}


def _objects(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        yield dict(zip(table.columns, map(_value, row), strict=True))


def _by_project(table: Table) -> Rows:
    columns = table.columns[1:]
    found: Rows = {}
    for project_id, group in groupby(table.rows, key=lambda row: row[0]):
        found[str(_value(project_id))] = [
            [
                _link(cell) if column == "url" else _short(_value(cell))
                for column, cell in zip(columns, row[1:], strict=True)
            ]
            for row in group
        ]
    return found


def _value(value: Any) -> Any:
    """A value as JSON has it; times and days as a browser takes them for its own zone's, so that none shifts them."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None).isoformat(timespec="seconds")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    if isinstance(value, Decimal | float):
        if not math.isfinite(value):
            return None
        value = int(value) if value == int(value) else round(float(value), 2)
    return str(value) if isinstance(value, int) and abs(value) > LARGEST_NUMBER else value


def _short(value: Any) -> Any:
    return f"{value[: LONGEST_TEXT - 1]}…" if isinstance(value, str) and len(value) > LONGEST_TEXT else value


def _link(address: Any) -> str | None:
    """An address that leads to a web page, and no other."""
    is_link = isinstance(address, str) and address.lower().startswith(("http://", "https://"))
    return address if is_link and len(address) <= LONGEST_LINK else None


def _json(data: Any) -> str:
    """JSON that no text in it can end, wherever it stands in a page."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _bundle() -> str:
    try:
        import vl_convert
    except ModuleNotFoundError:
        raise ReportError(f"vl-convert is not installed: {INSTALL}") from None
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _page_file(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text("utf-8")
