"""The benchmarks count, compare and serve truly; how long anything takes is not tested."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import orjson
import pytest
import requests

from benchmarks import pages
from benchmarks.archives import parsed
from benchmarks.engine import ALLOWED, WINDOW, used
from benchmarks.least import dumping, loading
from benchmarks.litetracker import cost_of
from benchmarks.manifests import measure
from benchmarks.measured import Figure, Run, median, read, run
from tools.program import Program, ProgramFailed, sample_server
from tracker_server.api.dialect import LITETRACKER
from tracker_server.app import LoggedRequest
from tracker_server.exports import write_export
from tracker_server.sample import make_world


def request(at: float) -> LoggedRequest:
    return LoggedRequest(at, "GET", "/projects", {}, 200, 9)


def test_a_read_is_counted_in_rows_and_requests(tmp_path: Path) -> None:
    with sample_server(tmp_path / "log.jsonl", 2, 20) as server:
        measured = read(tmp_path, server, ["stories"], tmp_path / "records.jsonl")

    records = [orjson.loads(line)["record"] for line in (tmp_path / "records.jsonl").read_bytes().splitlines()]
    assert (measured.rows, measured.requests) == (40, 4)
    assert {record["stream"] for record in records} == {"stories"}
    assert len(records) == 40


def test_a_run_that_fails_is_an_error() -> None:
    with pytest.raises(ProgramFailed, match="ended with exit code 1"):
        run(Program("false"))


def test_each_figure_of_a_median_is_the_median_of_that_figure() -> None:
    runs = [Run(1, 9, 2, 0, 5), Run(2, 8, 3, 0, 5), Run(3, 7, 1, 0, 5)]

    assert median(runs) == Run(2, 8, 2, 0, 5)


def test_a_run_less_another_is_what_it_took_beyond_that() -> None:
    assert Run(3, 2, 100, 50, 10, 4).less(Run(1, 1, 80, 5, 1, 1)) == Run(2, 1, 20, 45, 9, 3)


def test_an_allowance_that_is_taken_whenever_it_is_there_is_used_wholly() -> None:
    requests = [request(window * WINDOW) for window in range(3) for _ in range(ALLOWED)]

    assert used(requests) == 1.0


def test_an_allowance_is_used_by_half_where_the_requests_take_twice_the_time() -> None:
    requests = [request(window * WINDOW * 2) for window in range(3) for _ in range(ALLOWED)]

    assert used(requests) == 0.5


def test_a_figure_is_told_beside_its_target_with_the_verdict() -> None:
    assert str(Figure("Requests", "9", "at most 8", False)) == "MISSED  Requests: 9; asked for: at most 8"


def test_what_rows_cost_at_the_least_is_above_nothing() -> None:
    record = orjson.dumps({"type": "RECORD", "record": {"stream": "s", "emitted_at": 1, "data": {"id": 1}}})

    assert loading([b'[{"id": 1}]']) > 0
    assert dumping(iter([record] * 2500)) > 0


def test_the_replay_answers_twice_what_the_sample_server_answers(tmp_path: Path) -> None:
    answers = []
    for module in ("tracker_server", "benchmarks.replay"):
        with sample_server(tmp_path / f"{module}.jsonl", 1, 5, module=module) as server:
            answers += [
                requests.get(f"{server.url}/projects", headers={"X-TrackerToken": server.token}, timeout=10).json()
                for _ in range(2)
            ]

    assert len(answers[0]) == 1
    assert answers == [answers[0]] * 4


def test_an_export_is_parsed_so_many_rows_a_second(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("wb") as out:
        write_export(make_world(1, 20), out)

    measured = parsed(tmp_path / "a.zip")
    assert measured.lines_per_second > 0
    assert measured.over_floor > 1


def test_an_export_that_is_not_understood_is_an_error(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", "Id,Title,Estimate\n1,A,x\n")

    with pytest.raises(ProgramFailed, match=r"1 things in .*a\.zip were not understood"):
        parsed(tmp_path / "a.zip")


SMALL = {"rocketlane": {"projects": 4, "tasks": 30}, "persistiq": {"leads": 120, "campaigns": 2, "events": 0}}


@pytest.mark.soak_tests
@pytest.mark.parametrize("system", SMALL)
def test_a_connector_is_measured_beside_airbytes_own_by_rows_and_requests(tmp_path: Path, system: str) -> None:
    table, (rows, requests) = measure(tmp_path, system, SMALL[system])

    name, came, first, second, *_ = (list(column.cells) for column in table.columns)
    assert name == ["here", "as Airbyte's"]
    assert str(came[0]).endswith("(100.0%)")
    assert not str(came[1]).endswith("(100.0%)")
    assert int(str(second[0])) < int(str(first[0]))
    assert first[1] == second[1]
    assert rows.is_kept
    assert requests.name.startswith(f"source-{system}: requests of a second sync of ")


def test_the_pages_of_an_export_and_a_copy_are_measured(tmp_path: Path) -> None:
    measured = {figure.name: figure for figure in pages.figures(tmp_path, projects=2, stories=20, copied=20)}
    assert len(measured) == 8
    assert (tmp_path / "site" / "index.html").is_file()
    assert "15 queries" in measured["Seconds of a search, p95"].measured


def test_the_requests_of_a_first_sync_and_of_sweeps_are_those_that_each_story_takes() -> None:
    cost = cost_of(30, LITETRACKER)
    assert 5 * 30 <= cost.first <= 5 * 30 + 60
    assert cost.later < cost.sweep < cost.first / 2
