"""What the name of a file says: which project it is an export of, and when that was made.

Tracker named an export `my_project_20250401_1212.csv`, and the ZIP around it `my_project_20250401_1212-export.zip` or
without that ending. Browsers and people add ` (1)` and ` copy` to such names.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

_FILE_TYPE = re.compile(r"[.](?:csv|zip)$", re.IGNORECASE)
_COPY = re.compile(r"(?:[ _-]*\([0-9]+\)| - copy| copy(?: [0-9]+)?|[ _-]exports?)$", re.IGNORECASE)
_STAMP = re.compile(r"(?P<name>.+)[ _-](?P<day>[0-9]{8})[ _-](?P<time>[0-9]{4})(?:[0-9]{2})?(?P<rest>(?![0-9]).*)")
_PART = re.compile(
    r"(?:[ _-]*(?:stories|epics|releases|done|current|backlog|icebox|part|export|csv|[0-9]+))*[ _-]*", re.IGNORECASE
)


class Named(NamedTuple):
    """A project, and when its export was made (UTC is assumed), if the name of the file says that."""

    project: str
    at: datetime | None


def base_name(path: str) -> str:
    """The last part of a path or a URL, with signs in place of bytes that are not UTF-8."""
    if "://" in path:
        path = unquote(urlsplit(path).path)
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return name.encode(errors="surrogateescape").decode(errors="replace")


def named(file: str) -> Named:
    """What the name of a file says, given with or without folders."""
    stem = _without(_COPY, _without(_FILE_TYPE, base_name(file)))
    found = _STAMP.fullmatch(stem)
    at = found and _moment(found["day"] + found["time"])
    if not found or at is None:
        return Named(stem, None)
    name = found["name"] if _PART.fullmatch(found["rest"]) else found["name"] + found["rest"]
    return Named(_without(_COPY, name), at)


def named_inside(member: str, archive: Named) -> Named:
    """What the name of a file in a ZIP says.

    It belongs to the project of the ZIP where it is called like that, or after a part of an export (`stories.csv`,
    `my_project_2.csv`); else it is a project of its own.
    """
    own = named(member)
    rest = own.project.removeprefix(archive.project)
    if _PART.fullmatch(rest):
        return Named(archive.project, own.at or archive.at)
    return Named(own.project, own.at or archive.at)


def _without(ending: re.Pattern[str], name: str) -> str:
    """The name without these endings, as long as anything is left."""
    while (shorter := ending.sub("", name)) and shorter != name:
        name = shorter
    return name


def _moment(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
