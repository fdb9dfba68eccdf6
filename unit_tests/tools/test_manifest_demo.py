"""The demos of the manifest-only connectors follow what is edited, and hold every table against the server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import duckdb
import pytest
import yaml

from tools import persistiq_demo, rocketlane_demo
from tools.manifest_demo import Account, compared, request_patterns
from tools.manifest_image import connectors
from tools.program import MANIFEST_CONNECTORS, ROOT, Message, ProgramFailed

ACCOUNTS: dict[str, Callable[[], Account]] = {
    rocketlane_demo.CONNECTOR: rocketlane_demo.account,
    persistiq_demo.CONNECTOR: persistiq_demo.account,
}
DEMOS = {
    "rocketlane": ("tasks", 240, "Hours tracked, by project", "Harbour Web Shop"),
    "persistiq": ("leads", 251, "Events by their kind", "lead_updated"),
}
"""For each the stream whose deletion nobody tells, its rows in the end, and words of the chart."""

each_connector = pytest.mark.parametrize("connector", ACCOUNTS)


def test_every_connector_has_a_demo() -> None:
    assert set(ACCOUNTS) == set(connectors())


@pytest.mark.soak_tests
@pytest.mark.parametrize(("name", "stream", "rows", "title", "label"), [(name, *of) for name, of in DEMOS.items()])
def test_the_whole_demo_makes_a_replica_follows_the_edits_and_draws_a_chart(
    name: str, stream: str, rows: int, title: str, label: str, tmp_path: Path
) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", f"tools.{name}_demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )

    assert (demo.returncode, demo.stderr) == (0, "")
    assert " 5 settings\n" in demo.stdout
    assert "rows that the server holds now, each as it is there.\n" in demo.stdout
    assert f" stay in the tables: {stream} (1).\n" in demo.stdout
    assert f"\n{title}\n" in demo.stdout
    assert f"\n{label} " in demo.stdout
    with duckdb.connect(str(tmp_path / f"demo-{name}.duckdb"), read_only=True) as connection:
        tables = {table for (table,) in connection.sql("SHOW TABLES").fetchall()}
        ((count,),) = connection.sql(f"SELECT count(*) FROM {stream}").fetchall()  # noqa: S608
    assert tables == yaml.safe_load(manifest_of(f"source-{name}").read_text(encoding="utf-8"))["schemas"].keys()
    assert count == rows


def manifest_of(connector: str) -> Path:
    return MANIFEST_CONNECTORS / connector / "manifest.yaml"


@each_connector
def test_the_edits_change_what_the_server_holds_and_delete_what_they_say(connector: str) -> None:
    account = ACCOUNTS[connector]()
    streams = request_patterns(connector, "http://127.0.0.1")
    before = {stream: account.held(stream) for stream in streams}

    account.edit()

    after = {stream: account.held(stream) for stream in streams}
    assert sum(before[stream] != after[stream] for stream in streams) > len(account.deleted)
    for stream, count in account.deleted.items():
        (key,) = list(before[stream][0])[:1]
        gone = {row[key] for row in before[stream]} - {row[key] for row in after[stream]}
        assert len(gone) == count


@pytest.mark.parametrize(
    ("connector", "stream", "path"),
    [
        ("source-rocketlane", "projects", "/api/1.0/projects"),
        ("source-rocketlane", "time_entry_categories", "/api/1.0/time-entries/categories"),
        ("source-rocketlane", "invoice_lines", "/api/1.0/invoices/7000/lines"),
        ("source-persistiq", "leads", "/v1/leads"),
        ("source-persistiq", "campaign_replies", "/v1/campaigns/c_01/replies"),
    ],
)
def test_a_stream_knows_the_paths_of_its_requests(connector: str, stream: str, path: str) -> None:
    patterns = request_patterns(connector, f"http://127.0.0.1:8080{ACCOUNTS[connector]().path}")

    assert [name for name, pattern in patterns.items() if pattern.fullmatch(path)] == [stream]
    assert not patterns[stream].fullmatch(f"{path}/nothing")


TAGS: Message = {
    "name": "tags",
    "supported_sync_modes": ["full_refresh"],
    "json_schema": {"properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
}
LEADS = TAGS | {"name": "leads", "supported_sync_modes": ["full_refresh", "incremental"]}
HELD: Message = {"id": 1, "name": "vip"}


def comparison(stream: Message, held: list[Message], deleted: Mapping[str, int], *table: Message) -> str:
    """What is said of a stream whose table has these rows."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE {stream['name']} (id BIGINT, name VARCHAR)")
        for row in table:
            connection.execute(f"INSERT INTO {stream['name']} VALUES (?, ?)", [row["id"], row["name"]])  # noqa: S608
        return compared({"streams": [stream]}, lambda _: held, deleted, connection)


def test_tables_that_hold_what_the_server_holds_are_told() -> None:
    assert comparison(TAGS, [HELD], {}, HELD) == (
        "The tables hold the 1 rows that the server holds now, each as it is there."
    )


@pytest.mark.parametrize(
    ("held", "table", "words"),
    [
        ([HELD], [], "lacks 1 rows of the server, and has 0"),
        ([HELD], [HELD | {"name": "old"}], "lacks 1 rows of the server, and has 1"),
        ([HELD], [HELD, HELD], "lacks 0 rows of the server, and has 1"),
        ([], [HELD], "lacks 0 rows of the server, and has 1"),
        ([HELD | {"colour": "red"}], [HELD], "The table tags has no column colour."),
    ],
    ids=["missing", "changed", "twice", "gone", "unknown attribute"],
)
def test_a_table_that_differs_from_the_server_is_an_error(
    held: list[Message], table: list[Message], words: str
) -> None:
    with pytest.raises(ProgramFailed, match="The tables differ from the server") as failure:
        comparison(TAGS, held, {}, *table)
    assert words in str(failure.value)


def test_a_row_that_a_list_of_changes_does_not_know_to_be_deleted_is_told() -> None:
    other: Message = {"id": 2, "name": "gone"}

    assert comparison(LEADS, [HELD], {"leads": 1}, HELD, other).endswith(" stay in the tables: leads (1).")


def test_a_row_that_stays_in_a_list_that_is_read_whole_is_an_error() -> None:
    with pytest.raises(ProgramFailed, match="has 1 that are not there, in place of 0"):
        comparison(TAGS, [HELD], {"tags": 1}, HELD, {"id": 2, "name": "gone"})


def test_a_row_of_a_time_of_creation_alone_takes_it_for_the_time_of_change() -> None:
    assert rocketlane_demo.filled_in({"createdAt": 5}) == {"createdAt": 5, "updatedAt": 5}
    assert rocketlane_demo.filled_in({"createdAt": 5, "updatedAt": 9}) == {"createdAt": 5, "updatedAt": 9}
    assert rocketlane_demo.filled_in({"updatedAt": 9}) == {"updatedAt": 9}
