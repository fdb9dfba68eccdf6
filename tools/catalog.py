"""Turns what discover prints into the catalog that read takes: `… | python -m tools.catalog [STREAM …]`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

import orjson

from tools.program import Message, every_stream


def main(streams: Iterable[str], lines: Iterable[bytes]) -> int:
    """Write the configured catalog of these streams, or of all, to stdout; returns the exit status.

    `lines` are what discover printed: one JSON message each.
    """
    messages = map(orjson.loads, lines)
    catalog: Message | None = next((each["catalog"] for each in messages if each["type"] == "CATALOG"), None)
    if catalog is None:
        print("There is no catalog in the input: give it what discover prints.", file=sys.stderr)
        return 1
    wanted = set(streams) or {stream["name"] for stream in catalog["streams"]}
    if unknown := wanted - {stream["name"] for stream in catalog["streams"]}:
        print(f"Discover knows no stream {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 1
    chosen = [stream for stream in catalog["streams"] if stream["name"] in wanted]
    print(orjson.dumps(every_stream({"streams": chosen})).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin.buffer))
