"""The statuses of the streams of one sync: which have begun, and which wait for the server's limit of requests."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from airbyte_cdk.models import AirbyteMessage, AirbyteStreamStatus

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.sync import messages

WORTH_TELLING = 2.0
"""Seconds; shorter waits get no message."""


class Statuses:
    """Knows what each stream has said of itself, and gives only the status messages that say something new."""

    def __init__(self, client: TrackerClient) -> None:
        self._client = client
        self._started: dict[str, None] = {}
        self._ended: set[str] = set()
        self._running: set[str] = set()
        self._resets: dict[str, float] = {}

    def started(self, name: str) -> Iterator[AirbyteMessage]:
        if name not in self._started:
            self._started[name] = None
            yield messages.status(name, AirbyteStreamStatus.STARTED)

    def came(self, name: str, *, rows: int) -> Iterator[AirbyteMessage]:
        """An answer came, with so many rows: it ends a wait; one without rows begins nothing."""
        if name in self._resets or (rows and name not in self._running):
            self._running.add(name)
            self._resets.pop(name, None)
            yield messages.status(name, AirbyteStreamStatus.RUNNING)

    def waiting(self, names: Iterable[str]) -> Iterator[AirbyteMessage]:
        """The messages of streams that wait, if the rate limit holds back requests now: until when it does."""
        seconds = self._client.seconds_left_to_wait
        if seconds < WORTH_TELLING:
            return
        reset = time.time() + seconds
        for name in names:
            if reset - self._resets.get(name, 0.0) >= WORTH_TELLING:
                self._resets[name] = reset
                yield from self.started(name)
                yield messages.rate_limited(name, reset)

    def ended(self, name: str, *, is_complete: bool) -> AirbyteMessage:
        self._ended.add(name)
        return messages.status(name, AirbyteStreamStatus.COMPLETE if is_complete else AirbyteStreamStatus.INCOMPLETE)

    def broken_off(self) -> Iterator[AirbyteMessage]:
        """Nothing more comes: what has started and not ended is incomplete."""
        for name in self._started:
            if name not in self._ended:
                yield self.ended(name, is_complete=False)
