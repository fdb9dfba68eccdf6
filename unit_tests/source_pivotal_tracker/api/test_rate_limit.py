"""The rate limiter lets no more requests arrive in a window than a server allows, and no fewer than it could."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from source_pivotal_tracker.api.rate_limit import RateLimiter


@dataclass
class FakeTime:
    """A clock that only a sleep moves."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def spend(rate_limiter: RateLimiter, fake: FakeTime, requests: int, latency: float = 0.0) -> list[float]:
    """The times at which so many requests, one after the other, arrived at the server."""
    arrivals = []
    for _ in range(requests):
        with rate_limiter.slot():
            arrivals.append(fake.now)
            fake.now += latency
    return arrivals


def most_within(arrivals: list[float], window: float) -> int:
    return max(sum(start <= arrival < start + window for arrival in arrivals) for start in arrivals)


@pytest.mark.parametrize("limit", [1, 3, 4, 200, 999, 1000])
@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_no_minute_sees_more_requests_than_the_setting(limit: int, latency: float) -> None:
    fake = FakeTime()
    arrivals = spend(RateLimiter(limit, clock=fake.clock, sleep=fake.sleep), fake, 3 * limit, latency)
    assert most_within(arrivals, 60.0) <= limit


def test_a_server_that_allows_50_in_15_seconds_is_not_overrun_by_200_a_minute_and_used_to_95_percent() -> None:
    fake = FakeTime()
    arrivals = spend(RateLimiter(200, clock=fake.clock, sleep=fake.sleep), fake, 1000, latency=0.01)
    assert most_within(arrivals, 15.0) <= 50
    assert len(arrivals) / (arrivals[-1] / 15.0 * 50) >= 0.95


def test_the_first_quarter_of_a_minute_waits_for_nothing() -> None:
    fake = FakeTime()
    spend(RateLimiter(200, clock=fake.clock, sleep=fake.sleep), fake, 50)
    assert fake.slept == []


def test_a_brake_holds_the_next_request_until_it_ends_and_not_longer() -> None:
    fake = FakeTime()
    rate_limiter = RateLimiter(200, clock=fake.clock, sleep=fake.sleep)
    rate_limiter.pause(7.0)
    rate_limiter.pause(3.0)
    assert spend(rate_limiter, fake, 2) == [7.0, 7.0]
    assert rate_limiter.waited == 7.0


def test_while_a_request_waits_the_rate_limiter_tells_for_how_long() -> None:
    fake = FakeTime()
    seconds_left: list[float] = []

    def sleep(seconds: float) -> None:
        seconds_left.append(rate_limiter.seconds_left_to_wait)
        fake.sleep(seconds)

    rate_limiter = RateLimiter(4, clock=fake.clock, sleep=sleep)
    rate_limiter.pause(7.0)
    assert rate_limiter.seconds_left_to_wait == 0.0, "nobody waits yet"
    spend(rate_limiter, fake, 2)
    assert seconds_left == [7.0, 15.0]
    assert rate_limiter.seconds_left_to_wait == 0.0


def test_threads_share_one_rate_limiter() -> None:
    rate_limiter = RateLimiter(240, sleep=lambda seconds: time.sleep(min(seconds, 0.01)))
    came, may_go = threading.Semaphore(0), threading.Event()

    def worker() -> None:
        with rate_limiter.slot():
            came.release()
            may_go.wait()

    for _ in range(80):
        threading.Thread(target=worker, daemon=True).start()
    assert all(came.acquire(timeout=60) for _ in range(60))
    assert not came.acquire(timeout=0.05)
    may_go.set()
