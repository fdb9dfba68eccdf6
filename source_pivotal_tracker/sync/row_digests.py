"""What the destination has of one list, row by row, where nothing else tells what changed in it."""

from __future__ import annotations

import base64
import itertools
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import orjson

from source_pivotal_tracker.api.errors import InvalidResponse
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.streams.times import iso, moment

NO_TIME = -(2**62)
BYTES_OF_DIGEST = 10
"""What a row takes, about, written."""


def digest_of(value: object) -> int:
    """Four bytes that stand for a JSON value."""
    return zlib.crc32(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


class DamagedDigests(ValueError):
    """A text that no digests has written."""


def refuse_other_ids(rows: Sequence[Row]) -> None:
    """Raises InvalidResponse for rows whose ids cannot be written: digests stand for whole numbers from 0 on."""
    if not all(isinstance(row.get("id"), int) and row["id"] >= 0 for row in rows):
        raise InvalidResponse("a row came with an id that is no number")


class RowDigests:
    """By the id of each row, a digest of the records that it became, when they were last sent, and their newest cursor.

    Written, it takes about ten bytes a row: the ids as steps from one to the next and the seconds of the cursors,
    compressed, and four bytes each for the digests. Two contents of a row have the same digest in one case of four
    billion.
    """

    def __init__(
        self,
        digests: Mapping[int, int] | None = None,
        times: Mapping[int, int] | None = None,
        listed: Mapping[int, int] | None = None,
    ) -> None:
        """`times` are the cursors, in seconds since 1970, of the rows that have one.

        `listed` has digests of those rows as their list showed them, where that is less than was sent.
        """
        self._digests = dict(digests or {})
        self._times = dict(times or {})
        self._listed = dict(listed or {})
        self._seen: set[int] = set()
        self._written: str | None = None

    @classmethod
    def read(cls, written: str) -> RowDigests:
        """Raises DamagedDigests for what no digests has written."""
        try:
            steps, times, digests, *more = (base64.b64decode(part, validate=True) for part in written.split("."))
            ids = list(itertools.accumulate(_numbers("Q", zlib.decompress(steps))))
            seconds = zip(ids, _numbers("q", zlib.decompress(times)), strict=True)
            known = dict(zip(ids, _numbers("I", digests), strict=True))
            listed = [
                {row_id: one for row_id, one in zip(ids, _numbers("I", part), strict=True) if one} for part in more
            ]
            return cls(known, {row_id: second for row_id, second in seconds if second != NO_TIME}, *listed)
        except (TypeError, ValueError, struct.error, zlib.error) as error:
            raise DamagedDigests from error

    def copy(self) -> RowDigests:
        """As it is now; what is noted later is not in it."""
        return RowDigests(self._digests, self._times, self._listed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RowDigests) and self._all == other._all

    @property
    def _all(self) -> tuple[Mapping[int, int], ...]:
        return self._digests, self._times, self._listed

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._digests

    @property
    def size(self) -> int:
        """About how many bytes it takes, written."""
        return BYTES_OF_DIGEST * len(self._digests)

    def is_news(self, row_id: int, records: Sequence[Row], cursor: str | None = None) -> bool:
        """Whether these records differ from what was last sent of the row. They are what was sent, from then on."""
        digest = digest_of(records)
        was = self._digests.get(row_id)
        self._digests[row_id] = digest
        if cursor:
            self._times[row_id] = math.ceil(moment(cursor).timestamp())
        return digest != was

    def note_listed(self, row_id: int, digest: int | None) -> None:
        """Note how its list shows a row that is sent; None where nobody looks at that."""
        if digest is not None:
            self._listed[row_id] = digest

    def listed(self, row_id: int) -> int | None:
        """The digest of a row as its list showed it when it was last sent, if that is known."""
        return self._listed.get(row_id)

    def see(self, row_id: int) -> None:
        """Note that the row is still in the list."""
        self._seen.add(row_id)

    def unseen(self) -> list[int]:
        """The rows that were sent once and have not been seen again."""
        return sorted(self._digests.keys() - self._seen)

    @property
    def has_seen_none(self) -> bool:
        """Whether no row has been seen in the list at all."""
        return not self._seen

    def cursor_of(self, row_id: int) -> str | None:
        """The newest cursor with which the row was sent, in whole seconds, rounded up."""
        seconds = self._times.get(row_id)
        return None if seconds is None else iso(datetime.fromtimestamp(seconds, UTC))

    def forget(self, row_id: int) -> None:
        self._digests.pop(row_id, None)
        self._times.pop(row_id, None)
        self._listed.pop(row_id, None)

    def written(self) -> str:
        """As a state keeps it. Of a digests that goes on, write a copy."""
        if self._written is None:
            ids = sorted(self._digests)
            steps = [after - before for before, after in itertools.pairwise([0, *ids])]
            parts = [
                zlib.compress(struct.pack(f"<{len(ids)}Q", *steps)),
                zlib.compress(struct.pack(f"<{len(ids)}q", *(self._times.get(row_id, NO_TIME) for row_id in ids))),
                struct.pack(f"<{len(ids)}I", *(self._digests[row_id] for row_id in ids)),
            ]
            if self._listed:
                parts.append(struct.pack(f"<{len(ids)}I", *(self._listed.get(row_id, 0) for row_id in ids)))
            self._written = ".".join(base64.b64encode(part).decode() for part in parts)
        return self._written


def _numbers(kind: str, packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // struct.calcsize(f'<{kind}')}{kind}", packed)
