"""Parses the name of a file: which project it is an export of, and when the export was made.

Tracker named an export `my_project_20250401_1212.csv`, and the ZIP around it `my_project_20250401_1212-export.zip` or
without that ending. `my_project` is the name of the project without everything but Latin letters, so it may be
empty. Browsers and people add ` (1)` and ` copy` to such names, and name files after a day or a part of an export.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

NAMELESS = "project"
"""The name of a project whose files do not name it."""
FIRST_YEAR, LAST_YEAR = 2005, 2099
"""Days in names of files lie between these."""

ARCHIVES, TABLES = (".zip",), (".csv", ".tsv")
PERHAPS_TABLES = (".txt",)
"""These may be a CSV from a spreadsheet, or any text."""
ENDINGS = (*ARCHIVES, *TABLES, *PERHAPS_TABLES)
"""The endings of files that may be exports."""

_FILE_TYPE = re.compile(f"(?:{'|'.join(map(re.escape, ENDINGS))})$", re.IGNORECASE)
_COPY = re.compile(r"(?:[ _-]{0,9}\([0-9]{1,9}\)| - copy| copy(?: [0-9]{1,9})?|[ _-]exports?)$", re.IGNORECASE)
LONGEST_ENDING = 30
"""Characters, more than `_COPY` or `_FILE_TYPE` can take."""
_DAY = r"(?P<year>20[0-9]{2})(?P<dash>[-_.]?)(?P<month>[0-9]{2})(?P=dash)(?P<day>[0-9]{2})"
_TIME = r"(?:[ _T-](?P<hour>[0-9]{2})[-_.h]?(?P<minute>[0-9]{2})(?:[-_.]?[0-9]{2})?)?"
_STAMP = re.compile(rf"(?:(?P<name>.+)[ _.-]|[ _.-]*){_DAY}{_TIME}(?P<rest>(?![0-9]).*)")
_PART = re.compile(
    r"(?:[ _-]*(?:all|stories|story|epics|releases|done|current|backlog|icebox|part|exports?|backups?|selected|csv"
    r"|history|(?<![0-9])[0-9]{1,4}(?![0-9])))*[ _-]*",
    re.IGNORECASE,
)


class ParsedName(NamedTuple):
    """A project, and when its export was made if the name of the file says that (UTC is assumed)."""

    project: str
    at: datetime | None


def base_name(path: str) -> str:
    """The last part of a path or a URL, with replacement characters for bytes that are not UTF-8."""
    if "://" in path:
        path = unquote(urlsplit(path).path)
    return readable(re.split(r"[/\\]", path.rstrip("/\\"))[-1])


def readable(name: str) -> str:
    """The name of a file with replacement characters for bytes that are not UTF-8 and for line breaks."""
    letters = name.encode(errors="surrogateescape").decode(errors="replace")
    return letters if letters.isprintable() else re.sub(r"[^\S ]|[\0-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", letters)


def parse_name(file: str) -> ParsedName:
    """Parses the name of a file, with or without folders."""
    own = _parse(file)
    return own if own.project else ParsedName(NAMELESS, own.at)


def parse_inner_name(file: str, around: Iterable[str]) -> ParsedName:
    """Parses the name of a file that lies in the ZIPs and folders `around` it, the innermost first.

    It belongs to the project of the first of them that names one, if it has that name or is named after a part of an
    export (`stories.csv`, `my_project_2.csv`); otherwise it is a project of its own.
    """
    own = _parse(file)
    at = own.at
    for name in around:
        outer = _parse(name)
        at = at or outer.at
        if not _PART.fullmatch(outer.project):
            is_part = _PART.fullmatch(own.project.removeprefix(outer.project))
            return ParsedName(outer.project if is_part else own.project, at)
    return ParsedName(own.project or NAMELESS, at)


def has_trackers_stamp(file: str) -> bool:
    """Whether a file is named as Tracker names exports, with the minute in which it was made."""
    return bool(re.search("_[0-9]{8}_[0-9]{4}", base_name(file))) and _parse(file).at is not None


def is_history_name(file: str) -> bool:
    """Whether a file is called a history; one that cannot be read is none of stories then."""
    return "history" in base_name(file).lower() and not file.lower().endswith(ARCHIVES)


def history_project(file: str, around: Iterable[str]) -> str:
    """The `slug` of the project whose history is in a file: `my_project` for `my_project_history_20250401_1212.csv`."""
    return re.sub("(?:^|_)history(?:_|$)", "", slug(parse_inner_name(file, around).project))


def is_unmistakable(project: str) -> bool:
    """Whether exports and histories that have this name are of this project, whatever is called like a part of it.

    The names of all ZIPs and folders around them make no difference then.
    """
    ends = (project[start:] for start in range(len(project)))
    return (
        parse_name(project) == ParsedName(project, None)
        and history_project(f"{project}_history.csv", ()) == slug(project)
        and not any(map(_PART.fullmatch, ends))
    )


def slug(project: str) -> str:
    """Equal for two spellings of the name of one project: `my_project` for `My Project`."""
    letters = unicodedata.normalize("NFC", unicodedata.normalize("NFC", project).casefold())
    return re.sub(r"[\W_]+", "_", letters).strip("_") or letters


def natural_sort_key(name: str) -> list[str | int]:
    """A sort key that puts `part_2` before `part_10`."""
    parts = re.split("([0-9]{1,18})", name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def copy_mark(file: str) -> str:
    """What was added to a name that another file had: ` (1)` for `my_project (1).csv`."""
    stem = _FILE_TYPE.sub("", base_name(file))
    return stem.removeprefix(_without(_COPY, stem))


def _parse(file: str) -> ParsedName:
    """As `parse_name`, but with an empty name if only a time is left."""
    stem = _without(_COPY, _without(_FILE_TYPE, unicodedata.normalize("NFC", base_name(file))))
    found = _STAMP.fullmatch(stem)
    at = found and _moment(found)
    if not found or at is None:
        return ParsedName(stem, None)
    name, rest = found["name"] or "", found["rest"]
    if not _PART.fullmatch(rest):
        name = name + rest if name else rest.lstrip(" _.-")
    return ParsedName(_without(_COPY, name), at)


def _without(ending: re.Pattern[str], name: str) -> str:
    """The name without these endings, unless nothing would be left."""
    while (found := ending.search(name, max(0, len(name) - LONGEST_ENDING))) and found.start():
        name = name[: found.start()]
    return name


def _moment(found: re.Match[str]) -> datetime | None:
    parts = [int(found[part] or 0) for part in ("year", "month", "day", "hour", "minute")]
    try:
        at = datetime(parts[0], parts[1], parts[2], parts[3], parts[4], tzinfo=UTC)
    except ValueError:
        return None
    return at if FIRST_YEAR <= at.year <= LAST_YEAR else None
