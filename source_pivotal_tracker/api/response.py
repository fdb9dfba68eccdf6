"""What a server answered, read to its last byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from requests import PreparedRequest


@dataclass
class TrackerResponse:
    """An answer: its status and reason, its headers (in any case) and its body; `parsed` once that was read as JSON.

    `request` is the one that brought it, after redirects.
    """

    request: PreparedRequest
    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    parsed: Any = None
