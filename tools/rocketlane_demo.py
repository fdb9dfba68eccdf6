"""Syncs a sample Rocketlane account into demo-rocketlane.duckdb, twice, and shows what came."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tools.manifest_demo import Account, demo
from tools.program import Message
from tools.sample_modules import load
from tools.show import play

CONNECTOR = "source-rocketlane"
DATABASE = Path("demo-rocketlane.duckdb")
PROJECTS = 4
TASKS = 60
API_KEY = "rl-00000000-0000-4000-8000-000000000000"
FROM_THE_CREATION = {"users", "fields"}
"""The streams in which the connector takes the time of creation for a time of change that is not there."""

HOURS = """\
SELECT p.projectName AS project, round(sum(t.minutes) / 60, 1) AS hours
FROM time_entries t
JOIN projects p ON p.projectId = CAST(t.project ->> 'projectId' AS BIGINT)
WHERE t.deleted IS NOT TRUE
GROUP BY p.projectId, p.projectName
ORDER BY hours DESC"""


def main(database: Path = DATABASE) -> int:
    """Run the demo; returns the exit status."""
    return play(lambda console: demo(console, database, account()))


def account() -> Account:
    """A sample account, which nobody serves yet."""
    worlds, api, serving = load(CONNECTOR, "rocketlane_world", "rocketlane_api", "serving")
    world = worlds.make_world(PROJECTS, TASKS)

    def held(stream: str) -> list[Message]:
        rows: list[Message] = api.expected(world, stream)
        return [filled_in(row) for row in rows] if stream in FROM_THE_CREATION else rows

    return Account(
        connector=CONNECTOR,
        what=f"a sample Rocketlane account of {PROJECTS} projects with {TASKS} tasks each",
        server=serving.SampleServer(api.RocketlaneApi(world, API_KEY)),
        path=api.PREFIX,
        api_key=API_KEY,
        settings={"requests_per_minute": 400},
        edit=lambda: edit(world),
        deleted={"tasks": 1},
        held=held,
        query=HOURS,
        title="Hours tracked, by project",
    )


def filled_in(row: Message) -> Message:
    """A row with the time of its creation where the server tells no time of a change."""
    return {"updatedAt": row["createdAt"], **row} if "createdAt" in row else row


def edit(world: Any) -> str:
    """What a team does between two syncs, the same each time; returns it in words.

    It happened a minute ago, because a sync leaves what happens in the second of its start to the next one.
    """
    world.now = datetime.now(UTC) - timedelta(minutes=1)
    project = next(iter(world.rows["projects"]))
    tasks = [key for key, row in world.rows["tasks"].items() if row["project"]["projectId"] == project]
    parents = {row["parent"]["taskId"] for row in world.rows["tasks"].values() if "parent" in row}
    talked_of = {row["source"]["sourceId"] for row in world.rows["comments"].values()}
    unwanted = next(key for key in reversed(tasks) if key not in parents | talked_of)
    entry, other, *_ = world.rows["time_entries"]
    world.edit("projects", project, projectName="Harbour Web Shop")
    for task in tasks[:3]:
        world.edit("tasks", task, status={"value": 3, "label": "Completed"})
    for task in tasks[:2]:
        row = world.rows["tasks"][task]
        world.create(
            "time_entries",
            minutes=90,
            date=world.now.date().isoformat(),
            project=row["project"],
            task={name: row[name] for name in ("taskId", "taskName")},
            billable=True,
            sourceType="TASK",
        )
    world.edit("time_entries", entry, minutes=240)
    world.delete("time_entries", other)
    world.archive("tasks", tasks[4])
    world.delete("comments", next(iter(world.rows["comments"])))
    world.delete("tasks", unwanted)
    return (
        "1 project is renamed, 3 tasks are completed, 1 archived and 1 deleted, 2 time entries are booked,\n"
        "                  1 corrected and 1 deleted, and 1 comment is deleted"
    )


if __name__ == "__main__":
    sys.exit(main())
