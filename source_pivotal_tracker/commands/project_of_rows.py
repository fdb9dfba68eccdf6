"""Puts together again what the streams of the connector say of a project, in the shapes of `tracker_server.world`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from source_pivotal_tracker.commands.fitting import Fitting, is_id, is_text
from source_pivotal_tracker.streams.rows import Row
from tracker_server.world import STORY_PART_KINDS, Project, iso, parse_iso

Rows = Mapping[str, Sequence[Row]]
"""The rows of each stream, as they came."""

STREAMS = (
    "project_memberships", "labels", "epics", "epic_comments", "iterations", "stories", "story_tasks",
    "story_comments", "story_blockers", "story_reviews", "story_pull_requests", "story_branches", "file_attachments",
    "google_attachments", "review_types", "activity",
)  # fmt: skip
"""What a project is made of."""


def project_of(row: Row, rows: Rows, fitting: Fitting) -> Project:
    """The project of a row of the stream `projects`, with what the streams of STREAMS brought of it.

    A row that came twice counts as it came last. Stories that no iteration has are in the order in which they came.
    `fitting` gets to know what is not understood.
    """
    row = fitting.row("project", row) or row
    project = Project({**row, "start_time": _start_of(row), "time_zone": _time_zone_of(row)})

    def of(stream: str, kind: str) -> dict[int, Row]:
        return {row["id"]: dict(row) for row in fitting.rows(kind, _last_of_each(rows.get(stream, ()), "id"))}

    project.labels = of("labels", "label")
    project.review_types = of("review_types", "review type")
    project.memberships = {
        row["id"]: {**row, "person_id": row["person"]["id"]}
        for row in rows.get("project_memberships", ()) if _is_person(row.get("person"))
    }  # fmt: skip
    labels = _Labels(project, fitting)
    project.epics = {epic_id: labels.of_epic(epic) for epic_id, epic in of("epics", "epic").items()}
    project.stories = {story_id: labels.of_story(story) for story_id, story in of("stories", "story").items()}
    for part, kind in STORY_PART_KINDS.items():
        _add_parts(project.stories, part, "story_id", of(f"story_{part}", kind.replace("_", " ")))
    _add_parts(project.epics, "comments", "epic_id", of("epic_comments", "comment of an epic"))
    comments = {
        comment["id"]: comment
        for row in (*project.stories.values(), *project.epics.values())
        for comment in row.get("comments", ())
    }
    for stream, kind in (("file_attachments", "attached file"), ("google_attachments", "file at Google Drive")):
        _add_parts(comments, stream, "comment_id", of(stream, kind))
    iterations = fitting.rows("iteration", _last_of_each(rows.get("iterations", ()), "number"))
    _set_iterations(project, sorted(iterations, key=lambda iteration: iteration["number"]))
    oldest_first = map(_activity, fitting.rows("activity", reversed(rows.get("activity", ()))))
    project.activity = sorted(
        oldest_first, key=lambda activity: (activity["occurred_at"], activity.get("project_version") or 0)
    )
    return project


def people_in(rows: Rows) -> Iterator[Row]:
    """Everybody whom the rows name, or give an id at least."""
    for stream in ("project_memberships", "account_memberships"):
        yield from (row["person"] for row in rows.get(stream, ()) if _is_person(row.get("person")))
    for activity in rows.get("activity", ()):
        if _is_person(activity.get("performed_by")):
            yield activity["performed_by"]


def name_of(person: Row) -> str:
    """What to call a person: by the name, or by what a server shows that shows less; empty without any of that."""
    names = (person.get(attribute) for attribute in ("name", "username", "initials"))
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), "")


def people_of(project: Project) -> set[int]:
    """The ids of those who did something in a project."""
    ids: set[int | None] = set()
    for story in project.stories.values():
        ids |= {story.get("requested_by_id"), *story["owner_ids"]}
        ids |= {review.get("reviewer_id") for review in story.get("reviews", ())}
    for row in (*project.stories.values(), *project.epics.values()):
        ids |= {comment.get("person_id") for comment in row.get("comments", ())}
    ids |= {activity["performed_by"]["id"] for activity in project.activity if _is_person(activity["performed_by"])}
    return {person_id for person_id in ids if person_id}


def _is_person(person: object) -> bool:
    return isinstance(person, dict) and is_id(person.get("id"))


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


def _last_of_each(rows: Iterable[Row], key: str) -> Iterable[Row]:
    return {row[key]: row for row in rows}.values()


class _Labels:
    """Puts into epics and stories the ids of their labels, and those labels into the project that it lacks."""

    def __init__(self, project: Project, fitting: Fitting) -> None:
        self._labels = project.labels
        self._fitting = fitting

    def of_epic(self, epic: Row) -> Row:
        label = epic.get("label")
        label_id = None if label is None else self._id_of(label)
        if label is not None and label_id is None:
            self._fitting.note("epic", epic["id"], "label is not understood; left out")
        return {**epic, "label_id": label_id}

    def of_story(self, story: Row) -> Row:
        labels = story.get("labels") or []
        ids = [self._id_of(label) for label in labels] if isinstance(labels, list) else [None]
        if None in ids:
            self._fitting.note("story", story["id"], "a label is not understood; left out")
        known = dict.fromkeys(label_id for label_id in ids if label_id is not None)
        return {**story, "label_ids": list(known), "owner_ids": story.get("owner_ids") or []}

    def _id_of(self, label: object) -> int | None:
        """The id of a label; where there is a name alone, one that is made up. None without either."""
        row: Row = {"name": label} if isinstance(label, str) else label if isinstance(label, dict) else {}
        label_id, name = row.get("id"), row.get("name")
        if is_id(label_id) and label_id in self._labels:
            return int(label_id)
        if not is_text(name):
            return None
        if not isinstance(label_id, int):
            by_name = (known for known, other in self._labels.items() if other["name"] == name)
            label_id = next(by_name, -len(self._labels) - 1)
        return int(self._labels.setdefault(label_id, {**row, "id": label_id})["id"])


def _activity(activity: Row) -> Row:
    person = activity.get("performed_by")
    if isinstance(person, str):
        person = {"name": person}
    return {**activity, "performed_by": person if isinstance(person, dict) else None}


def _add_parts(owners: Mapping[int, Row], part: str, owner_id: str, parts: Mapping[int, Row]) -> None:
    """Put the parts of a kind into the rows that they belong to; one of a row that is gone belongs to nothing."""
    for row in parts.values():
        if row[owner_id] in owners:
            owners[row[owner_id]].setdefault(part, []).append(row)


def _set_iterations(project: Project, iterations: Sequence[Row]) -> None:
    """Take over when each iteration began and which stories are in it, and with them the order of the stories."""
    listed = [story_id for row in iterations for story_id in row.get("story_ids") or () if story_id in project.stories]
    project.order = list(dict.fromkeys([*listed, *project.stories]))
    project.iteration_of = {
        story_id: row["number"] for row in iterations for story_id in row.get("story_ids") or ()
    }  # fmt: skip
    known = {row["number"]: row["start"] for row in iterations if row.get("start")}
    if known:
        length = timedelta(weeks=int(project.row.get("iteration_length") or 1))
        first = min(known)
        # A server may show the last ones alone.
        starts = [iso(parse_iso(known[first]) - length * back) for back in range(first - 1, 0, -1)]
        for number in range(first, iterations[-1]["number"] + 1):
            starts.append(known.get(number) or iso(parse_iso(starts[-1]) + length))
        project.iteration_starts = starts
        project.as_of = _time_in(project.row.get("current_iteration_number"), iterations, starts)


def _time_in(current: int | None, iterations: Sequence[Row], starts: Sequence[str]) -> datetime | None:
    """Now, or a time at which the current iteration is the one that the server says; None if it does not say."""
    row = next((row for row in iterations if row["number"] == current), None)
    if row is None:
        return None
    now, start = datetime.now(UTC).replace(microsecond=0), starts[row["number"] - 1]
    return now if start <= iso(now) < (row.get("finish") or "") else parse_iso(start)
