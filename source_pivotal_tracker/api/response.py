"""What a server answered, read to its last byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from requests import PreparedRequest

from source_pivotal_tracker.api.dialect.values import Oddities


@dataclass
class TrackerResponse:
    """An answer: its status and reason, its headers (in any case) and its body; `parsed` once that was read as
    JSON, with the `oddities` that were mended in it.

    `request` is the one that brought it, after redirects; `redirect` is where it leads, if that may be asked instead.
    """

    request: PreparedRequest
    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    parsed: Any = None
    redirect: str | None = None
    oddities: Oddities = field(default_factory=dict)
