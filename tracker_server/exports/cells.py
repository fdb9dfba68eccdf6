"""What is written in a cell: days, points, signed comments, addresses of pull requests and branches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache

from tracker_server.exports.ids import LARGEST_ID
from tracker_server.world import Row

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FIRST_YEAR, LAST_YEAR = 1970, 2099
LONGEST_ID = len(str(LARGEST_ID))
LONGEST_NAME = 300
"""Characters of an author; Tracker allows fewer."""

_DAY = re.compile(r"([A-Z][a-z][a-z]) ([0-9]{1,2}), ([0-9]{4})")
_POINTS = re.compile(r"[0-9]{1,15}(?:[.][0-9]{1,15}|,[0-9]{1,2})?")
_IS_ONE_WORD = r"(?=\S+\Z)"
"""Looked for once, so that a pattern that may end in many places need not look for a space from each."""
_SHOWN_AT = re.compile(_IS_ONE_WORD + r"https?://\S+/(?:(?:story|epic)/show|stories|epics)/([0-9]{1,16})\b\S*")
_STORY_LINK = re.compile(
    r"(?<![\w/=?&#])#([0-9]{1,16})\b"
    r"|(?<![\w.-])([\w.-]++)(?::[0-9]++)?"
    r"/(?:story/show|(?:n/|services/v5/)?(?:projects/\w++/)?stories)/([0-9]{1,16})\b",
    re.IGNORECASE,
)
_REPOSITORY = _IS_ONE_WORD + r"(https?://[^/\s]+/)([^/\s]+(?:/[^/\s]+)*?)/([^/\s]+)/(?:-/)?"
_PULL_REQUEST = re.compile(_REPOSITORY + r"(?:pull|pulls|pull-requests|merge_requests)/([0-9]{1,15})(?:[/?#]\S*)?")
_BRANCH = re.compile(_REPOSITORY + r"(?:tree|branch|src)/(\S+)")


@lru_cache(maxsize=65_536)
def parse_day(text: str) -> str | None:
    """`Nov 22, 2014` as `2014-11-22T00:00:00Z`: an export has no time of day and no zone. None for other texts."""
    found = _DAY.fullmatch(text.strip())
    if found is None or found[1] not in MONTHS:
        return None
    return iso_day(int(found[3]), MONTHS.index(found[1]) + 1, int(found[2]))


def iso_day(year: int, month: int, number: int) -> str | None:
    """`2014-11-22T00:00:00Z`; None if there is no such day, or if it is outside the years of Tracker."""
    try:
        return f"{date(year, month, number).isoformat()}T00:00:00Z" if FIRST_YEAR <= year <= LAST_YEAR else None
    except ValueError:
        return None


def format_day(moment: date) -> str:
    """A date as an export has it."""
    return f"{MONTHS[moment.month - 1]} {moment.day}, {moment.year:04}"


@lru_cache(maxsize=1024)
def parse_points(text: str) -> float | None:
    """An estimate, as an int if it is whole; None for -1. Raises ValueError for anything else."""
    if text.strip() == "-1":
        return None
    if not _POINTS.fullmatch(text.strip()):
        raise ValueError(f"no estimate: {text}")
    number = float(text.replace(",", "."))
    return int(number) if number == int(number) else number


def format_points(number: float) -> str:
    """An estimate as an export has it, without an exponent."""
    return f"{Decimal(str(number)):f}"


def parse_id(text: str) -> int | None:
    """The number of a story or an epic in Tracker; None if the text is not such a number."""
    text = text.strip()
    number = int(text) if text.isdigit() and text.isascii() and len(text) <= LONGEST_ID else 0
    return number if 0 < number <= LARGEST_ID else None


def id_in_url(url: str) -> int | None:
    """The number in `https://www.pivotaltracker.com/story/show/123`, or in the address of an epic."""
    found = _SHOWN_AT.fullmatch(url.strip())
    return parse_id(found[1]) if found else None


def linked_story_ids(text: str) -> list[int]:
    """The numbers of the stories that a text links to, as `#123` or by their addresses in Tracker."""
    links = _STORY_LINK.findall(text)
    return [int(number or in_address) for number, host, in_address in links if number or "tracker" in host.lower()]


def row_number(single: Mapping[str, str]) -> int | None:
    """The number of a row: that in its Id column, or else that in its address."""
    return parse_id(single["Id"]) or id_in_url(single["URL"])


def escape_formula(text: str) -> str:
    """The text with an apostrophe before a leading `=`, so that a spreadsheet does not compute it."""
    return f"'{text}" if text.startswith("=") else text


def unescape_formula(text: str) -> str:
    """The text without that apostrophe."""
    return text[1:] if text.startswith("'=") else text


def parse_signature(cell: str) -> tuple[str, str, str] | None:
    """Text, author and day (ISO 8601) of `text (Author - Nov 22, 2014)`.

    Only the last parentheses are the signature, and an author may have some in the name. None without a signature.
    """
    cell = cell.rstrip()
    dash = cell.rfind(" - ")
    if dash < 0 or cell[-1] != ")" or (at := parse_day(cell[dash + 3 : -1])) is None:
        return None
    opening = _opening(cell, max(0, dash - LONGEST_NAME), dash)
    if opening < 0:
        return None
    return cell[:opening].removesuffix(" "), cell[opening + 1 : dash].strip(), at


def _opening(cell: str, start: int, end: int) -> int:
    """The index of the parenthesis that is still open at the end, of the last one if all are closed, -1 without any."""
    last = opening = cell.rfind("(", start, end)
    if opening < 0 or ")" not in cell[opening:end]:
        return last
    while opening >= 0 and cell.count(")", opening, end) >= cell.count("(", opening, end):
        opening = cell.rfind("(", start, opening)
    return last if opening < 0 else opening


def parse_pull_request(address: str) -> Row:
    """The attributes of a pull request, from its address (recording get_story_with_pull_requests.json)."""
    found = _PULL_REQUEST.fullmatch(address)
    row: Row = {"original_url": address}
    if found:
        row |= {"host_url": found[1], "owner": found[2], "repo": found[3], "number": int(found[4])}
    return row


def parse_branch(text: str) -> Row:
    """The attributes of a branch, from its address; only its name if the text is no address."""
    found = _BRANCH.fullmatch(text)
    if not found:
        return {"name": text}
    return {"original_url": text, "host_url": found[1], "owner": found[2], "repo": found[3], "name": found[4]}
