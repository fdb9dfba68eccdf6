"""How many requests a sync has still to send, as far as that is known, and how long they take."""

from __future__ import annotations

import math
import threading

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.rate_limit import UNLIMITED

SURE_AFTER = 60
"""Requests after which the speed so far says more than the limit of what may leave."""


class Forecast:
    """The requests that lists have announced; shared by all threads."""

    def __init__(self, client: TrackerClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._expected: dict[str, float] = {}

    def expect(self, path: str, requests: float) -> None:
        """Note how many requests a list still takes, in place of what was noted of it before."""
        with self._lock:
            self._expected[path] = requests

    def forget(self, path: str) -> None:
        """Note that a list takes no more requests that are known before."""
        with self._lock:
            self._expected.pop(path, None)

    @property
    def left(self) -> int:
        """The requests that are known to be left."""
        with self._lock:
            return math.ceil(sum(self._expected.values()))

    def of_lists(self, lists: int) -> str:
        """What they take at the least, as the end of a sentence; empty where nothing limits the requests."""
        is_limited = self._client.most_requests_per_minute < UNLIMITED
        return f", at least one request each: {self.time_for(lists)}" if is_limited else ""

    def time_for(self, requests: float) -> str:
        """How long so many requests take, in words: at the speed so far, or at first at the limit."""
        client = self._client
        speed = client.requests_per_minute if client.requests >= SURE_AFTER else math.inf
        speed = min(speed, client.most_requests_per_minute)
        return f"{duration(requests / speed * 60)} at {speed:.0f} a minute"

    def __str__(self) -> str:
        """What is left, as the end of a sentence; empty where nothing is known to be."""
        return f"; about {self.left} more requests are left for lists, {self.time_for(self.left)}" if self.left else ""


def duration(seconds: float) -> str:
    """`8 h 5 min`, `5 min` or `less than a minute`."""
    minutes = round(seconds / 60)
    if not minutes:
        return "less than a minute"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
