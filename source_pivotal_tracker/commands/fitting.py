"""Lets rows of a server fit what an export says of them: what is of another shape costs itself alone, and is named."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from source_pivotal_tracker.commands.sentences import listed
from source_pivotal_tracker.streams.rows import Row
from tracker_server.derived import STATES, WEEKDAYS
from tracker_server.exports.cells import format_points, parse_points

MOST_NAMED = 3
"""Rows that a sentence names; it counts the others."""
MOST_ITERATIONS = 10_000
"""Nearly two hundred years of weeks."""


class Attribute(NamedTuple):
    """What an attribute has to be, and what stands for it where it is something else.

    Without its attribute, a row that `needs` it is as one where it is something else. `drops`: such a row is left out.
    """

    fits: Callable[[Any], bool]
    otherwise: Any = None
    needs: bool = False
    drops: bool = False


class Fitting:
    """Makes rows fit; `sentences` are on what was not understood in them."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], list[Any]] = {}

    @property
    def sentences(self) -> list[str]:
        return [f"{kind} {listed(rows, MOST_NAMED)}: {problem}." for (kind, problem), rows in self._found.items()]

    def note(self, kind: str, row_id: Any, problem: str) -> None:
        self._found.setdefault((kind, problem), []).append(row_id)

    def rows(self, kind: str, rows: Iterable[Row]) -> Iterator[Row]:
        """Those of the rows that say enough, each with what it says."""
        for row in rows:
            fitted = self.row(kind, row)
            if fitted is not None:
                yield fitted

    def row(self, kind: str, row: Row) -> Row | None:
        """As `rows`; None for one that does not say enough."""
        changed: Row = {}
        for name, attribute in ATTRIBUTES[kind].items():
            value = row.get(name)
            if attribute.fits(value) if value is not None else not attribute.needs:
                continue
            problem = f"{name} is {'missing' if value is None else 'not understood'}"
            if attribute.drops:
                self.note(kind, _id_of(row), f"{problem}, so it is left out")
                return None
            changed[name] = (
                [entry for entry in _list(value) if is_id(entry)] if attribute == IDS else attribute.otherwise
            )
            stands = f"written as {attribute.otherwise}" if attribute.needs and attribute.otherwise else "left out"
            self.note(kind, _id_of(row), f"{problem}; {stands}")
        return {**row, **changed} if changed else row


def is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_estimate(value: Any) -> bool:
    """Whether an export can say it; -1 is none."""
    try:
        return _is_number(value) and parse_points(format_points(value)) in (value, None)
    except ValueError:
        return False


def _is_positive(value: Any) -> bool:
    return is_id(value) and value > 0


def _is_number_of_iteration(value: Any) -> bool:
    return _is_positive(value) and value <= MOST_ITERATIONS


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_type(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_one_of(values: Collection[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in values


def _are_ids(values: Any) -> bool:
    return isinstance(values, list) and all(map(is_id, values))


def _are_resources(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_resource, values))


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name) or "", str) for name in ("kind", "story_type"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id_of(row: Row) -> Any:
    return row.get("id") or row.get("number") or row.get("guid") or "without an id"


TEXT, ID, ESTIMATE, TIME = Attribute(_is_type(str)), Attribute(is_id), Attribute(_is_estimate), Attribute(_is_time)
IDS, POSITIVE, BOOLEAN = Attribute(_are_ids), Attribute(_is_positive), Attribute(_is_type(bool))
NAME = Attribute(is_text, needs=True, drops=True)
WORDS = Attribute(_is_type(str), "", needs=True)
NO = Attribute(_is_type(bool), False, needs=True)
PLACE = Attribute(_is_number_of_iteration, needs=True, drops=True)
OWNER = Attribute(is_id, needs=True, drops=True)

_ROW = {"name": TEXT, "description": TEXT, "url": TEXT, "created_at": TIME}
_COMMENT = {"text": TEXT, "created_at": TIME, "person_id": ID}
ATTRIBUTES: Mapping[str, Mapping[str, Attribute]] = {
    "project": {
        "name": TEXT, "iteration_length": POSITIVE, "week_start_day": Attribute(_is_one_of(WEEKDAYS)),
        "velocity_averaged_over": POSITIVE, "number_of_done_iterations_to_show": POSITIVE, "initial_velocity": POSITIVE,
        "bugs_and_chores_are_estimatable": BOOLEAN, "current_iteration_number": POSITIVE, "start_time": TIME,
        "created_at": TIME,
    },
    "label": {"name": NAME},
    "review type": {"name": TEXT},
    "epic": _ROW,
    "story": {
        **_ROW,
        "story_type": Attribute(_is_one_of(("feature", "bug", "chore", "release")), "feature", needs=True),
        "current_state": Attribute(_is_one_of(STATES), "unscheduled", needs=True),
        "estimate": ESTIMATE, "story_priority": TEXT, "accepted_at": TIME, "deadline": TIME, "requested_by_id": ID,
        "owner_ids": IDS,
    },
    "task": {"story_id": OWNER, "description": WORDS, "complete": NO},
    "blocker": {"story_id": OWNER, "description": WORDS, "resolved": NO},
    "review": {"story_id": OWNER, "review_type_id": ID, "reviewer_id": ID, "status": TEXT},
    "pull request": {
        "story_id": OWNER, "original_url": TEXT, "host_url": WORDS, "owner": WORDS, "repo": WORDS, "number": ID,
    },
    "branch": {"story_id": OWNER, "original_url": TEXT, "name": WORDS},
    "comment": {"story_id": OWNER, **_COMMENT},
    "comment of an epic": {"epic_id": OWNER, **_COMMENT},
    "attached file": {"comment_id": OWNER, "filename": TEXT},
    "file at Google Drive": {"comment_id": OWNER},
    "iteration": {"number": PLACE, "start": TIME, "finish": TIME, "story_ids": IDS},
    "activity": {
        "occurred_at": Attribute(_is_time, needs=True, drops=True), "message": TEXT,
        "performed_by": Attribute(lambda value: isinstance(value, dict | str)),
        "primary_resources": Attribute(_are_resources), "project": Attribute(_is_resource), "project_version": ID,
    },
}  # fmt: skip
"""What an export says of the rows of each kind."""
