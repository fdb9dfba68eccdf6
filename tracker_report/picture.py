"""The pictures of a report: of each, the SQL that finds its rows and the Vega-Lite specification that draws them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

NAMES = (
    "velocity", "burn_up", "forecast", "cycle_time", "cumulative_flow", "throughput", "rejections", "blocked", "age",
)  # fmt: skip
"""In the order of the page. Each has two files in the folder `pictures`."""


@dataclass(frozen=True)
class Picture:
    """A picture by its name.

    `usermeta` of its specification has its title, the question that it answers, how to read it, what stands in its
    place without rows, the model whose descriptions its columns have, and definitions of the other columns.
    """

    name: str

    @cached_property
    def sql(self) -> str:
        """A query for DuckDB and PostgreSQL. The rows are sorted by its first column, the id of the project."""
        return text_of(f"{self.name}.sql")

    def sql_on(self, project_ids: Iterable[int | str]) -> str:
        """The same query on some projects alone."""
        query, order = self.sql.rsplit("\norder by ", 1)
        ids = ", ".join(map(str, project_ids))
        return f"select * from (\n{query}\n) as picture where project_id in ({ids})\norder by {order}"

    @cached_property
    def specification(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(text_of(f"{self.name}.vl.json"))
        return found

    @property
    def about(self) -> dict[str, Any]:
        about: dict[str, Any] = self.specification["usermeta"]
        return about

    @property
    def table(self) -> str:
        """The model whose descriptions its columns have."""
        return str(self.about["table"])

    @property
    def definitions(self) -> dict[str, str]:
        """What its own columns mean."""
        return dict(self.about.get("definitions", {}))


PICTURES = [Picture(name) for name in NAMES]


def text_of(name: str) -> str:
    """A file of the folder `pictures`."""
    return files(__package__).joinpath("pictures", name).read_text("utf-8")
