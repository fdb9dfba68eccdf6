"""The command line, `python connectors/source-rocketlane/sample_server`: a server with sample data."""

from __future__ import annotations

import argparse
import math
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rocketlane_api import PREFIX, RocketlaneApi
from rocketlane_world import make_world
from serving import SampleServer

API_KEY = "rl-00000000-0000-4000-8000-000000000000"


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < least or (most is not None and int(text) > most):
            raise argparse.ArgumentTypeError(
                f"{text} is not {f'from {least} to {most}' if most else f'{least} or more'}"
            )
        return int(text)

    return number


def _milliseconds(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a duration")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sample_server",
        description="A read-only Rocketlane API 1.0 with sample data. It prints its base URL, then its API key.",
    )
    add = parser.add_argument
    add("--port", type=_whole(0, 65535), default=0, help="0 takes a free one (%(default)s)")
    add("--projects", type=_whole(0), default=4, help="how many to make up (%(default)s)")
    add("--tasks", type=_whole(0), default=60, help="of each project (%(default)s)")
    add("--seed", type=int, default=7, help="the same seed gives the same data (%(default)s)")
    add("--paging", choices=("key", "offset"), default="key", help="what a page token stands for (%(default)s)")
    add("--lists-per-minute", type=_whole(1), metavar="N", help="requests in a minute before there is 429 (any number)")
    add("--api-key", default=API_KEY, help="the one that is right (%(default)s)")
    add("--request-log", type=Path, metavar="FILE", help="gets one JSON line for each request (none)")
    add("--latency-ms", type=_milliseconds, default=0.0, metavar="MS", help="added to every request (%(default)s)")
    return parser


def _stop(*_: object) -> NoReturn:
    sys.exit(0)


def main(argv: list[str] | None = None) -> NoReturn:
    """Serve sample data until SIGINT or SIGTERM, which exit with 0."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)
    parser = _parser()
    options = parser.parse_args(argv)
    world = make_world(options.projects, options.tasks, options.seed)
    api = RocketlaneApi(world, options.api_key, paging=options.paging, lists_per_minute=options.lists_per_minute)
    server = SampleServer(
        api, before=lambda _: time.sleep(options.latency_ms / 1000), port=options.port, request_log=options.request_log
    )
    try:
        with server:
            sys.stdout.write(f"{server.url}{PREFIX}\n{options.api_key}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except OSError as error:
        place = error.filename or f"port {options.port}"
        parser.error(f"cannot use {place}: {error.strerror}")
    sys.exit(0)


if __name__ == "__main__":
    main()
