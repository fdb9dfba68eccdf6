"""The four verbs, and a read of every stream at two sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from benchmarks.measured import RUNS, Run, median, megabytes, python, read, run
from tools.program import REQUESTS_PER_MINUTE, Program, SampleServer, connector

SMALL, LARGE = (1, 500), (5, 2_000)
MOST_GROWTH = 30e6
BARE = "bare import"
BARE_IMPORT = "import airbyte_cdk, source_pivotal_tracker.command_line"


def run_verbs(folder: Path, server: SampleServer) -> dict[str, Run]:
    """The bare import, spec, check and discover, each by its name."""
    config = server.config()
    programs: dict[str, Callable[[], Program]] = {
        "spec": lambda: connector("spec", folder),
        "check": lambda: connector("check", folder, config=config),
        "discover": lambda: connector("discover", folder, config=config),
    }
    bare = {BARE: median(python(BARE_IMPORT) for _ in range(RUNS))}
    return bare | {name: median(run(start()) for _ in range(RUNS)) for name, start in programs.items()}


def run_reads(folder: Path, server: SampleServer) -> Run:
    """A full refresh of every stream."""
    return median(read(folder, server) for _ in range(RUNS))


def verbs_table(runs: dict[str, Run]) -> Table:
    """Seconds and peak RSS of each program, and what they are more than those of the bare import."""
    table = Table("Program")
    for header in ("Seconds", "Over the import", "Peak RSS, MB", "Over the import"):
        table.add_column(header, justify="right")
    for name, measured in runs.items():
        more = measured.less(runs[BARE])
        over = ("", "") if name == BARE else (f"{more.seconds:.2f}", megabytes(more.peak_rss))
        table.add_row(name, f"{measured.seconds:.2f}", over[0], megabytes(measured.peak_rss), over[1])
    return table


def reads_table(small: Run, large: Run) -> Table:
    """What a read of each size brings and takes.

    What the budget of requests alone takes is among the seconds, which can therefore not be less.
    """
    table = Table("All streams, projects x stories")
    for projects, stories in (SMALL, LARGE):
        table.add_column(f"{projects} x {stories:,}", justify="right")
    figures: list[tuple[str, Callable[[Run], str]]] = [
        ("Requests", lambda run: f"{run.requests:,.0f}"),
        ("Rows", lambda run: f"{run.rows:,.0f}"),
        ("Seconds", lambda run: f"{run.seconds:.1f}"),
        ("Rows/s", lambda run: f"{run.rows / run.seconds:,.0f}"),
        ("Seconds that the budget takes", lambda run: f"{_least_seconds(run.requests):.0f}"),
        ("CPU seconds", lambda run: f"{run.cpu_seconds:.1f}"),
        ("Peak RSS, MB", lambda run: megabytes(run.peak_rss)),
    ]
    for figure, value_of in figures:
        table.add_row(figure, value_of(small), value_of(large))
    return table


def _least_seconds(requests: float) -> float:
    """A quarter of the budget goes at once, the next one a quarter of a minute later, and so on."""
    return (requests - 1) // (REQUESTS_PER_MINUTE // 4) * 60 / 4
