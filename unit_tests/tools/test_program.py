"""Programs are run to their end, measured, stopped in every case, and quoted in full where they fail."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
import requests

from tools.program import (
    MANIFEST_CONNECTORS,
    Message,
    Program,
    ProgramFailed,
    connector,
    every_stream,
    manifest_connector,
    only,
    sample_server,
)


def python(code: str) -> Program:
    return Program(sys.executable, "-c", code)


def test_a_program_is_measured_once_its_output_has_ended() -> None:
    with python("import time; time.sleep(0.1); print('one'); print('two')") as program:
        assert list(program.lines()) == [b"one\n", b"two\n"]

    assert program.exit_code == 0
    assert program.seconds > 0.1
    assert program.peak_rss > 1_000_000


def test_a_program_that_still_runs_is_stopped_at_the_end_of_the_block() -> None:
    with python("import os, signal; print(os.getpid(), flush=True); signal.pause()") as program:
        process = int(program.line())

    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_program_that_is_stopped_is_measured() -> None:
    with python("import signal; print('up', flush=True); signal.pause()") as program:
        program.line()
        program.stop()

        assert program.peak_rss > 1_000_000
        assert program.exit_code == -signal.SIGTERM


def test_a_failed_program_is_told_with_its_command_its_exit_code_and_its_own_words(tmp_path: Path) -> None:
    with connector("discover", tmp_path, config={}) as program, pytest.raises(ProgramFailed) as failure:
        list(program.messages())

    command, *words = str(failure.value).splitlines()
    assert command == f"source-pivotal-tracker discover --config {tmp_path}/config.json ended with exit code 1."
    assert "api_token" in words[0]


def test_a_line_that_is_no_message_is_an_error_that_quotes_it() -> None:
    with python("print('Hello')") as program, pytest.raises(ProgramFailed, match="no message: Hello"):
        list(program.messages())


def test_a_missing_message_is_an_error() -> None:
    with python("") as program, pytest.raises(ProgramFailed, match="0 messages of type SPEC"):
        only(program, "SPEC")


def test_a_program_has_the_environment_of_this_process_and_what_it_is_given_over_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("GIVEN", "old")
    code = "import os; print(os.environ['KEPT'], os.environ['GIVEN'])"
    with Program(sys.executable, "-c", code, environment={"GIVEN": "new"}) as program:
        assert program.line() == "kept new"


def test_the_spec_of_a_manifest_connector_is_its_own(tmp_path: Path) -> None:
    with manifest_connector("source-persistiq", "spec", tmp_path) as program:
        settings = only(program, "SPEC")["connectionSpecification"]["properties"]

    assert {"api_key", "include_replies"} <= settings.keys()


def test_a_manifest_connector_is_run_by_the_cdk_with_its_files(tmp_path: Path) -> None:
    server = MANIFEST_CONNECTORS / "source-persistiq" / "sample_server"
    log = tmp_path / "requests.jsonl"
    with Program(sys.executable, server, "--port", "0", "--request-log", log) as serving:
        config: Message = {"api_url": serving.line(), "api_key": serving.line()}
        with manifest_connector("source-persistiq", "check", tmp_path, config=config) as program:
            status = only(program, "CONNECTION_STATUS")

    assert status["status"] == "SUCCEEDED"
    assert b'"path": "/v1/users"' in log.read_bytes()


def test_the_sample_server_tells_when_each_request_came(tmp_path: Path) -> None:
    began = time.time()
    with sample_server(tmp_path / "log.jsonl", 1, 1) as server:
        with connector("check", tmp_path, config=server.config()) as program:
            status = only(program, "CONNECTION_STATUS")
        answered = server.requests()

    assert status["status"] == "SUCCEEDED"
    assert [request.path for request in answered] == ["/me", "/projects"]
    assert began < answered[0].at <= answered[1].at < time.time()


def test_the_sample_server_takes_more_options(tmp_path: Path) -> None:
    with sample_server(tmp_path / "log.jsonl", 1, 1, "--rate-limit", "1/60") as server:
        for _ in range(2):
            requests.get(f"{server.url}/me", headers={"X-TrackerToken": server.token}, timeout=10)
        statuses = [request.status for request in server.requests()]

    assert statuses == [200, 429]


MODES: Message = {"supported_sync_modes": ["full_refresh", "incremental"]}
CATALOG: Message = {"streams": [{"name": "labels", **MODES}, {"name": "me", "supported_sync_modes": ["full_refresh"]}]}


def test_every_stream_of_a_catalog_is_configured_for_a_full_refresh() -> None:
    catalog = every_stream(CATALOG)

    assert [configured["stream"]["name"] for configured in catalog["streams"]] == ["labels", "me"]
    assert {configured["sync_mode"] for configured in catalog["streams"]} == {"full_refresh"}


def test_streams_that_offer_it_can_be_configured_for_an_incremental_read() -> None:
    catalog = every_stream(CATALOG, incremental=True)

    assert [configured["sync_mode"] for configured in catalog["streams"]] == ["incremental", "full_refresh"]
