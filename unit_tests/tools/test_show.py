"""A demo tells rows, tombstones and requests truly, draws a query to scale, and ends with what failed."""

from __future__ import annotations

import re

import pytest
from rich.console import Console
from rich.table import Table

from tools.program import ProgramFailed
from tools.show import BAR_WIDTH, play, show_query, summary
from tools.sync import StreamRead, Sync
from tracker_server.app import LoggedRequest

PATTERNS = {
    "stories": re.compile(r"/projects/\d+/stories(/bulk)?"),
    "story_tasks": re.compile(r"/projects/\d+/stories(/bulk)?"),
}


def written(table: Table) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def sync(reads: list[StreamRead], *paths: str) -> Sync:
    return Sync(reads, [LoggedRequest(0.0, "GET", path, {}, 200, 9) for path in paths], [], [])


FIRST = sync(
    [StreamRead("stories", 1_000, 0, 10.0, 14.0), StreamRead("story_tasks", 7, 0, 10.0, 12.5)],
    *("/projects", "/projects/99/stories", "/projects/99/stories", "/projects/99/labels"),
)


def test_a_request_counts_for_every_stream_that_it_feeds_and_once_in_the_total() -> None:
    second = sync(
        [StreamRead("stories", 3, 2, 20.0, 21.0), StreamRead("story_tasks", 0, 1, 20.0, 21.0)],
        *("/projects", "/projects/99/stories/bulk"),
    )

    lines = written(summary(FIRST, second, PATTERNS, "As it is counted."))

    assert "stories 1,000 2 4.00 3 2 1" in lines
    assert "story_tasks 7 2 2.50 0 1 1" in lines
    assert "Total 1,007 4 4.00 3 3 2" in lines
    assert "As it is counted." in lines


def test_where_no_tombstone_came_there_is_no_column_of_them() -> None:
    second = sync([StreamRead("stories", 3, 0, 20.0, 21.0), StreamRead("story_tasks", 0, 0, 20.0, 21.0)], "/projects")

    lines = written(summary(FIRST, second, PATTERNS, ""))

    assert "First sync: rows, requests, seconds. Second sync: rows, requests" in lines
    assert "stories 1,000 2 4.00 3 0" in lines
    assert "Total 1,007 4 4.00 3 1" in lines


def shown(*bars: tuple[str, float]) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        show_query(console, "SELECT 1", "Hours", bars)
    return capture.get().splitlines()


def test_a_bar_is_as_long_as_its_figure_is_great() -> None:
    bars = {line.split()[0]: line.count("█") for line in shown(("one", 250), ("other", 1000)) if "█" in line}

    assert bars == {"one": BAR_WIDTH // 4, "other": BAR_WIDTH}


def test_a_long_label_leaves_room_for_its_bar() -> None:
    (line,) = (line for line in shown(("Write the runbook, and " * 9, 12.5)) if "█" in line)

    assert line.startswith("Write the runbook, and")
    assert line.count("█") == BAR_WIDTH
    assert line.rstrip().endswith(" 12.5")


def test_figures_that_are_all_zero_have_no_bars() -> None:
    assert not any("█" in line for line in shown(("one", 0), ("other", 0)))


def test_what_fails_is_told_and_is_the_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    def demo(console: Console) -> None:
        console.print("so far")
        raise ProgramFailed("check failed: [no] key")

    assert play(demo) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("so far\n", "check failed: [no] key\n")
