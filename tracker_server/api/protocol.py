"""Where the API lies, and the headers of its answers."""

from __future__ import annotations

from http import HTTPStatus

PREFIX = "/services/v5"


def json_headers(status: int) -> dict[str, str]:
    return {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "max-age=0, private, must-revalidate",
        "Status": f"{status} {HTTPStatus(status).phrase}",
        "X-Tracker-Client-Pinger-Interval": "20",
    }
