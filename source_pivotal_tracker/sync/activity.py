"""Reads the activity of a project ahead of its other lists: what it tells is all that they need to ask for."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import replace
from datetime import timedelta

from source_pivotal_tracker.streams.base import SHORTEST_LOOKBACK
from source_pivotal_tracker.streams.pages import Answer, Params
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.sync.changes import Changes, ChangesReader, clock_of, has_clock, has_version
from source_pivotal_tracker.sync.context import SyncContext
from source_pivotal_tracker.sync.deletions import without_moves_here
from source_pivotal_tracker.sync.walk_reader import Page, WalkReader
from source_pivotal_tracker.sync.walks import Walk

logger = logging.getLogger("airbyte.tracker")

LATE_VERSIONS = 100
"""How many versions of a project the stream of its activity goes back: a server may show one later than its change."""


def read_changes(
    context: SyncContext, walk: Walk, lookback: timedelta, *, settle_moves: bool
) -> Generator[Page, None, Changes | None]:
    """Yields the pages of a project's activity to the streams that want it, and returns what changed in the project.

    None where the server tells no version to hold it against. With `settle_moves`, a story that left for a project that
    the destination has is not among what is deleted. Raises a TrackerError. What was yielded before it stands.
    """
    reading = WalkReader(context, walk, None, lookback)
    reader: ChangesReader | None = None
    since, members = walk.changes_since or 0, walk.members
    # Versions of another history say nothing of when the activity that is there now came.
    is_ahead = bool(members) and walk.revision is not None and since > walk.revision
    needs_all = is_ahead or not all(member.has_base for member in members)
    # Of the changes alone there is no need to go back: where one is missing, all is read again.
    first = max(0, since - (LATE_VERSIONS if members else 0))
    params: Params = {} if needs_all or walk.compares_content else {"since_version": first}
    for answer in reading.list.pages(params):
        revision = _revision(walk, answer)
        has_place = not answer.rows or (has_clock if walk.compares_content else has_version)(answer.rows[0])
        if reader is None and revision is not None and has_place:
            slack = int(max(lookback, SHORTEST_LOOKBACK).total_seconds())
            reader = ChangesReader(walk.changes_since, revision, slack)
        is_enough = reader is None and walk.changes_since is None
        if reader is not None:
            reader.add(answer.rows)
            is_enough = bool(answer.rows) and reader.is_enough(answer.rows[-1])
            if is_enough and params:
                is_enough = clock_of(answer.rows[-1]) <= first
            if is_enough and params:
                context.capabilities.mark_missing("heeds_since_version")
        # No place in it: an earlier part that is not read again would be missing from the changes.
        yield replace(reading.page(answer), checkpoints={})
        if not needs_all and is_enough:
            break
    changes = reader.changes() if reader else None
    if changes and settle_moves:
        changes.deleted, changes.moved_on = without_moves_here(context, walk.partition.project_id, changes.deleted)
    elif changes:
        # Only parts of stories are read: it is the same for these wherever the story is.
        changes.moved_on = {gone.id for gone in changes.deleted.values() if gone.kind == "story" and gone.moved_away}
    yield reading.end(changes)
    return changes


def gap_in(changes: Changes | None, walk: Walk) -> str | None:
    """Why these changes of a project may not be all that changed, in words; None if they are."""
    if changes is None:
        return "the server does not show the version of the project"
    if walk.compares_content:
        return None if changes.is_whole else "its activity does not show all changes since the last sync"
    if changes.revision < changes.since:
        return f"its version fell from {changes.since} to {changes.revision}"
    if changes.missing:
        return f"its activity lacks {changes.missing} of the versions from {changes.since + 1} to {changes.revision}"
    return None


def warn_of_gap(walk: Walk, gap: str) -> None:
    """Say that the streams of a project do not go by its activity: they compare all rows, or read them again."""
    if walk.compares_content:
        if walk.changes_since is not None:
            logger.warning("Project %s: comparing all rows because %s", walk.partition.project_id, gap)
        return
    logger.warning(
        "Project %s: re-reading everything because %s. Deletions since the last sync cannot be detected: refresh these "
        "streams to remove such rows",
        walk.partition.project_id,
        gap,
    )


def _revision(walk: Walk, answer: Answer) -> Revision | None:
    """The version of the project, at the least; where the server does not tell it, that of the newest activity."""
    if answer.revision is not None or not walk.compares_content:
        return walk.revision if answer.revision is None else answer.revision
    if not answer.rows:
        return Revision(0)
    return clock_of(answer.rows[0]) if has_clock(answer.rows[0]) else None
