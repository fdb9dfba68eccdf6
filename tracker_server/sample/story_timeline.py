"""What happens to one story, from its creation until its final state."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from tracker_server import edits
from tracker_server.edits.priority import PLACES
from tracker_server.sample.team import Team
from tracker_server.sample.words import (
    CHECKS,
    CHORES,
    CIRCUMSTANCES,
    FILES,
    GOOGLE_DOCUMENT,
    ODD_NAMES,
    REMARKS,
    SENTENCES,
    SYMPTOMS,
    WAITING,
)
from tracker_server.sample.working_hours import DAY, HOUR, WEEK, in_working_hours, rising_times
from tracker_server.world import Row, iso


def story_timeline(team: Team, number: int, final_state: str, end: int) -> Iterator[int]:
    """One story, from its creation until it is in the state `final_state` at `end`, and at times a word after that."""
    rng = team.rng
    story_type = _story_type(rng, number, final_state)
    begin = in_working_hours(max(end - rng.randrange(3 * DAY, 45 * DAY), team.start - rng.randrange(5 * WEEK)))
    unscheduled = final_state == "unscheduled" or (story_type != "release" and team.chance(0.4))
    acts: list[str] = _path(story_type, final_state, twice=team.chance(0.08))
    acts[:0] = ["unstarted"] * (unscheduled and final_state != "unscheduled")
    for part, (probability, _) in PARTS.items():
        while story_type != "release" and team.chance(probability):
            acts.insert(rng.randrange(len(acts)) if acts else 0, part)
            probability /= 3
    moments = rising_times(rng, begin + HOUR, end, len(acts)) if acts else []

    yield begin
    story = _create_story(team, number, story_type, "unscheduled" if unscheduled else "unstarted", begin)
    for moment, act in zip(moments, acts, strict=True):
        yield moment
        if act in PLACES:
            _change_state(team, story, act)
        else:
            _, make = PARTS[act]
            make(team, story)
    if final_state == "accepted" and team.chance(0.1):
        yield min(end + rng.randrange(HOUR, 10 * DAY), team.end)
        _add_comment(team, story)


def _story_type(rng: random.Random, number: int, final_state: str) -> str:
    if final_state in ("accepted", "unstarted") and number % 20 == 19:
        return "release"
    if final_state in ("finished", "delivered", "rejected"):
        return "bug" if number % 3 == 0 else "feature"
    return rng.choices(("feature", "bug", "chore"), (63, 23, 14))[0]


def _path(story_type: str, final_state: str, *, twice: bool) -> list[str]:
    """The states between creation in the backlog and `final_state`; `twice`: it is rejected once on the way."""
    if final_state in ("unstarted", "unscheduled"):
        return []
    if final_state == "planned" or story_type == "release":
        return [final_state]
    work = ["started", "finished", "delivered"]
    if final_state == "accepted":
        if story_type == "chore":
            return ["started", "accepted"]
        return work + (["rejected", *work] if twice else []) + ["accepted"]
    return [*work, "rejected"] if final_state == "rejected" else work[: work.index(final_state) + 1]


def _create_story(team: Team, number: int, story_type: str, state: str, created: int) -> Row:
    rng = team.rng
    values: Row = {"story_type": story_type, "current_state": state, "label_ids": []}
    if team.chance(0.6):
        values["label_ids"].append(rng.choice(team.epic_labels))
    if team.chance(0.25):
        values["label_ids"].append(rng.choice(team.tags))
    if team.chance(0.3):
        values["story_priority"] = rng.choice(("p0", "p1", "p2", "p3"))
    if story_type == "release":
        due = datetime.fromtimestamp(created, UTC) + timedelta(days=rng.randrange(20, 90))
        values["deadline"] = iso(due.replace(hour=8, minute=0, second=0))
    elif team.chance(0.5):
        values["estimate"] = _estimate(team, story_type)
    if team.project.id == min(team.world.projects) and number == 0:
        values["description"] = (" ".join(SENTENCES * 20))[:20_000]
    elif team.chance(0.75):
        values["description"] = "\n\n".join(rng.choices(SENTENCES, k=rng.choice((2, 5, 9, 14, 20))))
    checks = rng.sample(CHECKS, rng.choice((0, 0, 1, 2, 3, 3, 5))) if story_type != "release" else ()
    remarks = rng.choices(REMARKS, k=rng.choice((0, 0, 1, 2))) if story_type != "release" else ()
    name = _story_name(team, number, story_type)
    return edits.create_story(
        team.world, team.project, team.anyone(), name=name, tasks=checks, comments=remarks, **values
    )


def _story_name(team: Team, number: int, story_type: str) -> str:
    rng, theme = team.rng, team.theme
    if story_type == "release":
        return f"{theme.project} {1 + number // 200}.{number // 20 % 10}"
    if number % 17 == 3:
        return ODD_NAMES[number // 17 % len(ODD_NAMES)]
    thing, circumstance = rng.choice(theme.things), rng.choice(CIRCUMSTANCES)
    if story_type == "bug":
        return f"{thing.capitalize()} {rng.choice(SYMPTOMS)}{circumstance}"
    if story_type == "chore":
        return f"{rng.choice(CHORES)} {thing}"
    return f"{rng.choice(theme.people)} can {rng.choice(theme.actions)} {thing}{circumstance}"


def _estimate(team: Team, story_type: str) -> float | None:
    if story_type == "release" or (story_type != "feature" and not team.project.row["bugs_and_chores_are_estimatable"]):
        return None
    return team.rng.choices(team.scale, range(2 * len(team.scale), 0, -2))[0]


def _change_state(team: Team, story: Row, state: str) -> None:
    values: Row = {"current_state": state}
    if state in ("started", "planned") and "estimate" not in story:
        values["estimate"] = _estimate(team, story["story_type"])
    if state == "started" and not story["owner_ids"] and team.chance(0.95):
        values["owner_ids"] = team.rng.sample(team.editors, team.rng.choice((1, 1, 1, 2, 3)))
    owners: Sequence[int] = story["owner_ids"] or team.editors
    by = story["requested_by_id"] if state in ("accepted", "rejected") else team.rng.choice(owners)
    edits.update_story(team.world, team.project, by, story["id"], **values)
    if state == "finished" and team.chance(0.3):
        for task in story["tasks"]:
            edits.update_task(team.world, team.project, by, story["id"], task["id"], complete=True)


def _add_comment(team: Team, story: Row) -> None:
    rng = team.rng
    text: str | None = " ".join(rng.choices(REMARKS, k=rng.choice((1, 2, 3, 6))))
    files: list[Row] = []
    documents: list[Row] = []
    if team.chance(0.08):
        files = rng.sample(FILES, rng.choice((1, 1, 2)))
        documents = [GOOGLE_DOCUMENT] * team.chance(0.3)
        text = text if team.chance(0.6) else None
    edits.create_comment(
        team.world,
        team.project,
        team.anyone(),
        story_id=story["id"],
        text=text,
        file_attachments=files,
        google_attachments=documents,
    )


def _add_blocker(team: Team, story: Row) -> None:
    what = f"#{team.rng.choice(team.project.order)}" if team.chance(0.5) else team.rng.choice(WAITING)
    world, project, by = team.world, team.project, team.anyone()
    blocker = edits.create_blocker(world, project, by, story["id"], description=f"Waiting for {what}")
    if team.chance(0.6):
        edits.update_blocker(world, project, team.anyone(), story["id"], blocker["id"], resolved=True)


def _add_review(team: Team, story: Row) -> None:
    rng = team.rng
    edits.create_review(
        team.world,
        team.project,
        team.anyone(),
        story["id"],
        review_type_id=rng.choice(list(team.project.review_types)),
        reviewer_id=team.anyone() if team.chance(0.7) else None,
        status=rng.choice(("unstarted", "in_review", "pass", "pass", "revise")),
    )


def add_pull_request(team: Team, story: Row) -> None:
    edits.create_pull_request(
        team.world,
        team.project,
        team.anyone(),
        story["id"],
        owner="harbour-it",
        repo=team.theme.project.lower().replace(" ", "-"),
        number=team.rng.randrange(1, 4000),
        status=team.rng.choice(("open", "merged", "merged", "closed")),
    )


def add_branch(team: Team, story: Row) -> None:
    repo = team.theme.project.lower().replace(" ", "-")
    name = f"{story['id']}-{team.rng.choice(team.theme.actions).replace(' ', '-')}"
    edits.create_branch(team.world, team.project, team.anyone(), story["id"], owner="harbour-it", repo=repo, name=name)


def _add_follower(team: Team, story: Row) -> None:
    edits.add_follower(team.world, team.project, team.anyone(), story["id"], team.anyone())


def _reword(team: Team, story: Row) -> None:
    description = "\n\n".join(team.rng.choices(SENTENCES, k=4))
    edits.update_story(team.world, team.project, team.anyone(), story["id"], description=description)


# How likely a story has one beyond those it was created with (a second is a third as likely, …), and what makes it.
PARTS: dict[str, tuple[float, Callable[[Team, Row], None]]] = {
    "comment": (0.75, _add_comment),
    "review": (0.18, _add_review),
    "blocker": (0.1, _add_blocker),
    "pull_request": (0.18, add_pull_request),
    "branch": (0.1, add_branch),
    "follower": (0.05, _add_follower),
    "rewording": (0.08, _reword),
}
