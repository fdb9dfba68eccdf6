"""The kinds of servers that the laws are held against, and what cannot be known of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tracker_server.api.dialect import LITETRACKER, TRACKER, Dialect
from unit_tests.syncs import BY_NAME


@dataclass(frozen=True)
class Mode:
    """A server by its dialect.

    `unknown` are the streams of which it cannot show a row, each with the reason. `costs` is about how many times the
    requests of Tracker's mode a sync takes there.
    """

    name: str
    dialect: Dialect
    unknown: Mapping[str, str] = field(default_factory=dict, hash=False)
    costs: int = 1

    def known(self, streams: Iterable[str] = BY_NAME) -> list[str]:
        """Those of the streams that the server can show."""
        return [stream for stream in streams if stream not in self.unknown]

    def fewer(self, count: int) -> int:
        """As much of something as takes the time that `count` of it takes in Tracker's mode; at least one."""
        return max(1, count // self.costs)


NO_ENDPOINT = "its endpoint is missing"
ONLY_BY_FIELDS = "only `fields` shows it, which is ignored"

TRACKER_MODE = Mode("tracker", TRACKER)
LITETRACKER_MODE = Mode(
    "litetracker",
    LITETRACKER,
    unknown={
        "account_memberships": NO_ENDPOINT,
        "accounts": NO_ENDPOINT,
        "integrations": NO_ENDPOINT,
        "project_history_days": NO_ENDPOINT,
        "story_transitions": NO_ENDPOINT,
        "webhooks": NO_ENDPOINT,
        "workspaces": NO_ENDPOINT,
        "file_attachments": ONLY_BY_FIELDS,
        "google_attachments": ONLY_BY_FIELDS,
        "review_types": ONLY_BY_FIELDS,
        "story_branches": ONLY_BY_FIELDS,
        "story_cycle_times": ONLY_BY_FIELDS,
        "story_pull_requests": ONLY_BY_FIELDS,
    },
    costs=2,
)


AGGREGATOR_MODE = replace(
    LITETRACKER_MODE,
    name="aggregator",
    dialect=replace(LITETRACKER, missing_endpoints=LITETRACKER.missing_endpoints - {"aggregator"}),
)
"""LiteTracker, if it has the endpoint that answers many requests in one."""

MODES = (TRACKER_MODE, LITETRACKER_MODE)


def in_mode(mode: Mode, *values: Any, label: str = "") -> Any:
    """A mode as a parameter, before other ones."""
    name = f"{mode.name}-{label}" if label else mode.name
    return pytest.param(mode, *values, id=name)


EVERY_MODE = [in_mode(mode) for mode in MODES]


def by_mode(argument: str, values: Callable[[Mode], Iterable[Any]]) -> pytest.MarkDecorator:
    """For a law of one argument whose values are others in each mode, and which shares no fixture with other tests."""
    pairs = [in_mode(mode, value, label=str(value)) for mode in MODES for value in values(mode)]
    return pytest.mark.parametrize(("mode", argument), pairs, indirect=["mode"])


def _only(mode: Mode) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mode", [in_mode(mode)], indirect=True, scope="session")


only_litetracker = _only(LITETRACKER_MODE)
needs_versions = _only(TRACKER_MODE)
"""A law that rests on a project's version: that nothing changed, how much did, or that a list stood still meanwhile."""
needs_fields = _only(TRACKER_MODE)
"""A law that rests on `fields` and `updated_after`: that one request brings many stories, with all their parts."""
