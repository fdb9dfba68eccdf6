"""The threads that read walks and pass pages to the writer."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic

import orjson

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.dialect.capabilities import Capabilities
from source_pivotal_tracker.api.errors import IncompleteError, SkippableError, TrackerError
from source_pivotal_tracker.attachments.attachments import FILES, Attachments
from source_pivotal_tracker.sync.activity import gap_in, read_changes, warn_of_gap
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.context import SyncContext
from source_pivotal_tracker.sync.forecast import Forecast
from source_pivotal_tracker.sync.messages import Encoded, Encoder, unwritable
from source_pivotal_tracker.sync.options import ReadOptions
from source_pivotal_tracker.sync.plan import Plan
from source_pivotal_tracker.sync.queue import ByteQueue, Closed
from source_pivotal_tracker.sync.walk_reader import Page, WalkReader
from source_pivotal_tracker.sync.walks import Walk

logger = logging.getLogger("airbyte.tracker")

MOST_BYTES = 3_000_000
"""What may wait for the writer, in bytes of the server's answers."""


@dataclass(frozen=True)
class WalkStarted:
    """A worker has taken a walk."""

    walk: Walk


@dataclass(frozen=True)
class PageRead(Generic[Encoded]):
    """A page, its records encoded by stream; `counts` is how many they are.

    `errors` are by stream what could not be done for them.
    """

    walk: Walk
    page: Page
    encoded: Mapping[str, Encoded]
    counts: Mapping[str, int]
    errors: Mapping[str, TrackerError] = field(default_factory=dict)


@dataclass(frozen=True)
class FilesFound(Generic[Encoded]):
    """The rows of files that an earlier sync could not have, encoded; None where there are none.

    `note_sent` is to be called once they are written. `is_last`: no more come. `error` is why not all were looked for.
    """

    encoded: Encoded | None = None
    count: int = 0
    note_sent: Callable[[], None] = lambda: None
    is_last: bool = False
    error: TrackerError | None = None


@dataclass(frozen=True)
class WalkEnded:
    """A walk came to its end: read, or with the error that ended it before."""

    walk: Walk
    error: TrackerError | None = None


Event = WalkStarted | PageRead[Encoded] | FilesFound[Encoded] | WalkEnded


class Workers(Generic[Encoded]):
    """Threads that read the walks of a plan; `replicated_projects` is that of SyncContext.

    One page at a time is held by each, and some in the queue.
    """

    def __init__(
        self,
        plan: Plan,
        client: TrackerClient,
        encode: Encoder[Encoded],
        options: ReadOptions,
        *,
        replicated_projects: Collection[int],
        attachments: Attachments | None = None,
    ) -> None:
        self._context = SyncContext(client, Capabilities(client), replicated_projects=frozenset(replicated_projects))
        self._encode = encode
        self._attachments = attachments
        self._lookback = options.lookback
        self._queue: ByteQueue[Event[Encoded]] = ByteQueue(MOST_BYTES)
        self._ready = deque(plan.ready)
        self._waiting = dict(plan.waiting)
        self._changes: dict[int | None, Changes | None] = {}
        self._left = sum(1 for _ in plan.walks())
        self._condition = threading.Condition()
        self._is_stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"walks-{number}", daemon=True)
            for number in range(options.workers)
        ]
        if attachments:
            self._threads.append(
                threading.Thread(target=self._find_files, args=(attachments,), name="files", daemon=True)
            )

    @property
    def finds_files(self) -> bool:
        """Whether rows of files come that no walk brings, and a last `FilesFound`."""
        return self._attachments is not None

    @property
    def forecast(self) -> Forecast:
        return self._context.forecast

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let nobody take another walk, and nobody wait for the writer. What is under way is left alone."""
        self._queue.close()
        with self._condition:
            self._is_stopped = True
            self._condition.notify_all()

    def next(self, timeout: float) -> Event[Encoded] | None:
        """What comes next, or None where nothing comes in so many seconds."""
        return self._queue.get(timeout)

    def _work(self) -> None:
        while walk := self._take():
            try:
                self._queue.put(WalkStarted(walk))
                error = self._read(walk)
                self._queue.put(WalkEnded(walk, error))
                self._release(walk, error)
            except Closed:
                return

    def _take(self) -> Walk | None:
        with self._condition:
            self._condition.wait_for(lambda: self._ready or not self._left or self._is_stopped)
            return self._ready.popleft() if self._ready and not self._is_stopped else None

    def _read(self, walk: Walk) -> TrackerError | None:
        """Read a walk to its end, or to the error that is returned. Raises Closed."""
        has_begun = False
        try:
            for page in self._pages(walk):
                self._put(walk, page)
                has_begun = bool(walk.members)
        except SkippableError as error:
            if not has_begun:
                return error
            return IncompleteError(error.reason, path=error.path, hint=error.hint, status=error.status, code=error.code)
        except TrackerError as error:
            return error
        except orjson.JSONEncodeError as error:
            return unwritable(error, walk.path)
        except Closed:
            raise
        except Exception as error:
            logger.exception("A bug in the connector while reading /%s", walk.path)
            return _bug(error, walk.path)
        finally:
            self._context.parse_lock.release()
        return None

    def _pages(self, walk: Walk) -> Iterator[Page]:
        if walk.finds_changes:
            return self._pages_with_changes(walk)
        changes = None if walk.changes_since is None else self._changes.get(walk.partition.project_id)
        return WalkReader(self._context, walk, changes, self._lookback).pages()

    def _pages_with_changes(self, walk: Walk) -> Iterator[Page]:
        waiting = self._waiting_for(walk)
        members = (member for waiting_walk in waiting for member in waiting_walk.members)
        settle_moves = any(member.wants_deletions and member.stream.deleted_kind == "story" for member in members)
        changes = yield from read_changes(self._context, walk, self._lookback, settle_moves=settle_moves)
        self._changes[walk.partition.project_id] = changes
        gap = gap_in(changes, walk)
        if gap:
            warn_of_gap(walk, gap)

    def _waiting_for(self, walk: Walk) -> list[Walk]:
        """The walks of its project that begin once this one has found the changes."""
        project_id = walk.partition.project_id
        return self._waiting.get(project_id, []) if walk.finds_changes and project_id is not None else []

    def _release(self, walk: Walk, error: TrackerError | None) -> None:
        """Let go the walks that waited for this one. Without the changes they read all, or fail as it did."""
        waiting = self._waiting_for(walk)
        changes = self._changes.get(walk.partition.project_id)
        if walk.compares_content and changes:
            waiting = [replace(waiting_walk, revision=changes.revision) for waiting_walk in waiting]
        is_fatal = error is not None and not isinstance(error, SkippableError)
        if waiting and isinstance(error, SkippableError):
            warn_of_gap(walk, f"its activity is not shown ({error})")
        if is_fatal:
            for waiting_walk in waiting:
                self._queue.put(WalkStarted(waiting_walk))
                self._queue.put(WalkEnded(waiting_walk, error))
        with self._condition:
            self._left -= 1
            if is_fatal:
                self._left -= len(waiting)
            else:
                self._ready.extendleft(reversed(waiting))
            self._condition.notify_all()

    def _put(self, walk: Walk, page: Page) -> None:
        counts = {stream: len(records) for stream, records in page.records.items() if records}
        files = page.records.pop(FILES, []) if self._attachments else []
        encoded = {stream: self._encode(stream, records) for stream, records in page.records.items() if records}
        page.records.clear()
        self._context.parse_lock.release()
        errors = {}
        if self._attachments and files:
            # Without the lock: to copy files takes long.
            self._attachments.copy_files(files)
            encoded[FILES] = self._encode(FILES, files)
        if self._attachments and (error := self._attachments.error) and FILES in {m.stream.name for m in walk.members}:
            # What is not copied comes once more in the next sync.
            errors[FILES] = error
            page.checkpoints.pop(FILES, None)
        self._queue.put(PageRead(walk, page, encoded, counts, errors), page.size)

    def _find_files(self, attachments: Attachments) -> None:
        """Copy what an earlier sync could not have, after the walks: what these bring does not come twice."""
        with self._condition:
            self._condition.wait_for(lambda: not self._left or self._is_stopped)
            if self._is_stopped:
                return
        try:
            self._queue.put(FilesFound(is_last=True, error=self._find(attachments)))
        except Closed:
            return

    def _find(self, attachments: Attachments) -> TrackerError | None:
        """Why not all missing files were looked for. Raises Closed."""
        try:
            for row, note_sent in attachments.missed_before(self._context.replicated_projects):
                self._queue.put(FilesFound(self._encode(FILES, [row]), 1, note_sent))
        except orjson.JSONEncodeError as error:
            return unwritable(error, FILES)
        except Closed:
            raise
        except Exception as error:
            logger.exception("A bug in the connector while looking for missing files")
            return _bug(error)
        return attachments.error


def _bug(error: Exception, path: str | None = None) -> IncompleteError:
    return IncompleteError(f"a bug in the connector: {type(error).__name__}: {error}", path=path)
