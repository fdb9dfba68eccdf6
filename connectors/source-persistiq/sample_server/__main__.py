"""The command line: `python connectors/source-persistiq/sample_server` serves a made-up PersistIQ account."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from persistiq_api import PREFIX, PersistiqApi
from persistiq_world import make_world
from serving import SampleServer
from werkzeug import Request

API_KEY = "sample-key-0000000000000000"
MOST = 10_000_000


def whole_number(lowest: int, highest: int = MOST) -> Callable[[str], int]:
    """A type for argparse: whole numbers between two."""

    def parse(text: str) -> int:
        if not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest} and {highest}")
        return int(text)

    parse.__name__ = "whole number"
    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sample_server",
        description="A read-only PersistIQ API v1 with made-up data. It prints its base URL, then the API key.",
    )
    add = parser.add_argument
    add("--port", type=whole_number(0, 65535), default=0, help="0 takes a free one (%(default)s)")
    add("--leads", type=whole_number(0), default=250, metavar="N", help="how many to make up (%(default)s)")
    add("--campaigns", type=whole_number(0), default=3, metavar="N", help="how many to make up (%(default)s)")
    add("--events", type=whole_number(0), default=1200, metavar="N", help="how many to make up (%(default)s)")
    add("--seed", type=int, default=7, help="the same seed gives the same data (%(default)s)")
    add("--paging", choices=("key", "offset"), default="offset", help="edits shift pages of offset alone (%(default)s)")
    add("--requests-per-minute", type=whole_number(1), metavar="N", help="beyond it the answer is 429 (no limit)")
    add("--api-key", default=API_KEY, metavar="KEY", help="the one that is let in (%(default)s)")
    add("--request-log", type=Path, metavar="FILE", help="gets one JSON line for each request (none)")
    add("--latency-ms", type=whole_number(0), default=0, metavar="MS", help="added to every request (%(default)s)")
    return parser


def main() -> int:
    """Serve until SIGINT or SIGTERM, which exit with 0."""
    parser = _parser()
    options = parser.parse_args()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, lambda *_: sys.exit(0))
    api = PersistiqApi(
        make_world(options.leads, options.campaigns, options.events, options.seed),
        options.api_key,
        paging=options.paging,
        requests_per_minute=options.requests_per_minute,
    )

    def delay(_: Request) -> None:
        time.sleep(options.latency_ms / 1000)

    try:
        with SampleServer(api, before=delay, port=options.port, request_log=options.request_log) as server:
            print(server.url + PREFIX, options.api_key, sep="\n", flush=True)  # noqa: T201
            threading.Event().wait()
    except OSError as error:
        parser.error(f"cannot use {error.filename or f'port {options.port}'}: {error.strerror}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
