"""Which rows a walk has sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from source_pivotal_tracker.streams.pages import Answer
from source_pivotal_tracker.sync.walks import Walk


class SentRows:
    """The identities of the rows that came: their ids, or the primary keys of the records in rows that have none.

    Rows of a list without pages come once, so they have none.
    """

    def __init__(self, walk: Walk) -> None:
        self._stream = walk.members[0].stream if walk.members and walk.endpoint.page_size is not None else None
        self._identities: set[Any] = set()
        self.has_repeats = False
        """Whether a row came twice: then the list moved, and another row may not have come at all."""

    def __contains__(self, identity: object) -> bool:
        return identity in self._identities

    def add(self, answer: Answer) -> None:
        identities = self._in(answer)
        if_all_are_new = len(self._identities) + len(identities)
        self._identities.update(identities)
        self.has_repeats |= len(self._identities) < if_all_are_new

    def unsent(self, answer: Answer) -> Answer:
        """The rows of an answer that have not come before. The answer is let go."""
        unsent = [number for number, identity in enumerate(self._in(answer)) if identity not in self._identities]
        rest = answer._replace(
            rows=[answer.rows[number] for number in unsent],
            records=[[records[number] for number in unsent] for records in answer.records],
        )
        answer.let_go()
        return rest

    def without(self, ids: Iterable[int]) -> list[int]:
        """Those of the ids whose rows have not come, in order."""
        return sorted(row_id for row_id in ids if row_id not in self._identities)

    def _in(self, answer: Answer) -> Sequence[Any]:
        stream = self._stream
        if stream is None:
            return ()
        return [
            row["id"] if "id" in row else tuple(map(stream.key_of, records))
            for row, records in zip(answer.rows, answer.records[0], strict=True)
        ]
