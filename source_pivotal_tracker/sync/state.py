"""What a sync remembers of a stream: up to where each project is read, and the place in those that are being read.

A stream's state is JSON of this shape, with `walk` for a list that was not read to its end:

    {"stream": "stories", "projects": {"99": {"version": 1543, "cursor": "2026-11-20T09:00:00Z"},
                                       "98": {"walk": {"offset": 500, "version": 7, "newest": "2026-…"}}}}

A stream with two endpoints has one such checkpoint for each, by name. What belongs to no project stands under `server`
instead. While a full refresh runs, `full_refresh` is true, `began` is when it began (in seconds since 1970), `start`
the start date that it reads from, and a project that is read has `"done": true`. Where only its content tells what
changed in a list, `ledger` stands for the rows that were sent, `swept` is the day on which all of it was last looked
at (in days since 1970), and `sweeps` is the share of its rows, from 0 to 5, that the next such day completes.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from source_pivotal_tracker.api.dialect.values import AS_SECONDS, time_of_number
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.times import moment
from source_pivotal_tracker.sync.checkpoints import Checkpoint, ResumePoint, StateKey
from source_pivotal_tracker.sync.row_digests import RowDigests

logger = logging.getLogger("airbyte.tracker")

Blob = dict[str, Any]

NEUTRAL: Blob = {"__ab_no_cursor_state_message": True}
"""What a finished full refresh leaves behind: nothing that a next one could take for its own."""
DAY = 24 * 3600
LONGEST_SYNC = DAY
"""Seconds; a full refresh that began longer ago is not one that another attempt could finish."""

_TIME = re.compile(r"[12]\d{3}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?", re.ASCII)
_ID = re.compile(r"\d{1,18}", re.ASCII)
_TOO_MUCH = 10**18


def today() -> int:
    """The days since 1970."""
    return int(time.time()) // DAY


class StreamState:
    """The checkpoints of one stream in one sync; not for two threads at once."""

    def __init__(
        self,
        stream: str,
        endpoints: Iterable[str],
        *,
        full_refresh: bool,
        given: Mapping[str, Any],
        start: str | None = None,
    ) -> None:
        self._stream = stream
        self._start = start
        self._endpoints = tuple(endpoints)
        self.full_refresh = full_refresh
        self.is_dirty = False
        self._began = int(time.time())
        self._checkpoints = self._parsed(given)

    def checkpoint(self, state_key: StateKey) -> Checkpoint:
        return self._checkpoints.get(state_key, Checkpoint())

    def begin(self, state_key: StateKey, revision: Revision | None) -> bool:
        """Record that a first read of a list starts at `revision`. Returns False if it was begun before.

        Its rows may be written without a state after them. Without this record, the next attempt would not know that
        it has to look for deletions among them, and a row that was deleted in between would stay for ever.
        """
        if revision is None or self.full_refresh or self.checkpoint(state_key) != Checkpoint():
            return False
        self.put(state_key, Checkpoint(resume_point=ResumePoint(0, revision)))
        return True

    def put(self, state_key: StateKey, checkpoint: Checkpoint) -> None:
        is_read = checkpoint.resume_point is None
        self.is_dirty = True
        self._checkpoints[state_key] = replace(checkpoint, done=True) if self.full_refresh and is_read else checkpoint

    def known_lists(self) -> Iterable[StateKey]:
        return self._checkpoints.keys()

    @property
    def size(self) -> int:
        """About how many bytes the digests of rows in it take, written."""
        digests = (checkpoint.row_digests for checkpoint in self._checkpoints.values())
        return sum(some.size for some in digests if some)

    def as_blob(self) -> Blob:
        """The state to print. Once the stream is read it holds cursors, and the places in lists that were skipped."""
        blob: Blob = {"stream": self._stream}
        if self.full_refresh:
            blob |= {"full_refresh": True, "began": self._began}
            if self._start:
                blob["start"] = self._start
        for state_key, checkpoint in self._checkpoints.items():
            here = blob.setdefault("server", {}) if state_key.id is None else _project(blob, state_key.id)
            if len(self._endpoints) > 1:
                here = here.setdefault(state_key.endpoint, {})
            here.update(_written(checkpoint))
        return blob

    def _parsed(self, given: Mapping[str, Any]) -> dict[StateKey, Checkpoint]:
        """The checkpoints in a given state, without those that cannot be understood: a warning names them."""
        if not given or given == NEUTRAL:
            return {}
        if given.get("stream") != self._stream or not isinstance(given.get("projects", {}), dict):
            logger.warning(
                "Ignoring the state of stream %s, because this connector did not write it: reading from the start",
                self._stream,
            )
            return {}
        if bool(given.get("full_refresh")) != self.full_refresh:
            if not self.full_refresh:
                logger.warning(
                    "Ignoring the state of stream %s, because it is of a full refresh: reading from the start",
                    self._stream,
                )
            return {}
        if self.full_refresh:
            began = given.get("began")
            if not isinstance(began, int) or not 0 <= self._began - began < LONGEST_SYNC:
                logger.warning(
                    "The full refresh of stream %s began too long ago to go on: starting again", self._stream
                )
                return {}
            if given.get("start") != self._start:
                logger.warning("The start date of stream %s has changed: starting its full refresh again", self._stream)
                return {}
            self._began = began
        return self._checkpoints_in(given)

    def _checkpoints_in(self, given: Mapping[str, Any]) -> dict[StateKey, Checkpoint]:
        checkpoints = {}
        has_numbers = False
        for state_key, blob in self._blobs(given):
            where = "the server" if state_key.id is None else f"project {state_key.id}"
            try:
                checkpoint = _read(blob)
                has_numbers |= type(blob.get("cursor")) is int
                checkpoints[state_key] = checkpoint.without_future()
                if checkpoints[state_key] != checkpoint:
                    words = "The state of stream %s has a time in the future for %s: asking for rows of any time"
                    logger.warning(words, self._stream, where)
            except (TypeError, ValueError):
                logger.warning(
                    "The state of stream %s is damaged for %s: reading that from the start", self._stream, where
                )
        if has_numbers:
            logger.warning(
                "The state of stream %s has times as numbers, and so have the rows that came with it: refresh the "
                "stream to have them in ISO 8601",
                self._stream,
            )
        return checkpoints

    def _blobs(self, given: Mapping[str, Any]) -> Iterable[tuple[StateKey, Any]]:
        places: list[tuple[int | None, Any]] = [(None, given["server"])] if "server" in given else []
        for project, blob in given.get("projects", {}).items():
            if _ID.fullmatch(str(project)):
                places.append((int(project), blob))
            else:
                logger.warning(
                    "Ignoring project %r in the state of stream %s, because it is not an id", project, self._stream
                )
        for place, blob in places:
            for endpoint in self._endpoints:
                several = len(self._endpoints) > 1
                yield StateKey(endpoint, place), blob.get(endpoint, {}) if several and isinstance(blob, dict) else blob


def _project(blob: Blob, project: int) -> Blob:
    checkpoint: Blob = blob.setdefault("projects", {}).setdefault(str(project), {})
    return checkpoint


def _written(checkpoint: Checkpoint) -> Blob:
    point, digests = checkpoint.resume_point, checkpoint.row_digests
    return _known(
        version=checkpoint.revision,
        cursor=checkpoint.cursor,
        digest=checkpoint.digest,
        done=checkpoint.done or None,
        swept=checkpoint.swept,
        sweeps=checkpoint.sweeps or None,
        walk=point and _written_point(point),
        ledger=digests and digests.written(),
    )


def _written_point(point: ResumePoint) -> Blob:
    return _known(
        offset=point.offset,
        version=point.revision,
        since=point.since,
        newest=point.newest,
        reached=point.reached,
        by_share=point.by_share or None,
    )


def _known(**values: Any) -> Blob:
    return {key: value for key, value in values.items() if value is not None}


def _read(blob: Any) -> Checkpoint:
    """Raises TypeError or ValueError for what `_written` would not have written."""
    if not isinstance(blob, dict):
        raise TypeError
    if blob.keys() - {"version", "cursor", "digest", "done", "walk", "ledger", "swept", "sweeps"}:
        raise ValueError
    walk, ledger = blob.get("walk"), _text(blob.get("ledger"))
    return Checkpoint(
        revision=_revision(blob.get("version")),
        cursor=_time(blob.get("cursor")),
        digest=_text(blob.get("digest")),
        done=blob.get("done") is True,
        resume_point=None if walk is None else _resume_point(walk),
        row_digests=None if ledger is None else RowDigests.read(ledger),
        swept=_number(blob.get("swept")),
        sweeps=_number(blob.get("sweeps")) or 0,
    )


def _resume_point(walk: Any) -> ResumePoint:
    if not isinstance(walk, dict):
        raise TypeError
    offset, revision = _number(walk.get("offset")), _revision(walk.get("version"))
    if offset is None or (offset and revision is None):
        raise ValueError
    since, newest, reached = (_time(walk.get(name)) for name in ("since", "newest", "reached"))
    return ResumePoint(offset, revision, since, newest, reached, walk.get("by_share") is True)


def _number(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 0 <= value < _TOO_MUCH):
        raise ValueError
    return value


def _revision(value: Any) -> Revision | None:
    number = _number(value)
    return None if number is None else Revision(number)


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError
    if value is not None:
        # UnicodeEncodeError, which is a ValueError, for half a character: no UTF-8 could hold it in the next state.
        value.encode()
    return value


def _time(value: Any) -> str | None:
    text = time_of_number(value) if type(value) is int and value not in AS_SECONDS else _text(value)
    if value is not None and not (text and _TIME.fullmatch(text) and moment(text)):
        raise ValueError
    return text
