"""What the destination has of one list, row by row, where nothing else tells what changed in it."""

from __future__ import annotations

import base64
import itertools
import struct
import zlib
from collections.abc import Mapping, Sequence

import orjson

from source_pivotal_tracker.streams.rows import Row


class DamagedLedger(ValueError):
    """A text that no ledger has written."""


class Ledger:
    """By the id of each row, a digest of the records that it became, when they were last sent.

    Written, it takes about eight bytes a row: the ids as steps from one to the next, compressed, and four bytes each
    for the digests. Two contents of a row have the same digest in one case of four billion.
    """

    def __init__(self, digests: Mapping[int, int] | None = None) -> None:
        self._digests = dict(digests or {})
        self._seen: set[int] = set()
        self._written: str | None = None

    @classmethod
    def read(cls, written: str) -> Ledger:
        """Raises DamagedLedger for what no ledger has written."""
        return cls(_read(written))

    def copy(self) -> Ledger:
        """As it is now; what is noted later is not in it."""
        return Ledger(self._digests)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ledger) and self._digests == other._digests

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, row_id: int) -> bool:
        return row_id in self._digests

    def is_news(self, row_id: int, records: Sequence[Row]) -> bool:
        """Whether these records differ from what was last sent of the row. They are what was sent, from then on."""
        digest = zlib.crc32(orjson.dumps(records, option=orjson.OPT_SORT_KEYS))
        was = self._digests.get(row_id)
        self._digests[row_id] = digest
        return digest != was

    def see(self, row_id: int) -> None:
        """Note that the row is still in the list."""
        self._seen.add(row_id)

    def unseen(self) -> list[int]:
        """The rows that were sent once and have not been seen again."""
        return sorted(self._digests.keys() - self._seen)

    def forget(self, row_id: int) -> None:
        self._digests.pop(row_id, None)

    def written(self) -> str:
        """As a state keeps it. Of a ledger that goes on, write a copy."""
        if self._written is None:
            ids = sorted(self._digests)
            steps = [after - before for before, after in itertools.pairwise([0, *ids])]
            packed = zlib.compress(struct.pack(f"<{len(ids)}Q", *steps))
            digests = struct.pack(f"<{len(ids)}I", *(self._digests[each] for each in ids))
            self._written = ".".join(base64.b64encode(part).decode() for part in (packed, digests))
        return self._written


def _read(written: str) -> dict[int, int]:
    try:
        packed, digests = (base64.b64decode(part, validate=True) for part in written.split("."))
        steps = zlib.decompress(packed)
        number = len(steps) // 8
        ids = itertools.accumulate(struct.unpack(f"<{number}Q", steps))
        return dict(zip(ids, struct.unpack(f"<{number}I", digests), strict=True))
    except (ValueError, struct.error, zlib.error) as error:
        raise DamagedLedger from error
