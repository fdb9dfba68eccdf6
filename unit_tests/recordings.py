"""The real HTTP exchanges that were recorded from Pivotal Tracker, for the tests that hold our code against them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest
from requests.structures import CaseInsensitiveDict

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "recordings"
ORIGIN = "https://www.pivotaltracker.com"
API_ROOT = "/services/v5"

needs_recordings = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"there are no recordings in {FOLDER}")


class Exchange(NamedTuple):
    """One request and its response; `path` is relative to the API root, like `/projects/1027488/stories`."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    headers: CaseInsensitiveDict[str]
    body: Any


def exchanges() -> Iterator[Exchange]:
    """Every recorded exchange, in the order of the file names; none where the folder is missing."""
    for file in sorted(FOLDER.rglob("*.json")):
        for recorded in json.loads(file.read_text(encoding="utf-8")):
            request, response = recorded["request"], recorded["response"]
            url = urlsplit(request["uri"])
            yield Exchange(
                method=request["method"],
                path=url.path.removeprefix(API_ROOT),
                query=dict(parse_qsl(url.query, keep_blank_values=True)),
                status=response["status"],
                headers=CaseInsensitiveDict(response["headers"]),
                body=response["body"],
            )
