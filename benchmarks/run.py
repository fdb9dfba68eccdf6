"""Measures the verbs, reads, the engine, exports, pages and the other connectors: `python -m benchmarks.run`."""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import archives, engine, manifests, pages, sizes
from benchmarks.measured import Run, megabytes
from tools.program import BYTES_OF_RSS_UNIT, ProgramFailed, sample_server


def main() -> int:
    """Print the figures; returns the exit status, which is 0 also where a target is missed."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that what was started is stopped
    try:
        bench(Console(highlight=False))
    except ProgramFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def bench(console: Console) -> None:
    """Print a table of the verbs, one of full reads at two sizes, and a line for each other figure."""
    console.print("Most figures are medians of three runs; MB are 10^6 bytes. It takes a quarter of an hour.\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sample_server(folder / "one.jsonl", *sizes.SMALL) as server:
            verbs = sizes.run_verbs(folder, server)
            console.print(sizes.verbs_table(verbs), "")
            small = sizes.run_reads(folder, server)
        with sample_server(folder / "five.jsonl", *sizes.LARGE) as server:
            large = sizes.run_reads(folder, server)
        console.print(sizes.reads_table(small, large))
        console.print(f"{growth(small, large)}\n")
        projects, stories = engine.LARGE
        size = f"{projects} x {stories:,} stories"
        console.print(f"All story streams, 8 workers and {size} where nothing else is said:")
        for figure in engine.figures(folder, verbs[sizes.BARE]):
            console.print(str(figure), soft_wrap=True)
        console.print(f"\nAn export of {size}, with all their parts:")
        for figure in archives.figures(folder):
            console.print(str(figure), soft_wrap=True)
        console.print(f"\nThe pages of an export of {pages.PROJECTS} x {pages.STORIES:,} stories:")
        for figure in pages.figures(folder):
            console.print(str(figure), soft_wrap=True)
        for system in manifests.STREAMS:
            table, figures = manifests.measure(folder, system)
            console.print("", table)
            for figure in figures:
                console.print(str(figure), soft_wrap=True)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_OF_RSS_UNIT
    if own >= min(run.peak_rss for run in verbs.values()):
        raise ProgramFailed(f"The benchmark itself takes {megabytes(own)} MB, which hides the peaks of what it starts.")


def growth(small: Run, large: Run) -> str:
    """How much more memory the larger read took, in words."""
    more = large.peak_rss - small.peak_rss
    verdict = "kept" if more <= sizes.MOST_GROWTH else "MISSED"
    most = megabytes(sizes.MOST_GROWTH)
    return f"Peak RSS grew by {megabytes(more)} MB; asked for: by at most {most} MB: {verdict}."


if __name__ == "__main__":
    sys.exit(main())
