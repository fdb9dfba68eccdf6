"""A request while it is answered: who sent it, its parameters, and how rows become an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tracker_server.api.dialect import Dialect
from tracker_server.api.errors import invalid_parameter, route_not_found, unauthorized_operation, unfound_resource
from tracker_server.api.fields import FieldsError, refuse, selector
from tracker_server.api.parameters import Parameters
from tracker_server.search.index import SearchIndex
from tracker_server.view import View, Views, membership_of
from tracker_server.world import Project, Row, World, iso


def name_of(endpoint: Callable[..., Any]) -> str:
    """The name of its function, as `World.unavailable_endpoints` has it."""
    function: Callable[..., Any] = endpoint.func if isinstance(endpoint, partial) else endpoint
    return function.__name__


@dataclass(frozen=True)
class Caps:
    """The largest page of each paginated endpoint, whatever `limit` is requested."""

    stories: int = 500
    releases: int = 500
    iterations: int = 100
    activity: int = 500
    transitions: int = 10_000

    @classmethod
    def of(cls, dialect: Dialect) -> Caps:
        """Tracker's, or the dialect's one for all."""
        size = dialect.page_cap
        return cls() if size is None else cls(size, size, size, size, size)


@dataclass(frozen=True)
class Page:
    """Which part of a list a response has, as in its pagination headers."""

    total: int
    limit: int
    offset: int
    returned: int


@dataclass
class Answer:
    """What an endpoint found, and what goes into the headers."""

    data: Any
    page: Page | None = None
    project: Project | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request while it is answered: who sent it, with which parameters, to which world."""

    world: World
    views: Views
    index: SearchIndex
    caps: Caps
    dialect: Dialect
    token: str
    person_id: int
    parameters: Parameters

    def authorized_view(self, project: Project) -> View:
        """The project's view. Raises ApiError when the person may not read it."""
        is_open = project.row.get("public") or self.person_id == self.world.anonymous_person_id
        if not is_open and membership_of(project, self.person_id) is None:
            raise unauthorized_operation("You aren't authorized to access the requested project.")
        return self.views.of(project)

    def in_project(self, project: Project | None, endpoint: Callable[..., Answer], **names: Any) -> Answer:
        """What an endpoint of a project answers. Raises ApiError if there is none, or the person may not read it."""
        if project is None:
            raise unfound_resource()
        view = self.authorized_view(project)
        if problem := project.unavailable_endpoints.get(name_of(endpoint)):
            raise route_not_found(general_problem=problem)
        answer = endpoint(self, view, **names)
        answer.project = project
        return answer

    def require_owner(self, project: Project) -> None:
        membership = membership_of(project, self.person_id)
        if membership is None or membership["role"] != "owner":
            raise unauthorized_operation("Only an owner of the project may do this.")

    def single(self, kind: str, row: Row | None, view: View) -> Answer:
        """A single row; raises ApiError if there is none."""
        if row is None:
            raise unfound_resource()
        return Answer(self._select(kind, view, listed=False)(row, view))

    def unpaginated(self, kind: str, rows: Collection[Row], view: View) -> Answer:
        """All the rows, without pagination."""
        select = self._select(kind, view, listed=True)
        return Answer([select(row, view) for row in rows])

    def page(self, kind: str, rows: list[Row], view: View, cap: int, limit: int = 100) -> Answer:
        """The requested page of the rows; `limit` is the endpoint's default."""
        return self._page(kind, rows, view, cap, limit, from_end=False)

    def page_from_either_end(self, kind: str, rows: list[Row], view: View, cap: int, limit: int) -> Answer:
        """As `page`, but a negative offset counts from behind the last row."""
        return self._page(kind, rows, view, cap, limit, from_end=True)

    def _page(self, kind: str, rows: list[Row], view: View, cap: int, limit: int, from_end: bool) -> Answer:
        asked_limit = self.parameters.whole("limit")
        offset = self.parameters.whole("offset") or 0
        if asked_limit is not None and asked_limit < 0:
            raise invalid_parameter("'limit' must not be negative")
        if offset < 0 and not from_end:
            raise invalid_parameter("'offset' must not be negative")
        limit = min(limit if asked_limit is None else asked_limit, cap)
        start = offset if offset >= 0 else max(len(rows) + offset, 0)
        answer = self.unpaginated(kind, rows[start : start + limit], view)
        answer.page = Page(len(rows), limit, offset, len(answer.data))
        return answer

    def _select(self, kind: str, view: View, *, listed: bool) -> Callable[[Row, View], Row]:
        fields = self.parameters.text("fields")
        wanted = self.dialect.default_fields(kind) if fields is None else fields
        try:
            if fields is not None:
                refuse(kind, fields, self.dialect.refused_attributes)
            return selector(kind, wanted, self.dialect.shape, view.unavailable_attributes, listed=listed)
        except FieldsError as error:
            raise invalid_parameter(f"'fields' cannot be used: {error}") from None

    def between(self, rows: list[Row], time: Callable[[Row], str | None], prefix: str) -> list[Row]:
        """The rows whose time lies between the parameters `<prefix>_after` and `<prefix>_before`, both exclusive."""
        after = self.parameters.moment(f"{prefix}_after")
        before = self.parameters.moment(f"{prefix}_before")
        if after is not None:
            bound = iso(after)
            rows = [row for row in rows if (time(row) or "") > bound]
        if before is not None:
            # Rows have whole seconds: one in the second that `before` falls into lies before its fraction.
            bound = iso(before) + ("~" if before.microsecond else "")
            rows = [row for row in rows if (time(row) or "~") < bound]
        return rows
