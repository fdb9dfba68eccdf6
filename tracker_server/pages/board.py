"""The board of a project: its panels, and the lines in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from tracker_server.derived import IN_PROGRESS
from tracker_server.pages.links import PANELS
from tracker_server.view import View, is_blocked, rows_by_id
from tracker_server.world import Row, parse_iso

LINES = 100
"""Lines on a page of a panel. An iteration stays on one page unless it has more lines itself."""


@dataclass(frozen=True)
class Person:
    """Somebody by name, with initials."""

    name: str
    initials: str


@dataclass(frozen=True)
class StoryLine:
    """A story as a line of a list."""

    id: int
    name: str
    type: str
    state: str
    estimate: float | None
    labels: Sequence[str]
    owners: Sequence[Person]
    deadline: str | None = None
    is_blocked: bool = False


@dataclass(frozen=True)
class EpicLine:
    """An epic as a line of a list, with how many of its stories are accepted, and of their points."""

    id: int
    name: str
    label: str | None
    accepted: int
    total: int
    points_accepted: float
    points: float
    completed_at: str | None


@dataclass(frozen=True)
class Group:
    """The lines of an iteration, or of a panel without any.

    `number` is that of the iteration. `start` and `finish` are its first and its last day, as far as they are known.
    `points` are planned, of which `accepted` are those of accepted stories. With `is_continued` it began on a page
    before.
    """

    lines: Sequence[StoryLine | EpicLine]
    number: int | None = None
    start: str | None = None
    finish: str | None = None
    points: float = 0
    accepted: float = 0
    is_continued: bool = False


@dataclass(frozen=True)
class Panel:
    """A page of a panel: `page` of `pages`. `count` and `points` are those of all its pages."""

    name: str
    groups: Sequence[Group]
    count: int
    page: int = 1
    pages: int = 1
    points: float = 0

    @property
    def title(self) -> str:
        return self.name.capitalize()


@dataclass(frozen=True)
class _Part:
    """What a page of a panel has of an iteration: the ids of its rows, and whether it began on a page before."""

    iteration: Row | None
    ids: list[int]
    is_continued: bool


class Board:
    """The panels of a project, made on request from the view, which holds what is computed."""

    def __init__(self, view: View) -> None:
        self._view = view

    def panels(self) -> list[Panel]:
        """The first page of each panel."""
        return [self.panel(name, 1) for name in PANELS]

    def panel(self, name: str, page: int) -> Panel:
        """A page of a panel. Raises LookupError if there is none."""
        chunks = self._chunks(name)
        if not 1 <= page <= max(1, len(chunks)):
            raise LookupError(page)
        groups = [self._group(name, part) for part in chunks[page - 1]] if chunks else []
        ids = [row_id for chunk in chunks for part in chunk for row_id in part.ids]
        points = 0 if name == "epics" else self._view.figures.points_of(ids)
        return Panel(name, groups, len(ids), page, max(1, len(chunks)), points)

    def _chunks(self, name: str) -> list[list[_Part]]:
        """The pages of a panel."""
        chunks: list[list[_Part]] = []
        room = 0
        for iteration, ids in self._iterations(name):
            for start in range(0, max(1, len(ids)), LINES):
                part = _Part(iteration, ids[start : start + LINES], start > 0)
                if not chunks or len(part.ids) > room:
                    chunks.append([])
                    room = LINES
                chunks[-1].append(part)
                room -= max(1, len(part.ids))
        return chunks

    def _iterations(self, name: str) -> list[tuple[Row | None, list[int]]]:
        """The iterations of a panel, each with the ids of its rows; None in place of one where there is none."""
        figures, project = self._view.figures, self._view.project
        if name == "epics":
            return [(None, list(project.epics))]
        if name == "icebox":
            return [(None, [s for s in project.order if project.stories[s]["current_state"] == "unscheduled"])]
        current = figures.current_iteration_number
        rest = [(None, ids)] if (ids := self._in_no_iteration(name)) else []
        if name == "current":
            now = figures.iterations[current - 1 : current]
            return [*((iteration, iteration["story_ids"]) for iteration in now if project.stories), *rest]
        iterations = figures.iterations[: current - 1][::-1] if name == "done" else figures.iterations[current:]
        return [*((row, row["story_ids"]) for row in iterations if row["story_ids"]), *rest]

    def _in_no_iteration(self, name: str) -> list[int]:
        """Stories of a panel that are in no iteration: an export may not say in which they are."""
        stories, planned = self._view.project.stories, self._view.iteration_of
        left = [story_id for story_id in self._view.project.order if story_id not in planned]
        return [story_id for story_id in left if _panel_by_state(stories[story_id]["current_state"]) == name]

    def _group(self, panel: str, part: _Part) -> Group:
        lines: list[StoryLine | EpicLine] = (
            [epic_line(self._view, epic_id) for epic_id in part.ids]
            if panel == "epics"
            else [story_line(self._view, story_id) for story_id in part.ids]
        )
        iteration = part.iteration
        if iteration is None:
            return Group(lines)
        return Group(
            lines, iteration["number"], *self._days(iteration),
            iteration["points"], iteration["accepted_points"], part.is_continued,
        )  # fmt: skip

    def _days(self, iteration: Row) -> tuple[str | None, str | None]:
        """The first and the last day of an iteration, in the project's time zone."""
        if "start" not in iteration:
            return None, None
        zone = self._view.figures.time_zone
        start, finish = (parse_iso(iteration[name]).astimezone(zone).date() for name in ("start", "finish"))
        return start.isoformat(), (finish - timedelta(days=1)).isoformat()


def _panel_by_state(state: str) -> str:
    if state in IN_PROGRESS:
        return "current"
    return {"accepted": "done", "unscheduled": "icebox"}.get(state, "backlog")


def story_line(view: View, story_id: int) -> StoryLine:
    """Raises KeyError if the project has no such story."""
    row = view.project.stories[story_id]
    return StoryLine(
        story_id,
        row.get("name") or "",
        row["story_type"],
        row["current_state"],
        row.get("estimate"),
        [str(label["name"]) for label in rows_by_id(view.project.labels, row.get("label_ids"))],
        persons(view, row.get("owner_ids")),
        row.get("deadline"),
        is_blocked(row),
    )


def epic_line(view: View, epic_id: int) -> EpicLine:
    """Raises KeyError if the project has no such epic."""
    row = view.project.epics[epic_id]
    ids = view.figures.stories_with_label(row.get("label_id"))
    accepted = [story_id for story_id in ids if view.project.stories[story_id]["current_state"] == "accepted"]
    label = view.project.labels.get(row.get("label_id") or 0)
    return EpicLine(
        epic_id,
        row.get("name") or "",
        str(label["name"]) if label else None,
        len(accepted),
        len(ids),
        view.figures.points_of(accepted),
        view.figures.points_of(ids),
        view.figures.epic(epic_id)["completed_at"],
    )


def persons(view: View, ids: Iterable[int] | None) -> list[Person]:
    """The people with these ids, in their order, without those that the world does not know."""
    return [person_of(row) for row in rows_by_id(view.world.people, ids)]


def person_of(row: Row) -> Person:
    """Somebody by the row of a person; without initials in it, the first letters of three names stand for them."""
    name = str(row.get("name") or "")
    initials = row.get("initials") or "".join(word[0] for word in name.split()[:3]).upper()
    return Person(name, str(initials))
