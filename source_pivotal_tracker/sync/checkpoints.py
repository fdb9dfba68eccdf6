"""What the destination has of one list, and the place in it of an unfinished read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.times import is_in_future
from source_pivotal_tracker.sync.row_digests import RowDigests


class StateKey(NamedTuple):
    """The list that a checkpoint is of: an endpoint, and the id of its project or account (None: neither)."""

    endpoint: str
    id: int | None


@dataclass(frozen=True)
class ResumePoint:
    """How far an unfinished walk has come: the next offset, and the list that it is an offset in.

    `revision` is the project's when the walk first began: of the stories that nobody has touched since then, all that
    stood before the offset have been read. It is None where nothing shows how far the project had come. `since` is the
    parameter that the list was asked with, `newest` the greatest cursor among the rows before the place.

    `reached` is there while all rows are compared with their digests, the newest first: those that are newer have been
    compared, or with `by_share` those of them that it was their turn of.
    """

    offset: int
    revision: Revision | None
    since: str | None = None
    newest: str | None = None
    reached: str | None = None
    by_share: bool = False


@dataclass(frozen=True)
class Checkpoint:
    """What the destination has of one list: all up to the project's `revision`, and up to `cursor` by time.

    `revision` is None where nothing shows how far the project has come. `digest` stands for the rows of a list that
    comes in one answer, which is sent again only if it differs. `done` says that a running full refresh has read the
    list. `resume_point` is there while the list is being read. Where only their content shows what changed in rows,
    `row_digests` has a digest of each, `swept` is the day on which all were last compared, and `sweeps` counts those.
    """

    revision: Revision | None = None
    cursor: str | None = None
    digest: str | None = None
    done: bool = False
    resume_point: ResumePoint | None = None
    row_digests: RowDigests | None = None
    swept: int | None = None
    sweeps: int = 0

    @property
    def is_base(self) -> bool:
        """Whether an incremental read can start from here."""
        return any(value is not None for value in (self.revision, self.cursor, self.digest, self.swept))

    def without_future(self) -> Checkpoint:
        """The same without cursors in the future: what came after they were noted would seem to be known."""
        point = self.resume_point
        if point and is_in_future(point.newest):
            point = replace(point, newest=None)
        return replace(self, cursor=None if is_in_future(self.cursor) else self.cursor, resume_point=point)
