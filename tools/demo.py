"""Syncs a sample server into demo.duckdb through the real command line, twice, and shows what came."""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import duckdb
from rich.console import Console

from source_pivotal_tracker.streams.parents import Parents
from source_pivotal_tracker.wiring import client_of, configured, streams_of
from tools.program import Message, ProgramFailed, config_for, connector, every_stream
from tools.show import play, show_query, show_way_in, summary
from tools.source import Source, tell
from tools.sync import sync_twice
from tracker_server import edits
from tracker_server.app import TrackerServer
from tracker_server.exports import write_export
from tracker_server.sample import SAMPLE_TOKEN, make_world, sample_files
from tracker_server.world import Project, World

DATABASE = Path("demo.duckdb")
EXPORT = "demo-export.zip"
FILES = "demo-files"
PROJECTS = 3
STORIES = 250
CAPTION = "A request that feeds several streams counts in each, and once in the total."

VELOCITY = """\
SELECT p.name, p.current_velocity, i.number, i.accepted_points
FROM iterations i JOIN projects p ON p.id = i.project_id
WHERE p.id = (SELECT min(id) FROM projects)
  AND i.number < p.current_iteration_number
ORDER BY i.number DESC LIMIT 12"""


def main(database: Path = DATABASE) -> int:
    """Run the demo; returns the exit status."""
    return play(lambda console: demo(console, database))


def demo(console: Console, database: Path) -> None:
    """Run the four verbs against a sample server, edit what it holds, read what changed, and show both reads."""
    console.print(
        f"Starts a sample Tracker server with {PROJECTS} projects of {STORIES} stories, runs the connector's spec, "
        f"check, discover and read against it,\nand loads every row into {database}. Then some stories are edited, "
        "deleted and moved, and a second read brings what changed.\nAt last all is written as an export, as Pivotal "
        f"Tracker gave its users, into {database.with_name(EXPORT)}, and read from that file, without a server,\n"
        "with its attached files.\n"
        "It takes about twenty seconds.\n",
        soft_wrap=True,
    )
    world = make_world(PROJECTS, STORIES)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(TrackerServer(world))
        console.print(f"The server listens on {server.url}", soft_wrap=True)
        source = Source(connector, folder, config_for(server.url, SAMPLE_TOKEN), server.log)
        catalog, first, second = sync_twice(console, source, database, lambda: edit(world))
    console.print()
    console.print(summary(first, second, request_patterns(), CAPTION))
    with duckdb.connect(str(database), read_only=True) as connection:
        console.print(f"\n{compared(world, connection)}", soft_wrap=True)
        show_velocity(console, connection)
    console.print("\nThe same, out of an export:\n")
    read_export(console, world, database.with_name(EXPORT), database.with_name(FILES), catalog)
    show_way_in(console, database, "stories")
    console.print("`make view` shows the export in the browser, as Tracker showed it.")


def edit(world: World) -> str:
    """What a team does between two syncs, the same each time; returns it in words."""
    by = world.tokens[SAMPLE_TOKEN]
    project, other, *_ = world.projects.values()
    backlog, icebox = _in_state(project, "unstarted"), _in_state(project, "unscheduled")
    started = _in_state(project, "started")[:2]
    world.now += timedelta(minutes=10)
    for story in icebox[:3]:
        edits.update_story(world, project, by, story, name=f"{project.stories[story]['name']} (once more)")
    for story in started:
        edits.update_story(world, project, by, story, current_state="finished")
    edits.create_comment(world, project, by, story_id=started[0], text="Please have a look.")
    edits.move_story(world, project, by, backlog[-1], before=backlog[0])
    edits.create_story(world, project, by, name="Thank the harbour master", tasks=["Buy a card", "Sign it"])
    world.now += timedelta(minutes=10)
    edits.delete_stories(world, project, by, icebox[3:7])
    for story in icebox[7:9]:
        edits.move_story_to_project(world, project, other, by, story)
    return (
        f"in {project.row['name']}, 3 stories are edited, {len(started)} finished, 1 commented on, 1 created, "
        f"1 put on top of the backlog,\n                  4 deleted, and 2 moved to {other.row['name']}"
    )


def request_patterns() -> dict[str, re.Pattern[str]]:
    """For each stream the paths of the requests that bring its rows."""
    settings = configured(config_for("http://127.0.0.1/services/v5", SAMPLE_TOKEN))
    client = client_of(settings)
    return {
        stream.name: re.compile("|".join(_path_pattern(endpoint.path) for endpoint in stream.endpoints))
        for stream in streams_of(settings, client, Parents(client))
    }


def compared(world: World, connection: duckdb.DuckDBPyConnection) -> str:
    """Says that the stories in the database are those of the server. Raises ProgramFailed if they are not."""
    columns = ("id", "project_id", "name", "current_state", "updated_at")
    held = {
        tuple(story[column] for column in columns)
        for project in world.projects.values()
        for story in project.stories.values()
    }
    moment = "strftime(updated_at, '%Y-%m-%dT%H:%M:%SZ')"
    query = f"SELECT {', '.join(columns[:-1])}, {moment} FROM stories"  # noqa: S608
    replicated = set(connection.execute(query).fetchall())
    if held != replicated:
        raise ProgramFailed(f"{len(held ^ replicated)} stories differ between the server and the database.")
    return f"The database holds the {len(held)} stories that the server holds now, each as it is there."


def show_velocity(console: Console, connection: duckdb.DuckDBPyConnection) -> None:
    """Ask for the points of the last iterations of one project and draw them, the oldest on top."""
    rows = connection.sql(VELOCITY).fetchall()[::-1]
    project, velocity = rows[-1][:2]
    title = f"Points accepted in the last iterations of {project}; velocity now: {velocity:g}"
    show_query(console, VELOCITY, title, ((f"iteration {number}", points) for *_, number, points in rows))


def read_export(console: Console, world: World, archive: Path, files: Path, catalog: Message) -> None:
    """Write the world as an export and read that through the connector, which copies the attached files to a folder.

    Raises ProgramFailed if a story or a file is missing.
    """
    world.files = sample_files(world)
    with archive.open("wb") as out:
        write_export(world, out)
    rows: Counter[str] = Counter()
    stories = set()
    copies: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        config = {"export_archive": str(archive), "attachments_to": str(files)}
        program = connector("read", Path(folder), config=config, catalog=every_stream(catalog), state=[])
        with program:
            for message in program.messages():
                if message["type"] == "RECORD":
                    name, row = message["record"]["stream"], message["record"]["data"]
                    rows[name] += 1
                    stories.update([row["id"]] if name == "stories" else [])
                    if name == "file_attachments" and row["file_url"]:
                        copies[row["file_url"]] = row["bytes"]
    held = {story for project in world.projects.values() for story in project.stories}
    if stories != held:
        raise ProgramFailed(f"{len(held ^ stories)} stories differ between the server and its export.")
    if rows["file_attachments"] != len(world.files):
        raise ProgramFailed(f"{rows['file_attachments']} of {len(world.files)} attached files came out of the export.")
    untold = [stream["name"] for stream in catalog["streams"] if not rows[stream["name"]]]
    tell(
        console,
        "read",
        program,
        f"{sum(rows.values()):,} rows of {len(rows)} streams, all {len(stories)} stories among them",
    )
    console.print(
        f"The {rows['file_attachments']} attached files are copied to {files}, which has {len(copies)} files of "
        f"{sum(copies.values()) / 1e6:.1f} MB, because some are the same.",
        soft_wrap=True,
    )
    console.print(f"An export does not contain {', '.join(untold)}.", soft_wrap=True)
    console.print(f"To have it served again: .venv/bin/tracker-server serve {archive}", soft_wrap=True)


def _in_state(project: Project, state: str) -> list[int]:
    return [story for story in project.order if project.stories[story]["current_state"] == state]


def _path_pattern(template: str) -> str:
    return "/" + re.sub(r"\{\w+\}", r"\\d+", template) + "(/bulk)?"


if __name__ == "__main__":
    sys.exit(main())
