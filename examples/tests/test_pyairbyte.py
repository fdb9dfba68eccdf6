"""PyAirbyte's own command finds the connector valid; and of a few records nobody waits for more, and nothing is amiss.

PyAirbyte stops the connector when it has the records that it asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tracker_server.app import TrackerServer
from tracker_server.sample import SAMPLE_TOKEN, make_world
from unit_tests.syncs import config_for

LIMIT = 5
SECONDS_TO_GIVE_UP = 10
"""After these PyAirbyte kills what it has asked to stop, which is an error; a call that waits takes as long."""
ASKING = """
import json, sys, time
import airbyte

config, connector, limit = json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3])
source = airbyte.get_source("source-pivotal-tracker", local_executable=connector, config=config)

def timed(call):
    began = time.monotonic()
    answer = call()
    return answer, time.monotonic() - began

_, check = timed(source.check)
samples, sampling = timed(lambda: source.get_samples(["stories", "labels"], limit=limit))
records, reading = timed(lambda: list(source.get_records("stories", limit=limit)))
print(json.dumps({
    "samples": {name: len(list(rows)) for name, rows in samples.items()},
    "records": len(records),
    "seconds": [check, sampling, reading],
}))
"""


CONNECTOR = Path(sys.executable).with_name("source-pivotal-tracker")


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """What a program of PyAirbyte's does, in this folder, without a network and without telling Airbyte of it."""
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"},
    )


@pytest.mark.parametrize(("token", "exit_code"), [(SAMPLE_TOKEN, 0), (SAMPLE_TOKEN[::-1], 1)], ids=["right", "wrong"])
def test_its_validate_prints_the_specification_and_fails_where_the_check_does(
    token: str, exit_code: int, tmp_path: Path
) -> None:
    with TrackerServer(make_world(projects=1, stories=4)) as server:
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**config_for(server), "api_token": token}), encoding="utf-8")
        pyab = Path(sys.executable).with_name("pyab")
        ended = run(tmp_path, pyab, "validate", "--connector", CONNECTOR, "--config", config)
    assert ended.returncode == exit_code, ended.stderr
    assert "requests_per_minute" in ended.stderr, "the specification"
    assert ("Connection check succeeded" in ended.stderr) == (exit_code == 0)
    assert token not in ended.stdout + ended.stderr


def test_check_samples_and_a_few_records_end_without_a_traceback_and_without_a_wait(tmp_path: Path) -> None:
    with TrackerServer(make_world(projects=3, stories=1000)) as server:
        ended = run(tmp_path, sys.executable, "-c", ASKING, json.dumps(config_for(server)), CONNECTOR, str(LIMIT))
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert (report["samples"], report["records"]) == ({"stories": LIMIT, "labels": LIMIT}, LIMIT)
    assert max(report["seconds"]) < 2 * SECONDS_TO_GIVE_UP
