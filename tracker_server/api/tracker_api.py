"""The v5 API: a pure function from a request and a world to Tracker's response."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import IO, Any
from urllib.parse import unquote

import orjson
from werkzeug.exceptions import HTTPException

from tracker_server.api.call import Answer, Call, Caps, name_of
from tracker_server.api.dialect import TRACKER, Dialect
from tracker_server.api.errors import ApiError, error_response, invalid_parameter, route_not_found
from tracker_server.api.parameters import Parameters
from tracker_server.api.protocol import PREFIX, json_headers
from tracker_server.api.routes import routes
from tracker_server.api.times import with_times_in_millis
from tracker_server.downloads import FILE_ERRORS, problem_of
from tracker_server.http_message import Request, Response
from tracker_server.search.index import SearchIndex
from tracker_server.view import Views
from tracker_server.world import Row, StoredFile, UnreadableProject, World

AGGREGATOR = f"{PREFIX}/aggregator"
MOST_AGGREGATED = 15
"""Paths; Tracker was seen to refuse more."""


class TrackerApi:
    """A v5 API over one world, in Tracker's or in another dialect, whose page cap applies unless `caps` are given.

    `index` is that of the world, if others search it too.
    """

    def __init__(
        self, world: World, caps: Caps | None = None, dialect: Dialect = TRACKER, index: SearchIndex | None = None
    ) -> None:
        self.world = world
        self._index = index or SearchIndex(Views(world))
        self.caps = caps or Caps.of(dialect)
        self._dialect = dialect
        self._routes = routes(dialect).bind("")

    def handle(self, request: Request) -> Response:
        """The response to any request; what Tracker would refuse gets Tracker's error object."""
        try:
            return self.answer(request)
        except UnreadableProject as error:
            reason = "The server cannot read the export again."
            problem = {"general_problem": str(error), "possible_fix": "Restart the server."}
            return error_response(ApiError(500, "unhandled_condition", reason, **problem))

    def answer(self, request: Request) -> Response:
        """As `handle`, but raises UnreadableProject."""
        try:
            with self.world.lock:
                return self._answered(request)
        except ApiError as error:
            return error_response(error)

    def _answered(self, request: Request) -> Response:
        if request.path == AGGREGATOR and not self._dialect.is_missing("aggregator"):
            return self._aggregated(request)
        try:
            endpoint, arguments = self._routes.match(request.path)
        except HTTPException:
            raise route_not_found() from None
        if request.method not in ("GET", "HEAD"):
            raise ApiError(405, "http_method_not_supported", "This server answers GET and HEAD requests only.")
        if problem := self.world.unavailable_endpoints.get(name_of(endpoint)):
            raise route_not_found(general_problem=problem)
        token, person_id = self._authenticated(request.header("X-TrackerToken"))
        parameters = Parameters(request.query, self._dialect.ignored_parameters)
        envelope = parameters.text("envelope", ["true", "false"]) == "true"
        in_millis = parameters.text("date_format", ["iso8601", "millis"]) == "millis"
        views = self._index.views
        call = Call(self.world, views, self._index, self.caps, self._dialect, token, person_id, parameters)
        answer = self._found(call, endpoint, arguments)
        parameters.finish()
        if isinstance(answer.data, StoredFile):
            return Response(200, {**json_headers(200), **answer.headers}, b"", _opened(answer.data))
        data = with_times_in_millis(answer.data) if in_millis else answer.data
        return self._response(answer, data, envelope)

    def _aggregated(self, request: Request) -> Response:
        """What GETs of the paths in a JSON array answer, as one object; for one that fails, its error.

        Whether Tracker's own aggregator shows errors so is not known.
        """
        self._authenticated(request.header("X-TrackerToken"))
        if request.method != "POST":
            raise ApiError(405, "requires_post", "This endpoint answers POST requests only.")
        try:
            places = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            raise ApiError(400, "cant_parse_json", "The body is not JSON.") from None
        if not isinstance(places, list) or not all(isinstance(place, str) for place in places):
            raise invalid_parameter("the body is not an array of paths")
        if len(places) > MOST_AGGREGATED:
            raise invalid_parameter(f"the body may hold at most {MOST_AGGREGATED} paths")
        return Response(200, json_headers(200), orjson.dumps({place: self._part(request, place) for place in places}))

    def _part(self, request: Request, place: str) -> Any:
        path, _, query = place.partition("?")
        try:
            if not path.startswith(PREFIX):
                raise route_not_found()
            response = self._answered(Request("GET", unquote(path), query, request.headers))
        except ApiError as error:
            response = error_response(error)
        return orjson.loads(response.body or b"null")

    def _authenticated(self, token: str) -> tuple[str, int]:
        if self.world.anonymous_person_id is not None:
            return token, self.world.anonymous_person_id
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
        return call.in_project(self.world.projects.get(names.pop("project_id")), endpoint, **names)

    def _response(self, answer: Answer, data: Any, envelope: bool) -> Response:
        headers = {**json_headers(200), **answer.headers}
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


def _opened(file: StoredFile) -> IO[bytes]:
    """The file for reading. Raises ApiError if it cannot be opened any more."""
    try:
        return file.open()
    except FILE_ERRORS as error:
        raise ApiError(
            500,
            "unhandled_condition",
            "The server cannot read the file.",
            general_problem=f"{file.filename} cannot be read: {problem_of(error)}.",
        ) from None
