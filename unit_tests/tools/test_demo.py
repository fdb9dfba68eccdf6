"""The demo loads what the connector read, and tells rows, requests and seconds truly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.demo import StreamRead, load, rows_file, summary
from tools.docs import ROOT
from tools.program import Message

CATALOG: Message = {
    "streams": [
        {"name": "labels", "json_schema": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}},
        {"name": "epics", "json_schema": {"properties": {"id": {"type": "integer"}, "label": {"type": "object"}}}},
    ]
}


def written(table: Table) -> list[str]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.strip("┃│ ").replace("│", " ").split()) for line in capture.get().splitlines()]


def loaded(folder: Path, labels: str) -> duckdb.DuckDBPyConnection:
    rows_file(folder, "labels").write_text(labels, encoding="utf-8")
    rows_file(folder, "epics").touch()
    load(CATALOG, folder, folder / "demo.duckdb")
    return duckdb.connect(str(folder / "demo.duckdb"), read_only=True)


def test_the_whole_demo_loads_a_table_for_each_stream_and_draws_the_velocity(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "tools.demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )

    assert (demo.returncode, demo.stderr) == (0, "")
    assert "velocity now" in demo.stdout
    with duckdb.connect(str(tmp_path / "demo.duckdb"), read_only=True) as connection:
        tables = {name for (name,) in connection.sql("SHOW TABLES").fetchall()}
        (stories,) = connection.sql("SELECT count(*) FROM stories").fetchall()
    assert tables == {stream.name for stream in SourcePivotalTracker().streams({"api_token": "demo"})}
    assert stories == (750,)


def test_rows_become_a_table_with_the_types_that_they_show(tmp_path: Path) -> None:
    with loaded(tmp_path, '{"id": 1, "name": "größe"}\n{"id": 2}\n') as connection:
        rows = connection.sql("SELECT id + 1, name FROM labels ORDER BY id").fetchall()

    assert rows == [(2, "größe"), (3, None)]


def test_a_stream_without_rows_becomes_an_empty_table_with_the_columns_of_its_schema(tmp_path: Path) -> None:
    with loaded(tmp_path, '{"id": 1}\n') as connection:
        epics = connection.sql("FROM epics")

        assert epics.columns == ["id", "label"]
        assert epics.fetchall() == []


def test_a_second_load_replaces_the_first(tmp_path: Path) -> None:
    loaded(tmp_path, '{"id": 1}\n').close()

    with loaded(tmp_path, '{"id": 2}\n') as connection:
        assert connection.sql("SELECT id FROM labels").fetchall() == [(2,)]


def test_a_request_counts_for_the_stream_that_was_read_when_it_came() -> None:
    reads = [StreamRead("labels", 7, 10.0, 11.0), StreamRead("epics", 1_000, 11.5, 14.0)]

    lines = written(summary(reads, [9.0, 10.5, 11.2, 12.0, 13.0, 15.0]))

    assert "labels 7 1 1.00" in lines
    assert "epics 1,000 2 2.50" in lines
    assert "Total 1,007 4 4.00" in lines
