"""Measures the pages of exports: when the first is there, memory, boards, stories, searches, and writing a copy."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

from benchmarks.measured import Figure, megabytes, run
from tools.program import Program, ProgramFailed

SERVER = (sys.executable, "-m", "tracker_server")
PROJECTS, STORIES = 10, 10_000
MOST_SECONDS_OF_A_SEARCH = 0.1
MOST_SECONDS_OF_A_COPY = 60.0
STORIES_OF_A_COPY = 10_000
STORY_PAGES = 200
"""Pages of stories that are asked for, in all projects together."""
QUERIES = (
    "invoices", "gift cards", '"gift cards" -offline', "the", "type:bug state:started", "label:checkout type:bug",
    "owner:AM -state:accepted", "created:2026-01..2026-06 type:chore", "has:comment no:task", "invo*",
    "(coupons OR orders) is:blocked", "customer can", "estimate:3 name:reorder", "comment:merged", "zzz",
)  # fmt: skip


def figures(
    folder: Path, projects: int = PROJECTS, stories: int = STORIES, copied: int = STORIES_OF_A_COPY
) -> Iterator[Figure]:
    """Measure them one after the other: a server of an export of all the stories, then a copy of some."""
    archive = folder / "pages.zip"
    run(Program(*SERVER, "export", archive, f"--projects={projects}", f"--stories={stories}", "--no-files"))
    began = time.monotonic()
    with Program(*SERVER, "serve", archive, "--port=0") as program:
        with closing(_Client(program.line())) as client:
            listening = time.monotonic() - began
            client.seconds("/")
            first = time.monotonic() - began
            client.seconds("/search?q=invoices")
            indexed = time.monotonic() - began
            yield from _latencies(client, projects)
        program.stop()
    total = f"{projects * stories:,} stories"
    yield _told(f"Seconds to the first page of {total}", first, f", of which {listening:.1f} until it listens")
    yield _told(f"Seconds until all of {total} can be searched", indexed)
    yield Figure(
        f"Peak RSS of serving the pages of {total}, MB", megabytes(program.peak_rss), "no target", is_kept=True
    )
    yield _copy(folder, copied)


def _latencies(client: _Client, projects: int) -> Iterator[Figure]:
    rng = random.Random(1)  # noqa: S311
    boards, pages, reopened = [], [], []
    for project_id in client.project_ids():
        reopened.append(client.seconds(f"/n/projects/{project_id}"))
        boards += [client.seconds(f"/n/projects/{project_id}") for _ in range(3)]
        story_ids = client.story_ids(project_id)
        chosen = rng.choices(story_ids, k=max(1, STORY_PAGES // projects))
        pages += [client.seconds(f"/story/show/{story_id}") for story_id in chosen]
    yield _told("Seconds of a board whose project may have to be read again, the slowest", max(reopened))
    yield _told("Seconds of a board, p95", _p95(boards))
    yield _told("Seconds of a story's page, p95", _p95(pages))
    searched = _p95([client.seconds(f"/search?q={quote(query)}") for query in QUERIES for _ in range(4)])
    yield Figure(
        "Seconds of a search, p95",
        f"{searched:.3f}, of {len(QUERIES)} queries",
        f"at most {MOST_SECONDS_OF_A_SEARCH}",
        searched <= MOST_SECONDS_OF_A_SEARCH,
    )


def _copy(folder: Path, stories: int) -> Figure:
    archive = folder / "copy.zip"
    run(Program(*SERVER, "export", archive, "--projects=2", f"--stories={stories // 2}", "--no-files"))
    copied = run(Program(*SERVER, "site", archive, folder / "site"))
    return Figure(
        f"Seconds of writing {stories:,} stories as a copy without a server",
        f"{copied.seconds:.1f}, with a peak RSS of {megabytes(copied.peak_rss)} MB",
        f"at most {MOST_SECONDS_OF_A_COPY:.0f}",
        copied.seconds <= MOST_SECONDS_OF_A_COPY,
    )


def _told(name: str, seconds: float, more: str = "") -> Figure:
    return Figure(name, f"{seconds:.3f}{more}", "no target", is_kept=True)


def _p95(seconds: Sequence[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


class _Client:
    """Asks a server for pages over one connection, as a browser does."""

    def __init__(self, api_url: str) -> None:
        parts = urlsplit(api_url.strip())
        self._api = parts.path
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=600)

    def close(self) -> None:
        self._connection.close()

    def body(self, path: str) -> bytes:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise ProgramFailed(f"{path} was answered with {answer.status}.")
        return content

    def seconds(self, path: str) -> float:
        began = time.perf_counter()
        self.body(path)
        return time.perf_counter() - began

    def project_ids(self) -> list[int]:
        return [row["id"] for row in json.loads(self.body(f"{self._api}/projects?fields=id"))]

    def story_ids(self, project_id: int) -> list[int]:
        found = json.loads(self.body(f"{self._api}/projects/{project_id}/stories?fields=id&limit=500"))
        return [row["id"] for row in found]
