"""Commands that change a world the way a Tracker user does: one version and one activity each.

Every command takes the world, the project and the id of the person who acts (`by`), and happens at `world.now`.
It looks everything up before it changes anything, so one that raises has changed nothing: KeyError for an id
that is not there, ValueError for a change that Tracker would refuse. Rows are returned as they are stored.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from tracker_server.world import STORY_PARTS, Project, Row, World, iso

Command = TypeVar("Command", bound=Callable[..., Any])

SITE = "https://www.pivotaltracker.com"

# A story's state decides in which stretch of the priority list it stands.
PLACES = {
    "accepted": 0,
    "delivered": 1,
    "finished": 1,
    "rejected": 1,
    "started": 1,
    "planned": 2,
    "unstarted": 3,
    "unscheduled": 4,
}
DONE, ICEBOX = 0, 4

STORY_ATTRIBUTES = {
    "name",
    "description",
    "story_type",
    "story_priority",
    "current_state",
    "estimate",
    "deadline",
    "requested_by_id",
    "owner_ids",
    "label_ids",
    "follower_ids",
    "external_id",
    "integration_id",
}
CREATION_ATTRIBUTES = STORY_ATTRIBUTES | {"created_at", "accepted_at"}

_PART_LISTS = {
    "task": "tasks",
    "comment": "comments",
    "blocker": "blockers",
    "review": "reviews",
    "pull_request": "pull_requests",
    "branch": "branches",
}
_PART_ATTRIBUTES = {
    "task": {"description", "complete", "position"},
    "comment": {"text", "file_attachments", "google_attachments"},
    "blocker": {"description", "resolved"},
    "review": {"status", "reviewer_id"},
}
_ATTACHMENTS = ("file_attachments", "google_attachments")
_STORY_LINK = re.compile(r"#(\d+)")


def _command(edit: Command) -> Command:
    @wraps(edit)
    def locked(world: World, *args: Any, **kwargs: Any) -> Any:
        with world.lock:
            return edit(world, *args, **kwargs)

    return cast("Command", locked)


@_command
def create_story(
    world: World,
    project: Project,
    by: int,
    *,
    name: str,
    tasks: Sequence[str] = (),
    comments: Sequence[str] = (),
    **values: Any,
) -> Row:
    """A new story with the attributes `values`, and in the same command its tasks and comments, given as texts.

    Unless `values` say otherwise it is an unscheduled feature that `by` requests. It stands first in the icebox,
    or last of the stretch that its state belongs to.
    """
    edit = _Edit(world, project, by)
    story = edit.new_story(_story_values(world, project, {"name": name, **values}, CREATION_ATTRIBUTES))
    edit.tell_story(story)
    for position, description in enumerate(tasks, 1):
        edit.append_part(story, "task", {"description": description, "complete": False, "position": position})
    for text in comments:
        edit.append_part(story, "comment", _comment(by, text))
    edit.end("story_create", "added", _this(story), story)
    return story


@_command
def create_release(world: World, project: Project, by: int, *, name: str, **values: Any) -> Row:
    """A new story of type release at the end of the backlog; `deadline` is among the `values` it may have."""
    return create_story(
        world, project, by, **{"current_state": "unstarted", **values, "name": name, "story_type": "release"}
    )


@_command
def update_story(world: World, project: Project, by: int, story_id: int, **values: Any) -> Row:
    """Set attributes of a story; None empties one. A new state is a transition, and may move the story.

    Accepting sets `accepted_at`, leaving the state accepted takes it away.
    """
    edit, story = _Edit(world, project, by), _story(project, story_id)
    values = _story_values(world, project, values, STORY_ATTRIBUTES)
    old_state = story["current_state"]
    state = (story | values)["current_state"]
    neighbours: tuple[Row, Row] = ({}, {})
    if state != old_state:
        values["accepted_at"] = iso(world.now) if state == "accepted" else None
        old_place, place = PLACES[old_state], PLACES[state]
        if place > old_place:
            neighbours = _shift(project, _position(project, story), _start(project, place) - 1)
        elif place < old_place:
            neighbours = _shift(project, _position(project, story), _start(project, place + 1))
    edit.touch(story, values, neighbours)
    highlight, detail = "edited", _this(story)
    if state != old_state:
        edit.transit(story)
        highlight = state
    elif set(values) == {"estimate"} and values["estimate"] is not None:
        points = values["estimate"]
        highlight, detail = "estimated", f"{detail} as {points} point{'' if points == 1 else 's'}"
    edit.end("story_update", highlight, detail, story)
    return story


@_command
def move_story(
    world: World, project: Project, by: int, story_id: int, *, before: int | None = None, after: int | None = None
) -> Row:
    """Give a story another priority: next to the story `before` or `after`, one of the two.

    Its state stays, so it goes only as far as the end of its stretch (in progress, planned, backlog, icebox).
    ValueError for an accepted story: those stand as they were accepted.
    """
    edit, story = _Edit(world, project, by), _story(project, story_id)
    other_id = after if before is None else before
    if other_id is None or None not in (before, after):
        raise ValueError("a story moves either before or after another")
    other = _story(project, other_id)
    place = PLACES[story["current_state"]]
    if place == DONE:
        raise ValueError(f"story {story_id} is accepted, it has no priority any more")
    index = _position(project, story)
    to = _position(project, other) + (before is None)
    to -= to > index
    first, last = _start(project, place), _start(project, place + 1) - 1
    edit.touch(story, {}, _shift(project, index, min(max(to, first), last)))
    edit.end("story_move", "moved", _this(story), story)
    return story


@_command
def delete_stories(world: World, project: Project, by: int, story_ids: Iterable[int]) -> None:
    """Delete stories with their parts, all in one activity. Stories that a deleted one waited for are released."""
    edit = _Edit(world, project, by)
    stories = [_story(project, story_id) for story_id in dict.fromkeys(story_ids)]
    if not stories:
        raise ValueError("no story to delete")
    edit.take_out(stories)
    what = _this(stories[0]) if len(stories) == 1 else f"{len(stories)} stories"
    edit.end("story_delete", "deleted", what, *stories)


@_command
def move_story_to_project(world: World, source: Project, target: Project, by: int, story_id: int) -> Row:
    """Move a story with its parts: a delete in `source` and a create in `target`, one version in each.

    Id, created_at, state and parts stay. Labels become the target's labels of the same name, made where they are
    missing; review types likewise by name. ValueError if both projects are the same.
    """
    leaving, arriving, story = _Edit(world, source, by), _Edit(world, target, by), _story(source, story_id)
    if source is target:
        raise ValueError(f"story {story_id} is in project {target.id} already")
    names = [label["name"] for label in _labels(source, story["label_ids"])]
    label_ids = [arriving.label_named(name)["id"] for name in names]
    leaving.take_out([story])
    what = _this(story)
    leaving.end("story_move_from_project", "moved", f"{what} to {target.row['name']}", story)

    story |= {"project_id": target.id, "label_ids": label_ids, "updated_at": iso(world.now)}
    target_types = {row["name"]: row["id"] for row in target.review_types.values()}
    for review in story["reviews"]:
        type_name = source.review_types[review["review_type_id"]]["name"]
        review["review_type_id"] = target_types.get(type_name, review["review_type_id"])
    target.stories[story_id] = story
    _insert(target, story)
    arriving.tell_story(story)
    arriving.end("story_move_into_project", "moved", f"{what} into this project", story)
    return story


@_command
def import_stories(world: World, project: Project, by: int, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Create a story for each mapping of attributes, as a CSV import does: all of them in one activity."""
    edit = _Edit(world, project, by)
    checked = [_story_values(world, project, values, CREATION_ATTRIBUTES) for values in rows]
    if not all(values.get("name") for values in checked):
        raise ValueError("a story needs a name")
    stories = [edit.new_story(values) for values in checked]
    for story in stories:
        edit.tell_story(story)
    edit.end("model_import", "imported", f"{len(stories)} stories", *stories)
    return stories


@_command
def add_follower(world: World, project: Project, by: int, story_id: int, person_id: int) -> Row:
    """Let a person follow a story."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    follower = _person(world, person_id)
    edit.touch(story, {"follower_ids": [i for i in story["follower_ids"] if i != person_id] + [person_id]})
    edit.end("follower_create", "added", f"{follower['name']} as a follower of {_this(story)}", story)
    return story


@_command
def create_task(
    world: World, project: Project, by: int, story_id: int, *, description: str, complete: bool = False
) -> Row:
    """A new task at the end of a story's list."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    values = {"description": description, "complete": complete, "position": len(story["tasks"]) + 1}
    return edit.create_part(story, "task", values, "added task:", f'"{description}"')


@_command
def update_task(world: World, project: Project, by: int, story_id: int, task_id: int, **values: Any) -> Row:
    """Set a task's `description`, `complete` or `position`; tasks that make room keep their `updated_at`."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    task = _part(story, "task", task_id)
    wanted = task | values
    position = wanted["position"]
    if not 1 <= position <= len(story["tasks"]):
        raise ValueError(f"story {story_id} has no task position {position}")
    highlight = "rewrote task:"
    if wanted["complete"] != task["complete"]:
        highlight = "completed task:" if wanted["complete"] else "reopened task:"
    edit.update_part(story, task, values, highlight, f'"{wanted["description"]}"')
    story["tasks"].remove(task)
    story["tasks"].insert(position - 1, task)
    _number(story["tasks"])
    return task


@_command
def delete_task(world: World, project: Project, by: int, story_id: int, task_id: int) -> None:
    """Delete a task; the ones behind it move up and keep their `updated_at`."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    edit.delete_part(story, "task", task_id)
    _number(story["tasks"])


@_command
def create_comment(
    world: World,
    project: Project,
    by: int,
    *,
    story_id: int | None = None,
    epic_id: int | None = None,
    text: str | None = None,
    file_attachments: Sequence[Mapping[str, Any]] = (),
    google_attachments: Sequence[Mapping[str, Any]] = (),
) -> Row:
    """A comment on a story or on an epic, one of the two; who comments follows it from then on.

    A file needs `filename` and `size`, and may have `content_type`, `width` and `height`; a Google document has
    `google_kind`, `title`, `google_id`, `alternate_link` and `resource_id`.
    """
    edit, parent = _Edit(world, project, by), _commented(project, story_id, epic_id)
    if text is None and not file_attachments and not google_attachments:
        raise ValueError("a comment has a text or an attachment")
    values = _comment(by, text)
    edit.attach(values, file_attachments, google_attachments)
    followers = parent["follower_ids"]
    if by not in followers and project.row.get("enable_following", True):
        followers = [*followers, by]
    quote = f'"{text}"' if text is not None else _attached(values)
    return edit.create_part(parent, "comment", values, "added comment:", quote, follower_ids=followers)


@_command
def update_comment(
    world: World,
    project: Project,
    by: int,
    comment_id: int,
    *,
    story_id: int | None = None,
    epic_id: int | None = None,
    text: str | None = None,
    add_files: Sequence[Mapping[str, Any]] = (),
    add_google: Sequence[Mapping[str, Any]] = (),
    remove_attachments: Iterable[int] = (),
) -> Row:
    """Set a comment's text (None leaves it), add attachments (as in `create_comment`) or remove them by their ids."""
    edit, parent = _Edit(world, project, by), _commented(project, story_id, epic_id)
    comment = _part(parent, "comment", comment_id)
    gone = set(remove_attachments)
    unknown = gone.difference(row["id"] for part in _ATTACHMENTS for row in comment[part])
    if unknown:
        raise KeyError(f"no attachment {min(unknown)} in comment {comment_id}")
    values: Row = {part: [row for row in comment[part] if row["id"] not in gone] for part in _ATTACHMENTS}
    edit.attach(values, add_files, add_google)
    _claim_google(comment_id, values)
    if text is not None:
        values["text"] = text
    return edit.update_part(parent, comment, values, "edited", "this comment")


@_command
def delete_comment(
    world: World, project: Project, by: int, comment_id: int, *, story_id: int | None = None, epic_id: int | None = None
) -> None:
    """Delete a comment of a story or of an epic, with its attachments."""
    _Edit(world, project, by).delete_part(_commented(project, story_id, epic_id), "comment", comment_id)


@_command
def create_blocker(world: World, project: Project, by: int, story_id: int, *, description: str) -> Row:
    """A blocker of a story; a `#<story id>` in it puts the story among that one's `blocked_story_ids`."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    values = {"person_id": by, "description": description, "resolved": False}
    return edit.create_part(story, "blocker", values, "added a blocker", f'"{description}"')


@_command
def update_blocker(world: World, project: Project, by: int, story_id: int, blocker_id: int, **values: Any) -> Row:
    """Set a blocker's `description` or `resolved`; a resolved one blocks no story."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    highlight = "resolved" if values.get("resolved") else "edited"
    return edit.update_part(story, _part(story, "blocker", blocker_id), values, highlight, "this blocker")


@_command
def delete_blocker(world: World, project: Project, by: int, story_id: int, blocker_id: int) -> None:
    """Delete a blocker."""
    _Edit(world, project, by).delete_part(_story(project, story_id), "blocker", blocker_id)


@_command
def create_review(
    world: World,
    project: Project,
    by: int,
    story_id: int,
    *,
    review_type_id: int,
    reviewer_id: int | None = None,
    status: str = "unstarted",
) -> Row:
    """A review of a story, with or without somebody to do it."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    _row(project.review_types, review_type_id, "review type", project)
    if reviewer_id is not None:
        _person(world, reviewer_id)
    values = {"review_type_id": review_type_id, "reviewer_id": reviewer_id, "status": status}
    return edit.create_part(story, "review", values, "added a review", f"to {_this(story)}")


@_command
def update_review(world: World, project: Project, by: int, story_id: int, review_id: int, **values: Any) -> Row:
    """Set a review's `status` (unstarted, in_review, pass, revise) or `reviewer_id`; None takes the reviewer away."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    if values.get("reviewer_id") is not None:
        _person(world, values["reviewer_id"])
    return edit.update_part(story, _part(story, "review", review_id), values, "edited", "this review")


@_command
def delete_review(world: World, project: Project, by: int, story_id: int, review_id: int) -> None:
    """Delete a review."""
    _Edit(world, project, by).delete_part(_story(project, story_id), "review", review_id)


@_command
def create_pull_request(
    world: World,
    project: Project,
    by: int,
    story_id: int,
    *,
    owner: str,
    repo: str,
    number: int,
    status: str = "open",
    host_url: str = "https://github.com/",
) -> Row:
    """Attach a pull request to a story."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    values = _link(owner, repo, host_url, f"pull/{number}") | {"status": status, "number": number}
    return edit.create_part(story, "pull_request", values, "added a pull request", f"to {_this(story)}")


@_command
def create_branch(
    world: World,
    project: Project,
    by: int,
    story_id: int,
    *,
    owner: str,
    repo: str,
    name: str,
    host_url: str = "https://github.com/",
) -> Row:
    """Attach a branch to a story."""
    edit, story = _Edit(world, project, by), _story(project, story_id)
    values = _link(owner, repo, host_url, f"tree/{name}") | {"name": name}
    return edit.create_part(story, "branch", values, "added a branch", f"to {_this(story)}")


@_command
def delete_pull_request(world: World, project: Project, by: int, story_id: int, pull_request_id: int) -> None:
    """Take a pull request off a story."""
    _Edit(world, project, by).delete_part(_story(project, story_id), "pull_request", pull_request_id)


@_command
def delete_branch(world: World, project: Project, by: int, story_id: int, branch_id: int) -> None:
    """Take a branch off a story."""
    _Edit(world, project, by).delete_part(_story(project, story_id), "branch", branch_id)


@_command
def create_label(world: World, project: Project, by: int, *, name: str) -> Row:
    """A new label; Tracker keeps the names of labels in lower case. ValueError if there is one of that name."""
    edit = _Edit(world, project, by)
    _check_label_name(project, name)
    label = edit.new_label(name)
    edit.end("label_create", "created", f'label "{label["name"]}"', label)
    return label


@_command
def update_label(world: World, project: Project, by: int, label_id: int, *, name: str) -> Row:
    """Rename a label; its stories keep their `updated_at`."""
    edit, label = _Edit(world, project, by), _label(project, label_id)
    if name.lower() != label["name"]:
        _check_label_name(project, name)
    edit.touch(label, {"name": name.lower()})
    edit.end("label_update", "edited", f'label "{label["name"]}"', label)
    return label


@_command
def delete_label(world: World, project: Project, by: int, label_id: int) -> None:
    """Delete a label and take it off its stories, and off its epic if it has one."""
    edit, label = _Edit(world, project, by), _label(project, label_id)
    edit.tell("delete", label)
    for story in _labelled(project, {label_id}):
        edit.touch(story, {"label_ids": [i for i in story["label_ids"] if i != label_id]})
    for epic in project.epics.values():
        if epic.get("label_id") == label_id:
            edit.touch(epic, {"label_id": None})
    del project.labels[label_id]
    edit.end("label_delete", "deleted", f'label "{label["name"]}"', label)


@_command
def merge_labels(world: World, project: Project, by: int, into_id: int, label_ids: Iterable[int]) -> Row:
    """Put one label in the place of others, which are deleted. ValueError if one of those is an epic's."""
    edit, into = _Edit(world, project, by), _label(project, into_id)
    merged = [label for label in _labels(project, dict.fromkeys(label_ids)) if label is not into]
    gone = {label["id"] for label in merged}
    if gone & {epic.get("label_id") for epic in project.epics.values()}:
        raise ValueError("the label of an epic cannot be merged into another")
    for label in merged:
        edit.tell("delete", label)
    for story in _labelled(project, gone):
        kept = dict.fromkeys(into_id if i in gone else i for i in story["label_ids"])
        edit.touch(story, {"label_ids": list(kept)})
    for label_id in gone:
        del project.labels[label_id]
    edit.end("label_merge", "merged", f'{len(merged)} labels into "{into["name"]}"', into, *merged)
    return into


@_command
def create_epic(
    world: World, project: Project, by: int, *, name: str, description: str | None = None, label_id: int | None = None
) -> Row:
    """A new epic, last in priority; without `label_id` it gets the label of its own name, made if it is missing."""
    edit = _Edit(world, project, by)
    label = edit.label_named(name) if label_id is None else _label(project, label_id)
    epic = edit.new_row("epic", project_id=project.id, name=name, description=description)
    epic |= {"label_id": label["id"], "follower_ids": [], "url": f"{SITE}/epic/show/{epic['id']}"}
    edit.tell_creation(epic)
    epic["comments"] = []
    project.epics[epic["id"]] = epic
    edit.end("epic_create", "added", "this epic", epic)
    return epic


@_command
def update_epic(world: World, project: Project, by: int, epic_id: int, **values: Any) -> Row:
    """Set an epic's `name`, `description` or `label_id`; None empties one."""
    edit, epic = _Edit(world, project, by), _epic(project, epic_id)
    _refuse_others(values, {"name", "description", "label_id"}, "an epic")
    if values.get("label_id") is not None:
        _label(project, values["label_id"])
    edit.touch(epic, values)
    edit.end("epic_update", "edited", "this epic", epic)
    return epic


@_command
def delete_epic(world: World, project: Project, by: int, epic_id: int) -> None:
    """Delete an epic with its comments; its label and the stories that carry it stay."""
    edit, epic = _Edit(world, project, by), _epic(project, epic_id)
    del project.epics[epic_id]
    edit.tell("delete", epic)
    edit.end("epic_delete", "deleted", "this epic", epic)


@_command
def create_membership(
    world: World, project: Project, by: int, *, person_id: int, role: str = "member", **values: Any
) -> Row:
    """Make a person a member of the project, as owner, member or viewer. ValueError if they are one already."""
    edit, person = _Edit(world, project, by), _person(world, person_id)
    if any(row["person_id"] == person_id for row in project.memberships.values()):
        raise ValueError(f"person {person_id} is in project {project.id} already")
    defaults = {
        "project_color": "555555",
        "favorite": False,
        "last_viewed_at": iso(world.now),
        "wants_comment_notification_emails": True,
        "will_receive_mention_notifications_or_emails": True,
    }
    attributes = {"project_id": project.id, "person_id": person_id, "role": role, **defaults, **values}
    membership = edit.new_row("project_membership", **attributes)
    project.memberships[membership["id"]] = membership
    edit.tell_creation(membership)
    edit.end("project_membership_create", "added", f"{person['name']} as {role}", membership)
    return membership


@_command
def update_membership(world: World, project: Project, by: int, membership_id: int, **values: Any) -> Row:
    """Set attributes of a membership: `role`, `project_color`, `favorite`, …"""
    edit, membership = _Edit(world, project, by), _row(project.memberships, membership_id, "membership", project)
    _refuse_others(values, membership.keys() - {"kind", "id", "project_id", "person_id"}, "a membership")
    edit.touch(membership, values)
    detail = f"the membership of {_person(world, membership['person_id'])['name']}"
    edit.end("project_membership_update", "changed", detail, membership)
    return membership


@_command
def delete_membership(world: World, project: Project, by: int, membership_id: int) -> None:
    """End a membership; what the person wrote and owns stays as it is."""
    edit, membership = _Edit(world, project, by), _row(project.memberships, membership_id, "membership", project)
    del project.memberships[membership_id]
    edit.tell("delete", membership)
    detail = f"the membership of {_person(world, membership['person_id'])['name']}"
    edit.end("project_membership_delete", "deleted", detail, membership)


@_command
def update_project(world: World, project: Project, by: int, **values: Any) -> None:
    """Change settings of the project: the one command that moves the project's own `updated_at`."""
    edit = _Edit(world, project, by)
    settings = project.row.keys() | {"description", "profile_content", "start_date"}
    _refuse_others(values, settings - {"kind", "id", "created_at", "updated_at"}, "a project")
    edit.touch(project.row, values)
    edit.end("project_update", "edited", "this project", project.row)


class _Edit:
    """A command under way: who edits which project, and the changes so far, which `end` puts into the activity."""

    def __init__(self, world: World, project: Project, by: int) -> None:
        self._world = world
        self._project = project
        self._actor = _person(world, by)
        self._changes: list[Row] = []

    def end(self, kind: str, highlight: str, detail: str, *resources: Row) -> None:
        """The project's next version, and the activity that tells what it was."""
        project, actor = self._project, self._actor
        project.version += 1
        shown = ("kind", "id", "name", "story_type", "url")
        project.activity.append(
            {
                "kind": f"{kind}_activity",
                "guid": f"{project.id}_{project.version}",
                "project_version": project.version,
                "message": f"{actor['name']} {highlight} {detail}".rstrip(),
                "highlight": highlight,
                "changes": self._changes,
                "primary_resources": [{key: row[key] for key in shown if key in row} for row in resources],
                "secondary_resources": [],
                "project": {"kind": "project", "id": project.id, "name": project.row["name"]},
                "performed_by": {key: actor[key] for key in ("kind", "id", "name", "initials")},
                "occurred_at": iso(self._world.now),
            }
        )

    def tell(self, change_type: str, row: Row, **values: Row) -> None:
        """A change repeats of a story, an epic or a label its name and type."""
        title = {key: row[key] for key in ("name", "story_type") if key in row}
        self._changes.append({"kind": row["kind"], "change_type": change_type, "id": row["id"]} | values | title)

    def tell_creation(self, row: Row, **more: Any) -> None:
        values = {key: value for key, value in row.items() if key not in ("kind", "url")}
        self.tell("create", row, new_values=values | more)

    def tell_story(self, story: Row) -> None:
        """The creation of a story, which tells where it stands and how its labels are called, but not its parts."""
        told = {key: value for key, value in story.items() if key not in ("story_priority", *STORY_PARTS)}
        place = _neighbours(self._project.order, _position(self._project, story))
        self.tell_creation(told, **place, labels=_label_names(self._project, story))

    def touch(self, row: Row, values: Mapping[str, Any], neighbours: tuple[Row, Row] = ({}, {})) -> None:
        """Set values on a row, move its `updated_at`, and tell the change, unless all of it was so before.

        `neighbours` are a moved story's, then and now; they are told, not stored.
        """
        original: Row = {}
        new: Row = {}
        relabelled = row["kind"] == "story" and "label_ids" in values
        names = _label_names(self._project, row) if relabelled else []
        for key, value in (*values.items(), ("updated_at", iso(self._world.now))):
            before = row.get(key)
            if before == value:
                continue
            original[key], new[key] = before, value
            if value is None:
                del row[key]
            else:
                row[key] = value
        if "label_ids" in new:
            original["labels"], new["labels"] = names, _label_names(self._project, row)
        original |= neighbours[0]
        new |= neighbours[1]
        if new:
            self.tell("update", row, original_values=original, new_values=new)

    def new_row(self, kind: str, **values: Any) -> Row:
        """A row made now; a value of None is left out."""
        now = iso(self._world.now)
        given = {key: value for key, value in values.items() if value is not None}
        return {"kind": kind, "id": self._world.new_id(), **given, "created_at": now, "updated_at": now}

    def new_story(self, values: Mapping[str, Any]) -> Row:
        """A story in its place of the priority list, untold so far."""
        project = self._project
        defaults = {
            "story_type": "feature",
            "story_priority": "none",
            "current_state": "unscheduled",
            "requested_by_id": self._actor["id"],
            "owner_ids": [],
            "label_ids": [],
            "follower_ids": [],
            "blocked_story_ids": [],
        }
        given = {key: value for key, value in values.items() if value is not None}
        story = self.new_row("story", project_id=project.id, **defaults) | given
        story |= {"url": f"{SITE}/story/show/{story['id']}", **{part: [] for part in STORY_PARTS}}
        if story["current_state"] == "accepted":
            story.setdefault("accepted_at", iso(self._world.now))
        project.stories[story["id"]] = story
        _insert(project, story)
        self.transit(story)
        return story

    def transit(self, story: Row) -> None:
        """Note a story's state under the version that the command is about to make."""
        self._project.transitions.append(
            {
                "kind": "story_transition",
                "state": story["current_state"],
                "story_id": story["id"],
                "project_id": self._project.id,
                "project_version": self._project.version + 1,
                "occurred_at": iso(self._world.now),
                "performed_by_id": self._actor["id"],
            }
        )

    def take_out(self, stories: Sequence[Row]) -> None:
        """Take stories out of the project and untie them from the ones they wait for."""
        project = self._project
        gone = {story["id"] for story in stories}
        if len(stories) == 1:
            del project.order[_position(project, stories[0])]
        else:
            project.order[:] = [story_id for story_id in project.order if story_id not in gone]
        waited_for = dict.fromkeys(blocking for story in stories for blocking in _blocking(project, story))
        for story in stories:
            self.tell("delete", story)
            del project.stories[story["id"]]
            story["blocked_story_ids"] = []
        for blocking in waited_for:
            if blocking not in gone:
                blocked = [i for i in project.stories[blocking]["blocked_story_ids"] if i not in gone]
                self.touch(project.stories[blocking], {"blocked_story_ids": blocked})

    def new_label(self, name: str) -> Row:
        label = self.new_row("label", project_id=self._project.id, name=name.lower())
        self._project.labels[label["id"]] = label
        self.tell_creation(label)
        return label

    def label_named(self, name: str) -> Row:
        """The project's label of this name, made if it is missing."""
        labels = self._project.labels.values()
        return next((label for label in labels if label["name"] == name.lower()), None) or self.new_label(name)

    def attach(
        self, comment: Row, files: Iterable[Mapping[str, Any]], google_documents: Iterable[Mapping[str, Any]]
    ) -> None:
        """Give a comment's values further attachments, in the name of the one who edits."""
        by = self._actor["id"]
        for given in files:
            file_id = self._world.new_id()
            link = f"/file_attachments/{file_id}"
            thumbnailable = "width" in given
            comment["file_attachments"].append(
                {
                    "kind": "file_attachment",
                    "id": file_id,
                    "created_at": iso(self._world.now),
                    "uploader_id": by,
                    "thumbnailable": thumbnailable,
                    "uploaded": True,
                    "download_url": f"{link}/download",
                    "big_url": f"{link}/big" if thumbnailable else "#",
                    "thumbnail_url": f"{link}/thumbnail" if thumbnailable else "#",
                    **given,
                }
            )
        for given in google_documents:
            document = {"kind": "google_attachment", "id": self._world.new_id(), "person_id": by, **given}
            comment["google_attachments"].append(document)

    def append_part(self, parent: Row, kind: str, values: Row) -> Row:
        """Give a story or an epic a new part, its last one."""
        part = self.new_row(kind, **{f"{parent['kind']}_id": parent["id"]}, **values)
        parent[_PART_LISTS[kind]].append(part)
        attached: Row = {}
        if kind == "comment":
            _claim_google(part["id"], part)
            files, documents = ([row["id"] for row in part[each]] for each in _ATTACHMENTS)
            attached = {"file_attachment_ids": files, "google_attachment_ids": documents}
            attached["attachment_ids"] = files + documents
        self.tell_creation(part, **attached)
        return part

    def create_part(
        self, parent: Row, kind: str, values: Row, highlight: str, detail: str, **parent_values: Any
    ) -> Row:
        """The whole command for a new part of a story or an epic."""
        waiting = _blocking(self._project, parent)
        part = self.append_part(parent, kind, values)
        self.touch(parent, parent_values)
        self._end_part("create", kind, parent, waiting, highlight, detail)
        return part

    def update_part(self, parent: Row, part: Row, values: Row, highlight: str, detail: str) -> Row:
        """The whole command for a part that changes."""
        kind, waiting = part["kind"], _blocking(self._project, parent)
        _refuse_others(values, _PART_ATTRIBUTES[kind], f"a {kind}")
        self.touch(part, values)
        self.touch(parent, {})
        self._end_part("update", kind, parent, waiting, highlight, detail)
        return part

    def delete_part(self, parent: Row, kind: str, part_id: int) -> None:
        """The whole command for a part that goes."""
        part, waiting = _part(parent, kind, part_id), _blocking(self._project, parent)
        parent[_PART_LISTS[kind]].remove(part)
        self.tell("delete", part)
        self.touch(parent, {})
        self._end_part("delete", kind, parent, waiting, f"deleted a {kind}", "")

    def _end_part(self, verb: str, kind: str, parent: Row, waiting: Sequence[int], highlight: str, detail: str) -> None:
        """Bring `blocked_story_ids` up to date with the parent's blockers, which named `waiting` until now."""
        now = _blocking(self._project, parent)
        for blocking in dict.fromkeys([*waiting, *now]):
            if (blocking in waiting) != (blocking in now):
                other = self._project.stories[blocking]
                blocked = [i for i in other["blocked_story_ids"] if i != parent["id"]]
                blocked += [parent["id"]] if blocking in now else []
                self.touch(other, {"blocked_story_ids": blocked})
        self.end(f"{kind}_{verb}", highlight, detail, parent)


def _person(world: World, person_id: int) -> Row:
    if person_id not in world.people:
        raise KeyError(f"no person {person_id} in this world")
    return world.people[person_id]


def _row(rows: Mapping[int, Row], row_id: int, what: str, project: Project) -> Row:
    if row_id not in rows:
        raise KeyError(f"no {what} {row_id} in project {project.id}")
    return rows[row_id]


def _story(project: Project, story_id: int) -> Row:
    return _row(project.stories, story_id, "story", project)


def _epic(project: Project, epic_id: int) -> Row:
    return _row(project.epics, epic_id, "epic", project)


def _label(project: Project, label_id: int) -> Row:
    return _row(project.labels, label_id, "label", project)


def _labels(project: Project, label_ids: Iterable[int]) -> list[Row]:
    return [_label(project, label_id) for label_id in label_ids]


def _labelled(project: Project, label_ids: set[int]) -> list[Row]:
    return [story for story in project.stories.values() if not label_ids.isdisjoint(story["label_ids"])]


def _label_names(project: Project, story: Row) -> list[str]:
    return [project.labels[label_id]["name"] for label_id in story["label_ids"]]


def _commented(project: Project, story_id: int | None, epic_id: int | None) -> Row:
    if story_id is not None and epic_id is None:
        return _story(project, story_id)
    if epic_id is not None and story_id is None:
        return _epic(project, epic_id)
    raise ValueError("a comment belongs either to a story or to an epic")


def _part(parent: Row, kind: str, part_id: int) -> Row:
    for row in parent[_PART_LISTS[kind]]:
        if row["id"] == part_id:
            found: Row = row
            return found
    raise KeyError(f"no {kind} {part_id} in {parent['kind']} {parent['id']}")


def _this(story: Row) -> str:
    return f"this {story['story_type']}"


def _refuse_others(given: Iterable[str], known: Iterable[str], what: str) -> None:
    unknown = set(given).difference(known)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not to be set on {what}")


def _story_values(world: World, project: Project, given: Mapping[str, Any], known: set[str]) -> Row:
    """A checked copy of attributes of a story, whose lists nobody else holds."""
    _refuse_others(given, known, "a story")
    values = dict(given)
    for key in ("owner_ids", "follower_ids", "label_ids"):
        if key in values:
            values[key] = list(values[key] or ())
    if values.get("current_state", "started") not in PLACES:
        raise ValueError(f"{values['current_state']}: not a state of a story")
    if "accepted_at" in values and values.get("current_state") != "accepted":
        raise ValueError("only an accepted story has accepted_at")
    for person_id in (*values.get("owner_ids", ()), *values.get("follower_ids", ())):
        _person(world, person_id)
    _labels(project, values.get("label_ids", ()))
    return values


def _check_label_name(project: Project, name: str) -> None:
    if any(label["name"] == name.lower() for label in project.labels.values()):
        raise ValueError(f"project {project.id} has a label {name.lower()!r} already")


def _start(project: Project, place: int) -> int:
    """Where in the priority list a stretch starts; one past the last place is the end of the list."""
    stories = project.stories
    return bisect_left(project.order, place, key=lambda story_id: PLACES[stories[story_id]["current_state"]])


def _position(project: Project, story: Row) -> int:
    return project.order.index(story["id"], _start(project, PLACES[story["current_state"]]))


def _neighbours(order: Sequence[int], index: int) -> Row:
    return {
        "before_id": order[index + 1] if index + 1 < len(order) else None,
        "after_id": order[index - 1] if index else None,
    }


def _shift(project: Project, index: int, to: int) -> tuple[Row, Row]:
    """Move the story at `index` to `to`; its neighbours then and now, as far as they are others."""
    order = project.order
    old = _neighbours(order, index)
    order.insert(to, order.pop(index))
    new = _neighbours(order, to)
    moved = [key for key in old if old[key] != new[key]]
    return {key: old[key] for key in moved}, {key: new[key] for key in moved}


def _insert(project: Project, story: Row) -> None:
    """Put a story into the priority list: accepted ones by time, the icebox from the top, others at their end."""
    place = PLACES[story["current_state"]]
    if place == DONE:
        stories, accepted_at = project.stories, story["accepted_at"]
        end = _start(project, DONE + 1)
        index = bisect_right(project.order, accepted_at, 0, end, key=lambda i: stories[i]["accepted_at"])
    else:
        index = _start(project, min(place + 1, ICEBOX))
    project.order.insert(index, story["id"])


def _blocking(project: Project, story: Row) -> list[int]:
    """The stories that an open blocker of this one names, in the order of their naming."""
    texts = [row["description"] for row in story.get("blockers", ()) if not row["resolved"]]
    named = dict.fromkeys(int(number) for text in texts for number in _STORY_LINK.findall(text))
    return [story_id for story_id in named if story_id in project.stories and story_id != story["id"]]


def _number(tasks: list[Row]) -> None:
    for position, task in enumerate(tasks, 1):
        task["position"] = position


def _comment(by: int, text: str | None) -> Row:
    return {"text": text, "person_id": by, "file_attachments": [], "google_attachments": []}


def _claim_google(comment_id: int, comment: Row) -> None:
    for document in comment["google_attachments"]:
        document["comment_id"] = comment_id


def _attached(comment: Row) -> str:
    names = [row["filename"] for row in comment["file_attachments"]]
    return ", ".join(names + [row["title"] for row in comment["google_attachments"]])


def _link(owner: str, repo: str, host_url: str, page: str) -> Row:
    """What a pull request and a branch have in common."""
    return {"owner": owner, "repo": repo, "host_url": host_url, "original_url": f"{host_url}{owner}/{repo}/{page}"}
