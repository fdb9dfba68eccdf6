"""Exports that are a little wrong, in their bytes or in their cells: read as far as they go, or refused in words."""

from __future__ import annotations

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pivotal_tracker.source import SourcePivotalTracker
from tracker_server.exports import ExportError, read_exports, write_export
from tracker_server.sample import make_world, sample_files
from unit_tests import loaded_program
from unit_tests.fuzz.mutations import Cut, cuts, fuzzed
from unit_tests.fuzz.runs import FOR_PROGRAMMERS, outcome
from unit_tests.syncs import catalog_of
from unit_tests.tracker_server.exports.exported import packed, source

NAME = "all_20261120_1200.zip"
CELLS = (
    "", " ", "0", "-1", "1.5", "9" * 400, "NaN", "Nov 31, 2014", "Nov 22, 2014", "11/22/2014", "22.11.2014",
    "9999-12-31", "accepted", "Accepted", "release", "feature", "x" * 3000, "\0", "\r", "\n", '"', "=1+1", "a, b", ",",
    ";", "\u202e", "é", "https://www.pivotaltracker.com/story/show/1", "completed", "Ann (Jan 1, 2014)", "() ( - )",
    "#1", "Current State",
)  # fmt: skip


@cache
def good() -> dict[str, bytes]:
    """The members of a ZIP that the server has written, with few stories, and its files beside them."""
    world = make_world(projects=2, stories=12)
    world.files = dict(list(sample_files(world).items())[:3])
    out = io.BytesIO()
    write_export(world, out)
    with zipfile.ZipFile(out) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_cells(content: bytes, cells: Iterable[tuple[int, int, str]]) -> bytes:
    """A CSV of which some cells, by row and column counted around, hold something else."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    for row, column, cell in cells:
        chosen = rows[row % len(rows)]
        chosen[column % len(chosen)] = cell
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@dataclass(frozen=True)
class Wrong:
    """What is wrong in an export: cells of one of its tables, bytes of that table, its name, and bytes of the ZIP."""

    cells: tuple[tuple[int, int, str], ...]
    table: int
    inside: tuple[Cut, ...]
    outside: tuple[Cut, ...]
    name: str

    def archive(self) -> bytes:
        members = dict(good())
        tables = sorted(member for member, content in members.items() if member.endswith(".csv") and content)
        chosen = tables[self.table % len(tables)]
        content = with_cells(members.pop(chosen), self.cells)
        for cut in self.inside:
            content = cut.apply(content)
        archive = packed(members | {self.name or chosen: content})
        for cut in self.outside:
            archive = cut.apply(archive)
        return archive


exports = st.builds(
    Wrong,
    cells=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.sampled_from(CELLS)), max_size=3).map(tuple),
    table=st.integers(0, 9),
    inside=st.one_of(st.just(()), st.lists(cuts, max_size=2).map(tuple)),
    outside=st.one_of(st.just(()), st.just(()), st.lists(cuts, max_size=2).map(tuple)),
    name=st.sampled_from(
        ("", "", "", "", "../up.csv", "a/b/c.csv", "é.csv", "con.csv", "x.txt", "/etc/x.csv", "a\\b.csv")
    ),
)


@fuzzed
@given(wrong=exports)
def test_an_export_that_is_wrong_is_read_or_refused_in_a_sentence(wrong: Wrong) -> None:
    try:
        _, report = read_exports([source(wrong.archive(), NAME)])
        words = [str(finding) for finding in report.findings]
    except ExportError as error:
        words = [str(error)]
    assert [text for text in words if FOR_PROGRAMMERS.search(text) or not text.strip()] == []


@fuzzed
@given(wrong=exports)
def test_a_sync_of_an_export_that_is_wrong_ends_in_words(wrong: Wrong) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, NAME)
        file.write_bytes(wrong.archive())
        config = {"export_archive": str(file)}
        catalog = catalog_of(SourcePivotalTracker(), config, set(), incremental=True)
        first = outcome(config, catalog)
        assert first.faults == []


COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "inspect": ([], []),
    "convert": (["--to", "sqlite"], ["out.db"]),
    "site": ([], ["pages"]),
}
"""Their options, and what they write."""


@pytest.mark.parametrize("command", COMMANDS)
@fuzzed
@given(wrong=exports)
def test_a_command_on_an_export_that_is_wrong_ends_in_words(command: str, wrong: Wrong) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, NAME).write_bytes(wrong.archive())
        options, outputs = COMMANDS[command]
        ended = loaded_program.run_server(
            command, *options, Path(folder, NAME), *(Path(folder, output) for output in outputs)
        )
    assert ended.returncode in (0, 1), ended.stderr
    assert not FOR_PROGRAMMERS.search(ended.stdout + ended.stderr)
    assert ended.returncode == 0 or ended.stdout.strip() or ended.stderr.strip()
