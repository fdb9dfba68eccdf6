"""Where a story is that has left a list: in another project, or gone."""

from __future__ import annotations

from functools import partial

from source_pivotal_tracker.api.client import once_more
from source_pivotal_tracker.api.errors import GONE, NOT_FOUND, InvalidResponse, SkippableError
from source_pivotal_tracker.api.fields import select
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.context import SyncContext

STORY = "stories/{id}"


def is_replicated(context: SyncContext, story_id: int) -> bool:
    """Whether the story lives in a project that the destination has or will have. Raises a TrackerError."""
    story = find_story(context, story_id)
    return story is not None and story["project_id"] in context.replicated_projects


def find_story(context: SyncContext, story_id: int) -> Row | None:
    """The story's `project_id`, and its `story_type` if it has one; None where it is gone, or shown to others only.

    Where a server does not show stories by their ids alone, each replicated project is asked for it.
    Raises a TrackerError.
    """
    if STORY not in context.capabilities.unserved:
        try:
            return once_more(partial(_asked, context, f"stories/{story_id}"))
        except SkippableError as error:
            if error.code == GONE:
                return None
            if error.status == NOT_FOUND:
                context.capabilities.unserved.add(STORY)
    for project in sorted(context.replicated_projects):
        try:
            return once_more(partial(_asked, context, f"projects/{project}/stories/{story_id}", project))
        except SkippableError:
            continue
    return None


def _asked(context: SyncContext, path: str, project_id: int | None = None) -> Row:
    selection, wanted = context.client.selection, select("project_id", "story_type")
    answer = selection.get(path, {}, wanted, endpoint=STORY, names="stories").parsed
    story = {"project_id": project_id, **answer} if isinstance(answer, dict) else {}
    if not isinstance(story.get("project_id"), int):
        raise InvalidResponse("the answer does not show the project of the story", path=path)
    return story
