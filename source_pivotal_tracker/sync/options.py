"""How a sync is to run, as the user and the source chose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from source_pivotal_tracker.sync.plan import Sweeps


@dataclass(frozen=True)
class ReadOptions:
    """The settings that a whole sync shares.

    An incremental read starts `lookback` before the newest cursor, for rows that were saved late. `sweeps` says when
    all rows are looked at again. `workers` lists are read side by side. At least `state_seconds` lie between two states
    of a stream.
    """

    lookback: timedelta
    sweeps: Sweeps
    workers: int
    state_seconds: float
