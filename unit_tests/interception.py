"""What a server was asked, and answers to put in place of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qsl

import orjson

from tracker_server.api.dialect import Dialect
from tracker_server.api.protocol import PREFIX
from tracker_server.api.tracker_api import TrackerApi
from tracker_server.app import LoggedRequest
from tracker_server.http_message import Request, Response
from tracker_server.world import World

Before = Callable[[Request], "Response | None"]


def path_of(request: Request) -> str:
    return request.path.removeprefix(PREFIX)


def query_of(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.query))


def is_probe(query: Mapping[str, str]) -> bool:
    """Whether a request for stories is there only to find out what the server can do."""
    return query == {"limit": "1", "fields": "id"}


def asked(log: Iterable[LoggedRequest], parameter: str) -> list[str]:
    """The values of a query parameter, one after the other, in the requests for lists of stories that have it."""
    lists = (logged for logged in log if logged.path.endswith("/stories") and not is_probe(logged.query))
    return [logged.query[parameter] for logged in lists if parameter in logged.query]


def instead(answers: Mapping[str, Response]) -> Before:
    """Puts an answer in place of the server's own for each of these paths."""
    return lambda request: answers.get(path_of(request))


def without_fields(world: World) -> Before:
    """A server that ignores `fields` and shows each row with the attributes that it has by itself."""
    return TrackerApi(world, dialect=Dialect(fields=False)).handle


def json(body: object, **headers: int | str) -> Response:
    """An answer in JSON; `Total=1` is its `X-Tracker-Pagination-Total`."""
    pagination = {f"X-Tracker-Pagination-{name}": str(value) for name, value in headers.items()}
    return Response(200, {"Content-Type": "application/json", **pagination}, orjson.dumps(body))


def html(status: int) -> Response:
    return Response(status, {"Content-Type": "text/html"}, b"<html>blocked</html>")
