"""A queue between threads that is bounded by bytes."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """Nobody takes anything from the queue any more."""


class ByteQueue(Generic[Item]):
    """First in, first out. An item waits outside while those inside are too many bytes; a lone one always fits."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._is_closed = False
        self._condition = threading.Condition()

    def put(self, item: Item, size: int = 0) -> None:
        """Raises Closed."""
        with self._condition:
            while self._bytes and self._bytes + size > self._most_bytes and not self._is_closed:
                self._condition.wait()
            if self._is_closed:
                raise Closed
            self._items.append((item, size))
            self._bytes += size
            self._condition.notify_all()

    def get(self, timeout: float) -> Item | None:
        """The next item, or None where none comes within so many seconds or the queue is closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._items or self._is_closed, timeout)
            if not self._items or self._is_closed:
                return None
            item, size = self._items.popleft()
            self._bytes -= size
            self._condition.notify_all()
            return item

    def close(self) -> None:
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
