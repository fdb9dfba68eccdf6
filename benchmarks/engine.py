"""What the read engine is held to: requests, time, CPU and memory of the story streams, each beside its target."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlencode

from benchmarks.measured import RUNS, STORY_STREAMS, Figure, Run, median, read
from tools.program import Program, SampleServer, sample_server
from tracker_server.app import LoggedRequest

PAGE = 500
REPLAY = "benchmarks.replay"

LARGE, SMALL = (20, 5_000), (8, 500)
MOST_REQUESTS = 1.05
MOST_CPU = 3.0
LEAST_ROWS_PER_SECOND = 25_000.0
MOST_RSS = 120e6
MOST_GROWTH = 20e6

MANY = (100, 50)
"""Many projects of one page each, so that it is the server's answers that are waited for."""
LATENCY_MS = 100
MOST_WALL = 0.25
ALLOWED, WINDOW = 50, 15
LEAST_USED = 0.95


def figures(folder: Path, bare: Run) -> Iterator[Figure]:
    """Measure them one after the other; `bare` is a run of the bare import."""
    with sample_server(folder / "small.jsonl", *SMALL, module=REPLAY) as server:
        small = median(read(folder, server, STORY_STREAMS) for _ in range(RUNS))
    with sample_server(folder / "large.jsonl", *LARGE, module=REPLAY) as server:
        yield from _of_a_large_world(folder, server, bare, small)
    with sample_server(folder / "latency.jsonl", *MANY, "--latency-ms", str(LATENCY_MS)) as server:
        yield _side_by_side(folder, server)
    with sample_server(folder / "limit.jsonl", *MANY, "--rate-limit", f"{ALLOWED}/{WINDOW}") as server:
        yield from _within_a_limit(folder, server)


def _of_a_large_world(folder: Path, server: SampleServer, bare: Run, small: Run) -> Iterator[Figure]:
    projects, stories = LARGE
    read(folder, server, STORY_STREAMS)  # the server computes its answers in this one
    all_parts = median(read(folder, server, STORY_STREAMS) for _ in range(RUNS))
    least = projects * math.ceil(stories / PAGE) + projects + 1
    yield Figure(
        "Requests",
        f"{all_parts.requests:.0f}, where the pages, 1 a project and the list of projects are {least}",
        f"at most {MOST_REQUESTS * least:.0f}",
        all_parts.requests <= MOST_REQUESTS * least,
    )
    over = all_parts.peak_rss - bare.peak_rss
    yield Figure.of_memory("Peak RSS over the bare import", over, MOST_RSS)
    growth = all_parts.peak_rss - small.peak_rss
    yield Figure.of_memory(f"Peak RSS over that of {SMALL[0]} x {SMALL[1]}", growth, MOST_GROWTH)
    start_up = median(read(folder, server, ["me"]) for _ in range(RUNS))
    yield _cpu(folder, server, STORY_STREAMS, start_up, "CPU of a row, net of start-up")
    read(folder, server, ["stories"])
    yield _cpu(folder, server, ["stories"], start_up, "CPU of a row, `stories` alone")
    net = median(read(folder, server, ["stories"]) for _ in range(RUNS)).less(start_up)
    speed = net.rows / net.seconds
    yield Figure(
        "Rows a second, `stories` alone, net of start-up",
        f"{speed:,.0f} of {net.size / net.rows:,.0f} bytes",
        f"at least {LEAST_ROWS_PER_SECOND:,.0f}",
        speed >= LEAST_ROWS_PER_SECOND,
    )


def _cpu(folder: Path, server: SampleServer, streams: Sequence[str], start_up: Run, name: str) -> Figure:
    """How often the CPU that is needed at the least for these rows a read takes, net of start-up."""
    output = folder / "records.jsonl"
    runs, least_seconds = [], []
    for _ in range(RUNS):
        before = len(server.requests())
        runs.append(read(folder, server, streams, output))
        pages = (f"{server.url}{page.path}?{urlencode(page.query)}" for page in server.requests()[before:])
        with Program(sys.executable, "-m", "benchmarks.least", output, server.token, *pages) as program:
            least_seconds.append(float(program.line()))
    net, least = median(runs).less(start_up), statistics.median(least_seconds)
    ratio = net.cpu_seconds / least
    per_row = 1e6 / net.rows
    return Figure(
        name,
        f"{net.cpu_seconds * per_row:.1f} µs, {ratio:.1f} times that of orjson alone",
        f"at most {MOST_CPU:.0f} times",
        ratio <= MOST_CPU,
    )


def _side_by_side(folder: Path, server: SampleServer) -> Figure:
    one, eight = (read(folder, server, STORY_STREAMS, num_workers=workers) for workers in (1, 8))
    share = eight.seconds / one.seconds
    return Figure(
        f"Wall time of 8 workers, {one.requests:.0f} requests, {LATENCY_MS} ms latency",
        f"{eight.seconds:.1f} s, {share:.2f} of that of 1",
        f"at most {MOST_WALL}",
        share <= MOST_WALL,
    )


def _within_a_limit(folder: Path, server: SampleServer) -> Iterator[Figure]:
    before = len(server.requests())
    read(folder, server, STORY_STREAMS, requests_per_minute=ALLOWED * 60 // WINDOW)
    requests = server.requests()[before:]
    share = used(requests)
    yield Figure(
        f"Used of an allowance of {ALLOWED} requests in {WINDOW} s",
        f"{share:.1%} in {len(requests)} requests",
        f"at least {LEAST_USED:.0%}",
        share >= LEAST_USED,
    )
    refused = sum(request.status == 429 for request in requests)
    yield Figure("Requests that were answered with 429", f"{refused}", "0", refused == 0)


def used(requests: Sequence[LoggedRequest]) -> float:
    """The time in which the allowance admits so many requests, over the time that they took."""
    at_best = (len(requests) - 1) // ALLOWED * WINDOW
    return at_best / (requests[-1].at - requests[0].at)
