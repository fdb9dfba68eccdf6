"""What Tracker computes from a project: iterations, velocity, counts, history, cycle times."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from statistics import fmean, pstdev
from typing import Any
from zoneinfo import ZoneInfo

from tracker_server.world import Project, Row, iso, parse_iso

# In the order of the columns of a daily history.
STATES = ("accepted", "delivered", "finished", "started", "rejected", "planned", "unstarted", "unscheduled")
IN_PROGRESS = frozenset({"started", "finished", "delivered", "rejected", "planned"})
CYCLE_STATES = ("started", "finished", "delivered", "rejected")

SETTINGS = {
    "iteration_length": 1,
    "week_start_day": "Monday",
    "velocity_averaged_over": 3,
    "number_of_done_iterations_to_show": 12,
    "initial_velocity": 10,
    "bugs_and_chores_are_estimatable": False,
}
"""The settings of a new project in Tracker, used for a project whose settings are not known."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MILLISECOND, WEEK = timedelta(milliseconds=1), timedelta(weeks=1)


class Figures:
    """The computed attributes of one project at one moment.

    Everything is computed on first use and only once: when the project or the clock changes, make new Figures. Results
    are shared with later calls, so do not change them. Points are ints when whole. The project must
    have a `start_time`, unless it says itself when its iterations began and which story is in which. An id that the
    project does not have is a KeyError.
    """

    def __init__(self, project: Project, now: datetime) -> None:
        self.project = project
        self.now = now.astimezone(UTC)

    @cached_property
    def time_zone(self) -> ZoneInfo:
        return ZoneInfo((self.project.row.get("time_zone") or {}).get("olson_name", "UTC"))

    def _setting(self, name: str) -> Any:
        value = self.project.row.get(name)
        return SETTINGS[name] if value is None else value

    @cached_property
    def _start(self) -> datetime:
        """When the project starts: a story that was accepted earlier moves it back."""
        stories = self.project.stories.values()
        accepted = [story.get("accepted_at") for story in stories if story["current_state"] == "accepted"]
        return parse_iso(min([self.project.row["start_time"], *filter(None, accepted)]))

    @cached_property
    def _first_regular(self) -> int:
        """The number of the first of the iterations that all have the project's own length."""
        return max(1, len(self.project.iteration_starts))

    @cached_property
    def _first_day(self) -> date:
        """The local date on which the first regular iteration begins."""
        if self.project.iteration_starts:
            return parse_iso(self.project.iteration_starts[-1]).astimezone(self.time_zone).date()
        day = self._start.astimezone(self.time_zone).date()
        return day - timedelta(days=(day.weekday() - WEEKDAYS.index(self._setting("week_start_day"))) % 7)

    @cached_property
    def _iteration_days(self) -> int:
        return 7 * int(self._setting("iteration_length"))

    def _number_at(self, moment: datetime) -> int:
        """The number of the iteration that a moment falls into."""
        days = (moment.astimezone(self.time_zone).date() - self._first_day).days
        if days < 0:
            return max(1, bisect_right(self.project.iteration_starts, iso(moment)))
        return self._first_regular + days // self._iteration_days

    def _start_of(self, number: int) -> str:
        """When an iteration begins: at midnight in the project's time zone, whatever that is in UTC then."""
        if number <= len(self.project.iteration_starts):
            return self.project.iteration_starts[number - 1]
        day = self._first_day + timedelta(days=(number - self._first_regular) * self._iteration_days)
        return iso(datetime.combine(day, time(), self.time_zone))

    def _weeks_of(self, number: int) -> int:
        """The length of an iteration."""
        if number >= self._first_regular:
            return int(self._setting("iteration_length"))
        return max(1, round((parse_iso(self._start_of(number + 1)) - parse_iso(self._start_of(number))) / WEEK))

    @cached_property
    def current_iteration_number(self) -> int:
        return self._number_at(self.now)

    @cached_property
    def shown_iterations_start_time(self) -> str:
        """When the oldest of the done iterations that the project shows begins (ISO 8601)."""
        return self._start_of(
            max(1, self.current_iteration_number - int(self._setting("number_of_done_iterations_to_show")))
        )

    @cached_property
    def points(self) -> dict[int, float]:
        """What each story counts: its estimate, or 0 where its type cannot be estimated."""
        estimatable = {"feature"}
        if self._setting("bugs_and_chores_are_estimatable"):
            estimatable |= {"bug", "chore"}
        return {
            story_id: (story.get("estimate") or 0) if story["story_type"] in estimatable else 0
            for story_id, story in self.project.stories.items()
        }

    def points_of(self, story_ids: Iterable[int]) -> float:
        """The points of some stories together."""
        return _whole(sum(self.points[story_id] for story_id in story_ids))

    @cached_property
    def _accepted_in(self) -> dict[int, list[int]]:
        """Accepted stories by the number of their iteration, in priority order."""
        numbers: dict[int, list[int]] = defaultdict(list)
        for story_id in self.project.order:
            story = self.project.stories[story_id]
            if story["current_state"] == "accepted" and (number := self._number_of(story)):
                numbers[min(number, self.current_iteration_number)].append(story_id)
        return dict(numbers)

    def _number_of(self, story: Row) -> int | None:
        """The iteration that an accepted story is in, None if that is not known."""
        number = self.project.iteration_of.get(story["id"])
        if number is None and story.get("accepted_at"):
            number = self._number_at(parse_iso(story["accepted_at"]))
        return number

    @cached_property
    def done_points(self) -> Sequence[float]:
        """The points that each done iteration brought, from iteration 1 on."""
        if self.project.done_points is not None:
            return self.project.done_points
        return [self.points_of(self._accepted_in.get(number, [])) for number in range(1, self.current_iteration_number)]

    def _recent(self, number: int) -> range:
        """The done iterations that the velocity of an iteration is taken from."""
        return range(max(1, number - int(self._setting("velocity_averaged_over"))), number)

    def _recent_points(self, number: int) -> list[float]:
        return [self.done_points[recent - 1] for recent in self._recent(number)]

    def _velocity_of(self, number: int) -> int:
        """The velocity an iteration is planned with: the mean of those before it, in proportion to their length.

        Where that is less than a point, as after idle weeks, the project plans with its initial velocity.
        """
        points = sum(self._recent_points(number)) * int(self._setting("iteration_length"))
        weeks = sum(self._weeks_of(recent) for recent in self._recent(number))
        return (math.floor(points / weeks) if weeks else 0) or int(self._setting("initial_velocity"))

    @cached_property
    def current_velocity(self) -> int:
        """Points an iteration."""
        return self._velocity_of(self.current_iteration_number)

    @cached_property
    def current_standard_deviation(self) -> float:
        """How far the iterations that make the velocity lie from their mean, in points."""
        recent = self._recent_points(self.current_iteration_number)
        return round(pstdev(recent), 2) if recent else 0.0

    @cached_property
    def current_volatility(self) -> float:
        """The standard deviation in percent of the mean."""
        recent = self._recent_points(self.current_iteration_number)
        return round(100 * pstdev(recent) / fmean(recent), 2) if any(recent) else 0.0

    @cached_property
    def _planned(self) -> list[list[int]]:
        """The stories of the current iteration and of each one after it.

        Unstarted stories fill an iteration in priority order until the next does not fit. What room is left
        passes on to the following one, so that they average out at the velocity; before a story that is larger
        than the velocity there may be empty ones.
        """
        if self.project.iteration_of:
            return self._known_plan
        stories = self.project.stories
        filling = list(self._accepted_in.get(self.current_iteration_number, []))
        filling += [s for s in self.project.order if stories[s]["current_state"] in IN_PROGRESS]
        planned = [filling]
        velocity = max(1, self.current_velocity)  # with 0, no story would ever fit
        room = velocity - self.points_of(filling)
        for story_id in self.project.order:
            if stories[story_id]["current_state"] != "unstarted":
                continue
            while self.points[story_id] > room:
                filling = []
                planned.append(filling)
                room = max(0, room) + velocity
            filling.append(story_id)
            room -= self.points[story_id]
        return planned

    @property
    def _known_plan(self) -> list[list[int]]:
        """The current iteration and each later one, for a project that says which story is in which."""
        current, stories = self.current_iteration_number, self.project.stories
        plan = [list(self._accepted_in.get(current, []))]
        for story_id in self.project.order:
            number = self.project.iteration_of.get(story_id)
            if number is None or stories[story_id]["current_state"] == "accepted":
                continue
            later = max(0, number - current)
            plan += [[] for _ in range(later + 1 - len(plan))]
            plan[later].append(story_id)
        return plan

    @cached_property
    def iterations(self) -> list[Row]:
        """All iterations, oldest first: done, current, backlog. `story_ids` stand for the nested stories."""
        current = self.current_iteration_number
        done = [self._accepted_in.get(number, []) for number in range(1, current)]
        return [self._iteration(number, story_ids) for number, story_ids in enumerate(done + self._planned, 1)]

    def _iteration(self, number: int, story_ids: list[int]) -> Row:
        points = self.points_of(story_ids)
        days = {
            "length": self._weeks_of(number),
            "start": self._start_of(number),
            "finish": self._start_of(number + 1),
        }
        return {
            "number": number,
            "project_id": self.project.id,
            "team_strength": 1,
            "story_ids": story_ids,
            **(days if self.project.knows_days else {}),
            "kind": "iteration",
            "velocity": self._velocity_of(min(number, self.current_iteration_number)),
            "points": points,
            "accepted_points": self.points_of(self._accepted_in.get(number, [])),
            "effective_points": float(points),
        }

    @cached_property
    def _projected_completions(self) -> dict[int, str]:
        """When the iteration of each scheduled story finishes; an accepted one has no projection."""
        if not self.project.knows_days:
            return {}
        finishes = [row["finish"] for row in self.iterations[self.current_iteration_number - 1 :]]
        return {
            story_id: finish
            for finish, story_ids in zip(finishes, self._planned, strict=True)
            for story_id in story_ids
            if self.project.stories[story_id]["current_state"] != "accepted"
        }

    def label_counts(self, label_id: int) -> Row:
        """`story_counts` of a label: stories, points and stories without points, each by state."""
        return self._label_counts[label_id]

    @cached_property
    def _label_counts(self) -> dict[int, Row]:
        counts = {label_id: _story_counts() for label_id in self.project.labels}
        for story_id, story in self.project.stories.items():
            state, points = story["current_state"], self.points[story_id]
            for label_id in story["label_ids"]:
                of_label = counts[label_id]
                of_label["number_of_stories_by_state"][state] += 1
                total = of_label["sum_of_story_estimates_by_state"][state] + points
                of_label["sum_of_story_estimates_by_state"][state] = _whole(total)
                of_label["number_of_zero_point_stories_by_state"][state] += not points
        return counts

    def release(self, story_id: int) -> Row:
        """What a release holds: the stories after the release before it, itself not among them.

        points_accepted, points_total, counts_accepted, counts_total, story_ids, and projected_completion
        (ISO 8601; None when the release is accepted or in the icebox).
        """
        return self._releases[story_id]

    @cached_property
    def _releases(self) -> dict[int, Row]:
        releases: dict[int, Row] = {}
        story_ids: list[int] = []
        for story_id in self.project.order:
            if self.project.stories[story_id]["story_type"] != "release":
                story_ids.append(story_id)
                continue
            accepted = [s for s in story_ids if self.project.stories[s]["current_state"] == "accepted"]
            releases[story_id] = {
                "points_accepted": self.points_of(accepted),
                "points_total": self.points_of(story_ids),
                "counts_accepted": len(accepted),
                "counts_total": len(story_ids),
                "projected_completion": self._projected_completions.get(story_id),
                "story_ids": story_ids,
            }
            story_ids = []
        return releases

    def epic(self, epic_id: int) -> Row:
        """How far an epic is, by the stories that carry its label.

        past_done_story_estimates, past_done_stories_count, past_done_stories_no_point_count (accepted before
        the current iteration), completed_at (ISO 8601; None while a story is not accepted) and
        projected_completion (ISO 8601; None when no story that is scheduled remains).
        """
        story_ids = self.stories_with_label(self.project.epics[epic_id].get("label_id"))
        stories = [self.project.stories[story_id] for story_id in story_ids]
        past_done = [story_id for story_id in story_ids if story_id in self.past_done]
        complete = bool(stories) and all(story["current_state"] == "accepted" for story in stories)
        accepted_at = [story.get("accepted_at") for story in stories] if complete else []
        projected = self._projected_completions
        return {
            "past_done_story_estimates": self.points_of(past_done),
            "past_done_stories_count": len(past_done),
            "past_done_stories_no_point_count": sum(not self.points[story_id] for story_id in past_done),
            "completed_at": max(filter(None, accepted_at), default=None) if all(accepted_at) else None,
            "projected_completion": max((projected[s] for s in story_ids if s in projected), default=None),
        }

    def stories_with_label(self, label_id: int | None) -> list[int]:
        return self._stories_by_label.get(label_id, [])

    @cached_property
    def _stories_by_label(self) -> dict[int | None, list[int]]:
        by_label: dict[int | None, list[int]] = defaultdict(list)
        for story_id, story in self.project.stories.items():
            for label_id in story["label_ids"]:
                by_label[label_id].append(story_id)
        return dict(by_label)

    @cached_property
    def past_done(self) -> set[int]:
        """The stories that were accepted before the current iteration."""
        done = (ids for number, ids in self._accepted_in.items() if number < self.current_iteration_number)
        return {story_id for story_ids in done for story_id in story_ids}

    def transitions_of(self, story_id: int) -> list[Row]:
        """The transitions of a story, oldest first."""
        return [self.project.transitions[place] for place in self._places_of_transitions.get(story_id, ())]

    @cached_property
    def _places_of_transitions(self) -> dict[int, list[int]]:
        by_story: dict[int, list[int]] = defaultdict(list)
        for place, transition in enumerate(self.project.transitions):
            by_story[transition["story_id"]].append(place)
        return dict(by_story)

    def history_days(self, start: date | None = None, end: date | None = None) -> Row:
        """`daily_history_container`: points and stories in each state at the end of each UTC day.

        From the project's first day, or the first that is known, through today; `start` and `end`, both inclusive, can
        only narrow that.
        Points are those of today's estimates: former ones are not kept.
        """
        first, last = self._first_known_day, self.now.date()
        begin = (max(start or first, first) - first).days
        stop = (min(end or last, last) - first).days + 1
        return {
            "kind": "daily_history_container",
            "header": ["date", *(f"points_{s}" for s in STATES), *(f"counts_{s}" for s in STATES)],
            "data": self._history[begin : max(0, stop)],
        }

    @property
    def _first_known_day(self) -> date:
        """The first day at whose end the states of all stories are known."""
        known = self.project.state_history
        return known.first_day if known else self._start.date()

    @cached_property
    def _history(self) -> list[list[Any]]:
        first, last = self._first_known_day, self.now.date()
        moves: dict[str, list[tuple[str | None, str, float]]] = defaultdict(list)
        for story_id, story in self.project.stories.items():
            before = None
            for occurred_at, state in self._states(story):
                day = max(occurred_at[:10], first.isoformat())
                moves[day].append((before, state, self.points[story_id]))
                before = state
        points, counts = dict.fromkeys(STATES, 0.0), dict.fromkeys(STATES, 0)
        rows: list[list[Any]] = []
        for offset in range((last - first).days + 1):
            day = (first + timedelta(days=offset)).isoformat()
            for before, state, story_points in moves.get(day, ()):
                points[state] += story_points
                counts[state] += 1
                if before is not None:
                    points[before] -= story_points
                    counts[before] -= 1
            rows.append([day, *points.values(), *counts.values()])
        return rows

    def _states(self, story: Row) -> list[tuple[str, str]]:
        """The states a story went through, oldest first, each with the time at which it began."""
        states = [(row["occurred_at"], row["state"]) for row in self.transitions_of(story["id"])]
        known = self.project.state_history
        if known:
            begin = story.get("created_at", "")
            before = known.before.get(story["id"], "" if states else story["current_state"])
            return [(begin, before), *states] if before else states
        if story["current_state"] == "accepted":
            accepted_at = story["accepted_at"]
            return [state for state in states if state[0] < accepted_at] + [(accepted_at, "accepted")]
        return states or [(story["created_at"], story["current_state"])]

    def cycle_time(self, story_id: int) -> Row | None:
        """`cycle_time_details` of a story: how often it came into each state, and the time there; None if not known.

        Times are in milliseconds; weekends count (recording get_cycle_time_details.json, where a story is rejected for
        917 days). total_cycle_time, their sum, is absent when no transition is into any of these states.
        """
        known = self.project.state_history
        if known and story_id not in known.whole:
            return None
        story = self.project.stories[story_id]
        end = parse_iso(story["accepted_at"]) if story["current_state"] == "accepted" and not known else self.now
        transitions = self.transitions_of(story_id)
        times = [parse_iso(row["occurred_at"]) for row in transitions] + [end]
        spent, entered = dict.fromkeys(STATES, timedelta()), dict.fromkeys(STATES, 0)
        for row, begin, finish in zip(transitions, times, times[1:], strict=False):
            spent[row["state"]] += finish - begin
            entered[row["state"]] += 1
        details: Row = {"kind": "cycle_time_details"}
        if any(entered[state] for state in CYCLE_STATES):
            details["total_cycle_time"] = sum(spent[state] // MILLISECOND for state in CYCLE_STATES)
        for state in CYCLE_STATES:
            details[f"{state}_time"] = spent[state] // MILLISECOND
            details[f"{state}_count"] = entered[state]
        return {**details, "story_id": story_id}


def _whole(number: float) -> float:
    """The number as Tracker writes it: an int when it is whole."""
    return int(number) if number == int(number) else number


def _story_counts() -> Row:
    def by_state() -> Row:
        return {**dict.fromkeys(STATES, 0), "kind": "counts_by_story_state"}

    return {
        "kind": "story_counts",
        "number_of_stories_by_state": by_state(),
        "sum_of_story_estimates_by_state": by_state(),
        "number_of_zero_point_stories_by_state": by_state(),
    }
