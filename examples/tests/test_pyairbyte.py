"""PyAirbyte asks the connector for a few records, and stops it when it has them: nobody waits, and nothing is amiss."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tracker_server.app import TrackerServer
from tracker_server.sample import make_world
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


def test_check_samples_and_a_few_records_end_without_a_traceback_and_without_a_wait(tmp_path: Path) -> None:
    connector = Path(sys.executable).with_name("source-pivotal-tracker")
    with TrackerServer(make_world(projects=3, stories=1000)) as server:
        ended = subprocess.run(
            [sys.executable, "-c", ASKING, json.dumps(config_for(server)), connector, str(LIMIT)],
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"},
        )
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr
    report = json.loads(ended.stdout.splitlines()[-1])
    assert (report["samples"], report["records"]) == ({"stories": LIMIT, "labels": LIMIT}, LIMIT)
    assert max(report["seconds"]) < 2 * SECONDS_TO_GIVE_UP
