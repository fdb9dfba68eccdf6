"""Which panels of a project an export shows, and whether it shows by itself that it is all of the project.

Whoever exported a project could choose among Done, Current, Backlog, Icebox and Epics, and could export some stories
that were selected. So a story that a newer export lacks may be deleted, or only not be part of that export. It counts
as deleted only where the newer one proves that it is all of the project:

- It is of the page that exports projects, and no selection: with an epic, a file of a story or a history in it. Only
  stories could be selected, and what a selection gave was a CSV alone.
- It has stories from each of Done, Current, Backlog and Icebox. A panel without any may be empty, or may not have been
  chosen, and the story that is missed may have moved there.

Epics count as deleted only where it has some itself, besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tracker_server.exports.iterations import Span

IN_WORK = frozenset({"started", "finished", "delivered", "rejected"})
ICEBOX = "unscheduled"
ACCEPTED = "accepted"
NONE = 0
"""Stands for the iteration of a story that is in none, for all that its row tells."""


@dataclass
class Panels:
    """In which iterations the stories of an export are, by what became of them; whether it has epics."""

    accepted: set[int] = field(default_factory=set)
    in_work: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    has_icebox: bool = False
    has_epics: bool = False

    def note(self, state: str, iteration: int) -> None:
        """Note a story with this state in this iteration."""
        if state == ICEBOX:
            self.has_icebox = True
        elif state == ACCEPTED:
            self.accepted.add(iteration)
        else:
            (self.in_work if state in IN_WORK else self.waiting).add(iteration)

    def join(self, other: Panels) -> None:
        """Note all that another one has."""
        self.accepted |= other.accepted
        self.in_work |= other.in_work
        self.waiting |= other.waiting
        self.has_icebox |= other.has_icebox
        self.has_epics |= other.has_epics

    def missing(self, spans: Mapping[int, Span], stamps: Iterable[datetime], *, is_of_page: bool) -> str | None:
        """What is missing for a proof that the export is all of its project; None where nothing is.

        `spans` are the days of its iterations, `stamps` the times that names of files tell. `is_of_page`: files or a
        history came with it.
        """
        if not (is_of_page or self.has_epics):
            return "it has no epic, no attached file and no history, so it may be a selection of stories"
        shown = {
            "Done": self._shows_done(),
            "Current": self._shows_current(spans, [f"{stamp:%Y-%m-%d}" for stamp in stamps]),
            "Backlog": self._shows_backlog(),
            "the Icebox": self.has_icebox,
        }
        missing = [panel for panel, is_shown in shown.items() if not is_shown]
        return f"it has no story in {', '.join(missing)}" if missing else None

    @property
    def _current(self) -> int:
        """The iteration that was the current one at the earliest, NONE where no row tells."""
        return max(self.in_work, default=NONE) or min(self.waiting - {NONE}, default=NONE)

    def _shows_done(self) -> bool:
        open_iterations = (self.in_work | self.waiting) - {NONE}
        return any(number < min(open_iterations, default=number + 1) for number in self.accepted)

    def _shows_current(self, spans: Mapping[int, Span], days: Iterable[str]) -> bool:
        if self.in_work or self.accepted & (self.waiting - {NONE}):
            return True
        starts_and_ends = (spans.get(number, ("", "")) for number in self.waiting)
        return any(start and start[:10] <= day <= end[:10] for start, end in starts_and_ends for day in days)

    def _shows_backlog(self) -> bool:
        return NONE in self.waiting or any(number > self._current for number in self.waiting)
