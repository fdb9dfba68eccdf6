"""Prints what a connector's sample server holds: `python -m benchmarks.truth rocketlane NAME=NUMBER …`.

One JSON object: for each stream, the keys of its rows. It runs in a process of its own, because the benchmark has to
use little memory.
"""

from __future__ import annotations

import sys

import orjson

from benchmarks.manifests import STREAMS
from tools import sample_modules


def main(system: str, sizes: list[str]) -> int:
    world_module, api_module = sample_modules.load(f"source-{system}", f"{system}_world", f"{system}_api")
    world = world_module.make_world(
        **{name: int(number) for name, _, number in (size.partition("=") for size in sizes)}
    )
    keys = {stream: [row[key] for row in api_module.expected(world, stream)] for stream, key in STREAMS[system].items()}
    sys.stdout.buffer.write(orjson.dumps(keys))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
