"""All that the export format can say of a world, as plain data that can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tracker_server.derived import Figures
from tracker_server.world import Project, Row, World, iso

SIX_MONTHS = timedelta(days=183)
LINK = ("original_url", "host_url", "owner", "repo", "number", "name")


def expected_export(world: World) -> list[dict[str, Any]]:
    """What an export says of each project: days without their time, people, labels and types of reviews by name.

    Ids are those of stories and epics only. A comment with neither text nor day is left out; its files are not.
    """
    return [_ExpectedExport(world, project).project() for project in world.projects.values()]


class _ExpectedExport:
    def __init__(self, world: World, project: Project) -> None:
        self._world = world
        self._project = project
        self._since = iso(world.now - SIX_MONTHS)
        self._zone = ZoneInfo((project.row.get("time_zone") or {}).get("olson_name", "UTC"))

    def project(self) -> dict[str, Any]:
        project = self._project
        figures = Figures(project, project.as_of or self._world.now)
        return {
            "epics": {epic["id"]: self._epic(epic) for epic in project.epics.values()},
            "stories": {story_id: self._story(project.stories[story_id]) for story_id in project.order},
            "order": project.order,
            "iterations": [
                (row["number"], self._day(row["start"]), self._day(row["finish"]), row["story_ids"])
                for row in figures.iterations
                if row["story_ids"]
            ],
            "history": [self._activity(row) for row in project.activity if row["occurred_at"] >= self._since],
            "changes": sorted(self._changes()),
        }

    def _activity(self, row: Row) -> tuple[Any, ...]:
        """Who did what to which story or epic, and when; of what else there is, an export has no number."""
        resources = [(resource["kind"], resource["id"]) for resource in row["primary_resources"][:1]]
        done_to = resources if resources and resources[0][0] in ("story", "epic") else []
        # A move to another project is in the words of any move.
        kind = "story_move_activity" if row["kind"].startswith("story_move_from") else row["kind"]
        return kind, row["message"], row["performed_by"]["name"], done_to, row["occurred_at"]

    def _changes(self) -> Iterable[tuple[Any, ...]]:
        """The changes of the states of its stories; the message of a creation does not show one."""
        created = {
            (row["primary_resources"][0]["id"], row["project_version"])
            for row in self._project.activity
            if row["kind"] in ("story_create_activity", "model_import_activity") or "_move_into_" in row["kind"]
        }
        for row in self._project.transitions:
            is_first = (row["story_id"], row["project_version"]) in created
            if row["occurred_at"] >= self._since and row["story_id"] in self._project.stories and not is_first:
                yield row["story_id"], row["occurred_at"], row["state"], self._name(row["performed_by_id"])

    def _epic(self, epic: Row) -> dict[str, Any]:
        label = self._project.labels.get(epic.get("label_id", 0))
        return {**self._common(epic), "label": label and label["name"]}

    def _story(self, story: Row) -> dict[str, Any]:
        rows = {kind: story.get(kind, ()) for kind in ("tasks", "blockers", "reviews", "pull_requests", "branches")}
        return {
            **self._common(story),
            **{name: story.get(name) for name in ("story_type", "current_state", "estimate", "story_priority")},
            **{name: self._day(story.get(name)) for name in ("accepted_at", "deadline")},
            "requested_by": self._name(story.get("requested_by_id")),
            "owners": [self._name(owner_id) for owner_id in story["owner_ids"]],
            "labels": [self._project.labels[label_id]["name"] for label_id in story["label_ids"]],
            "tasks": [(row["description"], row["complete"], row["position"]) for row in rows["tasks"]],
            "blockers": [(row["description"], row["resolved"]) for row in rows["blockers"]],
            "blocks": sorted(story.get("blocked_story_ids", ())),
            "reviews": [self._review(row) for row in rows["reviews"]],
            "pull_requests": [self._link(row) for row in rows["pull_requests"]],
            "branches": [self._link(row) for row in rows["branches"]],
        }

    def _common(self, row: Row) -> dict[str, Any]:
        comments = row.get("comments", ())
        return {
            **{name: row.get(name) or "" for name in ("name", "description", "url")},
            "created_at": self._day(row.get("created_at")),
            "comments": [
                (comment.get("text") or "", self._name(comment.get("person_id")), self._day(comment["created_at"]))
                for comment in comments
                if comment.get("created_at")
            ],
            "files": sorted(self._files(comments)),
        }

    def _files(self, comments: Iterable[Row]) -> Iterable[tuple[str, bytes]]:
        for comment in comments:
            for row in comment.get("file_attachments", ()):
                if row["id"] in self._world.files:
                    with self._world.files[row["id"]].open() as file:
                        yield row["filename"], file.read()

    def _review(self, row: Row) -> tuple[Any, ...]:
        review_type = self._project.review_types.get(row.get("review_type_id", 0), {})
        return review_type.get("name"), self._name(row.get("reviewer_id")), row.get("status")

    def _link(self, row: Row) -> dict[str, Any]:
        return {name: row[name] for name in LINK if row.get(name) is not None}

    def _name(self, person_id: int | None) -> str | None:
        return self._world.people[person_id]["name"] if person_id else None

    def _day(self, moment: str | None, later: timedelta = timedelta()) -> str | None:
        if not moment:
            return None
        at = datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(self._zone)
        return (at.replace(tzinfo=None) + later).date().isoformat()
