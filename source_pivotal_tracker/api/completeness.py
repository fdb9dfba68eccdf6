"""Whether a source shows all that there is: what it does not show may be deleted, or only not in its files."""

from __future__ import annotations

from collections.abc import Sequence


class Completeness:
    """That of a server, which shows all of a project. `failures` are sentences on what cannot be read of the source.

    `may_fall_silent`: a list without a single row, where there were some, may be a fault of the source.
    `may_write_times_otherwise`: not each time is certainly in the form in which Tracker writes them.
    """

    failures: Sequence[str] = ()
    may_fall_silent = True
    may_write_times_otherwise = True

    def is_gone(self, project_id: int, kind: str, cursor: str | None) -> bool:
        """Whether a row of this kind (`story`, `epic`, …) that is not shown was deleted; `cursor` is its own."""
        return True
