"""Rows as the connector wrote them: a first sync, edits, and a second sync."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "examples" / "tests")]
sys.path.append(str(ROOT))

from postgres import PASSWORD, USER, postgres  # noqa: E402
from warehouses import DuckDb, PostgresDatabase, Warehouse, dbt  # noqa: E402

CONNECTORS_PYTHON = ROOT / ".venv" / "bin" / "python"
NOW, NOW_OF_AWKWARD_ONES = "2026-11-20 12:20:00", "2026-11-20 12:00:00"
"""The time of the sample server after the second sync, and where nothing was edited."""
DEMO = "import sys; from pathlib import Path; from tools.demo import main; sys.exit(main(Path(sys.argv[1])))"


def variables(schema: str, now: str = NOW) -> str:
    return f'{{tracker_schema: {schema}, tracker_now: "{now}"}}'


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the connector's tables, and an export beside it, as `make demo` leaves them."""
    path = tmp_path_factory.mktemp("demo") / "demo.duckdb"
    subprocess.run([CONNECTORS_PYTHON, "-c", DEMO, path], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="session")
def in_duckdb(synced: Path, tmp_path_factory: pytest.TempPathFactory) -> DuckDb:
    """The models, built and tested."""
    folder = tmp_path_factory.mktemp("duckdb")
    shutil.copy(synced, folder / "built.duckdb")
    warehouse = DuckDb(folder / "built.duckdb")
    _require_built(warehouse, folder, "main")
    return warehouse


@pytest.fixture(scope="session")
def in_postgres(synced: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresDatabase]:
    with postgres() as server:
        environment = {
            "TRACKER_POSTGRES_PORT": str(server.port), "TRACKER_POSTGRES_USER": USER,
            "TRACKER_POSTGRES_PASSWORD": PASSWORD,
        }  # fmt: skip
        warehouse = PostgresDatabase(server.connect, environment)
        warehouse.fill(DuckDb(synced))
        _require_built(warehouse, tmp_path_factory.mktemp("postgres"), "raw")
        yield warehouse


@pytest.fixture(scope="session")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> DuckDb:
    """Projects that are unlike the sample, built."""
    folder = tmp_path_factory.mktemp("awkward")
    program = Path(__file__).with_name("awkward_projects.py")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [CONNECTORS_PYTHON, program, folder / "awkward.duckdb"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=environment)
    warehouse = DuckDb(folder / "awkward.duckdb")
    _require_built(warehouse, folder, "main", NOW_OF_AWKWARD_ONES)
    return warehouse


def _require_built(warehouse: Warehouse, folder: Path, schema: str, now: str = NOW) -> None:
    built = dbt(warehouse, "build", folder, variables(schema, now))
    assert built.returncode == 0, built.stdout[-6000:]
