"""Runs the example for Dagster in processes of their own, as Dagster does: in one, two runs wait for each other."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

FOLDER = Path(__file__).parents[1] / "dagster"
sys.path.append(str(FOLDER))
definitions = importlib.import_module("definitions")

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["dagster_runs"])


@dataclass(frozen=True)
class Ended:
    """A run that has ended: whether well, from when to when it was tried, and what its failure was.

    Times are in seconds since 1970.
    """

    success: bool
    tries: Sequence[tuple[float, float]]
    failures: Sequence[str]


class Runs:
    """As many as are wanted side by side, with `environment` over this one."""

    def __init__(self, environment: Mapping[str, str], at_once: int = 1) -> None:
        self._executor = ProcessPoolExecutor(
            at_once, mp_context=PROCESSES, initializer=_enter, initargs=(dict(environment),)
        )

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()

    def due(self) -> list[str]:
        """The partitions that the schedule wants to be run now."""
        return self._executor.submit(_due).result()

    def limit(self, places: int) -> None:
        """How many may run at once, as `dagster instance concurrency set` does."""
        self._executor.submit(_limit, places).result()

    def start(self, partition: str) -> Future[Ended]:
        return self._executor.submit(_materialize, "tracker", partition)

    def views(self) -> Ended:
        return self._executor.submit(_materialize, "tracker_views", None).result()


def _enter(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)


def _due() -> list[str]:
    with dg.DagsterInstance.get() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime.now(UTC),
            repository_def=definitions.defs.get_repository_def(),
        )
        requests = definitions.hourly.evaluate_tick(context).run_requests or ()
        return [request.partition_key or "" for request in requests]


def _materialize(asset: str, partition: str | None) -> Ended:
    with dg.DagsterInstance.get() as instance:
        assets = [definitions.tracker, definitions.tracker_views]
        ended = dg.materialize(
            assets, selection=[asset], partition_key=partition, instance=instance, raise_on_error=False
        )
        (stats,) = instance.get_run_step_stats(ended.run_id)
        tries = [(attempt.start_time or 0, attempt.end_time or 0) for attempt in stats.attempts_list]
        failures = ended.filter_events(lambda event: event.is_step_failure)
        words = [event.step_failure_data.error_display_string for event in failures]
        return Ended(ended.success, tries, words)


def _limit(places: int) -> None:
    with dg.DagsterInstance.get() as instance:
        instance.event_log_storage.set_concurrency_slots(definitions.POOL, places)
