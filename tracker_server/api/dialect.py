"""How the v5 API of a server differs from Tracker's own, one switch for each difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tracker_server.api.fields import Selector
from tracker_server.view import View, rows_by_id
from tracker_server.world import Row

Rewrite = Callable[[Row, Row, View], None]
"""Changes the row that the API shows (the first argument) in place; the second is the stored row."""


def _switch(default: Any, fact: str) -> Any:
    """A difference, and the known fact behind it, which is also the help of its option."""
    return field(default=default, metadata={"fact": fact})


@dataclass(frozen=True)
class Dialect:
    """The dialect of a server: without arguments Tracker's own v5, and each field is one difference from it.

    The facts are those that clients found at LiteTracker, which took over Tracker's users. A server may have any of
    these differences; all at once is the hardest case. Ignored parameters are not even checked.
    """

    titles: bool = _switch(False, "projects, stories and releases have `title` in place of `name`")
    owner_objects: bool = _switch(False, "stories have `owners`, each with a `user_id`, beside `owner_ids`")
    terse_lists: bool = _switch(False, "lists of stories and releases leave out `description`")
    pagination_headers: bool = _switch(True, "headers, and an envelope, say which page of a list this is")
    page_cap: int | None = _switch(None, "the largest page of every paginated list, whatever `limit` is")
    fields: bool = _switch(True, "`fields` selects attributes; otherwise only the default ones come, without children")
    updated_after: bool = _switch(True, "`updated_after` filters stories; otherwise all of them come")
    since_version: bool = _switch(True, "`since_version` filters activity; otherwise all of it comes")
    occurred_after: bool = _switch(
        True, "`occurred_after` filters activity and transitions; otherwise all of them come"
    )
    versions: bool = _switch(True, "headers, an envelope and the rows of projects have the project's version")
    activity_versions: bool = _switch(True, "the rows of the activity have a `project_version`")
    owner_edits_unseen: bool = _switch(False, "an edit of the owners alone does not move a story's `updated_at`")
    comment_attachments: bool = _switch(False, "comments have their files and Google documents by default")
    refused_attributes: frozenset[str] = _switch(
        frozenset(),
        "attributes that `fields` may not name, with their resource, such as `story.points_total`",
    )
    missing_endpoints: frozenset[str] = _switch(
        frozenset(),
        "endpoints that answer 404, with those below them, as paths without ids and project, such as `stories/bulk`",
    )
    failing: float = _switch(0.0, "the probability from 0 to 1 that a proxy answers 502, 503 or 504 in HTML instead")
    failing_seed: int = _switch(1, "the same seed gives the same failures to the same sequence of requests")

    @property
    def ignored_parameters(self) -> frozenset[str]:
        """The parameters that the server ignores, whatever their values."""
        supported = {
            "fields": self.fields,
            "updated_after": self.updated_after,
            "since_version": self.since_version,
            "occurred_after": self.occurred_after,
        }
        return frozenset(name for name, is_supported in supported.items() if not is_supported)

    def is_missing(self, endpoint: str) -> bool:
        """Whether an endpoint, by its name, is missing."""
        return any(endpoint == name or endpoint.startswith(f"{name}/") for name in self.missing_endpoints)

    def default_fields(self, kind: str) -> str:
        """The `fields` of a resource for a request that names none."""
        with_attachments = self.comment_attachments and kind == "comment"
        return ":default,file_attachments,google_attachments" if with_attachments else ":default"

    def updated_at(self, view: View) -> Callable[[Row], str | None]:
        """Reads off a stored story when it was last changed."""
        unseen = view.times_before_owners if self.owner_edits_unseen else {}
        return lambda row: unseen.get(row["id"], row.get("updated_at"))

    def shape(self, kind: str, listed: bool, select: Selector) -> Selector:
        """`select`, a selector of rows of this kind, with its rows as this dialect writes them.

        `listed` says whether the rows stand in a list.
        """
        of_stories = {"story", "release"}
        differences: list[tuple[bool, set[str], Rewrite]] = [
            (self.titles, {"project", *of_stories}, _with_title),
            (self.owner_objects, {"story"}, _with_owner_objects),
            (self.terse_lists and listed, of_stories, _without("description")),
            (not self.versions, {"project"}, _without("version")),
            (not self.activity_versions, {"activity"}, _without("project_version")),
            (self.owner_edits_unseen, of_stories, _with_the_time_before_owners),
        ]
        rewrites = [rewrite for is_there, kinds, rewrite in differences if is_there and kind in kinds]

        def rewritten(row: Row, view: View) -> Row:
            picked = select(row, view)
            for rewrite in rewrites:
                rewrite(picked, row, view)
            return picked

        return rewritten if rewrites else select


def _with_title(picked: Row, _row: Row, _view: View) -> None:
    if "name" in picked:
        picked["title"] = picked.pop("name")


def _with_owner_objects(picked: Row, row: Row, view: View) -> None:
    if "owner_ids" in picked or "owners" in picked:
        owners = rows_by_id(view.world.people, row.get("owner_ids"))
        shown = ("name", "initials", "username")
        picked["owners"] = [
            {"user_id": person["id"], **{name: person[name] for name in shown if name in person}} for person in owners
        ]


def _with_the_time_before_owners(picked: Row, row: Row, view: View) -> None:
    if "updated_at" in picked:
        picked["updated_at"] = view.times_before_owners.get(row["id"], picked["updated_at"])


def _without(attribute: str) -> Rewrite:
    def rewrite(picked: Row, _row: Row, _view: View) -> None:
        picked.pop(attribute, None)

    return rewrite


TRACKER = Dialect()
"""As the hosted Tracker was."""

LITETRACKER = Dialect(
    titles=True,
    owner_objects=True,
    terse_lists=True,
    pagination_headers=False,
    page_cap=50,
    fields=False,
    updated_after=False,
    since_version=False,
    occurred_after=False,
    versions=False,
    activity_versions=False,
    owner_edits_unseen=True,
    missing_endpoints=frozenset(
        {
            "accounts",
            "aggregator",
            "history",
            "integrations",
            "iterations/analytics",
            "my/people",
            "my/workspaces",
            "stories/bulk",
            "stories/transitions",
            "story_transitions",
            "webhooks",
        }
    ),
)
"""As LiteTracker may be at its worst, apart from failures.

Clients saw these work there: me, projects, stories, one story, comments, memberships, activity, notifications. They are
here, and so is what a board shows of a project: tasks, blockers, reviews, labels, epics, iterations, releases. What
reports, administers or is for programs is missing, because nobody has seen it. Comments come without their attachments,
as v5 documents them.
"""

MODES = {"tracker": TRACKER, "litetracker": LITETRACKER}
