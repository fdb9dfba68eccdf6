"""What a v5 request means: a pure function from a request and a world to Tracker's response."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import partial
from http import HTTPStatus
from operator import itemgetter, methodcaller
from typing import IO, Any
from urllib.parse import parse_qsl, quote

import orjson
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from tracker_server.dialect import TRACKER, Dialect
from tracker_server.fields import (
    STORY_PART_KINDS,
    FieldsError,
    View,
    Views,
    accounts_of,
    membership_of,
    projects_of,
    refuse,
    rows_by_id,
    selector,
)
from tracker_server.world import Project, Row, StoredFile, World, iso

PREFIX = "/services/v5"
ISO_8601 = re.compile(r"[0-9-]{10}(T[0-9:]{5,8}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?)?")
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
STORY_TYPES = ("feature", "bug", "chore", "release")
STATES = (
    "accepted", "delivered", "finished", "started", "rejected", "planned", "unstarted", "unscheduled",
)  # fmt: skip
PRIORITIES = ("p0", "p1", "p2", "p3", "none")
SCOPES = ("done", "current", "backlog", "current_backlog", "done_current")
NOTIFICATION_WINDOW = timedelta(days=10)
BULK_MAX = 500
PARTS_WITH_ENDPOINTS = ("tasks", "comments", "blockers", "reviews")
"""Pull requests and branches are shown nowhere but in their stories, and review types in reviews and projects."""
OCCURRED_AT = itemgetter("occurred_at")
TIMES = frozenset(
    (
        "created_at", "updated_at", "accepted_at", "occurred_at", "read_at", "last_viewed_at", "completed_at",
        "projected_completion", "deadline", "start_time", "shown_iterations_start_time", "start", "finish",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Caps:
    """The largest page that each paginated endpoint gives, whatever limit is asked for."""

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
class Request:
    """A request as it came in: the path with its prefix, the query undecoded, header names in any case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """A response ready to be sent.

    A file is not in the body: `file` has its bytes, is read while they are sent, and then closed.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    file: IO[bytes] | None = None


class ApiError(Exception):
    """A request that Tracker refuses: the HTTP status and the attributes of its error object."""

    def __init__(self, status: int, code: str, error: str, **more: str) -> None:
        super().__init__(error)
        self.status = status
        self.row: Row = {"code": code, "kind": "error", "error": error, **more}


def invalid_parameter(problem: str) -> ApiError:
    error = "One or more request parameters was missing or invalid."
    return ApiError(400, "invalid_parameter", error, general_problem=problem)


def unauthorized_operation(problem: str) -> ApiError:
    return ApiError(
        403,
        "unauthorized_operation",
        "Authorization failure.",
        general_problem=problem,
        possible_fix="Ask an owner of the project or an administrator of the account to change your role.",
    )


def unfound_resource() -> ApiError:
    return ApiError(
        404,
        "unfound_resource",
        "The object you tried to access could not be found.  It may have been removed by another user, you may"
        " be using the ID of another object type, or you may be trying to access a sub-resource at the wrong"
        " point in a tree.",
    )


def route_not_found(**more: str) -> ApiError:
    return ApiError(404, "route_not_found", "The path you requested has no valid endpoint.", **more)


def error_response(error: ApiError) -> Response:
    """Tracker's error object as a response."""
    return Response(error.status, _headers(error.status), orjson.dumps(error.row))


def _headers(status: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "max-age=0, private, must-revalidate",
        "Status": f"{status} {HTTPStatus(status).phrase}",
        "X-Tracker-Client-Pinger-Interval": "20",
    }


class Parameters:
    """The query of a request, without what is `ignored`; each parameter counts as known once it has been read.

    Every reader returns None where the parameter is absent, and raises ApiError where it makes no sense.
    """

    def __init__(self, query: str, ignored: Collection[str] = ()) -> None:
        pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in ignored]
        self._values = dict(pairs)
        self._unread = dict.fromkeys(self._values)
        if len(pairs) != len(self._values):
            raise invalid_parameter("a parameter is given more than once")

    def text(self, name: str, allowed: Collection[str] = ()) -> str | None:
        self._unread.pop(name, None)
        value = self._values.get(name)
        if value is not None and allowed and value not in allowed:
            raise invalid_parameter(f"'{name}' must be one of {', '.join(allowed)}")
        return value

    def whole(self, name: str) -> int | None:
        value = self.text(name)
        if value is not None and not re.fullmatch("-?[0-9]{1,18}", value):
            raise invalid_parameter(f"'{name}' must be a whole number")
        return None if value is None else int(value)

    def ids(self, name: str) -> list[int] | None:
        value = self.text(name)
        if value is not None and not re.fullmatch("[0-9]{1,18}(,[0-9]{1,18})*", value):
            raise invalid_parameter(f"'{name}' must be a list of ids with commas between them")
        return None if value is None else [int(each) for each in value.split(",")]

    def moment(self, name: str) -> datetime | None:
        """A time in ISO 8601 (UTC where it has no offset) or in milliseconds since 1970."""
        value = self.text(name)
        try:
            return None if value is None else max(_moment(value), EPOCH)
        except (ValueError, OverflowError):
            raise invalid_parameter(f"'{name}' must be a time in ISO 8601 or in milliseconds") from None

    def day(self, name: str) -> date | None:
        value = self.text(name)
        try:
            return None if value is None else datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007
        except ValueError:
            raise invalid_parameter(f"'{name}' must be a date like 2017-05-03") from None

    def finish(self) -> None:
        """Raises ApiError when a parameter was given that nobody has read."""
        for name in self._unread:
            raise invalid_parameter(f"'{name}' is not a parameter of this endpoint")


def _moment(text: str) -> datetime:
    if re.fullmatch("-?[0-9]{1,18}", text):
        return EPOCH + timedelta(milliseconds=int(text))
    if not ISO_8601.fullmatch(text):
        raise ValueError(f"not a time: {text}")
    # fromisoformat of Python 3.10 knows neither Z nor a fraction of any other length than 3 or 6 digits.
    padded = re.sub(r"\.([0-9]{1,9})", lambda found: f".{found[1]:0<6.6}", text.replace("Z", "+00:00"))
    moment = datetime.fromisoformat(padded)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


@dataclass(frozen=True)
class Page:
    """Which part of a list a response holds, as its pagination headers tell."""

    total: int
    limit: int
    offset: int
    returned: int


@dataclass
class Answer:
    """What an endpoint found, and what goes into the headers beside it."""

    data: Any
    page: Page | None = None
    project: Project | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One request while it is answered: who asks, with which parameters, of what."""

    world: World
    views: Views
    caps: Caps
    dialect: Dialect
    token: str
    person_id: int
    parameters: Parameters

    def enter(self, project: Project) -> View:
        """The project's view. Raises ApiError when the person may not read it."""
        is_open = project.row.get("public") or self.person_id == self.world.reader
        if not is_open and membership_of(project, self.person_id) is None:
            raise unauthorized_operation("You aren't authorized to access the requested project.")
        return self.views.of(project)

    def need_owner(self, project: Project) -> None:
        membership = membership_of(project, self.person_id)
        if membership is None or membership["role"] != "owner":
            raise unauthorized_operation("Only an owner of the project may do this.")

    def one(self, kind: str, row: Row | None, view: View) -> Answer:
        """A single row; raises ApiError where there is none."""
        if row is None:
            raise unfound_resource()
        return Answer(self._select(kind, listed=False)(row, view))

    def every(self, kind: str, rows: Collection[Row], view: View) -> Answer:
        """All the rows, without pagination."""
        select = self._select(kind, listed=True)
        return Answer([select(row, view) for row in rows])

    def some(self, kind: str, rows: list[Row], view: View, cap: int, limit: int = 100) -> Answer:
        """The page of the rows that is asked for; `limit` is the endpoint's default."""
        return self._page(kind, rows, view, cap, limit, from_end=False)

    def some_from_either_end(self, kind: str, rows: list[Row], view: View, cap: int, limit: int) -> Answer:
        """As `some`, but a negative offset counts from behind the last row."""
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
        answer = self.every(kind, rows[start : start + limit], view)
        answer.page = Page(len(rows), limit, offset, len(answer.data))
        return answer

    def _select(self, kind: str, *, listed: bool) -> Callable[[Row, View], Row]:
        fields = self.parameters.text("fields")
        wanted = self.dialect.unasked(kind) if fields is None else fields
        try:
            if fields is not None:
                refuse(kind, fields, self.dialect.refused_attributes)
            return selector(kind, wanted, self.dialect.shape, self.world.untold_attributes, listed=listed)
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

    def no_search(self) -> None:
        if self.parameters.text("filter") is not None:
            raise invalid_parameter("this server has no search, so 'filter' cannot be used")


def me(call: Call) -> Answer:
    settings = call.world.person_settings.get(call.person_id, {})
    row = {**call.world.people[call.person_id], **settings, "kind": "me", "api_token": call.token or None}
    return call.one("me", row, call.views.nowhere)


def my_people(call: Call) -> Answer:
    project_id = call.parameters.whole("project_id")
    if project_id is None:
        problem = "this endpoint requires at least one of the following parameters: project_id"
        raise invalid_parameter(problem)
    if project_id not in call.world.projects:
        raise unfound_resource()
    view = call.enter(call.world.projects[project_id])
    return call.every("my_person", view.memberships(), view)


def my_activity(call: Call) -> Answer:
    rows = [
        row
        for project in projects_of(call.world, call.person_id)
        for row in project.activity
        if row["performed_by"]["id"] == call.person_id
    ]
    rows.sort(key=lambda row: (row["occurred_at"], row["project_version"]), reverse=True)
    rows = call.between(rows, OCCURRED_AT, "occurred")
    return call.some("activity", rows, call.views.nowhere, call.caps.activity)


def my_notifications(call: Call) -> Answer:
    rows = call.world.notifications.get(call.person_id, [])
    after = iso(call.parameters.moment("created_after") or call.world.now - NOTIFICATION_WINDOW)
    answer = call.every("notification", [row for row in rows if row["created_at"] > after], call.views.nowhere)
    if rows:
        newest = max(row["updated_at"] for row in rows)
        answer.headers["X-Tracker-Last-Notification-Timestamp"] = str(_millis(newest))
    return answer


def my_workspaces(call: Call) -> Answer:
    return call.every("workspace", call.world.workspaces.get(call.person_id, []), call.views.nowhere)


def my_workspace(call: Call, workspace_id: int) -> Answer:
    rows = call.world.workspaces.get(call.person_id, [])
    row = next((row for row in rows if row["id"] == workspace_id), None)
    return call.one("workspace", row, call.views.nowhere)


def accounts(call: Call) -> Answer:
    return call.every("account", accounts_of(call.world, call.person_id), call.views.nowhere)


def _administered(call: Call, account_id: int) -> Row:
    if account_id not in call.world.accounts:
        raise unfound_resource()
    row = call.world.accounts[account_id]
    if row not in accounts_of(call.world, call.person_id):
        raise unauthorized_operation("Only an owner or an administrator of the account may do this.")
    return row


def account(call: Call, account_id: int) -> Answer:
    return call.one("account", _administered(call, account_id), call.views.nowhere)


def account_memberships(call: Call, account_id: int) -> Answer:
    _administered(call, account_id)
    rows = [row for row in call.world.account_memberships.values() if row["account_id"] == account_id]
    return call.every("account_membership", rows, call.views.nowhere)


def projects(call: Call) -> Answer:
    account_ids = call.parameters.ids("account_ids")
    found = projects_of(call.world, call.person_id)
    rows = [each.row for each in found if account_ids is None or each.row.get("account_id") in account_ids]
    return call.every("project", rows, call.views.nowhere)


def top_story(call: Call, story_id: int) -> Answer:
    found = call.world.with_story(story_id)
    if found is None:
        raise unfound_resource()
    answer = story(call, call.enter(found), story_id)
    answer.project = found
    return answer


def top_epic(call: Call, epic_id: int) -> Answer:
    found = call.world.with_epic(epic_id)
    if found is None:
        raise unfound_resource()
    answer = epic(call, call.enter(found), epic_id)
    answer.project = found
    return answer


def download(call: Call, attachment_id: int) -> Answer:
    """The bytes of a file. The path is not under the API's own prefix (`download_url` in create_attachments.json)."""
    inline = call.parameters.text("inline", ["true", "false"]) == "true"
    file = call.world.files.get(attachment_id)
    if file is None:
        raise unfound_resource()
    place = "inline" if inline else "attachment"
    headers = {
        "Content-Type": file.content_type or "application/octet-stream",
        "Content-Length": str(file.size),
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(file.filename, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(file, headers=headers)


def project(call: Call, view: View) -> Answer:
    return call.one("project", view.project.row, view)


def memberships(call: Call, view: View) -> Answer:
    rows = view.memberships()
    if call.parameters.text("sort_by", ["name"]):
        rows.sort(key=lambda row: str(call.world.people[row["person_id"]]["name"]).casefold())
    return call.every("project_membership", rows, view)


def membership(call: Call, view: View, membership_id: int) -> Answer:
    row = next((row for row in view.memberships() if row["id"] == membership_id), None)
    return call.one("project_membership", row, view)


def labels(call: Call, view: View) -> Answer:
    return call.every("label", view.sorted_labels(), view)


def label(call: Call, view: View, label_id: int) -> Answer:
    return call.one("label", view.project.labels.get(label_id), view)


def epics(call: Call, view: View) -> Answer:
    call.no_search()
    return call.every("epic", view.project.epics.values(), view)


def epic(call: Call, view: View, epic_id: int) -> Answer:
    return call.one("epic", view.project.epics.get(epic_id), view)


def _epic_row(view: View, epic_id: int) -> Row:
    if epic_id not in view.project.epics:
        raise unfound_resource()
    return view.project.epics[epic_id]


def epic_comments(call: Call, view: View, epic_id: int) -> Answer:
    return call.every("comment", _epic_row(view, epic_id)["comments"], view)


def epic_comment(call: Call, view: View, epic_id: int, comment_id: int) -> Answer:
    return call.one("comment", _with_id(_epic_row(view, epic_id)["comments"], comment_id), view)


def epic_activity(call: Call, view: View, epic_id: int) -> Answer:
    _epic_row(view, epic_id)
    return _activity(call, view, [row for row in view.project.activity if _is_about(row, "epic", epic_id)])


def webhooks(call: Call, view: View) -> Answer:
    call.need_owner(view.project)
    return call.every("webhook", view.project.webhooks.values(), view)


def integrations(call: Call, view: View) -> Answer:
    call.need_owner(view.project)
    return call.every("integration", view.project.integrations.values(), view)


def history_days(call: Call, view: View) -> Answer:
    start, end = call.parameters.day("start_date"), call.parameters.day("end_date")
    return Answer(view.figures.history_days(start, end))


def iterations(call: Call, view: View) -> Answer:
    scope = call.parameters.text("scope", SCOPES)
    rows, current = view.figures.iterations, view.figures.current_iteration_number
    if scope == "current":
        return call.every("iteration", [row for row in rows if row["number"] == current], view)
    if scope == "done":
        done = [row for row in rows if row["number"] < current]
        return call.some_from_either_end("iteration", done, view, call.caps.iterations, limit=10)
    first = {"backlog": current + 1, "current_backlog": current}.get(scope or "", 1)
    last = current if scope == "done_current" else len(rows)
    rows = [row for row in rows if first <= row["number"] <= last]
    return call.some("iteration", rows, view, call.caps.iterations, limit=10)


def _iteration_row(view: View, number: int) -> Row:
    for row in view.figures.iterations:
        if row["number"] == number:
            return row
    raise unfound_resource()


def iteration(call: Call, view: View, number: int) -> Answer:
    return call.one("iteration", _iteration_row(view, number), view)


def iteration_cycle_times(call: Call, view: View, number: int) -> Answer:
    story_ids = _iteration_row(view, number)["story_ids"]
    rows = [view.figures.cycle_time(story_id) for story_id in story_ids]
    return call.every("cycle_time_details", rows, view)


def releases(call: Call, view: View) -> Answer:
    state = call.parameters.text("with_state", STATES)
    rows = [row for row in _in_order(view) if row["story_type"] == "release"]
    rows = [row for row in rows if state is None or row["current_state"] == state]
    return call.some("release", rows, view, call.caps.releases)


def _release_row(view: View, release_id: int) -> Row:
    row = view.project.stories.get(release_id)
    if row is None or row["story_type"] != "release":
        raise unfound_resource()
    return row


def release(call: Call, view: View, release_id: int) -> Answer:
    return call.one("release", _release_row(view, release_id), view)


def release_stories(call: Call, view: View, release_id: int) -> Answer:
    _release_row(view, release_id)
    story_ids = view.figures.release(release_id)["story_ids"]
    return call.every("story", rows_by_id(view.project.stories, story_ids), view)


def _in_order(view: View) -> list[Row]:
    stories = view.project.stories
    return [stories[story_id] for story_id in view.project.order]


def stories(call: Call, view: View) -> Answer:
    call.no_search()
    rows = _in_order(view)
    places = view.story_places
    for name, allowed in (("story_type", STORY_TYPES), ("state", STATES), ("story_priority", PRIORITIES)):
        attribute = {"state": "current_state"}.get(name, name)
        value = call.parameters.text(f"with_{name}", allowed)
        if value is not None:
            rows = [row for row in rows if row.get(attribute) == value]
    label_name = call.parameters.text("with_label")
    if label_name is not None:
        ids = {row["id"] for row in view.project.labels.values() if row["name"] == label_name}
        rows = [row for row in rows if not ids.isdisjoint(row.get("label_ids", ()))]
    after = _place(call, view, "after_story_id")
    before = _place(call, view, "before_story_id")
    if after is not None:
        rows = [row for row in rows if places[row["id"]] > after]
    if before is not None:
        rows = [row for row in rows if places[row["id"]] < before]
    rows = call.between(rows, methodcaller("get", "accepted_at"), "accepted")
    rows = call.between(rows, methodcaller("get", "created_at"), "created")
    rows = call.between(rows, call.dialect.updated_at(view), "updated")
    rows = call.between(rows, methodcaller("get", "deadline"), "deadline")
    return call.some("story", rows, view, call.caps.stories)


def _place(call: Call, view: View, parameter: str) -> int | None:
    story_id = call.parameters.whole(parameter)
    if story_id is not None and story_id not in view.story_places:
        raise invalid_parameter(f"'{parameter}' is not a story of this project")
    return None if story_id is None else view.story_places[story_id]


def stories_bulk(call: Call, view: View) -> Answer:
    ids = call.parameters.ids("ids")
    if ids is None:
        raise invalid_parameter("this endpoint requires at least one of the following parameters: ids")
    if len(ids) > BULK_MAX:
        raise invalid_parameter(f"'ids' may hold at most {BULK_MAX} ids")
    return call.every("story", rows_by_id(view.project.stories, dict.fromkeys(ids)), view)


def _story_row(view: View, story_id: int) -> Row:
    if story_id not in view.project.stories:
        raise unfound_resource()
    return view.project.stories[story_id]


def story(call: Call, view: View, story_id: int) -> Answer:
    return call.one("story", _story_row(view, story_id), view)


def story_part(call: Call, view: View, story_id: int, part: str) -> Answer:
    return call.every(STORY_PART_KINDS[part], _story_row(view, story_id).get(part, ()), view)


def story_part_row(call: Call, view: View, story_id: int, part: str, part_id: int) -> Answer:
    return call.one(STORY_PART_KINDS[part], _with_id(_story_row(view, story_id).get(part, []), part_id), view)


def _with_id(rows: list[Row], row_id: int) -> Row | None:
    return next((row for row in rows if row["id"] == row_id), None)


def story_owners(call: Call, view: View, story_id: int) -> Answer:
    return call.every("person", rows_by_id(call.world.people, _story_row(view, story_id)["owner_ids"]), view)


def story_labels(call: Call, view: View, story_id: int) -> Answer:
    rows = rows_by_id(view.project.labels, _story_row(view, story_id)["label_ids"])
    return call.every("label", rows, view)


def story_transitions(call: Call, view: View, story_id: int) -> Answer:
    _story_row(view, story_id)
    rows = view.transitions.get(story_id, [])
    return call.some("story_transition", rows, view, call.caps.transitions)


def transitions(call: Call, view: View) -> Answer:
    rows = call.between(view.project.transitions, OCCURRED_AT, "occurred")
    return call.some("story_transition", rows, view, call.caps.transitions)


def activity(call: Call, view: View) -> Answer:
    return _activity(call, view, view.project.activity)


def story_activity(call: Call, view: View, story_id: int) -> Answer:
    _story_row(view, story_id)
    return _activity(call, view, [row for row in view.project.activity if _is_about(row, "story", story_id)])


def _is_about(activity_row: Row, kind: str, row_id: int) -> bool:
    return any(
        resource["kind"] == kind and resource.get("id") == row_id for resource in activity_row["primary_resources"]
    )


def _activity(call: Call, view: View, oldest_first: list[Row]) -> Answer:
    since = call.parameters.whole("since_version")
    ascending = call.parameters.text("sort_order", ["asc", "desc"]) == "asc"
    rows = oldest_first if ascending else oldest_first[::-1]
    if since is not None:
        rows = [row for row in rows if row["project_version"] > since]
    rows = call.between(rows, OCCURRED_AT, "occurred")
    return call.some("activity", rows, view, call.caps.activity)


OF_A_PERSON: Mapping[str, Callable[..., Answer]] = {
    "/me": me,
    "/my/people": my_people,
    "/my/activity": my_activity,
    "/my/notifications": my_notifications,
    "/my/workspaces": my_workspaces,
    "/my/workspaces/<int:workspace_id>": my_workspace,
    "/accounts": accounts,
    "/accounts/<int:account_id>": account,
    "/accounts/<int:account_id>/memberships": account_memberships,
    "/projects": projects,
    "/stories/<int:story_id>": top_story,
    "/epics/<int:epic_id>": top_epic,
}
OF_A_PROJECT: Mapping[str, Callable[..., Answer]] = {
    "": project,
    "/memberships": memberships,
    "/memberships/<int:membership_id>": membership,
    "/labels": labels,
    "/labels/<int:label_id>": label,
    "/epics": epics,
    "/epics/<int:epic_id>": epic,
    "/epics/<int:epic_id>/comments": epic_comments,
    "/epics/<int:epic_id>/comments/<int:comment_id>": epic_comment,
    "/epics/<int:epic_id>/activity": epic_activity,
    "/webhooks": webhooks,
    "/integrations": integrations,
    "/history/days": history_days,
    "/iterations": iterations,
    "/iterations/<int:number>": iteration,
    "/iterations/<int:number>/analytics/cycle_time_details": iteration_cycle_times,
    "/releases": releases,
    "/releases/<int:release_id>": release,
    "/releases/<int:release_id>/stories": release_stories,
    "/stories": stories,
    "/stories/bulk": stories_bulk,
    "/stories/<int:story_id>": story,
    **{f"/stories/<int:story_id>/{part}": partial(story_part, part=part) for part in PARTS_WITH_ENDPOINTS},
    **{
        f"/stories/<int:story_id>/{part}/<int:part_id>": partial(story_part_row, part=part)
        for part in PARTS_WITH_ENDPOINTS
    },
    "/stories/<int:story_id>/owners": story_owners,
    "/stories/<int:story_id>/labels": story_labels,
    "/stories/<int:story_id>/transitions": story_transitions,
    "/stories/<int:story_id>/activity": story_activity,
    "/story_transitions": transitions,
    "/activity": activity,
}


IN_PROJECT = "/projects/<int:project_id>"
ENDPOINTS: Mapping[str, Callable[..., Answer]] = {
    **OF_A_PERSON,
    **{IN_PROJECT + path: endpoint for path, endpoint in OF_A_PROJECT.items()},
}


def name_of(path: str) -> str:
    """What a dialect calls an endpoint: `stories/tasks` for all tasks of a story, and for one of them."""
    return re.sub("/<[^>]*>", "", path.removeprefix(IN_PROJECT) or "/projects")[1:]


def _routes(dialect: Dialect) -> Map:
    there = {path: endpoint for path, endpoint in ENDPOINTS.items() if not dialect.lacks(name_of(path))}
    rules = [Rule(PREFIX + path, endpoint=endpoint) for path, endpoint in there.items()]
    rules.append(Rule("/file_attachments/<int:attachment_id>/download", endpoint=download))
    return Map(rules, strict_slashes=False, merge_slashes=False)


def _opened(file: StoredFile) -> IO[bytes]:
    """The file for reading. Raises ApiError where it cannot be had any more."""
    try:
        return file.open()
    except OSError as error:
        raise ApiError(
            500,
            "unhandled_condition",
            "The server cannot read the file.",
            general_problem=f"{file.filename} cannot be read: {error.strerror or error}.",
        ) from None


class TrackerApi:
    """A v5 API over one world, in Tracker's or in another dialect, whose page cap counts where no `caps` are given."""

    def __init__(self, world: World, caps: Caps | None = None, dialect: Dialect = TRACKER) -> None:
        self.world = world
        self.caps = caps or Caps.of(dialect)
        self._dialect = dialect
        self._views = Views(world)
        self._routes = _routes(dialect).bind("")

    def handle(self, request: Request) -> Response:
        """The response to any request; what Tracker would refuse gets Tracker's error object."""
        try:
            with self.world.lock:
                return self._answered(request)
        except ApiError as error:
            return error_response(error)

    def _answered(self, request: Request) -> Response:
        try:
            endpoint, arguments = self._routes.match(request.path)
        except HTTPException:
            raise route_not_found() from None
        if request.method != "GET":
            raise ApiError(405, "http_method_not_supported", "This server answers GET requests only.")
        function = endpoint.func if isinstance(endpoint, partial) else endpoint
        if function.__name__ in self.world.untold:
            raise route_not_found(general_problem=self.world.untold[function.__name__])
        token, person_id = self._authenticated(request.headers)
        parameters = Parameters(request.query, self._dialect.ignored)
        envelope = parameters.text("envelope", ["true", "false"]) == "true"
        in_millis = parameters.text("date_format", ["iso8601", "millis"]) == "millis"
        call = Call(self.world, self._views, self.caps, self._dialect, token, person_id, parameters)
        answer = self._found(call, endpoint, arguments)
        parameters.finish()
        if isinstance(answer.data, StoredFile):
            return Response(200, {**_headers(200), **answer.headers}, b"", _opened(answer.data))
        data = _in_millis(answer.data) if in_millis else answer.data
        return self._response(answer, data, envelope)

    def _authenticated(self, headers: Mapping[str, str]) -> tuple[str, int]:
        token = next((value for name, value in headers.items() if name.lower() == "x-trackertoken"), None)
        if self.world.reader is not None:
            return token or "", self.world.reader
        if not token:
            raise ApiError(
                401,
                "unauthenticated",
                "No authentication credentials were presented.",
                possible_fix="Send your API token in the header X-TrackerToken.",
            )
        if token not in self.world.tokens:
            raise ApiError(
                403,
                "invalid_authentication",
                "Invalid authentication credentials were presented.",
                possible_fix="Verify that your token value matches what's shown on your Profile page in Tracker.",
            )
        return token, self.world.tokens[token]

    def _found(self, call: Call, endpoint: Callable[..., Answer], arguments: Mapping[str, Any]) -> Answer:
        if "project_id" not in arguments:
            return endpoint(call, **arguments)
        names = dict(arguments)
        found = self.world.projects.get(names.pop("project_id"))
        if found is None:
            raise unfound_resource()
        answer = endpoint(call, call.enter(found), **names)
        answer.project = found
        return answer

    def _response(self, answer: Answer, data: Any, envelope: bool) -> Response:
        headers = {**_headers(200), **answer.headers}
        wrapped: Row = {"http_status": "200"}
        if answer.project is not None and self._dialect.versions:
            headers["X-Tracker-Project-Version"] = str(answer.project.version)
            wrapped["project_version"] = answer.project.version
        if answer.page is not None and self._dialect.pagination_headers:
            wrapped["pagination"] = vars(answer.page)
            for name, number in vars(answer.page).items():
                headers[f"X-Tracker-Pagination-{name.capitalize()}"] = str(number)
        body = orjson.dumps({**wrapped, "data": data} if envelope else data)
        headers["ETag"] = f'W/"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        return Response(200, headers, body)


def _millis(text: str) -> int:
    return (_moment(text) - EPOCH) // timedelta(milliseconds=1)


def _in_millis(data: Any) -> Any:
    """The same data with every time, known by its name, in milliseconds since 1970."""
    if isinstance(data, list):
        return [_in_millis(each) for each in data]
    if isinstance(data, dict):
        return {
            name: _millis(value) if name in TIMES and isinstance(value, str) else _in_millis(value)
            for name, value in data.items()
        }
    return data
