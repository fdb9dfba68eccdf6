"""The command line, `tracker-server` or `python -m tracker_server`: a server with sample data, or a command."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from tracker_server import arguments, commands
from tracker_server.api.dialect import MODES, Dialect
from tracker_server.api.fields import DEFAULT
from tracker_server.api.resources import RESOURCES
from tracker_server.api.routes import NAMES
from tracker_server.app import TrackerServer
from tracker_server.encoding import use_utf_8
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.serving import exit_on_signals, serve
from tracker_server.stdout import with_stdout


def duration(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text} is not a duration")
    return number


def rate(text: str) -> tuple[int, float]:
    requests, _, seconds = text.partition("/")
    if int(requests) < 1 or duration(seconds) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number of requests in a positive number of seconds")
    return int(requests), duration(seconds)


def chance(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return number


def endpoints(text: str) -> frozenset[str]:
    names = frozenset(text.split(",")) - {""}
    for name in names:
        if not any(f"{endpoint}/".startswith(f"{name}/") for endpoint in NAMES):
            raise argparse.ArgumentTypeError(f"{name} is not an endpoint; there are {', '.join(sorted(NAMES))}")
    return names


def attributes(text: str) -> frozenset[str]:
    names = frozenset(text.split(",")) - {""}
    known = {f"{kind}.{name}" for kind, resource in RESOURCES.items() for name in (DEFAULT, *resource.attributes)}
    for name in sorted(names - known):
        raise argparse.ArgumentTypeError(f"{name} is not an attribute; one is story.points_total")
    return names


DIFFERENCES: dict[str, dict[str, Any]] = {
    "page_cap": {"type": arguments.whole_number(1, 1_000_000), "metavar": "ROWS"},
    "refused_attributes": {"type": attributes, "metavar": "RESOURCE.NAME,…"},
    "missing_endpoints": {"type": endpoints, "metavar": "NAME,…"},
    "failing": {"type": chance, "metavar": "CHANCE"},
    "failing_seed": {"type": int, "metavar": "SEED"},
}
"""The options for differences of a dialect that are not booleans."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{commands.PROGRAM} {commands.SAMPLE}",
        description="A read-only Tracker v5 server with sample data. It prints its base URL, then an API token.",
    )
    add = parser.add_argument
    add("--host", default=arguments.HOST, help="address to listen on (%(default)s)")
    add("--port", type=arguments.port, default=8080, help="0 picks a free one (%(default)s)")
    add("--projects", type=arguments.projects, default=3, help="number of projects (%(default)s)")
    add("--stories", type=arguments.stories, default=250, help="stories in each project (%(default)s)")
    add("--seed", type=int, default=1, help="the same seed gives the same data (%(default)s)")
    add("--latency-ms", type=duration, default=0.0, metavar="MS", help="delay of every response (%(default)s)")
    add("--rate-limit", type=rate, metavar="N/SECONDS", help="requests per token before it gets 429 (none)")
    arguments.add_password_file(parser)
    add("--request-log", type=Path, metavar="FILE", help="file for one JSON line per request (none)")
    add("--mode", choices=MODES, default="tracker", help="whose dialect of v5 it speaks (%(default)s)")
    differences = parser.add_argument_group("differences", "change single differences of the mode")
    for difference in fields(Dialect):
        kind = DIFFERENCES.get(difference.name, {"action": argparse.BooleanOptionalAction})
        differences.add_argument(f"--{difference.name.replace('_', '-')}", help=difference.metadata["fact"], **kind)
    return parser


def _dialect(options: argparse.Namespace) -> Dialect:
    given = {difference.name: getattr(options, difference.name) for difference in fields(Dialect)}
    return replace(MODES[options.mode], **{name: value for name, value in given.items() if value is not None})


def main(argv: list[str] | None = None) -> int:
    """Run a command, or serve sample data until SIGINT or SIGTERM, which exit with 0; returns 1 after an error."""
    if argv is not None:
        return _run(argv)
    use_utf_8()
    given = sys.argv[1:]
    # Without a command it is `sample`, a server too.
    is_server = given[:1] == ["serve"] or not set(given[:1]) & {*commands.names(), *commands.ASKING}
    return with_stdout(partial(_run, given), is_server=is_server)


def _run(argv: list[str]) -> int:
    if argv[:1] and argv[0] in (*commands.names(), *commands.ASKING):
        return commands.main(argv)
    if argv[:1] == [commands.SAMPLE]:
        argv = argv[1:]
    options = _parser().parse_args(argv)
    exit_on_signals()
    world = make_world(options.projects, options.stories, options.seed)
    world.files = sample_files(world)
    server = TrackerServer(
        world,
        options.host,
        options.port,
        latency=options.latency_ms / 1000,
        rate_limit=options.rate_limit,
        request_log=options.request_log,
        dialect=_dialect(options),
        password=options.password_file,
        keeps_log=False,
    )
    token = options.password_file or SAMPLE_TOKEN
    world.tokens[token] = world.tokens[SAMPLE_TOKEN]
    return serve(server, f"{options.host}:{options.port}", None if options.password_file else token)
