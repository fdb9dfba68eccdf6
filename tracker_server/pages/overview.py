"""What the first page and the heading of a board say of a project."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracker_server.view import View

STATES = ("unscheduled", "unstarted", "planned", "started", "finished", "delivered", "rejected", "accepted")
TYPES = ("feature", "bug", "chore", "release")


@dataclass(frozen=True)
class Overview:
    """A project in figures.

    `types` counts the stories by type and state, `states` are the states that occur. `oldest` and `newest` are the
    first and the last time in the stories, `as_of` is that of the export (all ISO 8601). `velocity` is in points an
    iteration, None where no story is accepted yet. `people` are names.
    """

    id: int
    name: str
    description: str
    oldest: str | None
    newest: str | None
    as_of: str | None
    types: Mapping[str, Mapping[str, int]]
    states: Sequence[str]
    epics: int
    velocity: float | None
    people: Sequence[str]


def overview(view: View) -> Overview:
    """The overview of a project; reads all of its stories."""
    project = view.project
    counts = Counter((story["story_type"], story["current_state"]) for story in project.stories.values())
    states = [state for state in STATES if any(counts[kind, state] for kind in TYPES)]
    times = ("created_at", "updated_at")
    days = [str(row[time]) for row in project.stories.values() for time in times if row.get(time)]
    people = view.world.people
    members = (people.get(membership["person_id"], {}) for membership in view.memberships())
    names = {str(person["name"]) for person in members if person.get("name")}
    is_planned = any(story["current_state"] == "accepted" for story in project.stories.values())
    return Overview(
        id=project.id,
        name=str(project.row["name"]),
        description=str(project.row.get("description") or ""),
        oldest=min(days, default=None),
        newest=max(days, default=None),
        as_of=project.as_of.isoformat() if project.as_of else None,
        types={kind: counted for kind in TYPES if any((counted := {s: counts[kind, s] for s in states}).values())},
        states=states,
        epics=len(project.epics),
        velocity=view.figures.current_velocity if is_planned else None,
        people=sorted(names, key=str.casefold),
    )
