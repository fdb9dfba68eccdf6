"""A plugin of pytest that skips the tests that would start after a number of seconds, which the environment gives."""

from __future__ import annotations

import os
import time

import pytest

SECONDS = "SECONDS_FOR_TESTS"
_LAST_START = time.monotonic() + float(os.environ.get(SECONDS, "inf"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if time.monotonic() > _LAST_START:
        pytest.skip(f"not run, because {os.environ[SECONDS]} seconds are over: `make test` runs every test")
