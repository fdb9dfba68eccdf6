"""The command line, `tracker-server` or `python -m tracker_server`: a server with sample data, or a command."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from tracker_server import arguments
from tracker_server.app import TrackerServer
from tracker_server.exports import commands
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.serving import serve, stop_when_told


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tracker_server",
        description="A read-only Tracker v5 server with sample data. It prints its base URL, then an API token.",
        epilog=f"For exports of Pivotal Tracker there are commands, each with --help: {', '.join(commands.NAMES)}.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=arguments.port, default=8080, help="0 takes a free one (%(default)s)")
    add("--projects", type=arguments.projects, default=3, help="how many to make up (%(default)s)")
    add("--stories", type=arguments.stories, default=250, help="of each project (%(default)s)")
    add("--seed", type=int, default=1, help="the same seed gives the same data (%(default)s)")
    add("--latency-ms", type=duration, default=0.0, metavar="MS", help="added to every request (%(default)s)")
    add("--rate-limit", type=rate, metavar="N/SECONDS", help="requests of one token before it gets 429 (none)")
    add("--request-log", type=Path, metavar="FILE", help="gets one JSON line for each request (none)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a command, or serve sample data until SIGINT or SIGTERM, which exit with 0; returns 1 after an error."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in commands.NAMES:
        return commands.main(argv)
    options = _parser().parse_args(argv)
    stop_when_told()
    server = TrackerServer(
        make_world(options.projects, options.stories, options.seed),
        options.host,
        options.port,
        latency=options.latency_ms / 1000,
        rate_limit=options.rate_limit,
        request_log=options.request_log,
    )
    return serve(server, f"{options.host}:{options.port}", SAMPLE_TOKEN)


if __name__ == "__main__":
    sys.exit(main())
