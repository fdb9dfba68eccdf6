"""Turns what discover prints into the catalog that read takes: `… | python -m tools.catalog [STREAM …]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence

import orjson

from tools.program import Message, every_stream


def main(arguments: Sequence[str] | None, lines: Iterable[bytes]) -> int:
    """Write the configured catalog of the named streams, or of all, to stdout; returns the exit status.

    `lines` are what discover printed: one JSON message each.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.catalog", description=__doc__)
    parser.add_argument("streams", nargs="*", metavar="STREAM", help="a stream to read (all)")
    parser.add_argument("--incremental", action="store_true", help="ask for what changed, where a stream offers it")
    options = parser.parse_args(arguments)
    messages = map(orjson.loads, lines)
    catalog: Message | None = next((message["catalog"] for message in messages if message["type"] == "CATALOG"), None)
    if catalog is None:
        print("There is no catalog in the input: give it what discover prints.", file=sys.stderr)
        return 1
    wanted = set(options.streams) or {stream["name"] for stream in catalog["streams"]}
    if unknown := wanted - {stream["name"] for stream in catalog["streams"]}:
        print(f"Discover knows no stream {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 1
    chosen = [stream for stream in catalog["streams"] if stream["name"] in wanted]
    print(orjson.dumps(every_stream({"streams": chosen}, incremental=options.incremental)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(None, sys.stdin.buffer))
