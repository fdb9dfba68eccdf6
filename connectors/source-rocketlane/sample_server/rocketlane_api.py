"""Answers requests of the Rocketlane REST API 1.0 from a sample world, and refuses what the API does not document."""

from __future__ import annotations

import operator
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from hmac import compare_digest
from math import ceil
from typing import Any, Literal, NamedTuple, NoReturn
from urllib.parse import urlencode
from uuid import uuid4

from rocketlane_world import FILTERS, RESOURCES, REVEALED_BY, Resource, Row, World, day, flag, values_at
from serving import as_json
from werkzeug import Request, Response
from werkzeug.exceptions import HTTPException

PREFIX = "/api/1.0"
ADDRESS = f"http://api.rocketlane.com{PREFIX}"
"""Where the API says that its next page is, without TLS and wherever it runs."""

PAGE_SIZE = 100
OPS = {op for ops, _ in FILTERS.values() for op in ops}
ROUTES = {
    name: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[0-9]+)", f"{PREFIX}/{kind.path}"), re.ASCII)
    for name, kind in RESOURCES.items()
}

Order = tuple[Any, int, int]
"""Where a row stands in its list: what the list is sorted by, when it was created, its key."""


class _Token(NamedTuple):
    """What the token of a page stands for: the request that it belongs to, the place, and until when."""

    request: object
    place: Any
    until: float


def _refuse(status: int, code: str, message: str, field: str = "", **headers: str) -> NoReturn:
    error = {"errorCode": code, "errorMessage": message} | ({"field": field} if field else {})
    raise HTTPException(response=as_json({"errors": [error]}, status, **headers))


def _bad(field: str, message: str) -> NoReturn:
    _refuse(400, "BAD_REQUEST", message, field)


def _read(query: dict[str, str], name: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(query[name])
    except KeyError:
        _bad(name, f"{name} is required")
    except ValueError:
        _bad(name, f"{query[name]!r} is not a value of {name}")


def _one_of(*words: str) -> Callable[[str], str]:
    return lambda text: words[words.index(text)]


def _page_size(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise ValueError(text)
    return int(text)


def _fits(op: str, values: list[Any], wanted: list[Any]) -> bool:
    """Whether values of a row pass a filter. The negative ones pass where there is no value."""
    if op in ("eq", "oneOf"):
        return any(value in wanted for value in values)
    if op == "noneOf":
        return not any(value in wanted for value in values)
    if op in ("cn", "nc"):
        return any(wanted[0].casefold() in value.casefold() for value in values) == (op == "cn")
    return any(getattr(operator, op)(value, wanted[0]) for value in values)


def _sent(kind: Resource, row: Row, names: set[str] | None) -> Row:
    """A row with the optional attributes of these names and no others, or with all of them."""
    if names is None:
        return {name: value for name, value in row.items() if name not in kind.unsent}
    tops = {path.partition(".")[0] for path in kind.optional.values()}
    sent = {name: value for name, value in row.items() if name not in tops and name not in kind.unsent}
    for name in sorted(names):
        top, _, inner = kind.optional[name].partition(".")
        if top in row and not inner:
            sent[top] = row[top]
        elif inner in row.get(top, {}):
            sent[top] = {inner: row[top][inner]}
    return sent


def _order(kind: Resource, rows: Mapping[int, Row], query: dict[str, str]) -> tuple[dict[int, Order], bool]:
    """Where each row stands in the list, and whether the list is in descending order."""
    by = _read(query, "sortBy", _one_of(*kind.sorts)) if "sortBy" in query else "createdAt"
    descending = _read({"sortOrder": "DESC"} | query, "sortOrder", _one_of("ASC", "DESC")) == "DESC"
    order = {key: (key if by == "id" else row.get(by, 0), row.get("createdAt", 0), key) for key, row in rows.items()}
    return order, descending


class RocketlaneApi:
    """The application: it answers the requests that carry `api_key` with lists of what is in `world`.

    With `paging` "key" a page begins after the last row of the page before, with "offset" after so many rows of the
    list as it is by then. Where there are more than `lists_per_minute` in the last `window_seconds` (a minute, unless
    a test has less time), 429 says when to come again. The token of a page is good for `token_seconds`. A page has at
    most `page_size` rows.
    """

    def __init__(
        self,
        world: World,
        api_key: str,
        *,
        paging: Literal["key", "offset"] = "key",
        lists_per_minute: int | None = None,
        window_seconds: float = 60,
        token_seconds: float = 900,
        page_size: int = PAGE_SIZE,
    ) -> None:
        self.world = world
        self._api_key = api_key
        self._paging = paging
        self._lists_per_minute = lists_per_minute
        self._window = window_seconds
        self._token_seconds = token_seconds
        self._most_rows = page_size
        self._lists: deque[float] = deque()
        self._tokens: dict[str, _Token] = {}

    def __call__(self, request: Request) -> Response:
        with self.world.lock:
            try:
                response = self._answer(request)
            except HTTPException as refusal:
                response = refusal.get_response(request.environ)
        response.headers["X-Request-Id"] = str(uuid4())
        return response

    def _answer(self, request: Request) -> Response:
        given = request.headers.get("api-key", "")
        if not compare_digest(given.encode(), self._api_key.encode()):
            _refuse(401, "NOT_AUTHORIZED", f"The API key {given} is not valid")
        found = next(
            ((name, match) for name, route in ROUTES.items() if (match := route.fullmatch(request.path))), None
        )
        if found is None:
            _refuse(404, "NOT_FOUND", f"There is no {request.path}")
        if request.method != "GET":
            _refuse(405, "METHOD_NOT_ALLOWED", f"{request.method} is not supported", Allow="GET")
        self._count_list()
        for parameter, values in request.args.lists():
            if len(values) > 1:
                _bad(parameter, f"{parameter} is given {len(values)} times")
        return as_json(self._list(found[0], request.path[len(PREFIX) :], found[1].groupdict(), request.args.to_dict()))

    def _count_list(self) -> None:
        now = time.time()
        while self._lists and self._lists[0] <= now - self._window:
            self._lists.popleft()
        if self._lists_per_minute is not None and len(self._lists) >= self._lists_per_minute:
            free = ceil((self._lists[0] + self._window) * 1000)
            _refuse(429, "TOO_MANY_REQUEST", "Rate limit exceeded", X_Retry_After=str(free))
        self._lists.append(now)

    def _list(self, name: str, path: str, within: dict[str, str], query: dict[str, str]) -> Row:
        kind = RESOURCES[name]
        self._check_names(kind, query)
        token = query.pop("pageToken", "")
        size = min(_read({"pageSize": str(PAGE_SIZE)} | query, "pageSize", _page_size), self._most_rows)
        query["pageSize"] = str(size)
        names = self._included(name, query)
        matched = self._matched(name, within, query)
        order, descending = _order(kind, matched, query)
        listed = sorted(matched, key=order.__getitem__, reverse=descending)
        this = (path, frozenset(query.items()))
        place = self._place(token, this) if token else None
        first = 0
        if self._paging == "offset":
            first = place or 0
        elif place is not None:
            first = sum(order[key] >= place if descending else order[key] <= place for key in listed)
        page = listed[first : first + size]
        more = first + size < len(listed)
        pagination: Row = {"pageSize": size, "hasMore": more, "totalRecordCount": len(listed)}
        if more:
            following = self._issue(this, first + size if self._paging == "offset" else order[page[-1]])
            pagination["nextPageToken"] = following
            pagination["nextPage"] = f"{ADDRESS}{path}?{urlencode(query | {'pageToken': following})}"
        return {"data": [_sent(kind, matched[key], names) for key in page], "pagination": pagination}

    def _check_names(self, kind: Resource, query: dict[str, str]) -> None:
        plain = {"pageSize", "pageToken", "includeFields", "includeAllFields", *kind.required}
        if kind.filters:
            plain |= {"match", "sortBy", "sortOrder"}
        if kind.hides:
            plain.add(f"{REVEALED_BY[kind.hides]}.eq")
        for name in query:
            attribute, _, op = name.rpartition(".")
            if name in plain:
                continue
            if not (attribute and op in OPS):
                _refuse(500, "INTERNAL_SERVER_ERROR", f"Cannot read the filter {name}")
            known = kind.filters.get(attribute)
            if known is None or op not in known.ops:
                _bad(name, f"{name} is not a filter of {kind.path}")

    def _included(self, name: str, query: dict[str, str]) -> set[str] | None:
        """The names of the optional attributes that are asked for, None for all."""
        kind = RESOURCES[name]
        offered = {"includeFields": bool(kind.optional), "includeAllFields": bool(kind.optional) and kind.all_fields}
        for parameter in offered:
            if parameter in query and not offered[parameter]:
                _bad(parameter, f"{kind.path} has no {parameter}")
        if _read({"includeAllFields": "false"} | query, "includeAllFields", flag):
            return None
        custom = {f"fields.{key}" for key in self.world.rows["fields"]}  # They are sent in any case.
        names = set(query.get("includeFields", "").split(",")) - {""}
        for field in names - set(kind.optional) - custom:
            _bad("includeFields", f"{field} is not a field of {kind.path}")
        return names - custom

    def _matched(self, name: str, within: dict[str, str], query: dict[str, str]) -> dict[int, Row]:
        """The rows that a request asks for by its path, its required parameters and its filters."""
        kind = RESOURCES[name]
        tests: list[Callable[[Row], bool]] = []
        if kind.hides:
            reveal = f"{REVEALED_BY[kind.hides]}.eq"
            if not _read({reveal: "false"} | query, reveal, flag):
                tests.append(lambda row: not row[kind.hides])
        if "startDate" in kind.required:
            first, last = (_read(query, parameter, day) for parameter in kind.required)
            tests.append(lambda row: first <= row["startDate"] and row["endDate"] <= last)
        if within:
            tests.append(self._part_of(kind, "invoices", int(within["invoiceId"])))
        if "projectId" in kind.required:
            tests.append(self._part_of(kind, "projects", _read(query, "projectId", int)))
        if name == "conversations" and "sourceId.eq" in query:
            self._part_of(kind, "projects", _read(query, "sourceId.eq", int))  # Its filter does the rest.
        filters = [
            self._filter(kind, parameter, query) for parameter in query if parameter.rpartition(".")[0] in kind.filters
        ]
        rule = {"all": all, "any": any}[_read({"match": "all"} | query, "match", _one_of("all", "any"))]
        if filters:
            tests.append(lambda row: rule(test(row) for test in filters))
        return {key: row for key, row in self.world.rows[name].items() if all(test(row) for test in tests)}

    def _part_of(self, kind: Resource, parent: str, key: int) -> Callable[[Row], bool]:
        if key not in self.world.rows[parent]:
            _refuse(404, "NOT_FOUND", f"There is no {key} in {parent}")
        return lambda row: key in values_at(row, kind.parents[parent])

    def _filter(self, kind: Resource, parameter: str, query: dict[str, str]) -> Callable[[Row], bool]:
        attribute, _, op = parameter.rpartition(".")
        path, _, read = kind.filters[attribute]
        wanted = _read(
            query, parameter, lambda text: [read(word) for word in (text.split(",") if "Of" in op else [text])]
        )
        return lambda row: _fits(op, self._values(row, path), wanted)

    def _values(self, row: Row, path: str) -> list[Any]:
        if path.startswith("@project."):
            row = self.world.rows["projects"].get(row["project"]["projectId"], {})
        return values_at(row, path.removeprefix("@project."))

    def _place(self, token: str, request: object) -> Any:
        known = self._tokens.get(token)
        if known is None or known.until <= time.monotonic():
            _bad("pageToken", "The page token is unknown or has expired")
        if known.request != request:
            _bad("pageToken", "The page token belongs to a request with other parameters")
        return known.place

    def _issue(self, request: object, place: Any) -> str:
        now = time.monotonic()
        self._tokens = {token: known for token, known in self._tokens.items() if known.until > now}
        fresh = str(uuid4())
        self._tokens[fresh] = _Token(request, place, now + self._token_seconds)
        return fresh


def expected(world: World, resource: str, *, include_archived: bool = True, include_deleted: bool = True) -> list[Row]:
    """The complete rows of a resource that a perfect read brings, each with the key of the parent it is read under.

    Without archived rows, there are no phases, spaces and documents of archived projects either.
    """
    kind = RESOURCES[resource]
    with world.lock:
        rows = {
            key: row
            for key, row in world.rows[resource].items()
            if (include_archived or not row.get("archived")) and (include_deleted or not row.get("deleted"))
        }
        if "projectId" in kind.required and not include_archived:
            shown = {key for key, project in world.rows["projects"].items() if not project["archived"]}
            rows = {key: row for key, row in rows.items() if shown.issuperset(values_at(row, kind.parents["projects"]))}
        order, descending = _order(kind, rows, {})
        return [deepcopy(rows[key]) for key in sorted(rows, key=order.__getitem__, reverse=descending)]
