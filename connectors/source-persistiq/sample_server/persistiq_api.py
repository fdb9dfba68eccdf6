"""A sample server of the PersistIQ REST API v1, read-only and strict: it answers what the vendor documents, no more."""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from persistiq_world import OF_CAMPAIGNS, Row, World
from serving import as_json
from werkzeug import Request, Response

URL = "https://api.persistiq.com"
PREFIX = "/v1"
PAGE_SIZES = {"events": 500}
PAGE_SIZE = 100
UNPAGED = ("lead_statuses", "lead_fields")
MOMENTS = ("updated_after", "created_after", "start_at", "end_at")
ISO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})")
PAGE = re.compile("[1-9][0-9]{0,8}")
GROUPS = {"campaign": "message_", "settings": "settings_", "lead_detail": "lead_"}
"""The groups of events, each with how its kinds begin."""


def _about(event: Row, what: str) -> Any:
    """The id of the campaign, lead or user of an event of either shape."""
    return (event.get(what) or {}).get("id") or (event.get("data") or event).get(f"{what}_id")


def _in_campaign(world: World, campaign: Row, lead_id: str) -> bool:
    return any((row["lead"] or {}).get("id") == lead_id for row in world.campaign_leads[campaign["id"]].values())


def _since(world: World, row: Row, moment: datetime) -> bool:
    return world.created[row["id"]] >= moment


def _until(world: World, row: Row, moment: datetime) -> bool:
    return world.created[row["id"]] <= moment


PARAMETERS: dict[str, dict[str, Callable[[World, Row, Any], bool]]] = {
    "users": {},
    "leads": {
        "status": lambda _, row, name: row["status"] == name,
        "status_id": lambda world, row, status_id: (
            row["status"] == world.lead_statuses.get(status_id, {}).get("name", "")
        ),
        "email": lambda _, row, email: (row["data"] or {}).get("email") == email,
        "created_after": _since,
        "updated_after": lambda world, row, moment: world.updated[row["id"]] >= moment,
    },
    "campaigns": {
        "name": lambda _, row, name: row["name"] == name,
        "owner_id": lambda _, row, user_id: (row["creator"] or {}).get("id") == user_id,
        "lead_id": _in_campaign,
    },
    "campaign_leads": {},
    "campaign_replies": {
        "lead_id": lambda _, row, lead_id: row["lead_id"] == lead_id,
        "start_at": _since,
        "end_at": _until,
    },
    "events": {
        "group": lambda _, row, group: (row.get("kind") or row.get("event_type") or "").startswith(GROUPS[group]),
        "campaign": lambda _, row, campaign_id: _about(row, "campaign") == campaign_id,
        "lead": lambda _, row, lead_id: _about(row, "lead") == lead_id,
        "user": lambda _, row, user_id: _about(row, "user") == user_id,
        "start_at": _since,
        "end_at": _until,
    },
    "dnc_domains": {},
    "tags": {},
}
"""The paged lists, each with the parameters that it takes beside `page`, and the rows that they leave in it."""


def expected(world: World, resource: str) -> list[Row]:
    """The rows that a perfect read of a resource brings, newest first; of all campaigns, where each has its own."""
    with world.lock:
        return deepcopy(world.shown(resource))


def _error(status: int, reason: str, message: str) -> Response:
    return as_json({"status": "error", "error": {"reason": reason, "message": message}}, status)


def _moment(text: str) -> datetime:
    found = ISO.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return datetime.fromisoformat(f"{found[1]}.{(found[2] or '')[:6]:0<6}{found[3].replace('Z', '+00:00')}")


def _value(name: str, text: str) -> Any:
    """What the text of a parameter means; a ValueError tells that it means nothing."""
    if name in MOMENTS:
        return _moment(text)
    if (name == "page" and not PAGE.fullmatch(text)) or (name == "group" and text not in GROUPS):
        raise ValueError(text)
    return int(text) if name == "page" else text


class PersistiqApi:
    """The application: answers requests from a `world`, which may be edited meanwhile.

    `paging` "offset" counts pages in the list as it is now, so that edits shift them. With "key" a page starts after
    the last row that the page before it sent. Beyond `requests_per_minute` in a window of `window_seconds` the answer
    is 429. `page_size` makes pages smaller. `writes` counts the requests that were not GET.
    """

    def __init__(
        self,
        world: World,
        api_key: str,
        *,
        paging: Literal["key", "offset"] = "offset",
        requests_per_minute: int | None = None,
        window_seconds: float = 60,
        page_size: int | None = None,
    ) -> None:
        self.world = world
        self.writes = 0
        self._api_key = api_key
        self._paging = paging
        self._limit = requests_per_minute
        self._window = window_seconds
        self._page_size = page_size
        self._window_ends = 0.0
        self._remaining = 0
        self._ends: dict[tuple[str, str], dict[int, tuple[datetime, int]]] = {}

    def __call__(self, request: Request) -> Response:
        with self.world.lock:
            response = self._refused(request) or self._answer(request)
            if self._limit is not None:
                response.headers["X-RateLimit-Limit"] = str(self._limit)
                response.headers["X-RateLimit-Remaining"] = str(max(self._remaining, 0))
                response.headers["X-RateLimit-Reset"] = str(math.ceil(self._window_ends))
        response.headers["X-Request-Id"] = str(uuid.uuid4())
        return response

    def _refused(self, request: Request) -> Response | None:
        """The answer to a request that may not be made."""
        if time.time() >= self._window_ends:
            self._window_ends = time.time() + self._window
            self._remaining = self._limit or 0
        self._remaining -= 1
        if request.method != "GET":
            self.writes += 1
            return _error(405, "invalid_request", f"{request.method} is not allowed here: this server is read-only.")
        if self._limit is not None and self._remaining < 0:
            message = f"You performed more than {self._limit} requests per minute."
            message += f" Limit will be reseted at {math.ceil(self._window_ends)}."
            return as_json({"error": {"reason": "too_many_requests", "message": message}}, 429)
        key = request.headers.get("x-api-key", "")
        if key != self._api_key:
            return _error(401, "unauthorized", f"Failed to find api key {key}")
        return None

    def _answer(self, request: Request) -> Response:
        match request.path.removeprefix(PREFIX).split("/") if request.path.startswith(PREFIX) else []:
            case ["", "leads", lead] if lead:
                return self._lead(request, lead)
            case ["", "campaigns", campaign_id, "leads" | "replies" as name] if campaign_id:
                if campaign_id not in self.world.campaigns:
                    return _error(404, "invalid_request", f"Campaign {campaign_id} not found")
                return self._list(request, f"campaign_{name}", campaign_id)
            case ["", name] if name not in OF_CAMPAIGNS and (name in PARAMETERS or name in UNPAGED):
                return self._list(request, name)
        return Response("nope", 404, mimetype="text/plain")

    def _lead(self, request: Request, lead: str) -> Response:
        if request.args:
            return _error(400, "bad_params", f"Unknown parameters: {', '.join(request.args)}")
        for row in self.world.shown("leads"):
            if lead in (row["id"], (row["data"] or {}).get("email")):
                return as_json({"status": "success", "errors": [], "lead": row})
        return _error(404, "invalid_request", f"Lead {lead} not found")

    def _list(self, request: Request, resource: str, campaign_id: str | None = None) -> Response:
        allowed = () if resource in UNPAGED else ("page", *PARAMETERS[resource])
        given: dict[str, Any] = {}
        for name, text in request.args.items(multi=True):
            if name not in allowed or name in given:
                return _error(400, "bad_params", f"Unknown or repeated parameter: {name}")
            try:
                given[name] = _value(name, text)
            except ValueError:
                return _error(400, "bad_params", f"Bad value of {name}: {text}")
        page = given.pop("page", 1)
        rows = self.world.shown(resource, campaign_id)
        for name, value in given.items():
            rows = [row for row in rows if PARAMETERS[resource][name](self.world, row, value)]
        envelope: Row = {"status": "success", "errors": []}
        if resource not in UNPAGED:
            own = urlencode(sorted((name, text) for name, text in request.args.items() if name != "page"))
            rows, envelope["has_more"] = self._page(rows, page, resource, (request.path, own))
            after = f"{URL}{request.path}?page={page + 1}" + (f"&{own}" if own else "")
            envelope["next_page"] = after if envelope["has_more"] else None
        return as_json({**envelope, resource.replace("campaign_replies", "replies"): rows})

    def _page(self, rows: list[Row], page: int, resource: str, key: tuple[str, str]) -> tuple[list[Row], bool]:
        """The rows of a page, and whether there are more; `key` tells which list of requests the page belongs to."""
        most = PAGE_SIZES.get(resource, PAGE_SIZE)
        size = min(self._page_size or most, most)
        ends = self._ends.setdefault(key, {})
        if self._paging == "key" and page - 1 in ends:
            rows = [row for row in rows if self.world.position(row) < ends[page - 1]]
        else:
            rows = rows[(page - 1) * size :]
        if rows:
            ends[page] = self.world.position(rows[:size][-1])
        elif page - 1 in ends:
            ends[page] = ends[page - 1]
        return rows[:size], len(rows) > size
