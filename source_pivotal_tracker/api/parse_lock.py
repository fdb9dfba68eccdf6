"""Lets one thread at a time hold what it has parsed."""

from __future__ import annotations

import threading


class ParseLock:
    """A lock that a thread acquires when its answer has come, and releases when it has done with what was in it.

    A parsed page takes ten times the memory of its bytes. Threads that wait for the network hold none, and those
    that parse would only take the interpreter from each other. Acquiring and releasing twice does no harm.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()

    def acquire(self) -> None:
        if not getattr(self._mine, "is_acquired", False):
            self._lock.acquire()
            self._mine.is_acquired = True

    def release(self) -> None:
        if getattr(self._mine, "is_acquired", False):
            self._mine.is_acquired = False
            self._lock.release()
