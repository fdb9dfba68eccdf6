"""A sync an hour for a year, while people work and things go wrong: the replica is right, and no sync costs more."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest

from unit_tests.modes import EVERY_MODE, Mode
from unit_tests.year.simulation import Month, Simulation, table

DAYS = int(os.environ.get("DAYS", "36"))
SEED = int(os.environ.get("SEED", "1"))
LENGTH = 30 if DAYS >= 180 else DAYS // 3
"""Days of what counts as a month."""
REPORTS = Path(__file__).parents[2] / "build" / "soak"
MOST_GROWTH = 1.5


@pytest.mark.soak_tests
@pytest.mark.parametrize("mode", EVERY_MODE)
def test_a_year_of_syncs_keeps_the_replica_like_the_server_and_none_costs_more_than_the_first_ones(mode: Mode) -> None:
    months: list[Month] = []
    with Simulation(mode, SEED) as simulation:
        for number in range(1, DAYS // LENGTH + 1):
            months.append(simulation.month(LENGTH))
            assert simulation.differences() == [], f"month {number}, seed {SEED}"
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / f"year-{mode.name}.md").write_text(f"{table(months)}\n", encoding="utf-8")
    second = months[1]
    for number, month in enumerate(months[2:], 3):
        grown = month.stories / second.stories
        # Without versions all stories are listed each time, and the state has a digest of each row.
        allowed = MOST_GROWTH * (1 if mode.dialect.versions else max(1, grown))
        requests, first_requests = (statistics.median(these.requests()) for these in (month, second))
        assert requests <= allowed * first_requests, f"requests in month {number}"
        assert month.state_bytes <= allowed * second.state_bytes, f"state in month {number}"
        # Where the activity has a gap, all stories come once more.
        again, first_again = (these.mean(lambda took: took.again) for these in (month, second))
        assert again <= MOST_GROWTH * max(1, grown) * first_again + 1, f"rows as before in month {number}"
