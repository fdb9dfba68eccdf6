"""How fast exports are read into a world: `python -m benchmarks.parsing EXPORT` prints rows and CPU seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tracker_server.exports import Source, read_exports


def main(path: Path) -> None:
    """Read the export, and print what came, and the CPU seconds that it took without the start of Python."""
    began = time.process_time()
    _, report = read_exports([Source.of(path)])
    seconds = time.process_time() - began
    print(sum(sum(summary.rows.values()) for summary in report.served), seconds, report.finding_count)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
