"""A command under way: what it changes, and the version and the activity that it ends with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

from tracker_server.edits.lookup import PART_LISTS, label_names, part_by_id, person_by_id
from tracker_server.edits.priority import insert, neighbours_at, position_of
from tracker_server.world import STORY_PARTS, Project, Row, World, iso

Command = TypeVar("Command", bound=Callable[..., Any])
SITE = "https://www.pivotaltracker.com"
PART_ATTRIBUTES = {
    "task": {"description", "complete", "position"},
    "comment": {"text", "file_attachments", "google_attachments"},
    "blocker": {"description", "resolved"},
    "review": {"status", "reviewer_id"},
}
ATTACHMENTS = ("file_attachments", "google_attachments")
_STORY_LINK = re.compile(r"#(\d+)")


def command(edit: Command) -> Command:
    @wraps(edit)
    def locked(world: World, *args: Any, **kwargs: Any) -> Any:
        with world.lock:
            return edit(world, *args, **kwargs)

    return cast("Command", locked)


class Edit:
    """A command under way: who edits which project, and the changes so far, which `commit` puts into the activity."""

    def __init__(self, world: World, project: Project, by: int) -> None:
        self._world = world
        self._project = project
        self._actor = person_by_id(world, by)
        self._changes: list[Row] = []

    def commit(self, kind: str, highlight: str, detail: str, *resources: Row) -> None:
        """End the command: the project gets its next version, and the activity that describes it."""
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

    def record(self, change_type: str, row: Row, **values: Row) -> None:
        """Record a change. It repeats the name and type of a story, an epic or a label."""
        title = {key: row[key] for key in ("name", "story_type") if key in row}
        self._changes.append({"kind": row["kind"], "change_type": change_type, "id": row["id"]} | values | title)

    def record_creation(self, row: Row, **more: Any) -> None:
        values = {key: value for key, value in row.items() if key not in ("kind", "url")}
        self.record("create", row, new_values=values | more)

    def record_story(self, story: Row) -> None:
        """Record the creation of a story, with its neighbours and the names of its labels, but without its parts."""
        values = {key: value for key, value in story.items() if key not in ("story_priority", *STORY_PARTS)}
        place = neighbours_at(self._project.order, position_of(self._project, story))
        self.record_creation(values, **place, labels=label_names(self._project, story))

    def update_row(self, row: Row, values: Mapping[str, Any], neighbours: tuple[Row, Row] = ({}, {})) -> None:
        """Set values on a row, move its `updated_at`, and record the change, unless nothing changes.

        `neighbours` are those of a moved story, before and after; they are recorded, not stored.
        """
        original: Row = {}
        new: Row = {}
        relabelled = row["kind"] == "story" and "label_ids" in values
        names = label_names(self._project, row) if relabelled else []
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
            original["labels"], new["labels"] = names, label_names(self._project, row)
        original |= neighbours[0]
        new |= neighbours[1]
        if new:
            self.record("update", row, original_values=original, new_values=new)

    def new_row(self, kind: str, **values: Any) -> Row:
        """A row made now; a value of None is left out."""
        now = iso(self._world.now)
        given = {key: value for key, value in values.items() if value is not None}
        return {"kind": kind, "id": self._world.new_id(), **given, "created_at": now, "updated_at": now}

    def new_story(self, values: Mapping[str, Any]) -> Row:
        """A story in its place of the priority list; its creation is not recorded yet."""
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
        insert(project, story)
        self.record_transition(story)
        return story

    def record_transition(self, story: Row) -> None:
        """Record a story's state under the version that the command will create."""
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

    def remove_stories(self, stories: Sequence[Row]) -> None:
        """Take stories out of the project and untie them from the ones they wait for."""
        project = self._project
        gone = {story["id"] for story in stories}
        if len(stories) == 1:
            del project.order[position_of(project, stories[0])]
        else:
            project.order[:] = [story_id for story_id in project.order if story_id not in gone]
        waited_for = dict.fromkeys(blocking for story in stories for blocking in blocking_ids(project, story))
        for story in stories:
            self.record("delete", story)
            del project.stories[story["id"]]
            story["blocked_story_ids"] = []
        for blocking in waited_for:
            if blocking not in gone:
                blocked = [i for i in project.stories[blocking]["blocked_story_ids"] if i not in gone]
                self.update_row(project.stories[blocking], {"blocked_story_ids": blocked})

    def new_label(self, name: str) -> Row:
        label = self.new_row("label", project_id=self._project.id, name=name.lower())
        self._project.labels[label["id"]] = label
        self.record_creation(label)
        return label

    def find_or_create_label(self, name: str) -> Row:
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
        parent[PART_LISTS[kind]].append(part)
        attached: Row = {}
        if kind == "comment":
            set_comment_id(part["id"], part)
            files, documents = ([row["id"] for row in part[name]] for name in ATTACHMENTS)
            attached = {"file_attachment_ids": files, "google_attachment_ids": documents}
            attached["attachment_ids"] = files + documents
        self.record_creation(part, **attached)
        return part

    def create_part(
        self, parent: Row, kind: str, values: Row, highlight: str, detail: str, **parent_values: Any
    ) -> Row:
        """The whole command for a new part of a story or an epic."""
        waiting = blocking_ids(self._project, parent)
        part = self.append_part(parent, kind, values)
        self.update_row(parent, parent_values)
        self._end_part("create", kind, parent, waiting, highlight, detail)
        return part

    def update_part(self, parent: Row, part: Row, values: Row, highlight: str, detail: str) -> Row:
        """The whole command for a part that changes."""
        kind, waiting = part["kind"], blocking_ids(self._project, parent)
        refuse_unknown(values, PART_ATTRIBUTES[kind], f"a {kind}")
        self.update_row(part, values)
        self.update_row(parent, {})
        self._end_part("update", kind, parent, waiting, highlight, detail)
        return part

    def delete_part(self, parent: Row, kind: str, part_id: int) -> None:
        """The whole command for a part that goes."""
        part, waiting = part_by_id(parent, kind, part_id), blocking_ids(self._project, parent)
        parent[PART_LISTS[kind]].remove(part)
        self.record("delete", part)
        self.update_row(parent, {})
        self._end_part("delete", kind, parent, waiting, f"deleted a {kind}", "")

    def _end_part(self, verb: str, kind: str, parent: Row, waiting: Sequence[int], highlight: str, detail: str) -> None:
        """Bring `blocked_story_ids` up to date with the parent's blockers, which named `waiting` until now."""
        now = blocking_ids(self._project, parent)
        for blocking in dict.fromkeys([*waiting, *now]):
            if (blocking in waiting) != (blocking in now):
                other = self._project.stories[blocking]
                blocked = [i for i in other["blocked_story_ids"] if i != parent["id"]]
                blocked += [parent["id"]] if blocking in now else []
                self.update_row(other, {"blocked_story_ids": blocked})
        self.commit(f"{kind}_{verb}", highlight, detail, parent)


def this_type(story: Row) -> str:
    return f"this {story['story_type']}"


def refuse_unknown(given: Iterable[str], known: Iterable[str], what: str) -> None:
    unknown = set(given).difference(known)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))}: not to be set on {what}")


def blocking_ids(project: Project, story: Row) -> list[int]:
    """The stories that an open blocker of this one names, in the order of their naming."""
    texts = [row["description"] for row in story.get("blockers", ()) if not row["resolved"]]
    named = dict.fromkeys(int(number) for text in texts for number in _STORY_LINK.findall(text))
    return [story_id for story_id in named if story_id in project.stories and story_id != story["id"]]


def comment_values(by: int, text: str | None) -> Row:
    return {"text": text, "person_id": by, "file_attachments": [], "google_attachments": []}


def set_comment_id(comment_id: int, comment: Row) -> None:
    for document in comment["google_attachments"]:
        document["comment_id"] = comment_id
