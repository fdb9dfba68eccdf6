"""PyAirbyte runs the connectors for Rocketlane and PersistIQ by their manifests, with the code beside them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONNECTORS = Path(__file__).parents[2] / "connectors"
ROWS = {"source-rocketlane": {"users": 9, "tasks": 240}, "source-persistiq": {"users": 6, "leads": 250}}
"""What the sample servers hold of some streams."""

SCRIPT = """\
import sys
from pathlib import Path

import airbyte as ab

name, manifest, url, key, *streams = sys.argv[1:]
config = {"api_key": key, "api_url": url}
source = ab.get_source(name, source_manifest=Path(manifest), config=config, streams=streams)
source.check()
read = source.read(cache=ab.new_local_cache("rows"))
for stream in streams:
    print(f"rows of {stream}:", len(read[stream]))
"""


@pytest.mark.parametrize("name", ROWS)
def test_pyairbyte_reads_a_connector_by_its_manifest(name: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    folder = CONNECTORS / name
    environment = {"AIRBYTE_ENABLE_UNSAFE_CODE": "true", "AIRBYTE_OFFLINE_MODE": "1", "HOME": str(tmp_path)}
    serving = [sys.executable, str(folder / "sample_server"), "--port", "0"]
    with subprocess.Popen(serving, stdout=subprocess.PIPE, encoding="utf-8") as server:
        assert server.stdout
        url, key = server.stdout.readline().strip(), server.stdout.readline().strip()

        ended = subprocess.run(
            [sys.executable, script, name, folder / "manifest.yaml", url, key, *ROWS[name]],
            cwd=tmp_path,
            env={**os.environ, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )
        server.terminate()

    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stdout.splitlines() if line.startswith("rows of ")] == [
        f"rows of {stream}: {rows}" for stream, rows in ROWS[name].items()
    ]
