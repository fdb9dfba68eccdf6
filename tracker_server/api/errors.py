"""The requests that Tracker refuses, and the error objects that it answers them with."""

from __future__ import annotations

import orjson

from tracker_server.api.protocol import json_headers
from tracker_server.http_message import Response
from tracker_server.world import Row


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
    return Response(error.status, json_headers(error.status), orjson.dumps(error.row))
