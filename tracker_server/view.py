"""A project as requests read it, and what a person may read."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property

from tracker_server.derived import Figures
from tracker_server.world import Project, Row, World

MOST_STORIES = 100_000
"""What is derived of one story takes about half a kilobyte of memory."""


class View:
    """A project as requests read it: its rows, the world around it, and what is derived from both."""

    def __init__(self, world: World, project: Project, views: Views) -> None:
        self.world = world
        self.project = project
        self.views = views
        self.stamp = (project.version, world.now)

    @property
    def unavailable_endpoints(self) -> Mapping[str, str]:
        """What the world and the project cannot know, as `World.unavailable_endpoints`."""
        return {**self.world.unavailable_endpoints, **self.project.unavailable_endpoints}

    @cached_property
    def unavailable_attributes(self) -> frozenset[str]:
        return self.world.unavailable_attributes | self.project.unavailable_attributes

    @cached_property
    def figures(self) -> Figures:
        return Figures(self.project, self.project.as_of or self.world.now)

    @cached_property
    def story_places(self) -> dict[int, int]:
        """The index of each story in the priority order."""
        return {story_id: place for place, story_id in enumerate(self.project.order)}

    @cached_property
    def epic_order(self) -> list[int]:
        return list(self.project.epics)

    @cached_property
    def epic_places(self) -> dict[int, int]:
        return {epic_id: place for place, epic_id in enumerate(self.epic_order)}

    @cached_property
    def iteration_of(self) -> dict[int, int]:
        """The number of the iteration that each story is in."""
        return {story_id: row["number"] for row in self.figures.iterations for story_id in row["story_ids"]}

    def activity_of(self, kind: str, row_id: int) -> list[Row]:
        """The activity of a story or an epic, oldest first."""
        return [self.project.activity[place] for place in self._places_of_activity.get((kind, row_id), ())]

    @cached_property
    def _places_of_activity(self) -> dict[tuple[str, int], list[int]]:
        found: dict[tuple[str, int], list[int]] = defaultdict(list)
        for place, activity in enumerate(self.project.activity):
            for kind, row_id in {(row["kind"], row["id"]) for row in activity["primary_resources"] if "id" in row}:
                found[kind, row_id].append(place)
        return dict(found)

    @cached_property
    def times_before_owners(self) -> dict[int, str]:
        """For stories whose last edits were all of their owners alone: their `updated_at` before these."""
        times: dict[int, str] = {}
        for activity in self.project.activity:
            for change in activity["changes"]:
                if change["kind"] != "story":
                    continue
                if change.get("new_values", {}).keys() - {"updated_at"} != {"owner_ids"}:
                    times.pop(change["id"], None)
                elif "updated_at" in change["original_values"]:
                    times.setdefault(change["id"], change["original_values"]["updated_at"])
        return times

    def sorted_labels(self) -> list[Row]:
        return sorted(self.project.labels.values(), key=lambda label: str(label["name"]).casefold())

    def memberships(self) -> list[Row]:
        """The memberships that the API shows, which are never inactive ones."""
        return [row for row in self.project.memberships.values() if row.get("role") != "inactive"]


class Views:
    """The views of a world's projects, each cached until the project's version or the world's clock changes.

    Those that were used last are kept: what they derive of at most `most_stories` in total, or of one larger project.
    """

    def __init__(self, world: World, most_stories: int = MOST_STORIES) -> None:
        self.world = world
        self.outside_projects = View(world, Project(row={}), self)
        self._most_stories = most_stories
        self._cached: OrderedDict[int, View] = OrderedDict()

    def of(self, project: Project) -> View:
        view = self._cached.get(project.id)
        if view is None or view.project is not project or view.stamp != (project.version, self.world.now):
            view = self._cached[project.id] = View(self.world, project, self)
            self._cached.move_to_end(project.id)
            stories = sum(cached.project.story_count for cached in self._cached.values())
            while stories > self._most_stories and len(self._cached) > 1:
                _, evicted = self._cached.popitem(last=False)
                stories -= evicted.project.story_count
        self._cached.move_to_end(project.id)
        return view


def rows_by_id(table: Mapping[int, Row], ids: Iterable[int] | None) -> list[Row]:
    """The rows with these ids, in the order of the ids, without those that are gone."""
    return [table[row_id] for row_id in ids or () if row_id in table]


def is_blocked(story: Row) -> bool:
    """Whether a blocker of a story is not resolved."""
    return any(not blocker.get("resolved") for blocker in story.get("blockers") or ())


def row_with_id(rows: list[Row], row_id: int) -> Row | None:
    return next((row for row in rows if row["id"] == row_id), None)


def membership_of(project: Project, person_id: int) -> Row | None:
    """The membership through which this person may read the project, if there is one."""
    for membership in project.memberships.values():
        if membership["person_id"] == person_id and membership.get("role") != "inactive":
            return membership
    return None


def projects_of(world: World, person_id: int) -> list[Project]:
    """The active projects that this person is a member of; all of them for the anonymous person of a world."""
    return [
        project
        for project in world.projects.values()
        if project.row.get("status", "active") == "active"
        and (person_id == world.anonymous_person_id or membership_of(project, person_id))
    ]


def accounts_of(world: World, person_id: int) -> list[Row]:
    """The accounts that this person owns or administers."""
    ids = {
        row["account_id"]
        for row in world.account_memberships.values()
        if row["person_id"] == person_id and (row.get("owner") or row.get("admin"))
    }
    return [account for account_id, account in world.accounts.items() if account_id in ids]
