"""Reads the activity of a project ahead of its other lists: what it tells is all that they need to ask for."""

from __future__ import annotations

from collections.abc import Collection, Generator
from dataclasses import replace
from datetime import timedelta

from source_pivotal_tracker.api.client import TrackerClient, once_more
from source_pivotal_tracker.api.errors import Failed, Unreadable
from source_pivotal_tracker.sync.changes import Changes, ChangesReader
from source_pivotal_tracker.sync.lists import Params, Server
from source_pivotal_tracker.sync.plan import Walk
from source_pivotal_tracker.sync.walk import Page, Reading


def read_changes(
    server: Server, walk: Walk, held: Collection[int], lookback: timedelta, *, settle_moves: bool
) -> Generator[Page, None, Changes | None]:
    """The pages of a project's activity, for the streams that want it; returns what changed in the project.

    None where the server tells no version to hold it against. With `settle_moves`, a story that left for one of the
    projects that are `held`, those that the destination has or will have, is not among what is deleted. Raises a
    TrackerError. What was yielded before it stands.
    """
    reading = Reading(server, walk, None, lookback)
    since = walk.changes_since or 0
    reader: ChangesReader | None = None
    needs_all = not all(member.has_base for member in walk.members)
    params: Params = {} if needs_all else {"since_version": since}
    for answer in reading.list.pages(params):
        version = walk.version if answer.version is None else answer.version
        if reader is None and version is not None:
            reader = ChangesReader(since, version)
        if reader is not None:
            reader.add(answer.rows)
        # No place in it: an earlier part that is not read again would be missing from the changes.
        yield replace(reading.page(answer), marks={})
    changes = reader.changes() if reader else None
    if changes and settle_moves:
        for thing, deletion in list(changes.deleted.items()):
            if deletion.kind == "story" and deletion.moved_away and _project_of(server.client, deletion.id) in held:
                del changes.deleted[thing]
    yield reading.end(changes)
    return changes


def _project_of(client: TrackerClient, story_id: int) -> int | None:
    """The project that a story lives in now; None where it is gone, or is shown to others only."""

    def project_id() -> int:
        story = client.get(f"stories/{story_id}", {"fields": "project_id"}).parsed
        project = story.get("project_id") if isinstance(story, dict) else None
        if not isinstance(project, int):
            raise Failed(f"GET /stories/{story_id}: the answer does not tell the project of the story")
        return project

    try:
        return once_more(project_id)
    except Unreadable:
        return None
