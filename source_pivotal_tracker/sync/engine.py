"""One sync: what the workers bring, as messages in the order in which they may be written."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Generic

from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.utils import AirbyteTracedException

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import (
    ANSWER,
    UNROUTED,
    FatalError,
    RetryableError,
    SkippableError,
    TrackerError,
    stopped_by,
    traced,
)
from source_pivotal_tracker.attachments.attachments import FILES
from source_pivotal_tracker.sync import messages
from source_pivotal_tracker.sync.checkpoints import StateKey
from source_pivotal_tracker.sync.messages import Encoded
from source_pivotal_tracker.sync.options import ReadOptions
from source_pivotal_tracker.sync.plan import Plan
from source_pivotal_tracker.sync.progress import Progress, overview, plural
from source_pivotal_tracker.sync.state import NEUTRAL, StreamState
from source_pivotal_tracker.sync.statuses import Statuses
from source_pivotal_tracker.sync.walk_reader import Page, explained
from source_pivotal_tracker.sync.walks import Walk
from source_pivotal_tracker.sync.workers import FilesFound, PageRead, WalkEnded, WalkStarted, Workers

logger = logging.getLogger("airbyte.tracker")

STATE_SECONDS = 1.0
"""At least so long lies between two states of a stream: each holds all its projects, and takes longer if it is long."""
LOG_SECONDS = 5.0


class Engine(Generic[Encoded]):
    """Runs a plan once. `failed` are streams that are not read, `incomplete` those of which something cannot be.

    `run` yields messages, and the records of a page as the encoder made them. Each state covers only records that
    were yielded before it: a sync that is killed and started again with its last state loses nothing.
    """

    def __init__(
        self,
        plan: Plan,
        states: Mapping[str, StreamState],
        failed: Mapping[str, TrackerError],
        incomplete: Mapping[str, TrackerError],
        workers: Workers[Encoded],
        client: TrackerClient,
        statuses: Statuses,
        options: ReadOptions,
    ) -> None:
        self._failed = failed
        self._incomplete = incomplete
        self._workers = workers
        self._client = client
        self._statuses = statuses
        self._state_seconds = options.state_seconds
        self._streams = {name: Progress(state, unchanged=plan.unchanged[name]) for name, state in states.items()}
        self._unchanged = plan.unchanged_projects
        self._projects: Counter[int | None] = Counter()
        for walk in plan.walks():
            self._projects[walk.partition.project_id] += 1
            for member in walk.members:
                progress = self._streams[member.stream.name]
                progress.walks_left += 1
                progress.lists += walk.endpoint.page_size is not None
                progress.lie_in = plural(walk.endpoint.parent)
                progress.state.begin(walk.state_key, walk.revision)
        self._left = sum(self._projects.values())
        if workers.finds_files and FILES in self._streams:
            self._streams[FILES].walks_left += 1
            self._left += 1
        self._skipped: set[str] = set()
        self._is_stopped = False
        self._refusal: FatalError | None = None
        self._logged_at = time.monotonic()

    def stop(self) -> None:
        """Make `run` yield the last states and end, soon. Safe to call in a signal handler."""
        self._is_stopped = True

    @property
    def skipped(self) -> Mapping[str, Collection[str]]:
        """By stream, what the server does not have or does not show: paths, each with its answer."""
        return {name: progress.skipped for name, progress in self._streams.items() if progress.skipped}

    def run(self) -> Iterator[AirbyteMessage | Encoded]:
        """Raises AirbyteTracedException after the last message if a stream is incomplete."""
        yield from self._begin()
        lists = sum(self._projects.values())
        if lists:
            logger.info("%d lists to read%s", lists, self._workers.forecast.of_lists(lists))
        self._workers.start()
        try:
            while self._left and not self._is_stopped:
                yield from self._next()
        finally:
            self._workers.stop()
        yield from self._end()

    def _begin(self) -> Iterator[AirbyteMessage]:
        for name, error in self._failed.items():
            yield from self._fail(name, str(error), error)
            yield self._statuses.ended(name, is_complete=False)
        for name, error in self._incomplete.items():
            yield from self._note(name, error, str(error))
        for name, progress in self._streams.items():
            if not progress.walks_left:
                yield from self._start(name)
                yield from self._finish(name)

    def _end(self) -> Iterator[AirbyteMessage]:
        """The states that are owed, and after a whole sync, full refreshes that no other attempt has to go on with."""
        yield from self._dirty_states()
        yield from self._statuses.broken_off()
        self._log()
        for name, progress in self._streams.items():
            logger.info("Stream %s: %s", name, progress)
        failure = self._outcome()
        if failure:
            raise failure
        if not self._is_stopped:
            for name, progress in self._streams.items():
                if progress.state.full_refresh:
                    yield messages.state(name, NEUTRAL, 0)

    def _next(self) -> Iterator[AirbyteMessage | Encoded]:
        event = self._workers.next(STATE_SECONDS)
        if isinstance(event, WalkStarted):
            for member in event.walk.members:
                name = member.stream.name
                has_begun = self._streams[name].state.begin(event.walk.state_key, event.walk.revision)
                yield from self._start(name)
                if has_begun and self._streams[name].state.is_dirty:
                    yield self._state(name)
        elif isinstance(event, PageRead):
            yield from self._page_read(event)
        elif isinstance(event, WalkEnded):
            yield from self._walk_ended(event.walk, event.error)
        elif isinstance(event, FilesFound):
            yield from self._files_found(event)
        else:
            owing = [name for name, progress in self._streams.items() if progress.owes_state(self._state_seconds)]
            yield from map(self._state, owing)
            under_way = [
                name for name, progress in self._streams.items() if progress.is_started and progress.walks_left
            ]
            yield from self._statuses.waiting(under_way)
        if time.monotonic() - self._logged_at >= LOG_SECONDS:
            self._log()
            for name, progress in self._streams.items():
                if progress.walks_left and progress.expected:
                    yield messages.estimate(name, progress.expected)

    def _start(self, name: str) -> Iterator[AirbyteMessage]:
        progress = self._streams[name]
        if not progress.is_started:
            progress.is_started = True
            yield from self._statuses.started(name)
            if progress.state.is_dirty:
                yield self._state(name)

    def _page_read(self, event: PageRead[Encoded]) -> Iterator[AirbyteMessage | Encoded]:
        walk, page = event.walk, event.page
        for member in walk.members:
            name = member.stream.name
            progress = self._streams[name]
            count = event.counts.get(name, 0)
            yield from self._statuses.came(name, rows=count)
            if count:
                yield event.encoded[name]
            progress.rows += count
            progress.rows_since_state += count
            progress.tombstones += page.tombstones.get(name, 0)
            progress.requests += page.requests
            yield from self._listed(name, walk.state_key, page)
            if name in page.checkpoints:
                progress.state.put(walk.state_key, page.checkpoints[name])
        for name, error in event.errors.items():
            yield from self._note(name, error, str(error))
        for member in walk.members:
            progress = self._streams[member.stream.name]
            if progress.owes_state(self._state_seconds):
                yield self._state(member.stream.name)

    def _files_found(self, event: FilesFound[Encoded]) -> Iterator[AirbyteMessage | Encoded]:
        """Rows that an earlier sync brought without their files; no checkpoint depends on them."""
        progress = self._streams[FILES]
        yield from self._start(FILES)
        if event.encoded is not None:
            yield from self._statuses.came(FILES, rows=event.count)
            yield event.encoded
            event.note_sent()
            progress.rows += event.count
            progress.rows_since_state += event.count
        if event.error:
            yield from self._note(FILES, event.error, str(event.error))
        if event.is_last:
            self._left -= 1
            progress.walks_left -= 1
            if not progress.walks_left:
                yield from self._finish(FILES)

    def _note(self, name: str, error: TrackerError, words: str) -> Iterator[AirbyteMessage]:
        """Let a stream end as incomplete, for the first reason that there is."""
        if self._streams[name].error is None:
            self._streams[name].error = error
            yield from self._fail(name, words, error)

    def _listed(self, name: str, state_key: StateKey, page: Page) -> Iterator[AirbyteMessage]:
        """Note how much of a list has come; the first page of each tells how long it is."""
        progress = self._streams[name]
        progress.listed += page.rows
        if page.total is not None and state_key not in progress.announced_by:
            progress.announced_by.add(state_key)
            progress.announced += page.total
            if len(progress.announced_by) == 1 and progress.expected:
                yield messages.estimate(name, progress.expected)

    def _walk_ended(self, walk: Walk, error: TrackerError | None) -> Iterator[AirbyteMessage]:
        self._left -= 1
        self._projects[walk.partition.project_id] -= 1
        skipped = ""
        if isinstance(error, SkippableError):
            # An endpoint that the server has for no project is one warning.
            path = walk.endpoint.path if error.code == UNROUTED else walk.path
            skipped = error.answer_at(path)
            if skipped not in self._skipped:
                logger.warning("Skipped: %s", explained(walk, error), extra={ANSWER: skipped})
            self._skipped.add(skipped)
        if isinstance(error, FatalError):
            self._refusal = error
            self._is_stopped = True
            return
        for member in walk.members:
            name = member.stream.name
            progress = self._streams[name]
            progress.walks_left -= 1
            if walk.endpoint.page_size and walk.state_key not in progress.announced_by:
                progress.lists -= 1
            if error is None:
                progress.read.add(walk.partition.parent_id)
            elif skipped:
                progress.skipped[skipped] += 1
            else:
                yield from self._note(name, error, explained(replace(walk, members=(member,)), error))
            if not progress.walks_left:
                yield from self._finish(name)

    def _fail(self, name: str, words: str, error: TrackerError) -> Iterator[AirbyteMessage]:
        logger.error("Stream %s: %s", name, words)
        yield messages.error(name, traced(error, words))

    def _finish(self, name: str) -> Iterator[AirbyteMessage]:
        """The last state and status of a stream whose walks have all ended."""
        progress = self._streams[name]
        yield self._state(name)
        yield self._statuses.ended(name, is_complete=progress.error is None)

    def _state(self, name: str) -> AirbyteMessage:
        progress = self._streams[name]
        records, progress.rows_since_state = progress.rows_since_state, 0
        progress.state_at = time.monotonic()
        progress.state.is_dirty = False
        return messages.state(name, progress.state.as_blob(), records)

    def _dirty_states(self) -> Iterator[AirbyteMessage]:
        return (self._state(name) for name, progress in self._streams.items() if progress.state.is_dirty)

    def _log(self) -> None:
        self._logged_at = time.monotonic()
        rows = sum(progress.rows for progress in self._streams.values())
        logger.info(overview(self._projects, self._unchanged, rows, self._client, self._workers.forecast))

    def _outcome(self) -> AirbyteTracedException | None:
        """What `run` raises after its last message."""
        if self._refusal:
            return stopped_by(self._refusal)
        errors = {name: progress.error for name, progress in self._streams.items() if progress.error}
        errors |= self._failed
        if not errors:
            return None
        lasting = [error for error in errors.values() if not isinstance(error, RetryableError)]
        return traced([*lasting, *errors.values()][0], f"{len(errors)} streams are incomplete: {', '.join(errors)}")
