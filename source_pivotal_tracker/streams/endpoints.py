"""The lists of the API: an endpoint, the parent that it is asked for, and both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple


class ParentKind(Enum):
    """What a list is asked for once each. The value is its word in Tracker's paths and attributes."""

    PROJECT = "project"
    ACCOUNT = "account"

    @property
    def attribute(self) -> str:
        """`project_id`, as paths and rows name it."""
        return f"{self.value}_id"


class Parent(NamedTuple):
    """A project or an account."""

    kind: ParentKind
    id: int

    def __str__(self) -> str:
        return f"{self.kind.value} {self.id}"


@dataclass(frozen=True)
class Endpoint:
    """A GET of the API whose answer holds rows.

    `path` has `{project_id}` or `{account_id}` where it is asked once for each of them. `page_size` is None where
    the API does not paginate. `since` names the parameter that leaves out older rows. `single`: the answer is one
    object, which is the one row. `append_only`: what is added while the list is read stands at one of its ends, so no
    row slips to a page that was read before. `newest_first`: at its beginning, and nothing else ever changes in it.
    `part_of` is what a thing inside a row calls the id of that row. `activity_kind` is what the activity of a project
    calls a row. `lookup_by_id`: rows can be asked for by their ids. `tells_changes`: its rows are the activity.
    """

    path: str
    page_size: int | None = None
    since: str | None = None
    single: bool = False
    append_only: bool = False
    newest_first: bool = False
    part_of: str = ""
    activity_kind: str = ""
    lookup_by_id: bool = False
    tells_changes: bool = False

    @property
    def name(self) -> str:
        """`stories` of `projects/{project_id}/stories`."""
        return next(word for word in reversed(self.path.split("/")) if not word.startswith("{"))

    @property
    def parent(self) -> ParentKind | None:
        """What the list is asked for once each; None where there is one list."""
        return next((kind for kind in ParentKind if f"{{{kind.attribute}}}" in self.path), None)

    @property
    def is_one_answer(self) -> bool:
        """Whether every answer is the whole list, which no parameter makes shorter."""
        return self.page_size is None and self.since is None


@dataclass(frozen=True)
class Partition:
    """One list: an endpoint of one parent, or the one list that has none."""

    endpoint: Endpoint
    parent: Parent | None = None

    @classmethod
    def of_slice(cls, stream_slice: Mapping[str, Any], endpoints: Sequence[Endpoint]) -> Partition:
        """The partition that a slice of the cdk stands for; its endpoint is one of these."""
        endpoint = next(endpoint for endpoint in endpoints if endpoint.path == stream_slice["endpoint"])
        kind = endpoint.parent
        return cls(endpoint, Parent(kind, stream_slice[kind.attribute]) if kind else None)

    def as_slice(self) -> dict[str, Any]:
        """`{"endpoint": "projects/{project_id}/labels", "project_id": 99}`, as the cdk passes it around."""
        return {"endpoint": self.endpoint.path, **self._ids()}

    @property
    def path(self) -> str:
        """`projects/99/labels`."""
        return self.endpoint.path.format(**self._ids())

    @property
    def parent_id(self) -> int | None:
        return self.parent.id if self.parent else None

    @property
    def project_id(self) -> int | None:
        """The project of a list that is asked for once each project."""
        return self.parent.id if self.parent and self.parent.kind is ParentKind.PROJECT else None

    def _ids(self) -> dict[str, int]:
        return {self.parent.kind.attribute: self.parent.id} if self.parent else {}
