"""Reads as the console script does, but waits for no rate limit: `PEAK CONFIG CATALOG [STATE]`, messages to stdout.

PEAK names a file that gets the most memory that it had, in bytes. What the kernel tells of it to the parent is never
less than what the parent had itself.
"""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer

from source_pivotal_tracker.files import catalog_in, states_in
from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.sync.messages import as_lines
from unit_tests.syncs import unhurried


def main(peak: str, config: str, catalog: str, state: str | None = None) -> None:
    logging.getLogger("airbyte").setLevel(logging.WARNING)
    source = SourcePivotalTracker(unhurried)
    states = [] if state is None else states_in(state)
    for output in source.sync(orjson.loads(Path(config).read_bytes()), catalog_in(catalog), states, as_lines):
        if isinstance(output, AirbyteMessage):
            message = AirbyteMessageSerializer.dump(output)
            sys.stdout.buffer.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        else:
            sys.stdout.buffer.write(output)
    Path(peak).write_text(str(most_memory()), encoding="utf-8")


def most_memory() -> int:
    (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(kilobytes) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
