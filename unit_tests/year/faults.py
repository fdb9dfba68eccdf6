"""A server that fails now and then: what stands in place of its answers."""

from __future__ import annotations

import random

from tracker_server.api.errors import ApiError, error_response
from tracker_server.http_message import Request, Response
from unit_tests.interception import html


class Faults:
    """By a seed, answers in place of the server's own, while `chance` is more than 0; `count` of them so far."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self.chance = 0.0
        self.count = 0

    def before(self, _: Request) -> Response | None:
        if self._random.random() >= self.chance:
            return None
        self.count += 1
        return self._random.choice((_failed, _limited, _unavailable, _dropped, _cut_short))()


def _failed() -> Response:
    return error_response(ApiError(500, "unhandled_condition", "Something broke."))


def _limited() -> Response:
    refused = error_response(ApiError(429, "server_under_load", "Too many requests in too short a time."))
    refused.headers["Retry-After"] = "2"
    return refused


def _unavailable() -> Response:
    return html(503)


def _dropped() -> Response:
    """The connection ends where the body was to begin."""
    return Response(200, {"Content-Type": "application/json", "Content-Length": "4096"}, b"")


def _cut_short() -> Response:
    return Response(200, {"Content-Type": "application/json", "Content-Length": "4096"}, b'[{"kind": "story", "id": 1')
