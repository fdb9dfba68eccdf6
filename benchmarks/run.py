"""Measures a read of every stream at two sizes, and the other verbs: `python -m benchmarks.run`.

This process imports neither the cdk nor anything else that is large: the kernel never tells less for the peak RSS of
a subprocess than what the process that starts it has.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from source_pivotal_tracker.api.budget import QUARTER_MINUTE
from tools.program import (
    BYTES_OF_RSS_UNIT,
    REQUESTS_PER_MINUTE,
    Program,
    ProgramFailed,
    SampleServer,
    connector,
    every_stream,
    only,
    sample_server,
)

RUNS = 3
SMALL, LARGE = (1, 500), (5, 2_000)
MOST_GROWTH = 30e6
BARE = "bare import"
BARE_IMPORT = "import airbyte_cdk, source_pivotal_tracker.run"


@dataclass(frozen=True)
class Run:
    """A program's run, or the median of some. Times are in seconds, `peak_rss` is in bytes."""

    seconds: float
    cpu_seconds: float
    peak_rss: float
    rows: float
    requests: float = 0


def main() -> int:
    """Print the figures; returns the exit status."""
    try:
        bench(Console(highlight=False))
    except ProgramFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def bench(console: Console) -> None:
    """Measure the verbs, a read of a small world and one of a large world; print a table of each kind."""
    console.print(f"Medians of {RUNS} runs; MB are 10^6 bytes. It takes a minute and a half.\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sample_server(folder / "small.jsonl", *SMALL) as server:
            verbs = run_verbs(folder, server)
            console.print(verbs_table(verbs), "")
            small = run_read(folder, server)
        with sample_server(folder / "large.jsonl", *LARGE) as server:
            large = run_read(folder, server)
    console.print(reads_table(small, large), "")
    growth = large.peak_rss - small.peak_rss
    verdict = "kept" if growth <= MOST_GROWTH else "MISSED"
    console.print(f"Peak RSS grew by {_mb(growth)} MB; asked for: by at most {_mb(MOST_GROWTH)} MB: {verdict}.")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_OF_RSS_UNIT
    if own >= min(run.peak_rss for run in verbs.values()):
        raise ProgramFailed(f"The benchmark itself takes {_mb(own)} MB, which hides the peaks of what it starts.")


def run_verbs(folder: Path, server: SampleServer) -> dict[str, Run]:
    """The bare import, spec, check and discover, each by its name."""
    config = server.config()
    programs: dict[str, Callable[[], Program]] = {
        BARE: lambda: Program(sys.executable, "-c", BARE_IMPORT),
        "spec": lambda: connector("spec", folder),
        "check": lambda: connector("check", folder, config=config),
        "discover": lambda: connector("discover", folder, config=config),
    }
    return {name: _median([_run(start()) for _ in range(RUNS)]) for name, start in programs.items()}


def run_read(folder: Path, server: SampleServer) -> Run:
    """A full refresh of every stream."""
    config = server.config()
    with connector("discover", folder, config=config) as program:
        catalog = every_stream(only(program, "CATALOG"))
    runs = []
    for _ in range(RUNS):
        before = len(server.requests())
        run = _run(connector("read", folder, config=config, catalog=catalog))
        runs.append(replace(run, requests=len(server.requests()) - before))
    return _median(runs)


def verbs_table(runs: dict[str, Run]) -> Table:
    """Seconds and peak RSS of each program, and what they are more than those of the bare import."""
    table = _table("Program", "Seconds", "Over the import", "Peak RSS, MB", "Over the import")
    bare = runs[BARE]
    for name, run in runs.items():
        over = ("", "") if run is bare else (f"{run.seconds - bare.seconds:.2f}", _mb(run.peak_rss - bare.peak_rss))
        table.add_row(name, f"{run.seconds:.2f}", over[0], _mb(run.peak_rss), over[1])
    return table


def reads_table(small: Run, large: Run) -> Table:
    """What a read of each size brings and takes, and what was asked for.

    What the budget of requests alone takes is among the seconds, which can therefore not be less.
    """
    sizes = [f"{projects} x {stories:,}" for projects, stories in (SMALL, LARGE)]
    table = _table("Read, projects x stories", *sizes, "Asked for")
    most = f"at most {_mb(small.peak_rss + MOST_GROWTH)}"
    figures: list[tuple[str, Callable[[Run], str], str]] = [
        ("Requests", lambda run: f"{run.requests:,.0f}", ""),
        ("Rows", lambda run: f"{run.rows:,.0f}", ""),
        ("Seconds", lambda run: f"{run.seconds:.1f}", ""),
        ("Rows/s", lambda run: f"{run.rows / run.seconds:,.0f}", ""),
        ("Seconds that the budget takes", lambda run: f"{_least_seconds(run.requests):.0f}", ""),
        ("CPU seconds", lambda run: f"{run.cpu_seconds:.1f}", ""),
        ("Peak RSS, MB", lambda run: _mb(run.peak_rss), most),
    ]
    for figure, told, asked in figures:
        table.add_row(figure, told(small), told(large), asked)
    return table


def _least_seconds(requests: float) -> float:
    """A quarter of the budget goes at once, the next one a quarter of a minute later, and so on."""
    return (requests - 1) // (REQUESTS_PER_MINUTE // 4) * QUARTER_MINUTE


def _run(program: Program) -> Run:
    with program:
        rows = sum(message["type"] == "RECORD" for message in program.messages())
    return Run(program.seconds, program.cpu_seconds, program.peak_rss, rows)


def _median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(figures) for figures in zip(*map(astuple, runs), strict=True)))


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for header in others:
        table.add_column(header, justify="right")
    return table


def _mb(size: float) -> str:
    return f"{size / 1e6:.1f}"


if __name__ == "__main__":
    sys.exit(main())
