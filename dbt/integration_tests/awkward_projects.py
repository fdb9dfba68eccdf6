"""Writes a database with projects that are unlike the sample: `python awkward_projects.py DATABASE`.

One has no estimates, one has one iteration, one has states of no length, one has had iterations of several lengths and
another velocity strategy, one lies in another time zone with another first day of the week, and one estimates bugs.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import orjson
from airbyte_cdk.models import AirbyteCatalog, AirbyteMessage, AirbyteMessageSerializer, Type

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.replica import create, merge, rows_file
from tracker_server.app import TrackerServer
from tracker_server.sample import make_world
from tracker_server.world import Project, World, iso, parse_iso
from unit_tests.syncs import Sync, config_for


def without_estimates(project: Project, _: World) -> None:
    for story in project.stories.values():
        story.pop("estimate", None)


def with_one_iteration(project: Project, world: World) -> None:
    """A project that began yesterday, with what waits alone."""
    project.row["start_time"] = iso(world.now - timedelta(days=1))
    waiting = [i for i in project.order if project.stories[i]["current_state"] in ("unscheduled", "unstarted")]
    project.order = waiting
    project.stories = {story_id: project.stories[story_id] for story_id in waiting}
    project.transitions = [row for row in project.transitions if row["story_id"] in project.stories]


def with_states_of_no_length(project: Project, _: World) -> None:
    """The first half of its changes happen in the same second as the change before."""
    by_story: dict[int, str] = {}
    for row in project.transitions[: len(project.transitions) // 2]:
        row["occurred_at"] = by_story.setdefault(row["story_id"], row["occurred_at"])


def with_other_iterations_before(project: Project, world: World) -> None:
    """Iterations of 1, 3, 2 and 1 weeks, that began on other days, and a velocity of one iteration alone."""
    end = parse_iso(iso(world.now)) - timedelta(days=3)
    starts: list[datetime] = [end]
    for weeks in (1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 1, 1, 1, 1, 1):
        starts.insert(0, starts[0] - timedelta(weeks=weeks))
    project.iteration_starts = list(map(iso, starts))
    project.row |= {"velocity_averaged_over": 1, "iteration_length": 2}


def far_away(project: Project, _: World) -> None:
    project.row |= {
        "time_zone": {"kind": "time_zone", "olson_name": "Pacific/Kiritimati", "offset": "+14:00"},
        "week_start_day": "Sunday", "velocity_averaged_over": 4, "iteration_length": 3,
    }  # fmt: skip


def with_estimated_bugs(project: Project, _: World) -> None:
    project.row["bugs_and_chores_are_estimatable"] = True
    for place, story in enumerate(project.stories.values()):
        if story["story_type"] in ("bug", "chore"):
            story["estimate"] = place % 4


CHANGES = (
    without_estimates, with_one_iteration, with_states_of_no_length, with_other_iterations_before, far_away,
    with_estimated_bugs,
)  # fmt: skip


def main(database: Path) -> None:
    world = make_world(len(CHANGES), 80, 4)
    for change, project in zip(CHANGES, world.projects.values(), strict=True):
        change(project, world)
        project.row["name"] = change.__name__.replace("_", " ")
    with TrackerServer(world) as server, tempfile.TemporaryDirectory() as folder:
        sync = Sync(config_for(server))
        if sync.failure:
            raise sync.failure
        streams = SourcePivotalTracker().streams(config_for(server))
        found = AirbyteCatalog(streams=[stream.as_airbyte_stream() for stream in streams])
        message = AirbyteMessage(type=Type.CATALOG, catalog=found)
        catalog = orjson.loads(orjson.dumps(AirbyteMessageSerializer.dump(message)))["catalog"]
        create(catalog, database)
        for stream in catalog["streams"]:
            lines = b"\n".join(map(orjson.dumps, sync.records[stream["name"]]))
            rows_file(Path(folder), stream["name"]).write_bytes(lines)
        merge(catalog, Path(folder), database)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
