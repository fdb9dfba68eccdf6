"""Syncs a Tracker v5 server into a DuckDB file with PyAirbyte: run it again, and it brings what changed since.

python examples/pyairbyte_duckdb.py secrets/config.json tracker.duckdb [STREAM …]
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Read at the import: else PyAirbyte asks Airbyte's registry about the connector, and reports that it was used.
os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")

from airbyte.caches import DuckDBCache
from pyairbyte_sync import arguments, sync


def main() -> None:
    """Sync what the command line names."""
    options = arguments(__doc__, "a DuckDB file, made where it is missing")
    with tempfile.TemporaryDirectory() as folder:
        sync(DuckDBCache(db_path=Path(options.database).resolve(), cache_dir=Path(folder)), options)


if __name__ == "__main__":
    main()
