"""Several connections over disjoint `project_ids`, as pods of a deployment: together they bring what one brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from integration_tests.command_line import Ended
from integration_tests.containers import Image, all_rows, files_in, streams_that_differ
from tools.program import Message, SampleServer, connector, every_stream, only, sample_server
from unit_tests.syncs import BY_NAME

pytestmark = pytest.mark.image_tests

CONTAINERS, PROJECTS, STORIES = 4, 8, 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleServer]:
    log = tmp_path_factory.mktemp("server") / "requests.jsonl"
    with sample_server(log, PROJECTS, STORIES) as running:
        yield running


@pytest.fixture(scope="module")
def catalog(server: SampleServer, tmp_path_factory: pytest.TempPathFactory) -> Message:
    with connector("discover", tmp_path_factory.mktemp("discover"), config=server.config()) as program:
        return every_stream(only(program, "CATALOG"))


@pytest.fixture(scope="module")
def alone(image: Image, server: SampleServer, catalog: Message, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """What one container brings of all projects."""
    folder = tmp_path_factory.mktemp("alone")
    return image.run("read", *files_in(folder, config=server.config(), catalog=catalog), files=folder)


@pytest.fixture(scope="module")
def shares(alone: Ended) -> list[list[int]]:
    """The ids of the projects, dealt out to the containers."""
    ids = sorted(row["id"] for row in data(alone, "projects"))
    return [ids[first::CONTAINERS] for first in range(CONTAINERS)]


@pytest.fixture(scope="module")
def together(
    image: Image,
    server: SampleServer,
    catalog: Message,
    shares: list[list[int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Ended]:
    """What each of the containers brings of its share, all of them running at once."""
    with ExitStack() as running:
        containers = []
        for share in shares:
            folder = tmp_path_factory.mktemp("share")
            files = files_in(folder, config=server.config(project_ids=share, num_workers=2), catalog=catalog)
            containers.append(running.enter_context(image.started("read", *files, files=folder)))
        return [container.ended() for container in containers]


def data(ended: Ended, stream: str) -> list[dict[str, Any]]:
    records = (message["record"] for message in ended.of_type("RECORD"))
    return [record["data"] for record in records if record["stream"] == stream]


def test_each_container_completes_every_stream(alone: Ended, together: list[Ended]) -> None:
    for read in (alone, *together):
        assert (read.exit_code, read.stderr, read.errors) == (0, "", [])
        assert read.last_statuses == dict.fromkeys(BY_NAME, "COMPLETE")


def test_no_container_brings_a_row_of_a_project_that_is_not_its_own(
    together: list[Ended], shares: list[list[int]]
) -> None:
    for read, share in zip(together, shares, strict=True):
        assert {row["id"] for row in data(read, "projects")} == set(share)
        for stream in ("stories", "story_tasks", "epics", "labels", "iterations", "activity", "story_transitions"):
            assert {row["project_id"] for row in data(read, stream)} == set(share), stream


def test_together_they_bring_the_rows_that_one_brings(alone: Ended, together: list[Ended]) -> None:
    expected = all_rows(alone.messages)
    assert set(expected) == set(BY_NAME)
    assert streams_that_differ(all_rows(*(read.messages for read in together)), expected) == set()
