"""What happens in a project until its history ends."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

from tracker_server import edits
from tracker_server.sample.story_timeline import story_timeline
from tracker_server.sample.team import Team
from tracker_server.sample.words import FILES, GOOGLE_DOCUMENT, REMARKS, SENTENCES
from tracker_server.sample.working_hours import DAY, WEEK, in_working_hours, rising_times
from tracker_server.world import Project


def project_timelines(team: Team, stories: int, weeks: int) -> list[Iterator[int]]:
    """All that happens in a project until its history ends: its stories, its epics, and the grooming."""
    done = stories * 58 // 100
    current = min(stories - done, max(10, done // weeks))
    icebox = (stories - done - current) * 2 // 5
    rng = team.rng
    pace = [1 + rng.uniform(-0.35, 0.35) for _ in range(weeks)]
    pace[weeks // 3] = 0.1  # the week of the holidays
    timelines: list[Iterator[int]] = []
    pace[-1] *= 0.4  # the current week is not over
    so_far = list(accumulate(pace))
    for number in range(done):
        week = bisect_left(so_far, (number + rng.random()) / done * so_far[-1])
        monday = team.start + week * WEEK
        accepted = in_working_hours(rng.randrange(monday, min(monday + WEEK, team.end)))
        timelines.append(story_timeline(team, number, "accepted", max(accepted, team.start)))
    waiting = "unstarted" if team.project.row["automatic_planning"] else "planned"
    states = ("started", "finished", "delivered", "rejected", waiting)
    final_states = [states[number % len(states)] for number in range(current)]
    final_states += ["unstarted"] * (stories - done - current - icebox) + ["unscheduled"] * icebox
    for number, final_state in enumerate(final_states, done):
        timelines.append(
            story_timeline(team, number, final_state, in_working_hours(team.end - rng.randrange(DAY, 3 * WEEK)))
        )
    timelines += [_epic_timeline(team, epic_id) for epic_id in team.project.epics]
    timelines.append(_grooming_timeline(team, stories // 15))
    return timelines


def _epic_timeline(team: Team, epic_id: int) -> Iterator[int]:
    world, project = team.world, team.project
    for number, moment in enumerate(rising_times(team.rng, team.start, team.end, 4)):
        yield moment
        if number == 1:
            description = " ".join(team.rng.choices(SENTENCES, k=3))
            edits.update_epic(world, project, team.anyone(), epic_id, description=description)
        else:
            files = [team.rng.choice(FILES)] * (number == 2)
            documents = [GOOGLE_DOCUMENT] * (number == 3)
            edits.create_comment(
                world,
                project,
                team.anyone(),
                epic_id=epic_id,
                text=None if documents else team.rng.choice(REMARKS),
                file_attachments=files,
                google_attachments=documents,
            )


def _grooming_timeline(team: Team, times: int) -> Iterator[int]:
    """The lead puts the backlog in order, one story a time."""
    for moment in rising_times(team.rng, team.start, team.end, times + 1):
        yield moment
        backlog = stories_in_state(team.project, "unstarted")
        if len(backlog) > 1:
            story_id, other_id = team.rng.sample(backlog, 2)
            edits.move_story(team.world, team.project, team.editors[1], story_id, before=other_id)


def stories_in_state(project: Project, state: str) -> list[int]:
    return [story_id for story_id in project.order if project.stories[story_id]["current_state"] == state]
