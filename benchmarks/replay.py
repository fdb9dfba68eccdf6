"""The sample server, with each answer computed once and then given from memory: `python -m benchmarks.replay`.

What takes time while it serves is the program that asks it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request, Response
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.serving import exit_on_signals, serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM, with the options of tracker_server that are given here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    for option in ("--port", "--projects", "--stories"):
        parser.add_argument(option, type=int, required=True)
    parser.add_argument("--request-log", type=Path)
    options = parser.parse_args(arguments)
    exit_on_signals()
    world = make_world(options.projects, options.stories)
    api = TrackerApi(world)
    answers: dict[tuple[str, str], Response] = {}

    def answer(request: Request) -> Response:
        key = (request.path, request.query)
        if key not in answers:
            answers[key] = api.handle(request)
        return answers[key]

    server = TrackerServer(world, port=options.port, request_log=options.request_log, before=answer)
    return serve(server, f"port {options.port}", SAMPLE_TOKEN)


if __name__ == "__main__":
    sys.exit(main())
