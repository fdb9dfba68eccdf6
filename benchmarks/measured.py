"""Runs of the real programs, what they took, and how that is told beside what is asked for.

This process imports neither the cdk nor anything else that is large: the kernel never tells less for the peak RSS of
a subprocess than what the process that starts it has.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from tools.program import Message, Program, ProgramFailed, SampleServer, connector, every_stream, only

RUNS = 3
"""Of which the median is taken."""
RECORD = b'{"type":"RECORD"'
STORY_STREAMS = (
    "stories",
    *("story_tasks", "story_comments", "story_blockers", "story_reviews", "story_pull_requests", "story_branches"),
    *("story_cycle_times", "file_attachments", "google_attachments"),
)
"""All that the walks over the stories feed."""


@dataclass(frozen=True)
class Run:
    """A program's run, or the median of some. Times are in seconds, `peak_rss` and `size` (of its output) in bytes."""

    seconds: float
    cpu_seconds: float
    peak_rss: float
    size: float
    rows: float
    requests: float = 0

    def less(self, other: Run) -> Run:
        """What this run took and brought beyond another one."""
        return Run(*(mine - its for mine, its in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Figure:
    """What was measured, in words, beside what is asked for, and whether it is kept."""

    name: str
    measured: str
    target: str
    is_kept: bool

    def __str__(self) -> str:
        return f"{'kept' if self.is_kept else 'MISSED':6}  {self.name}: {self.measured}; asked for: {self.target}"

    @classmethod
    def of_memory(cls, name: str, size: float, most: float, more: str = "") -> Figure:
        """Of at most so many bytes; `more` is what else was measured, in words that follow the size."""
        return cls(f"{name}, MB", f"{megabytes(size)}{more}", f"at most {megabytes(most)}", size <= most)


def run(program: Program, output: Path | None = None) -> Run:
    """Run a program to its end; `output` keeps its records. Raises ProgramFailed where the exit code is not 0."""
    rows = size = 0
    with program, open(output or "/dev/null", "wb") as kept:
        for line in program.lines():
            size += len(line)
            if line.startswith(RECORD):
                rows += 1
                kept.write(line)
    if program.exit_code:
        raise ProgramFailed(f"{program} ended with exit code {program.exit_code}.")
    return Run(program.seconds, program.cpu_seconds, program.peak_rss, size, rows)


def read(
    folder: Path,
    server: SampleServer,
    streams: Sequence[str] | None = None,
    output: Path | None = None,
    **config: object,
) -> Run:
    """A full refresh of these streams, or of all, with `config` besides what the server needs."""
    settings = server.config(**config)
    with connector("discover", folder, config=settings) as program:
        found: list[Message] = only(program, "CATALOG")["streams"]
    catalog = every_stream({"streams": [stream for stream in found if streams is None or stream["name"] in streams]})
    before = len(server.requests())
    measured = run(connector("read", folder, config=settings, catalog=catalog), output)
    return replace(measured, requests=len(server.requests()) - before)


def python(code: str) -> Run:
    """A program of Python."""
    return run(Program(sys.executable, "-c", code))


def median(runs: Iterable[Run]) -> Run:
    """Each figure is the median of that figure."""
    return Run(*(statistics.median(figures) for figures in zip(*map(astuple, runs), strict=True)))


def megabytes(size: float) -> str:
    """`120.0`, of 10^6 bytes each."""
    return f"{size / 1e6:.1f}"
