"""Runs a server with sample data from the command line: `python -m tracker_server --port 8080`."""

from __future__ import annotations

import argparse
import gc
import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn

from tracker_server.api import ENDPOINTS, name_of
from tracker_server.app import TrackerServer
from tracker_server.dialect import MODES, Dialect
from tracker_server.sample import SAMPLE_TOKEN, make_world


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest} and {highest}")
        return int(text)

    return number


def duration(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a duration")
    return number


def rate(text: str) -> tuple[int, float]:
    requests, _, seconds = text.partition("/")
    if int(requests) < 1 or duration(seconds) == 0:
        raise argparse.ArgumentTypeError(f"{text} admits either nothing or everything")
    return int(requests), duration(seconds)


def chance(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def endpoints(text: str) -> frozenset[str]:
    names = frozenset(text.split(",")) - {""}
    known = [name_of(path) for path in ENDPOINTS]
    for name in names:
        if not any(f"{each}/".startswith(f"{name}/") for each in known):
            raise argparse.ArgumentTypeError(f"{name} is no endpoint; there are {', '.join(sorted(set(known)))}")
    return names


DIFFERENCES: dict[str, dict[str, Any]] = {
    "page_cap": {"type": whole_number(1, 1_000_000), "metavar": "ROWS"},
    "missing_endpoints": {"type": endpoints, "metavar": "NAME,…"},
    "failing": {"type": chance, "metavar": "CHANCE"},
    "failing_seed": {"type": int, "metavar": "SEED"},
}
"""The options of a dialect's differences that are more than a yes or a no."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tracker_server",
        description="A read-only Tracker v5 server with sample data. It prints its base URL, then an API token.",
    )
    add = parser.add_argument
    # In a container it has to be every address, which nobody wants elsewhere.
    add("--host", default=os.environ.get("TRACKER_SERVER_HOST", "127.0.0.1"), help="address to listen on (%(default)s)")
    add("--port", type=whole_number(0, 65_535), default=8080, help="0 takes a free one (%(default)s)")
    add("--projects", type=whole_number(1, 1_000), default=3, help="how many to make up (%(default)s)")
    add("--stories", type=whole_number(1, 100_000), default=250, help="of each project (%(default)s)")
    add("--seed", type=int, default=1, help="the same seed gives the same data (%(default)s)")
    add("--latency-ms", type=duration, default=0.0, metavar="MS", help="added to every request (%(default)s)")
    add("--rate-limit", type=rate, metavar="N/SECONDS", help="requests of one token before it gets 429 (none)")
    add("--request-log", type=Path, metavar="FILE", help="gets one JSON line for each request (none)")
    add("--mode", choices=MODES, default="tracker", help="whose v5 it speaks (%(default)s)")
    differences = parser.add_argument_group("differences", "what a mode says can be changed one by one")
    for each in fields(Dialect):
        kind = DIFFERENCES.get(each.name, {"action": argparse.BooleanOptionalAction})
        differences.add_argument(f"--{each.name.replace('_', '-')}", help=each.metadata["fact"], **kind)
    return parser


def _dialect(options: argparse.Namespace) -> Dialect:
    given = {each.name: getattr(options, each.name) for each in fields(Dialect)}
    return replace(MODES[options.mode], **{name: value for name, value in given.items() if value is not None})


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM, which exit with 0; returns 1 where the address or the log cannot be had."""
    options = _parser().parse_args(argv)
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    world = make_world(options.projects, options.stories, options.seed)
    # The world stays. Walking all of it again in each collection would hold up a request by a third of a second.
    gc.freeze()
    server = TrackerServer(
        world,
        options.host,
        options.port,
        latency=options.latency_ms / 1000,
        rate_limit=options.rate_limit,
        request_log=options.request_log,
        dialect=_dialect(options),
    )
    try:
        with server:
            print(server.url)
            print(SAMPLE_TOKEN)
            print(f"Try: curl -H 'X-TrackerToken: {SAMPLE_TOKEN}' '{server.url}/me'", flush=True)
            threading.Event().wait()
    except OSError as error:
        place = error.filename or f"{options.host}:{options.port}"
        reason = str(error.strerror).partition(" (")[0]
        print(f"Cannot use {place}: {reason}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
