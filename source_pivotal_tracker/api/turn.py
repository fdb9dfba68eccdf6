"""Lets one thread at a time hold what it has parsed."""

from __future__ import annotations

import threading


class Turn:
    """A lock that a thread takes when its answer has come, and gives back when it has done with what was in it.

    A parsed page takes ten times the memory of its bytes. Threads that wait for the network hold none, and those
    that parse would only take the interpreter from each other. Taking and giving back twice does no harm.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()

    def take(self) -> None:
        if not getattr(self._mine, "is_taken", False):
            self._lock.acquire()
            self._mine.is_taken = True

    def give_back(self) -> None:
        if getattr(self._mine, "is_taken", False):
            self._mine.is_taken = False
            self._lock.release()
