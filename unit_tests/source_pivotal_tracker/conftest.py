"""The kinds of servers that every law is held against which does not say otherwise."""

from __future__ import annotations

from typing import cast

import pytest

from unit_tests.modes import EVERY_MODE, Mode


@pytest.fixture(scope="session", params=EVERY_MODE)
def mode(request: pytest.FixtureRequest) -> Mode:
    """A test that takes it, or a fixture that does, is held in every mode."""
    return cast("Mode", request.param)
