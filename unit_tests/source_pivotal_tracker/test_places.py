"""Exports wherever they lie: one rule decides what counts of a path, a download and an object store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from unit_tests import loaded_program
from unit_tests.file_server import credentials, serving
from unit_tests.syncs import Row
from unit_tests.tracker_server.exports.exported import ATTACHED, FILES, ZIP, below, laid, packed

STREAMS = ("projects", "stories", "epics", "story_comments", "epic_comments", "file_attachments", "iterations")
WHERE = {"archive", "member", "version"}
"""What of a row tells where an export lies."""
PACKED = packed(FILES)


class Said(NamedTuple):
    """What a read said: its rows by stream, its warnings and its exit code."""

    rows: dict[str, list[Row]]
    warnings: list[str]
    exit_code: int


def read(place: str, tmp_path: Path, environment: Mapping[str, str]) -> Said:
    """A full read by the program in an environment, as only that says where a store is."""
    streams = [{"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh"]} for name in STREAMS]
    modes = {"sync_mode": "full_refresh", "destination_sync_mode": "append"}
    files: dict[str, Any] = {
        "config": {"export_archive": place, "allow_http": True},
        "catalog": {"streams": [{"stream": stream, **modes} for stream in streams]},
    }
    command = ["read"]
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        command += [f"--{name}", str(tmp_path / f"{name}.json")]
    ended = loaded_program.run(command, tmp_path, environment)
    messages = [json.loads(line) for line in ended.stdout.splitlines()]
    rows: dict[str, list[Row]] = {name: [] for name in STREAMS}
    for message in messages:
        if message["type"] == "RECORD":
            rows[message["record"]["stream"]].append(message["record"]["data"])
    logs = [message["log"] for message in messages if message["type"] == "LOG"]
    return Said(rows, [log["message"] for log in logs if log["level"] == "WARN"], ended.returncode)


PLACES = (
    "the ZIP", "a folder with the ZIP", "the folder", "a download", "the ZIP in a store", "a folder of a store",
    "the unpacked ZIP in a store", "a store with a folder by year",
)  # fmt: skip


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    content = {
        f"/b/zips/{ZIP}": PACKED,
        **below("/b/my_project", FILES),
        **below("/b/years/2025/my_project", FILES),
    }
    with serving(content) as found:
        yield found


@pytest.fixture(scope="module")
def reads(address: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    """What a read of each place says."""
    folder = tmp_path_factory.mktemp("places")
    zips, unpacked = laid(folder / "zips", {ZIP: PACKED}), laid(folder / "my_project", FILES)
    places = (
        str(zips / ZIP), str(zips), str(unpacked), f"{address}/b/zips/{ZIP}?signature=5", f"s3://b/zips/{ZIP}", "s3://b/zips",
        "s3://b/my_project/", "s3://b/years",
    )  # fmt: skip
    found = {}
    for name, place in zip(PLACES, places, strict=True):
        (folder / name).mkdir()
        found[name] = read(place, folder / name, credentials(address))
    return found


def rows_without_places(result: Said) -> dict[str, list[Row]]:
    return {
        name: [{key: value for key, value in row.items() if key not in WHERE} for row in rows]
        for name, rows in result.rows.items()
    }


@pytest.mark.parametrize("place", PLACES)
def test_the_same_rows_come_from_every_place(place: str, reads: dict[str, Said]) -> None:
    assert reads[place].exit_code == 0
    assert rows_without_places(reads[place]) == rows_without_places(reads["the ZIP"])
    rows = reads[place].rows
    assert {row["id"] for row in rows["stories"]} == {1000, 1001}
    assert [row["id"] for row in rows["epics"]] == [1002]
    assert sorted(row["filename"] for row in rows["file_attachments"]) == sorted(ATTACHED)


@pytest.mark.parametrize("place", PLACES)
def test_the_same_findings_are_told_of_every_place(place: str, reads: dict[str, Said]) -> None:
    def findings(place: str) -> list[str]:
        known = [words for words in reads[place].warnings if words.startswith("Not understood in the export: ")]
        return sorted(
            words.rpartition("/")[2].removeprefix("Not understood in the export: ")
            for words in known
            if "operating system" not in words
        )

    assert findings(place) == findings("the ZIP")
    assert len(findings(place)) == 2


@pytest.mark.parametrize("place", PLACES)
def test_a_file_tells_where_it_lies_and_has_no_address_on_which_nobody_listens(
    place: str, reads: dict[str, Said], address: str
) -> None:
    (row,) = [row for row in reads[place].rows["file_attachments"] if row["filename"] == "screens/one.png"]
    assert "download_url" not in row
    ends = {
        "the ZIP": f"zips/{ZIP}", "a folder with the ZIP": f"zips/{ZIP}", "the folder": "my_project",
        "a download": f"{address}/b/zips/{ZIP}", "the ZIP in a store": f"s3://b/zips/{ZIP}",
        "a folder of a store": f"s3://b/zips/{ZIP}", "the unpacked ZIP in a store": "s3://b/my_project",
        "a store with a folder by year": "s3://b/years",
    }  # fmt: skip
    inside = "2025/my_project/" if place == "a store with a folder by year" else ""
    assert row["archive"].endswith(ends[place])
    assert row["member"] == f"{inside}1001/screens/one.png"
