"""Which panels of a project an export contains, and whether that proves that the export is complete.

People could choose among Done, Current, Backlog, Icebox and Epics when they exported a project, or export only selected
stories. So a story that is missing from a newer export was deleted, or is not part of that export. It counts as
deleted only if the newer export proves that it is complete:

- It is from the page that exports projects, and not a selection: it has an epic, an attached file or a history. Only
  stories could be selected, and a selection gave a single CSV.
- It has stories from each of Done, Current, Backlog and Icebox. A panel without any may be empty, or may not have been
  chosen, and the missing story may have moved there.

Epics count as deleted only if it also has an epic.
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
"""The iteration of a story whose row has none."""


@dataclass
class Panels:
    """The iterations of the stories of an export, by state; whether it has an icebox and epics."""

    accepted: set[int] = field(default_factory=set)
    in_work: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    has_icebox: bool = False
    has_epics: bool = False

    def add(self, state: str, iteration: int) -> None:
        """Add a story with this state in this iteration."""
        if state == ICEBOX:
            self.has_icebox = True
        elif state == ACCEPTED:
            self.accepted.add(iteration)
        else:
            (self.in_work if state in IN_WORK else self.waiting).add(iteration)

    def update(self, other: Panels) -> None:
        """Add everything of another one."""
        self.accepted |= other.accepted
        self.in_work |= other.in_work
        self.waiting |= other.waiting
        self.has_icebox |= other.has_icebox
        self.has_epics |= other.has_epics

    def missing(self, spans: Mapping[int, Span], stamps: Iterable[datetime], *, is_of_page: bool) -> str | None:
        """What is missing for a proof that the export is complete; None for nothing.

        `spans` are the days of its iterations, `stamps` the times in names of files. `is_of_page`: files or a
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
        """The earliest iteration that may have been current, NONE if no row shows it."""
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
