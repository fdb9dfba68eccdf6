"""Two teams through a year: who does what at which hour, and what their server forgets or does not tell."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from tracker_server import edits
from tracker_server.sample import SAMPLE_TOKEN, make_world
from tracker_server.view import Views
from tracker_server.world import Project, World, iso
from unit_tests.editor import Editor

WORKING_HOURS = range(8, 18)
BULK = 100
"""Stories that one person edits at once."""
ACTIVITY_KEPT = timedelta(days=20)
AWAY = timedelta(days=3)
SYNCED_BY = timedelta(hours=6)
"""By then a sync has brought what happened, whatever was killed or failed."""


class People:
    """Everybody who edits a world of two projects, by a seed, from `begin` on; `act` plays one hour.

    With `silent`, the server hides some edits, as LiteTracker may: neither a time nor the activity tells them.

    `forgotten` are the guids of the activity that was there for some time, `untold` of what was gone before an hour was
    over. `unproven` are the deletions, as kinds and ids, that the activity did not tell or not for long enough.
    `unseen` has by story the time of its last silent edit or deletion, and whether its list shows that.
    """

    def __init__(self, begin: datetime, seed: int, *, silent: bool) -> None:
        self.world: World = make_world(projects=2, stories=40, seed=seed, now=begin)
        self.forgotten: set[str] = set()
        self.untold: set[str] = set()
        self.unproven: set[tuple[str, int]] = set()
        self.unseen: dict[int, tuple[datetime, bool]] = {}
        self._random = random.Random(seed)  # noqa: S311
        self._editor = Editor(self.world, seed)
        self._by = self.world.tokens[SAMPLE_TOKEN]
        self._is_silent = silent
        self._hour_began = begin
        self._shut_out: tuple[Project, datetime] | None = None
        self._forget_what_is_old()
        self.forgotten.clear()

    @property
    def stories(self) -> int:
        return sum(len(project.stories) for project in self.world.projects.values())

    def act(self) -> None:
        """What happens in the hour that begins now; at its end the clock stands at the next hour."""
        begin = self._hour_began = self.world.now
        with self.world.lock:
            for minute, deed in self._deeds(begin):
                self.world.now = max(self.world.now, begin + timedelta(minutes=minute))
                deed()
            self._note_what_is_out_of_view()
            self._let_in(begin)
            self._forget_what_is_old()
            self.world.now = max(self.world.now, begin + timedelta(hours=1))

    def end_the_month(self) -> None:
        """A last edit in each project, after which its forecasts are of this day."""
        self.world.now += timedelta(hours=1)
        for project in self.world.projects.values():
            edits.create_story(self.world, project, self._by, name=f"The last of {self.world.now:%d %B}")

    def edit(self) -> None:
        """One edit at once, as of somebody who works while a sync reads."""
        self._editor.edit()

    def _deeds(self, begin: datetime) -> list[tuple[int, Callable[[], object]]]:
        """What is done in an hour, each with its minute."""
        chance = self._random.random
        deeds: list[tuple[int, Callable[[], object]]] = []
        if begin.weekday() >= 5:
            count = int(chance() < 0.02)
        elif begin.hour in WORKING_HOURS:
            count = self._random.choice((0, 0, 0, 1, 1, 2))
            by_the_clock = {
                (0, 9): self._plan_the_week,
                (4, 16): self._accept_what_is_delivered,
                (2, 14): self._merge_labels,
                (3, 11): self._edit_only_the_owners,
            }
            at_this_hour = by_the_clock.get((begin.weekday(), begin.hour))
            if at_this_hour:
                deeds.append((5, at_this_hour))
            if begin.day == 15 and begin.hour == 10:
                deeds.append((20, self._edit_many))
            if self._is_silent and chance() < 0.02:
                deeds.append((30, self._edit_silently))
        else:
            count = int(chance() < 0.03)
        deeds += [(self._random.randrange(60), self.edit) for _ in range(count)]
        if begin.day == 8 and begin.hour == 15:
            deeds += [(56, self.edit), (57, self.edit), (58, self._delete_one), (59, self._forget_what_is_new)]
        if begin.day == 21 and begin.hour == 12:
            deeds.append((50, self._shut_out_of_a_project))
        return sorted(deeds, key=lambda deed: deed[0])

    def _project(self) -> Project:
        return self._random.choice(list(self.world.projects.values()))

    def _anyone(self, project: Project) -> int:
        """A member, or whoever has the token."""
        members = [row["person_id"] for row in project.memberships.values() if row["role"] != "viewer"]
        return int(self._random.choice(members or [self._by]))

    def _plan_the_week(self) -> None:
        for project in self.world.projects.values():
            by = self._anyone(project)
            edits.create_story(
                self.world, project, by, name=f"Planned for {self.world.now:%d %B}", story_type="feature", estimate=1,
                current_state="unstarted", tasks=["Try it"],
            )  # fmt: skip
            deadline = (self.world.now + timedelta(days=14)).strftime("%Y-%m-%dT12:00:00Z")
            if self._random.random() < 0.3:
                edits.create_release(self.world, project, by, name="A release with a date", deadline=deadline)

    def _accept_what_is_delivered(self) -> None:
        for project in self.world.projects.values():
            for story in [row for row in project.stories.values() if row["current_state"] == "delivered"]:
                edits.update_story(self.world, project, self._anyone(project), story["id"], current_state="accepted")

    def _merge_labels(self) -> None:
        project = self._project()
        of_epics = {epic.get("label_id") for epic in project.epics.values()}
        free = [label for label in project.labels if label not in of_epics]
        if len(free) > 2:
            into, *others = self._random.sample(free, 2)
            edits.merge_labels(self.world, project, self._anyone(project), into, others)

    def _edit_only_the_owners(self) -> None:
        project = self._project()
        by = self._anyone(project)
        for story in self._random.sample(list(project.stories), min(3, len(project.stories))):
            owners = self._random.sample(list(self.world.people), 2)
            edits.update_story(self.world, project, by, story, owner_ids=owners)

    def _edit_many(self) -> None:
        project = self._project()
        by = self._anyone(project)
        label = edits.create_label(self.world, project, by, name=f"checked {self.world.now:%Y-%m}")["id"]
        for story in self._random.sample(list(project.stories), min(BULK, len(project.stories))):
            labels = [*project.stories[story]["label_ids"], label]
            edits.update_story(self.world, project, by, story, label_ids=labels)

    def _delete_one(self) -> None:
        project = self._project()
        if project.stories:
            edits.delete_stories(
                self.world, project, self._anyone(project), [self._random.choice(list(project.stories))]
            )

    def _edit_silently(self) -> None:
        project = self._project()
        story = self._random.choice(list(project.stories.values()))
        self._keep_the_times_shown(project)
        told = len(project.activity)
        was = story["updated_at"]
        what = self._random.choice(("description", "name", None))
        if what is None:
            edits.delete_stories(self.world, project, self._by, [story["id"]])
        else:
            edits.update_story(self.world, project, self._by, story["id"], **{what: f"Silent {self.world.now}"})
            story["updated_at"] = was
        del project.activity[told:]
        self.unseen[story["id"]] = self.world.now, what != "description"

    def _shut_out_of_a_project(self) -> None:
        """The person of the token is taken out of a project for some days."""
        project = list(self.world.projects.values())[-1]
        membership = next(row for row in project.memberships.values() if row["person_id"] == self._by)
        other = next(person for person in self.world.people if person != self._by)
        edits.delete_membership(self.world, project, other, membership["id"])
        self._shut_out = project, self._hour_began

    def _let_in(self, now: datetime) -> None:
        if self._shut_out is None or now < self._shut_out[1] + AWAY:
            return
        project, _ = self._shut_out
        self._shut_out = None
        if all(row["person_id"] != self._by for row in project.memberships.values()):
            other = next(person for person in self.world.people if person != self._by)
            edits.create_membership(self.world, project, other, person_id=self._by, role="owner")

    def _note_what_is_out_of_view(self) -> None:
        """What the person of the token did in a project since the last sync before the project was gone from view."""
        if self._shut_out:
            project, since = self._shut_out[0], iso(self._shut_out[1] - SYNCED_BY)
            self.untold.update(
                row["guid"]
                for row in project.activity
                if row["performed_by"]["id"] == self._by and row["occurred_at"] >= since
            )

    def _forget_what_is_old(self) -> None:
        oldest = iso(self.world.now - ACTIVITY_KEPT)
        for project in self.world.projects.values():
            old = [row["guid"] for row in project.activity if row["occurred_at"] < oldest]
            if old:
                self._keep_the_times_shown(project)
                self.forgotten.update(old)
                del project.activity[: len(old)]

    def _forget_what_is_new(self) -> None:
        """All that the first project did in this hour, but for the last of it."""
        project = next(iter(self.world.projects.values()))
        told = [row for row in project.activity if row["occurred_at"] >= iso(self._hour_began)][:-1]
        self.untold.update(row["guid"] for row in told)
        self.unproven |= {
            (change["kind"], change["id"])
            for row in told
            for change in row["changes"]
            if change["change_type"] == "delete"
        }
        self._keep_the_times_shown(project)
        gone = {row["guid"] for row in told}
        project.activity[:] = [row for row in project.activity if row["guid"] not in gone]

    def _keep_the_times_shown(self, project: Project) -> None:
        """What hides edits of owners does so for ever; the sample server needs its activity for that."""
        if self._is_silent:
            for story, time in Views(self.world).of(project).times_before_owners.items():
                if story in project.stories:
                    project.stories[story]["updated_at"] = time
