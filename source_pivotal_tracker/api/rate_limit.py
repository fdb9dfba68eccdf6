"""How many requests may leave: one rate limit for all streams and threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

QUARTER_MINUTE = 15.0
UNLIMITED = 10**9
"""Requests a minute."""


class RateLimiter:
    """At most `requests_per_minute` requests, spread so that no quarter of a minute takes more than a quarter of them.

    A server counts a request when it arrives, which is some time between its start and its end. So a request
    under way holds its slot, and a finished one frees it only a window after its end: however latency
    varies, the server never sees more than the limit within a window.
    """

    def __init__(
        self,
        requests_per_minute: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.requests_per_minute = requests_per_minute
        self._slots = max(1, requests_per_minute // 4)
        self._window = max(QUARTER_MINUTE, 60 / requests_per_minute)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Condition()
        self._under_way = 0
        self._ended: deque[float] = deque()
        self._not_before = 0.0
        self._waits_until = 0.0
        self.waited = 0.0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot, hold it for the time of one request, and free it a window later."""
        self._acquire()
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1
                self._ended.append(self._clock())
                self._lock.notify_all()

    def pause(self, seconds: float) -> None:
        """Let no request start for this many seconds: what a 429 asks for."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    @property
    def seconds_left_to_wait(self) -> float:
        """The seconds that a request which waits now has to wait at least; 0 where none waits."""
        with self._lock:
            return max(0.0, self._waits_until - self._clock())

    def _acquire(self) -> None:
        while True:
            with self._lock:
                now = self._clock()
                while self._ended and self._ended[0] + self._window <= now:
                    self._ended.popleft()
                wait = self._not_before - now
                if wait <= 0 and self._under_way + len(self._ended) < self._slots:
                    self._under_way += 1
                    return
                if wait <= 0:
                    if not self._ended:
                        self._lock.wait()
                        continue
                    wait = self._ended[0] + self._window - now
                self.waited += wait
                self._waits_until = max(self._waits_until, now + wait)
            self._sleep(wait)
