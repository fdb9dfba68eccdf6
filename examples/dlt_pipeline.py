"""Syncs a Tracker v5 server into a destination of dlt: run it again, and it brings what changed since.

SOURCES__TRACKER__API_TOKEN=… python examples/dlt_pipeline.py DESTINATION [STREAM …]
"""

import os
import sys
from typing import Any

# Read at the import: else dlt reports that it was used.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

import dlt

from source_pivotal_tracker.dlt import tracker_source

if __name__ == "__main__":
    destination, *streams = sys.argv[1:] or sys.exit(__doc__)
    pipeline = dlt.pipeline("tracker", destination=destination, dataset_name="pivotal_tracker")
    source = tracker_source()
    options: Any = {"loader_file_format": "parquet"} if destination == "filesystem" else {}
    print(pipeline.run(source.with_resources(*streams or source.resources), **options))
