"""What the history of a project becomes: its activity, the transitions of its stories, and how far these reach back."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from tracker_server.exports.history import Event
from tracker_server.exports.ids import hashed_id
from tracker_server.exports.unavailable import INCOMPLETE_ENDPOINTS
from tracker_server.world import Project, Row, StateHistory

FIRST_STATES = ("unscheduled", "unstarted", "planned", "started")
"""Those that a new story comes into: before it came into another, something happened that the history does not show."""


def take_history(
    project: Project, events: Sequence[Event], people: Mapping[str, int], since: datetime | None, until: datetime
) -> None:
    """Give a project with all its rows the activity and the transitions that its history shows.

    `events` are the oldest first, `people` are the ids by name. The history is whole from `since` until `until`, when
    the export was made; without `since` changes may be missing anywhere in it. Where nothing proves that the rows are
    all of the project, nobody knows how many stories were in which state.
    """
    project.unavailable_endpoints = {} if "story" in project.complete_at else INCOMPLETE_ENDPOINTS
    numbers = list(_numbers(project.id, events))
    project.activity = [
        _activity(project, event, number, people) for event, number in zip(events, numbers, strict=True)
    ]
    project.transitions = [
        _transition(project, event, number, people)
        for event, number in zip(events, numbers, strict=True)
        if event.deed and event.deed.state and event.row_id
    ]
    project.state_history = _state_history(project, events, since, until)


def _numbers(project_id: int, events: Iterable[Event]) -> Iterator[int]:
    """A number for each event, made of its content: the same in each export that has it."""
    times: Counter[tuple[int, str, str, str]] = Counter()
    for event in events:
        times[event.content] += 1
        yield hashed_id("activity", project_id, *event.content, times[event.content])


def _activity(project: Project, event: Event, number: int, people: Mapping[str, int]) -> Row:
    # Without the name, which is not told, and which a later export may show to be another one.
    resource: Row = {"kind": event.thing, "id": event.row_id} if event.thing and event.row_id else {}
    if resource and event.story_type:
        resource["story_type"] = event.story_type
    activity: Row = {
        "guid": f"{project.id}_{number}",
        "project_version": number,
        "message": event.message,
        "changes": [],
        "primary_resources": [resource] if resource else [],
        "secondary_resources": [],
        "project": {"kind": "project", "id": project.id, "name": project.row["name"]},
        "occurred_at": event.at,
    }
    if event.person:
        activity["performed_by"] = {"kind": "person", "id": people[event.person], "name": event.person}
    if event.deed is None:
        return activity
    activity |= {"kind": event.deed.kind, "highlight": event.deed.highlight}
    if event.deed.state and resource:
        change = {**resource, "change_type": "update"}
        if event.deed.before:
            change["original_values"] = {"current_state": event.deed.before}
        activity["changes"] = [change | {"new_values": {"current_state": event.deed.state}}]
    return activity


def _transition(project: Project, event: Event, number: int, people: Mapping[str, int]) -> Row:
    transition: Row = {
        "kind": "story_transition",
        "state": event.deed.state if event.deed else "",
        "story_id": event.row_id,
        "project_id": project.id,
        "project_version": number,
        "occurred_at": event.at,
    }
    return transition | ({"performed_by_id": people[event.person]} if event.person else {})


def _state_history(project: Project, events: Sequence[Event], since: datetime | None, until: datetime) -> StateHistory:
    of_story: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.thing == "story" and event.row_id:
            of_story[event.row_id].append(event)
    last_day = until.date()
    if since is None:
        return StateHistory(last_day, frozenset(), {})
    first_days = [since.date()]
    whole, before = set(), {}
    for story_id, of_one in of_story.items():
        changes = [event for event in of_one if event.deed and event.deed.state]
        story = project.stories.get(story_id)
        if story is None:
            first_days.append(date.fromisoformat(of_one[-1].at[:10]))  # on which it was deleted or moved away
        elif not changes:
            continue
        elif not _fit(changes, story["current_state"]):
            first_days.append(last_day)
        else:
            first = changes[0]
            if first.deed and first.deed.before:
                before[story_id] = first.deed.before
            else:
                first_days.append(date.fromisoformat(first.at[:10]))
            is_new = story.get("created_at", "")[:10] > f"{since:%Y-%m-%d}" or _is_created_in(of_one)
            if is_new and first.deed and first.deed.state in FIRST_STATES:
                whole.add(story_id)
    return StateHistory(min(last_day, max(first_days)), frozenset(whole), before)


def _fit(changes: Sequence[Event], current_state: str) -> bool:
    """Whether each change of a state begins where the one before it ended, and the last ends in the current state."""
    state = ""
    for event in changes:
        if event.deed is None or (state and event.deed.before and event.deed.before != state):
            return False
        state = event.deed.state
    return state == current_state


def _is_created_in(of_one: Iterable[Event]) -> bool:
    return any(event.deed and event.deed.kind == "story_create_activity" for event in of_one)


def covered_since(oldest_first: Sequence[Sequence[Event]]) -> datetime | None:
    """Since when several histories cover all that was done; None without any event in the last of them.

    They are those of the newest export last. An older one goes on where it reaches into the next.
    """
    if not oldest_first or not oldest_first[-1]:
        return None
    since = oldest_first[-1][0].at
    for events in reversed(oldest_first[:-1]):
        if events and events[-1].at >= since:
            since = min(since, events[0].at)
    return datetime.fromisoformat(since)
