"""What the history of a project becomes: its activity, the transitions of its stories, and how far these reach back."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import cast, overload

from tracker_server.exports.deeds import Deed
from tracker_server.exports.history import MAY_BE_STORIES, UNKNOWN, Content, Event, content_of, time_of
from tracker_server.exports.ids import hashed_id
from tracker_server.exports.unavailable import INCOMPLETE_ENDPOINTS
from tracker_server.world import Project, Row, StateHistory

LENGTH_OF_TIME = len("2017-05-03T23:30:01Z")
FIRST_STATES = ("unscheduled", "unstarted", "planned", "started")
"""Those that a new story comes into: before it came into another, something happened that the history does not show."""


def take_history(
    project: Project,
    events: Sequence[Event],
    people: Mapping[str, int],
    since: datetime | None,
    until: datetime,
    untold: Set[int] = frozenset(),
) -> None:
    """Give a project with all its rows the activity and the transitions that its history shows.

    `events` are the oldest first, `people` are the ids by name. The history is whole from `since` until `until`, when
    the export was made, but for the `untold` stories, as those of `History`; without `since` changes may be missing
    anywhere in it. Where nothing proves that the rows are all of the project, nobody knows how many stories were in
    which state.
    """
    project.unavailable_endpoints = {} if "story" in project.complete_at else INCOMPLETE_ENDPOINTS
    shown = _Shown(project.id, str(project.row["name"]), _Events(events), people)
    changes = array(
        "q",
        (
            place
            for place, (subject, statement, _) in enumerate(events)
            if subject.row_id and statement.deed and statement.deed.state
        ),
    )
    # What is read of an export is never edited.
    project.activity = cast("list[Row]", _RowsOnDemand(shown.activity, range(len(events))))
    project.transitions = cast("list[Row]", _RowsOnDemand(shown.transition, changes))
    project.state_history = _state_history(project, events, since, until, untold)


class _RowsOnDemand(Sequence[Row]):
    """Rows that are made whenever somebody asks for them: all at a time would take more memory than the stories."""

    def __init__(self, make: Callable[[int], Row], places: Sequence[int]) -> None:
        self._make = make
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        if isinstance(place, slice):
            return _RowsOnDemand(self._make, self._places[place])
        return self._make(self._places[place])

    def __iter__(self) -> Iterator[Row]:
        return map(self._make, self._places)


class _Events:
    """Events in a quarter of the memory."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._subjects = [subject for subject, _, _ in events]
        self._statements = [statement for _, statement, _ in events]
        self._times = "".join(map(time_of, events))

    def __len__(self) -> int:
        return len(self._subjects)

    def __getitem__(self, place: int) -> Event:
        begin = place * LENGTH_OF_TIME
        return self._subjects[place], self._statements[place], self._times[begin : begin + LENGTH_OF_TIME]

    def __iter__(self) -> Iterator[Event]:
        return map(self.__getitem__, range(len(self)))


@dataclass(frozen=True)
class _Shown:
    """The events of a project as rows of v5."""

    project_id: int
    project_name: str
    events: _Events
    people: Mapping[str, int]

    @cached_property
    def numbers(self) -> Sequence[int]:
        """Those of the events, once a row is asked for: to read an export takes none."""
        return array("q", _numbers(self.project_id, self.events))

    def activity(self, place: int) -> Row:
        (subject, statement, at), number = self.events[place], self.numbers[place]
        # Without the name, which is not told, and which a later export may show to be another one.
        resource: Row = {"kind": subject.thing, "id": subject.row_id} if subject.thing and subject.row_id else {}
        if resource and subject.story_type:
            resource["story_type"] = subject.story_type
        activity: Row = {
            "guid": f"{self.project_id}_{number}",
            "project_version": number,
            "message": statement.message,
            "changes": [],
            "primary_resources": [resource] if resource else [],
            "secondary_resources": [],
            "project": {"kind": "project", "id": self.project_id, "name": self.project_name},
            "occurred_at": at,
        }
        if statement.person:
            activity["performed_by"] = {"kind": "person", "id": self.people[statement.person], "name": statement.person}
        deed = statement.deed
        if deed is None:
            return activity
        activity |= {"kind": deed.kind, "highlight": deed.highlight}
        if deed.state and resource:
            change = {**resource, "change_type": "update"}
            if deed.before:
                change["original_values"] = {"current_state": deed.before}
            activity["changes"] = [change | {"new_values": {"current_state": deed.state}}]
        return activity

    def transition(self, place: int) -> Row:
        (subject, statement, at), number = self.events[place], self.numbers[place]
        transition: Row = {
            "kind": "story_transition",
            "state": statement.deed.state if statement.deed else "",
            "story_id": subject.row_id,
            "project_id": self.project_id,
            "project_version": number,
            "occurred_at": at,
        }
        return transition | ({"performed_by_id": self.people[statement.person]} if statement.person else {})


def _numbers(project_id: int, events: Iterable[Event]) -> Iterator[int]:
    """A number for each event, made of its content: the same in each export that has it."""
    times: Counter[Content] = Counter()
    for event in events:
        content = content_of(event)
        times[content] += 1
        yield hashed_id("activity", project_id, *content, times[content])


def _state_history(
    project: Project, events: Sequence[Event], since: datetime | None, until: datetime, untold: Set[int]
) -> StateHistory:
    if since is None:
        return StateHistory(until.date(), frozenset(), {})
    stories = project.stories
    changes: dict[int, list[tuple[str, Deed | None]]] = defaultdict(list)
    created: set[int] = set()
    # The last thing that was done to a story that is not there any more was to delete it, or to move it away.
    last_of_gone: dict[int, str] = {}
    for row_id, deed, at in _of_stories(events):
        if row_id not in stories:
            last_of_gone[row_id] = at
        elif deed is None or deed.state:
            changes[row_id].append((at, deed))
        if deed and deed.kind == "story_create_activity":
            created.add(row_id)
    day_of_export = f"{until:%Y-%m-%d}"
    unknown_until = [day_of_export if untold else f"{since:%Y-%m-%d}", *(at[:10] for at in last_of_gone.values())]
    whole, before = set(), {}
    for story_id, of_one in changes.items():
        story = stories[story_id]
        known = [deed for _, deed in of_one if deed]
        if known and not _fit(known, story["current_state"]):
            unknown_until.append(day_of_export)
            continue
        unknown_until += _unknown_until(of_one)
        if known and known[0].before:
            before[story_id] = known[0].before
        is_new = story_id in created or story.get("created_at", "")[:10] > f"{since:%Y-%m-%d}"
        is_told = len(known) == len(of_one) and untold.isdisjoint((story_id, UNKNOWN))
        if is_new and is_told and known[0].state in FIRST_STATES:
            whole.add(story_id)
    return StateHistory(min(until.date(), date.fromisoformat(max(unknown_until))), frozenset(whole), before)


def _of_stories(events: Iterable[Event]) -> Iterator[tuple[int, Deed | None, str]]:
    """The events of what is or may be a story: the ids of these, what was done, and when."""
    for (row_id, thing, _), statement, at in events:
        if row_id is not None and thing in MAY_BE_STORIES:
            yield row_id, statement.deed, at


def _unknown_until(changes: Iterable[tuple[str, Deed | None]]) -> Iterator[str]:
    """The days at whose ends the state of a story is known again; a deed that is not understood may be a change of it.

    The state before a change is known where the change says it, or else where it is that of the one before.
    """
    is_known = False
    for at, deed in changes:
        if deed is None or not (is_known or deed.before):
            yield at[:10]
        is_known = deed is not None


def _fit(deeds: Iterable[Deed], current_state: str) -> bool:
    """Whether each change of a state begins where the one before it ended, and the last ends in the current state."""
    state = ""
    for deed in deeds:
        if state and deed.before and deed.before != state:
            return False
        state = deed.state
    return state == current_state


def covered_since(oldest_first: Sequence[Sequence[Event]]) -> datetime | None:
    """Since when several histories cover all that was done; None without any event in the last of them.

    They are those of the newest export last. An older one goes on where it reaches into the next.
    """
    if not oldest_first or not oldest_first[-1]:
        return None
    since = time_of(oldest_first[-1][0])
    for events in reversed(oldest_first[:-1]):
        if events and time_of(events[-1]) >= since:
            since = min(since, time_of(events[0]))
    return datetime.fromisoformat(since)
