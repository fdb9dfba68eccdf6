"""Makes a sample world: teams whose work is played out, command by command, from their first week until now."""

from __future__ import annotations

import random
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from heapq import heapify, heappop, heapreplace
from io import BytesIO
from typing import IO

from tracker_server.garbage_collection import gc_paused
from tracker_server.sample.last_days import last_days
from tracker_server.sample.people import create_accounts, create_notifications, create_people, create_workspaces
from tracker_server.sample.team import HISTORY_ENDS, create_team
from tracker_server.sample.timelines import project_timelines
from tracker_server.world import Row, StoredFile, World, iso

SAMPLE_TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACTIVITY_KEPT = timedelta(days=180)


def make_world(projects: int = 3, stories: int = 250, seed: int = 1, now: datetime = NOW) -> World:
    """A world of `projects` projects with exactly `stories` stories each; the same arguments make an equal one.

    SAMPLE_TOKEN belongs to a person who is in every project, and in the third, if there is one, only as a viewer.
    """
    with gc_paused():
        return _make(projects, stories, seed, now)


def _make(projects: int, stories: int, seed: int, now: datetime) -> World:
    rng = random.Random(seed)
    world = World(now=now)
    end = int(now.timestamp()) - HISTORY_ENDS
    weeks = min(max(stories // 12, 10), 30)
    people = create_people(world)
    world.tokens[SAMPLE_TOKEN] = people[0]
    accounts = create_accounts(world, people)
    teams = []
    for index in range(projects):
        team = create_team(world, rng, index, projects, accounts[index % len(accounts)], end, weeks)
        teams.append(team)
        # One story less: the last days bring one to every project.
        _play_out(world, project_timelines(team, max(stories - 1, 0), weeks))
    if stories:
        _play_out(world, [last_days(teams, index) for index in range(projects)])
    world.now = now
    world.workspaces = create_workspaces(world, people)
    if stories and projects:
        world.notifications = {people[0]: create_notifications(world, rng, people)}
    oldest = iso(now - ACTIVITY_KEPT)
    for project in world.projects.values():
        del project.activity[: bisect_left(project.activity, oldest, key=lambda row: str(row["occurred_at"]))]
    return world


def sample_files(world: World) -> dict[int, StoredFile]:
    """Content for the files of a sample world, as `World.files` has it: each has its size, and is nothing but that."""
    return {
        row["id"]: StoredFile(row["filename"], row["size"], row.get("content_type"), partial(_content, row))
        for project in world.projects.values()
        for owner in (*project.stories.values(), *project.epics.values())
        for comment in owner["comments"]
        for row in comment["file_attachments"]
    }


def _content(file: Row) -> IO[bytes]:
    """A picture in stripes, or words, filled up to the size of the file."""
    words = f"Sample of {file['filename']}. ".encode()
    start = _stripes(file["id"]) if str(file.get("content_type")).startswith("image/") else b""
    return BytesIO((start + words * (file["size"] // len(words) + 1))[: file["size"]])


def _stripes(seed: int) -> bytes:
    """A small PNG."""
    colours = bytes((seed * 37 % 200 + 40, seed * 53 % 200 + 40, seed * 71 % 200 + 40))
    row = b"\0" + (colours * 8 + b"\xf4\xf4\xf0" * 8) * 15
    size = struct.pack(">IIBBBBB", 240, 120, 8, 2, 0, 0, 0)
    parts = (b"IHDR" + size, b"IDAT" + zlib.compress(row * 120), b"IEND")
    chunks = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _play_out(world: World, timelines: Iterable[Iterator[int]]) -> None:
    """Run timelines side by side. Each yields the time of its next act (epoch seconds), and acts when it is resumed."""
    agenda = [(next(timeline), number, timeline) for number, timeline in enumerate(timelines)]
    heapify(agenda)
    while agenda:
        moment, number, timeline = agenda[0]
        world.now = datetime.fromtimestamp(moment, UTC)
        following = next(timeline, None)
        if following is None:
            heappop(agenda)
        else:
            heapreplace(agenda, (max(following, moment), number, timeline))
