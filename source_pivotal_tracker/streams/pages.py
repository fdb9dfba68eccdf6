"""A page of a list: as it came, and as the streams understand it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Row

Params = dict[str, str | int]


class Listed(NamedTuple):
    """A page of a list as it came: its rows, which may lack what the consumers want of them.

    `following` is the offset of the next page, `total` what the server announces, `revision` the project's, `size` in
    bytes. `fingerprint` is the same only for the same page. `kind` tells apart the lists that may leave out different
    things; None where the row was asked for alone.
    """

    rows: list[Row]
    following: int | None
    total: int | None
    revision: Revision | None
    size: int
    fingerprint: int
    kind: str | None


class Answer(NamedTuple):
    """A page of a list, understood: its rows, and for each consumer (in order) the records in each of them.

    The rest is as of `Listed`.
    """

    rows: list[Row]
    records: list[list[Sequence[Row]]]
    following: int | None
    total: int | None
    revision: Revision | None
    size: int
    fingerprint: int

    def let_go(self) -> None:
        """Forget the rows: they take ten times the memory of their bytes, and an answer may be held for long."""
        self.rows.clear()
        self.records.clear()
