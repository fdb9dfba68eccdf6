"""All that is known of a story or an epic, in the order in which its page shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tracker_server.derived import CYCLE_STATES
from tracker_server.file_names import PICTURES
from tracker_server.pages.board import EpicLine, Person, StoryLine, epic_line, person_of, persons, story_line
from tracker_server.view import View
from tracker_server.world import Row

LARGEST_PICTURE = 10_000_000
"""Bytes; a larger one is a link."""
MOST_LINES = 500
"""Stories of an epic or a release, or behind a blocker, on a page; the search finds all of them."""
MOST_EVENTS = 1_000
"""Events on a page, the newest."""


BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of what follows: with one, `exe.gnp` is shown as `png.exe`."""


@dataclass(frozen=True)
class File:
    """A file that a comment holds."""

    id: int
    filename: str
    size: int | None
    content_type: str | None
    is_here: bool

    @property
    def is_picture(self) -> bool:
        return self.is_here and self.content_type in PICTURES and (self.size or 0) <= LARGEST_PICTURE


@dataclass(frozen=True)
class Link:
    """An address elsewhere, with what it is called; `href` is None for what cannot be followed."""

    text: str
    href: str | None
    status: str | None = None


@dataclass(frozen=True)
class Comment:
    """A comment; one without a text holds only files. `links` are its files at Google, `commit` is a commit's id."""

    id: int
    text: str
    author: Person | None
    created_at: str | None
    files: Sequence[File]
    links: Sequence[Link]
    commit: str | None = None

    @property
    def is_made_up(self) -> bool:
        """Whether it only holds files of which an export does not say who attached them, and to which comment."""
        return bool(self.files) and not (self.text or self.author or self.created_at)


@dataclass(frozen=True)
class Task:
    """A task or a blocker; of a blocker it is known who wrote it, and when."""

    text: str
    is_done: bool
    author: Person | None = None
    created_at: str | None = None


@dataclass(frozen=True)
class Review:
    """A review, with its type, reviewer and status, as far as they are known."""

    type: str
    reviewer: Person | None
    status: str | None


@dataclass(frozen=True)
class Event:
    """What somebody did, in a sentence, and when."""

    occurred_at: str
    message: str


@dataclass(frozen=True)
class TimeInState:
    """How often a story came into a state, and how long it was there, in milliseconds."""

    state: str
    count: int
    milliseconds: int


@dataclass(frozen=True)
class StoryPage:
    """A story with everything that is known of it; what is not known, and what there is none of, is empty.

    `files` are those of no known comment. `release` has the sums of a release, as `Figures.release` has them, and
    `release_lines` its stories, of which there are at most MOST_LINES.
    """

    line: StoryLine
    project_id: int
    project_name: str
    description: str
    created_at: str | None
    updated_at: str | None
    accepted_at: str | None
    priority: str | None
    external_id: str | None
    requester: Person | None
    followers: Sequence[Person]
    epics: Sequence[EpicLine]
    iteration: int | None
    iteration_panel: str | None
    comments: Sequence[Comment]
    files: Sequence[File]
    tasks: Sequence[Task] = ()
    blockers: Sequence[Task] = ()
    blocking: Sequence[StoryLine] = ()
    blocking_count: int = 0
    reviews: Sequence[Review] = ()
    pull_requests: Sequence[Link] = ()
    branches: Sequence[Link] = ()
    history: Sequence[Event] = ()
    states: Sequence[TimeInState] = ()
    release: Row = field(default_factory=dict)
    release_lines: Sequence[StoryLine] = ()


@dataclass(frozen=True)
class EpicPage:
    """An epic with everything that is known of it. Of its `stories` there are at most MOST_LINES."""

    line: EpicLine
    project_id: int
    project_name: str
    description: str
    created_at: str | None
    updated_at: str | None
    followers: Sequence[Person]
    comments: Sequence[Comment]
    files: Sequence[File]
    stories: Sequence[StoryLine]
    projected_completion: str | None
    history: Sequence[Event] = ()


def story_page(view: View, story_id: int) -> StoryPage:
    """Raises KeyError if the project has no such story."""
    project, figures = view.project, view.figures
    row = project.stories[story_id]
    label_ids = set(row.get("label_ids") or ())
    number = view.iteration_of.get(story_id)
    comments, files = _comments_and_files(view, row)
    blocked = [other for other in row.get("blocked_story_ids") or () if other in project.stories]
    release = figures.release(story_id) if row["story_type"] == "release" else {}
    return StoryPage(
        line=story_line(view, story_id),
        project_id=project.id,
        project_name=str(project.row["name"]),
        description=row.get("description") or "",
        created_at=row.get("created_at"),
        updated_at=row.get("updated_at"),
        accepted_at=row.get("accepted_at"),
        priority=None if row.get("story_priority") == "none" else row.get("story_priority"),
        external_id=row.get("external_id"),
        requester=_person(view, row.get("requested_by_id")),
        followers=_followers(view, row, "story"),
        epics=[epic_line(view, epic["id"]) for epic in project.epics.values() if epic.get("label_id") in label_ids],
        iteration=number,
        iteration_panel=_panel_of(number, figures.current_iteration_number),
        comments=comments,
        files=files,
        tasks=[Task(task.get("description") or "", bool(task.get("complete"))) for task in row.get("tasks") or ()],
        blockers=[_blocker(view, blocker) for blocker in row.get("blockers") or ()],
        blocking=[story_line(view, other) for other in blocked[:MOST_LINES]],
        blocking_count=len(blocked),
        reviews=[_review(view, review) for review in row.get("reviews") or ()],
        pull_requests=[_pull_request(link) for link in row.get("pull_requests") or ()],
        branches=[_branch(link) for link in row.get("branches") or ()],
        history=_history(view, "story", story_id),
        states=_states(view, story_id),
        release=release,
        release_lines=[story_line(view, other) for other in (release.get("story_ids") or ())[:MOST_LINES]],
    )


def epic_page(view: View, epic_id: int) -> EpicPage:
    """Raises KeyError if the project has no such epic."""
    row = view.project.epics[epic_id]
    figures = view.figures
    ids = sorted(figures.stories_with_label(row.get("label_id")), key=view.story_places.__getitem__)
    comments, files = _comments_and_files(view, row)
    return EpicPage(
        line=epic_line(view, epic_id),
        project_id=view.project.id,
        project_name=str(view.project.row["name"]),
        description=row.get("description") or "",
        created_at=row.get("created_at"),
        updated_at=row.get("updated_at"),
        followers=_followers(view, row, "epic"),
        comments=comments,
        files=files,
        stories=[story_line(view, story_id) for story_id in ids[:MOST_LINES]],
        projected_completion=figures.epic(epic_id)["projected_completion"],
        history=_history(view, "epic", epic_id),
    )


def _panel_of(number: int | None, current: int) -> str | None:
    if number is None:
        return None
    return "done" if number < current else "current" if number == current else "backlog"


def _person(view: View, person_id: int | None) -> Person | None:
    row = view.world.people.get(person_id or 0)
    return person_of(row) if row else None


def _followers(view: View, row: Row, kind: str) -> list[Person]:
    is_known = f"{kind}.followers" not in view.unavailable_attributes
    return persons(view, row.get("follower_ids")) if is_known else []


def _comments_and_files(view: View, row: Row) -> tuple[list[Comment], list[File]]:
    """The comments of a story or an epic, and the files of which an export does not say which comment has them."""
    comments = _comments(view, row)
    files = [file for comment in comments if comment.is_made_up for file in comment.files]
    return [comment for comment in comments if not comment.is_made_up], files


def _comments(view: View, row: Row) -> list[Comment]:
    return [
        Comment(
            comment["id"],
            comment.get("text") or "",
            _person(view, comment.get("person_id")),
            comment.get("created_at"),
            [_file(view, file) for file in comment.get("file_attachments") or ()],
            [
                Link(str(file.get("title") or "Google file"), safe_address(file.get("alternate_link")))
                for file in comment.get("google_attachments") or ()
            ],
            comment.get("commit_identifier"),
        )
        for comment in row.get("comments") or ()
    ]


def _blocker(view: View, blocker: Row) -> Task:
    author = _person(view, blocker.get("person_id"))
    return Task(blocker.get("description") or "", bool(blocker.get("resolved")), author, blocker.get("created_at"))


def _file(view: View, file: Row) -> File:
    filename = BIDI_CONTROLS.sub("\N{REPLACEMENT CHARACTER}", str(file.get("filename") or f"file {file['id']}"))
    return File(file["id"], filename, file.get("size"), file.get("content_type"), file["id"] in view.world.files)


def _review(view: View, review: Row) -> Review:
    review_type = view.project.review_types.get(review.get("review_type_id") or 0, {})
    return Review(
        str(review_type.get("name") or "Review"), _person(view, review.get("reviewer_id")), review.get("status")
    )


def _pull_request(link: Row) -> Link:
    place = "/".join(str(link[name]) for name in ("owner", "repo") if link.get(name))
    text = f"{place}#{link['number']}" if place and link.get("number") else None
    address = f"{link.get('host_url') or 'https://github.com/'}{place}/pull/{link.get('number')}" if text else None
    original = link.get("original_url")
    return Link(text or str(original or "Pull request"), safe_address(original or address), link.get("status"))


def _branch(link: Row) -> Link:
    return Link(str(link.get("name") or link.get("original_url") or "Branch"), safe_address(link.get("original_url")))


def safe_address(address: object) -> str | None:
    """An address that a link may lead to; None for any other than one of the web."""
    try:
        parts = urlsplit(str(address or ""))
    except ValueError:
        return None
    return str(address) if parts.scheme in ("http", "https") and parts.netloc else None


def _history(view: View, kind: str, row_id: int) -> list[Event]:
    if f"{kind}_activity" in view.unavailable_endpoints:
        return []
    found = view.activity_of(kind, row_id)
    return [Event(row["occurred_at"], row.get("message") or "") for row in reversed(found[-MOST_EVENTS:])]


def _states(view: View, story_id: int) -> list[TimeInState]:
    if "story_transitions" in view.unavailable_endpoints or not view.figures.transitions_of(story_id):
        return []
    times = view.figures.cycle_time(story_id)
    if times is None:
        return []
    entered = (state for state in CYCLE_STATES if times[f"{state}_count"])
    return [TimeInState(state, times[f"{state}_count"], times[f"{state}_time"]) for state in entered]
