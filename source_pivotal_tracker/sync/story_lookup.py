"""Where a story is that has left a list: in another project, or gone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from source_pivotal_tracker.api.client import once_more
from source_pivotal_tracker.api.errors import (
    FORBIDDEN,
    GONE,
    NOT_FOUND,
    UNAUTHORIZED,
    UNROUTED,
    InvalidResponse,
    SkippableError,
)
from source_pivotal_tracker.api.fields import select
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.sync.context import SyncContext

STORY = "stories/{id}"


@dataclass(frozen=True)
class Found:
    """The story is in this project; `story_type` if the server tells it."""

    project_id: int
    story_type: str | None = None


@dataclass(frozen=True)
class Gone:
    """Tracker's own words prove that no replicated project has the story."""


@dataclass(frozen=True)
class Unknown:
    """Some place that may have the story did not answer in Tracker's words; `reason` is what it said."""

    reason: str


Whereabouts = Found | Gone | Unknown


def find_story(context: SyncContext, story_id: int) -> Whereabouts:
    """Where a story is.

    Where a server does not show stories by their ids alone, each replicated project is asked for it. A tombstone for a
    story that is still there would hide it for ever, so nothing but `unfound_resource` says that a place has not got
    it. Raises a TrackerError where a place gives no answer at all.
    """
    reasons = []
    if STORY not in context.capabilities.unserved:
        answer = _look(context, f"stories/{story_id}")
        if isinstance(answer, Found | Gone):
            return answer
        if answer.status == NOT_FOUND:
            context.capabilities.unserved.add(STORY)
        # It is in a project that others read, or the server shows no story by its id alone: neither hides it here.
        if answer.code not in (UNAUTHORIZED, UNROUTED):
            reasons.append(answer.cause)
    for project in sorted(context.replicated_projects):
        answer = _look(context, f"projects/{project}/stories/{story_id}", project)
        if isinstance(answer, Found):
            return answer
        if not isinstance(answer, Gone):
            reasons.append(answer.cause)
    return Unknown(reasons[0]) if reasons else Gone()


def _look(
    context: SyncContext, path: str, project_id: int | None = None
) -> Found | Gone | SkippableError | InvalidResponse:
    """What one place says of a story, or the error of a place that does not say it in Tracker's words."""
    try:
        return once_more(partial(_asked, context, path, project_id))
    except SkippableError as error:
        return Gone() if error.code == GONE else error
    except InvalidResponse as error:
        if error.status in (FORBIDDEN, NOT_FOUND):
            return error
        raise


def _asked(context: SyncContext, path: str, project_id: int | None) -> Found:
    selection, wanted = context.client.selection, select("project_id", "story_type")
    answer = selection.get(path, {}, wanted, endpoint=STORY, names="stories").parsed
    story: Row = {"project_id": project_id, **answer} if isinstance(answer, dict) else {}
    if not isinstance(story.get("project_id"), int):
        raise InvalidResponse("the answer does not show the project of the story", path=path)
    return Found(story["project_id"], story.get("story_type"))
