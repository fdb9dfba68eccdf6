"""Puts together again what the streams of the connector say of a project, in the shapes of `tracker_server.world`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from source_pivotal_tracker.streams.rows import Row
from tracker_server.world import STORY_PARTS, Project, iso, parse_iso

Rows = Mapping[str, Sequence[Row]]
"""The rows of each stream, as they came."""

STREAMS = (
    "project_memberships", "labels", "epics", "epic_comments", "iterations", "stories", "story_tasks",
    "story_comments", "story_blockers", "story_reviews", "story_pull_requests", "story_branches", "file_attachments",
    "google_attachments", "review_types", "activity",
)  # fmt: skip
"""What a project is made of."""


def project_of(row: Row, rows: Rows) -> Project:
    """The project of a row of the stream `projects`, with what the streams of STREAMS brought of it.

    A row that came twice counts as it came last. Stories that no iteration has are in the order in which they came.
    """
    project = Project({**row, "start_time": _start_of(row), "time_zone": _time_zone_of(row)})
    project.labels = _by_id(rows.get("labels", ()))
    project.review_types = _by_id(rows.get("review_types", ()))
    project.memberships = {
        row["id"]: {**row, "person_id": row["person"]["id"]}
        for row in rows.get("project_memberships", ()) if _is_person(row.get("person"))
    }  # fmt: skip
    project.epics = {epic_id: _epic(epic, project) for epic_id, epic in _by_id(rows.get("epics", ())).items()}
    project.stories = {story_id: _story(story, project) for story_id, story in _by_id(rows.get("stories", ())).items()}
    for part in STORY_PARTS:
        _hang(project.stories, part, "story_id", rows.get(f"story_{part}", ()))
    _hang(project.epics, "comments", "epic_id", rows.get("epic_comments", ()))
    _attach(project, rows)
    _set_iterations(project, _by_number(rows.get("iterations", ())))
    oldest_first = (_activity(row) for row in reversed(rows.get("activity", ())) if row.get("occurred_at"))
    project.activity = sorted(
        oldest_first, key=lambda activity: (activity["occurred_at"], activity.get("project_version") or 0)
    )
    return project


def people_in(rows: Rows) -> Iterator[Row]:
    """Everybody whom the rows name."""
    for stream in ("project_memberships", "account_memberships"):
        yield from (row["person"] for row in rows.get(stream, ()) if _is_person(row.get("person")))
    for activity in rows.get("activity", ()):
        if _is_person(activity.get("performed_by")):
            yield activity["performed_by"]


def unnamed(project: Project, people: Mapping[int, Row]) -> set[int]:
    """The ids of those who did something in a project and whom nothing names."""
    ids: set[int | None] = set()
    for story in project.stories.values():
        ids |= {story.get("requested_by_id"), *(story.get("owner_ids") or ())}
        ids |= {review.get("reviewer_id") for review in story.get("reviews", ())}
    for row in (*project.stories.values(), *project.epics.values()):
        ids |= {comment.get("person_id") for comment in row.get("comments", ())}
    return {person_id for person_id in ids if person_id and person_id not in people}


def _is_person(person: object) -> bool:
    return isinstance(person, dict) and isinstance(person.get("id"), int)


def _start_of(row: Row) -> str:
    return str(row.get("start_time") or row.get("created_at") or iso(datetime.now(UTC)))


def _time_zone_of(row: Row) -> Row:
    """The time zone of a project; UTC where the server names none that there is."""
    zone = row.get("time_zone")
    name = zone.get("olson_name") if isinstance(zone, dict) else None
    try:
        return {"olson_name": ZoneInfo(str(name)).key}
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return {"olson_name": "UTC"}


def _by_id(rows: Iterable[Row]) -> dict[int, Row]:
    return {row["id"]: dict(row) for row in rows}


def _by_number(rows: Iterable[Row]) -> list[Row]:
    return [row for _, row in sorted({row["number"]: row for row in rows}.items())]


def _epic(epic: Row, project: Project) -> Row:
    label = epic.get("label") or {}
    if label.get("id"):
        project.labels.setdefault(label["id"], label)
    return {**epic, "label_id": label.get("id")}


def _story(story: Row, project: Project) -> Row:
    labels = [label for label in story.get("labels") or () if isinstance(label, dict) and label.get("id")]
    for label in labels:
        project.labels.setdefault(label["id"], label)
    return {**story, "label_ids": [label["id"] for label in labels], "owner_ids": story.get("owner_ids") or []}


def _activity(activity: Row) -> Row:
    return activity if _is_person(activity.get("performed_by")) else {**activity, "performed_by": None}


def _hang(owners: Mapping[int, Row], part: str, owner_id: str, rows: Iterable[Row]) -> None:
    """Put the parts of a kind into the rows that they hang on; one of a row that is gone hangs on nothing."""
    for row in _by_id(rows).values():
        if row.get(owner_id) in owners:
            owners[row[owner_id]].setdefault(part, []).append(row)


def _attach(project: Project, rows: Rows) -> None:
    comments = {
        comment["id"]: comment
        for row in (*project.stories.values(), *project.epics.values())
        for comment in row.get("comments", ())
    }
    for stream in ("file_attachments", "google_attachments"):
        _hang(comments, stream, "comment_id", rows.get(stream, ()))


def _set_iterations(project: Project, iterations: Sequence[Row]) -> None:
    """Take over when each iteration began and which stories are in it, and with them the order of the stories."""
    listed = [story_id for row in iterations for story_id in row.get("story_ids") or () if story_id in project.stories]
    project.order = list(dict.fromkeys([*listed, *project.stories]))
    project.iteration_of = {
        story_id: row["number"] for row in iterations for story_id in row.get("story_ids") or ()
    }  # fmt: skip
    if iterations and iterations[0].get("start"):
        first = parse_iso(iterations[0]["start"])
        length = timedelta(weeks=int(project.row.get("iteration_length") or 1))
        # A server may show the last ones alone.
        before = [iso(first - length * back) for back in range(iterations[0]["number"] - 1, 0, -1)]
        project.iteration_starts = [*before, *(row["start"] for row in iterations)]
        project.as_of = _time_in(project.row.get("current_iteration_number"), iterations)


def _time_in(current: int | None, iterations: Sequence[Row]) -> datetime | None:
    """Now, or a time at which the current iteration is the one that the server says; None if it does not say."""
    row = next((row for row in iterations if row["number"] == current), None)
    if row is None:
        return None
    now = datetime.now(UTC).replace(microsecond=0)
    return now if row["start"] <= iso(now) < row.get("finish", "") else parse_iso(row["start"])
