"""The queue between the workers and the writer: its bound is in bytes, and nobody waits at it for ever."""

from __future__ import annotations

import threading

import pytest

from source_pivotal_tracker.sync.queue import ByteQueue, Closed

SECONDS = 60.0
"""Longer than anything here takes, so that a test that hangs fails instead."""
A_MOMENT = 0.05


class Producer:
    """Puts one item into a queue, in a thread of its own."""

    def __init__(self, queue: ByteQueue[str], item: str, size: int) -> None:
        self.is_done = threading.Event()
        self.was_closed = False
        self._put = (queue, item, size)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        queue, item, size = self._put
        try:
            queue.put(item, size)
        except Closed:
            self.was_closed = True
        self.is_done.set()


def test_what_is_put_first_comes_first() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    queue.put("one", 4)
    queue.put("two", 4)
    assert [queue.get(0), queue.get(0)] == ["one", "two"]


def test_a_producer_waits_while_the_bytes_inside_are_too_many() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    queue.put("first", 6)
    producer = Producer(queue, "second", 6)
    assert not producer.is_done.wait(A_MOMENT)
    assert queue.get(SECONDS) == "first"
    assert producer.is_done.wait(SECONDS)
    assert queue.get(SECONDS) == "second"


def test_items_that_fill_the_bound_exactly_do_not_wait() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    queue.put("first", 4)
    assert Producer(queue, "second", 6).is_done.wait(SECONDS)


def test_an_item_that_is_larger_than_the_bound_passes_alone() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    assert Producer(queue, "huge", 1000).is_done.wait(SECONDS)
    behind = Producer(queue, "small", 1)
    assert not behind.is_done.wait(A_MOMENT)
    assert queue.get(SECONDS) == "huge"
    assert queue.get(SECONDS) == "small"


def test_what_weighs_nothing_passes_a_queue_that_is_exactly_full() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    queue.put("page", 10)
    assert Producer(queue, "end", 0).is_done.wait(SECONDS)


def test_an_empty_queue_answers_none_after_the_time_it_was_given() -> None:
    assert ByteQueue[str](10).get(0.01) is None


def test_a_consumer_is_woken_by_what_comes() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    late = threading.Timer(A_MOMENT, queue.put, ["at last", 1])
    late.start()
    assert queue.get(SECONDS) == "at last"
    late.join()


def test_closing_frees_a_producer_that_waits() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    queue.put("first", 10)
    producers = [Producer(queue, "second", 10), Producer(queue, "third", 10)]
    queue.close()
    assert all(producer.is_done.wait(SECONDS) for producer in producers)
    assert [producer.was_closed for producer in producers] == [True, True]


def test_closing_frees_a_consumer_that_waits() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    closing = threading.Timer(A_MOMENT, queue.close)
    closing.start()
    assert queue.get(SECONDS) is None
    closing.join()
    assert queue.get(0) is None


def test_nothing_goes_into_a_closed_queue() -> None:
    queue: ByteQueue[str] = ByteQueue(10)
    queue.close()
    with pytest.raises(Closed):
        queue.put("late", 1)
