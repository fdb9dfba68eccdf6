"""The keywords of Tracker's search language, such as `type:bug` or `created:2024-01-01..2024-03-31`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import reduce

from tracker_server.search.dates import Today, date_range
from tracker_server.search.query import Attribute, Between, Both, Either, Ids, Node, Not, Words

STATES = ("unscheduled", "unstarted", "planned", "started", "finished", "delivered", "accepted", "rejected")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "type": ("feature", "bug", "chore", "release", "epic"),
    "state": STATES,
    "priority": ("p0", "p1", "p2", "p3", "none"),
    "has": (
        "description", "comment", "task", "blocker", "review", "pull_request", "branch", "attachment",
        "label", "epic", "owner", "follower", "estimate", "deadline",
    ),
    "is": ("blocked", "blocking", "unestimated", "done"),
}  # fmt: skip
"""The attributes that have one of a few values."""

ALIASES: Mapping[str, str] = {
    "title": "name", "desc": "description", "comments": "comment", "tasks": "task", "files": "file",
    "attachment": "file", "attachments": "file", "labels": "label", "story_type": "type", "current_state": "state",
    "story_priority": "priority", "owned_by": "owner", "owners": "owner", "requested_by": "requester",
    "reviewed_by": "reviewer", "followed_by": "follower", "commented_by": "commenter", "due": "deadline",
    "points": "estimate", "modified": "updated", "modified_since": "updated_since", "include_done": "includedone",
}  # fmt: skip
"""Other names of the keywords."""
VALUE_ALIASES: Mapping[str, str] = {
    "desc": "description", "pr": "pull_request", "pullrequest": "pull_request", "file": "attachment", "due": "deadline",
    "branches": "branch",
}  # fmt: skip

HAS_WORD = re.compile(r"[^\W_]")
"""What a text with a word in it has; a text without one cannot be searched for."""
WITHOUT_WORD = "there is neither a letter nor a digit to search for"

Values = tuple[str, ...]
_Reader = Callable[[str, Values, Today], Node]


def _any_of(nodes: Iterable[Node]) -> Node:
    return reduce(Either, nodes)


def _text(name: str, values: Values, _: Today) -> Node:
    for value in values:
        if not HAS_WORD.search(value):
            raise ValueError(WITHOUT_WORD)
    return _any_of(Words(value, name) for value in values)


def _named(name: str, values: Values, _: Today) -> Node:
    return Attribute(name, tuple(value.casefold() for value in values))


def _choice(name: str, values: Values, _: Today) -> Node:
    choices = CHOICES[name]
    chosen = []
    for value in values:
        lower = value.casefold().replace("-", "_").replace(" ", "_")
        singular = lower.removesuffix("s") if name in ("has", "type") else lower
        found = next((form for form in (lower, singular) if form in choices), VALUE_ALIASES.get(singular, ""))
        if found not in choices:
            raise ValueError(f"{value} is none of {', '.join(choices)}")
        chosen.append(found)
    return Attribute(name, tuple(chosen))


def _without(_: str, values: Values, today: Today) -> Node:
    return Not(_choice("has", values, today))


def _ids(_: str, values: Values, __: Today) -> Node:
    numbers = [value.removeprefix("#") for value in values]
    for number in numbers:
        if not re.fullmatch("[0-9]{1,18}", number):
            raise ValueError(f"{number} is not the number of a story or an epic")
    return Ids(tuple(map(int, numbers)))


_NUMBER = "[0-9]{1,9}(?:[.][0-9]{1,4})?"
_LIMIT = re.compile(f"([<>]=?)({_NUMBER})")
_NUMBER_RANGE = re.compile(f"({_NUMBER})?([.]{{2}})?({_NUMBER})?")
STEP = 0.00001
"""Less than two numbers can differ by: what is from 3 on and before 3 + STEP is 3."""


def _numbers(name: str, values: Values, _: Today) -> Node:
    return _any_of(_number_range(name, value) for value in values)


def _number_range(name: str, value: str) -> Node:
    if value in ("-1", "none", "unestimated"):
        return Attribute("is", ("unestimated",))
    if found := _LIMIT.fullmatch(value):
        limit = float(found[2])
        after = limit + STEP
        return {
            "<": Between(name, None, limit), "<=": Between(name, None, after),
            ">": Between(name, after, None), ">=": Between(name, limit, None),
        }[found[1]]  # fmt: skip
    found = _NUMBER_RANGE.fullmatch(value)
    if not found or not (found[1] or found[3]) or (found[1] and found[3] and not found[2]):
        raise ValueError(f"{value} is no number of points; write 3, 1..5, >3, or -1 for stories without an estimate")
    start = float(found[1]) if found[1] else None
    last = (float(found[3]) if found[3] else None) if found[2] else start
    return Between(name, start, None if last is None else last + STEP)


def _dates(name: str, values: Values, today: Today) -> Node:
    return _any_of(Between(name, *date_range(value, today)) for value in values)


def _since(name: str, values: Values, today: Today) -> Node:
    return _any_of(Between(name.removesuffix("_since"), date_range(value, today)[0], None) for value in values)


def _before(name: str, values: Values, today: Today) -> Node:
    return _any_of(Between(name.removesuffix("_before"), None, date_range(value, today)[0]) for value in values)


def _my_work(_: str, values: Values, today: Today) -> Node:
    return Both(_named("owner", values, today), Not(Attribute("state", ("accepted",))))


def boolean(values: Values) -> bool:
    if len(values) == 1 and values[0].lower() in ("true", "false"):
        return values[0].lower() == "true"
    raise ValueError(f"{', '.join(values)} is neither true nor false")


TIMES = ("created", "updated", "accepted", "deadline")
KEYWORDS: Mapping[str, _Reader] = {
    **dict.fromkeys(("name", "description", "comment", "task", "file"), _text),
    **dict.fromkeys(("owner", "requester", "follower", "reviewer", "commenter", "person"), _named),
    **dict.fromkeys(("label", "epic", "project"), _named),
    **dict.fromkeys(CHOICES, _choice),
    **dict.fromkeys(TIMES, _dates),
    **{f"{time}_since": _since for time in TIMES},
    **{f"{time}_before": _before for time in TIMES},
    "no": _without,
    "id": _ids,
    "estimate": _numbers,
    "mywork": _my_work,
    "includedone": _named,  # the parser reads its value itself
}
"""The keywords, each with what reads its values, which raises ValueError with a sentence."""
