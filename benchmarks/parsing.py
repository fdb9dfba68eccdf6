"""How fast exports are read into a world: `python -m benchmarks.parsing EXPORT`."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
import zipfile
from pathlib import Path

from tracker_server.exports import Source, read_exports


def main(path: Path) -> None:
    """Print an object: `lines` of an export, CPU `seconds` of reading it, `floor_seconds`, and how many `findings`.

    A line is a story, an epic, or something that was done, in a history.
    The start of Python is not among the seconds. The floor is `csv.reader` over the same bytes.
    """
    began = time.process_time()
    _least(path)
    floor = time.process_time() - began
    began = time.process_time()
    _, report = read_exports([Source.of(path)])
    seconds = time.process_time() - began
    rows = sum(sum(summary.rows.values()) for summary in report.served)
    done = sum(summary.history.lines for summary in report.served if summary.history)
    found = {"lines": rows + done, "seconds": seconds, "floor_seconds": floor, "findings": report.finding_count}
    print(json.dumps(found))


def _least(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".csv"):
                with archive.open(name) as member:
                    for _ in csv.reader(io.TextIOWrapper(member, encoding="utf-8", newline="")):
                        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
