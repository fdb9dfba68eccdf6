"""How a demo is shown: its end, the table of its syncs, one query with its chart, and the way into the database."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from rich import box
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Column, Table

from tools.program import ProgramFailed
from tools.sync import Sync

BAR_WIDTH = 40
LABEL_WIDTH = 30


def play(demo: Callable[[Console], None]) -> int:
    """Run a demo to its end, or to the first program that fails, or until it is stopped; returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        demo(Console(markup=False, highlight=False))
    except ProgramFailed as failure:
        Console(stderr=True, markup=False, highlight=False).print(str(failure), style="red", soft_wrap=True)
        return 1
    return 0


def summary(first: Sync, second: Sync, patterns: Mapping[str, re.Pattern[str]], caption: str) -> Table:
    """What each sync brought and asked for, stream by stream and in all; the seconds are those of the first.

    `patterns` has for each stream the paths of the requests that bring its rows. There is a column of tombstones where
    some came.
    """
    tombstones = any(read.tombstones for read in second.reads)
    second_brought = "rows, tombstones, requests" if tombstones else "rows, requests"
    title = f"First sync: rows, requests, seconds. Second sync: {second_brought}"
    table = Table(
        title=title,
        min_width=len(title),
        caption=caption,
        box=box.SIMPLE_HEAD,
        show_footer=True,
        pad_edge=False,
        collapse_padding=True,
    )
    seconds = max(read.ended for read in first.reads) - min(read.started for read in first.reads)
    totals = [
        ("Rows", f"{sum(read.rows for read in first.reads):,}"),
        ("Requests", f"{len(first.requests):,}"),
        ("Seconds", f"{seconds:.2f}"),
        ("Rows", f"{sum(read.rows for read in second.reads):,}"),
        *([("Tombstones", f"{sum(read.tombstones for read in second.reads):,}")] if tombstones else []),
        ("Requests", f"{len(second.requests):,}"),
    ]
    table.add_column("Stream", footer="Total", no_wrap=True)
    for header, total in totals:
        table.add_column(header, footer=total, justify="right")
    for one, other in zip(first.reads, second.reads, strict=True):
        pattern = patterns[one.name]
        table.add_row(
            one.name,
            *(f"{one.rows:,}", f"{_matching(first, pattern)}", f"{one.ended - one.started:.2f}"),
            *(f"{other.rows:,}", *([f"{other.tombstones}"] if tombstones else []), f"{_matching(second, pattern)}"),
        )
    return table


def show_query(console: Console, query: str, title: str, bars: Iterable[tuple[str, float]]) -> None:
    """A query, and what came of it as a chart: a bar for each label, as long as its figure is great."""
    bars = list(bars)
    most = max((figure for _, figure in bars), default=0)
    labels = Column(no_wrap=True, overflow="ellipsis", max_width=LABEL_WIDTH)
    chart = Table.grid(labels, Column(min_width=BAR_WIDTH), Column(justify="right"), padding=(0, 1))
    for label, figure in bars:
        chart.add_row(label, "█" * round(BAR_WIDTH * figure / (most or 1)), f"{figure:,g}")
    console.print("\nOne query:\n")
    console.print(Syntax(query, "sql", background_color="default"))
    console.print(f"\n{title}\n", soft_wrap=True)
    console.print(chart)


def show_way_in(console: Console, database: Path, stream: str) -> None:
    """How to look into the database."""
    console.print(f"\n{database} has a table for each stream. To look inside:", soft_wrap=True)
    opening = shlex.join([sys.executable, "-ic", f'import duckdb; db = duckdb.connect("{database}")'])
    console.print(f"    {opening}\n    db.sql('FROM {stream} LIMIT 5')", soft_wrap=True)


def _matching(sync: Sync, pattern: re.Pattern[str]) -> int:
    return sum(pattern.fullmatch(request.path) is not None for request in sync.requests)


def _stop(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)
