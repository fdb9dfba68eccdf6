"""What rows cost at the least: `orjson.loads` of the pages that hold them, and `orjson.dumps` of each in its envelope.

`python -m benchmarks.least RECORDS URL …` reads the records from a file, a message a line as the connector prints
them, and the pages from the URLs; it prints the CPU seconds. What it does to come by them is not counted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import orjson
import requests

BATCH = 1000


def loading(pages: Iterable[bytes]) -> float:
    """CPU seconds that it takes to parse the pages."""
    seconds = 0.0
    for page in pages:
        began = time.process_time()
        orjson.loads(page)
        seconds += time.process_time() - began
    return seconds


def dumping(lines: Iterator[bytes]) -> float:
    """CPU seconds that it takes to put the data of these records into their envelopes again, and to write those."""
    seconds = 0.0
    while records := [orjson.loads(line)["record"] for line in islice(lines, BATCH)]:
        began = time.process_time()
        for record in records:
            envelope = {"stream": record["stream"], "emitted_at": record["emitted_at"], "data": record["data"]}
            orjson.dumps({"type": "RECORD", "record": envelope}, option=orjson.OPT_APPEND_NEWLINE)
        seconds += time.process_time() - began
    return seconds


def main(records: Path, token: str, urls: list[str]) -> int:
    session = requests.Session()
    session.headers["X-TrackerToken"] = token
    pages = (session.get(url, timeout=60).content for url in urls)
    with records.open("rb") as lines:
        print(loading(pages) + dumping(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
