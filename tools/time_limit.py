"""A plugin of pytest that skips tests that have not ended after some seconds, which the environment gives."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from types import FrameType
from typing import NoReturn

import pytest

SECONDS = "SECONDS_FOR_TESTS"
_END = time.monotonic() + float(os.environ.get(SECONDS, "inf"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if time.monotonic() > _END:
        _skip()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    if SECONDS in os.environ:
        signal.signal(signal.SIGALRM, _skip)
        signal.setitimer(signal.ITIMER_REAL, max(_END - time.monotonic(), 0.001))
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _skip(_: int = 0, __: FrameType | None = None) -> NoReturn:
    pytest.skip(f"not run to its end, because {os.environ[SECONDS]} seconds are over: `make test` runs every test")
