"""Writes the page: what the queries found, as data in a page of fixed text and script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from itertools import groupby
from typing import Any, NamedTuple

import jinja2

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

Rows = dict[int, list[list[Any]]]
"""Rows by the project, without its id."""


class Picked(NamedTuple):
    """The projects of a page, as far as they fit."""

    projects: list[dict[str, Any]]
    left_out: list[str]


def report(models: Models, names: Collection[str] = ()) -> str:
    """The page on all projects, or on those with these names; those that changed last come first. Raises ReportError.

    Text of stories stands in it as data alone. Its policy lets no other script run and nothing be loaded.
    """
    definitions = {column: text.replace("`", "") for column, text in models.definitions().items()}
    projects = list(_objects(models.query(text_of("projects.sql"))))
    if unknown := set(names) - {project["name"] for project in projects}:
        known = ", ".join(project["name"] for project in projects)
        raise ReportError(f"There is no project {', '.join(sorted(unknown))}; there are: {known}.")
    if not projects:
        raise ReportError("The models have no project in them.")
    projects = [project for project in projects if not names or project["name"] in names]
    found = {picture.name: models.query(picture.sql) for picture in PICTURES}
    rows = {name: _by_project(table) for name, table in found.items()}
    columns = {name: table.columns[1:] for name, table in found.items()}
    scripts = [_bundle(), _page_file("report.js")]
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        _page_file("report.html")
    )

    def page(picked: Picked) -> str:
        data = {
            "projects": picked.projects,
            "pictures": {
                picture.name: {
                    "specification": picture.specification,
                    "columns": columns[picture.name],
                    "rows": {project["project_id"]: rows[picture.name].get(project["project_id"], [])
                             for project in picked.projects},
                }
                for picture in PICTURES
            },
        }  # fmt: skip
        return template.render(
            pictures=PICTURES,
            columns=columns,
            definition=lambda table, own, column: own.get(column) or definitions.get((table, column), ""),
            figures=[(name, title, definitions.get((PROJECT, name), "")) for name, title in FIGURES.items()],
            projects=picked.projects,
            left_out=picked.left_out,
            data=_json(data),
            scripts=scripts,
            hashes=[base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts],
            style=_page_file("report.css"),
        )

    room = MOST_BYTES - len(page(Picked([], [project["name"] for project in projects])).encode())
    return page(_fitting(projects, rows, room))


def _fitting(projects: Iterable[dict[str, Any]], rows: Mapping[str, Rows], room: int) -> Picked:
    """As many of the projects as fit into so many bytes, the first in any case."""
    picked = Picked([], [])
    for project in projects:
        project_id = project["project_id"]
        size = len(_json([project, [found.get(project_id) for found in rows.values()]]).encode()) + 1_000
        if picked.projects and (picked.left_out or size > room):
            picked.left_out.append(project["name"])
        else:
            picked.projects.append(project)
            room -= size
    return picked


def _objects(table: Table) -> Iterator[dict[str, Any]]:
    for row in table.rows:
        yield dict(zip(table.columns, map(_value, row), strict=True))


def _by_project(table: Table) -> Rows:
    link = table.columns.index("url") - 1 if "url" in table.columns else None
    found: Rows = {}
    for project_id, group in groupby(table.rows, key=lambda row: row[0]):
        found[project_id] = rows = [list(map(_value, row[1:])) for row in group]
        if link is not None:
            for row in rows:
                row[link] = _link(row[link])
    return found


def _value(value: Any) -> Any:
    """A value as JSON has it; times and days as a browser takes them for its own zone's, so that none shifts them."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(timespec="seconds")
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    if isinstance(value, Decimal | float):
        return int(value) if value == int(value) else round(float(value), 2)
    return value


def _link(address: Any) -> str | None:
    """An address that leads to a web page, and no other."""
    return address if isinstance(address, str) and address.lower().startswith(("http://", "https://")) else None


def _json(data: Any) -> str:
    """JSON that no text in it can end, wherever it stands in a page."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
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
