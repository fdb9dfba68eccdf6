"""What goes over the wire: a request and a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO


@dataclass(frozen=True)
class Request:
    """A request as it came in: the path decoded, the query not, the names of headers in any case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str:
        """The value of a header, whatever the case of its name; empty without it."""
        return next((value for known, value in self.headers.items() if known.lower() == name.lower()), "")


@dataclass(frozen=True)
class Response:
    """A response ready to be sent.

    A file is not in the body: `file` has its bytes, is read while they are sent, and then closed.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    file: IO[bytes] | None = None
