"""Tracker's search language: a query, such as `type:bug -label:"needs review" (login OR password)`, as a tree.

Words next to each other must all be there. `OR` in capitals needs one of its sides; `-` before a part, or `NOT`,
excludes it; parentheses group; quotes keep words together. `keyword:value` asks for an attribute, `keyword:a,b` for one
of several values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from typing import NoReturn

from tracker_server.search.dates import Today, date_range

LONGEST, MOST_PARTS, DEEPEST = 2_000, 100, 30
"""Characters of a query, parts of it, and parentheses in each other: more would cost too much."""


HAS_WORD = re.compile(r"[^\W_]")
"""What a text with a word in it has; a text without one is not searched for."""


class QueryError(ValueError):
    """A query that is not understood: its part, and what is wrong with it, in a sentence."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}")
        self.part = part
        self.problem = problem


@dataclass(frozen=True)
class Words:
    """These words, in this order, in a field of the text; in any field if it is empty."""

    text: str
    field: str = ""


@dataclass(frozen=True)
class Attribute:
    """One of the values of an attribute, in lower case."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Ids:
    """One of these ids."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Between:
    """An attribute, a number or a time, from `start` on and before `end`, each without a limit if it is None."""

    name: str
    start: float | str | None
    end: float | str | None


@dataclass(frozen=True)
class Both:
    """Both parts."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Either:
    """One of the parts, or both."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Not:
    """All but what this part matches."""

    part: Node


@dataclass(frozen=True)
class Everything:
    """All there is."""


Node = Words | Attribute | Ids | Between | Both | Either | Not | Everything


@dataclass(frozen=True)
class Query:
    """What is asked for. `includes_done` is what `includedone:` says, None without it."""

    node: Node
    includes_done: bool | None = None

    @property
    def only_id(self) -> int | None:
        """The number of a story or an epic, if the query is nothing else: `123`, `#123` or `id:123`."""
        node = self.node
        if isinstance(node, Either) and isinstance(node.right, Ids):
            node = node.right
        return node.ids[0] if isinstance(node, Ids) and len(node.ids) == 1 else None


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

FIELDS = ("name", "description", "comment", "task", "label", "people", "file")
"""The fields of the text."""

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


def parse(text: str, today: Today) -> Query:
    """The query that a text stands for. Raises QueryError.

    `today` is the day that `today`, `yesterday` and `-3d` count from.
    """
    if len(text) > LONGEST:
        raise QueryError(f"{text[:20]}…", f"a search has at most {LONGEST:,} characters")
    return _Parser(text, today).query()


class _Kind(Enum):
    OPEN = "("
    CLOSE = ")"
    OR = "OR"
    AND = "AND"
    NOT = "-"
    KEYWORD = "keyword"
    WORDS = "words"


@dataclass(frozen=True)
class _Token:
    kind: _Kind
    text: str
    value: str = ""
    is_quoted: bool = False


_QUOTED = r'"(?P<{0}>[^"]*)"'
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<open>\()
    | (?P<close>\))
    | (?P<or>OR|\|\|?)(?=[\s()]|$)
    | (?P<and>AND|&&?)(?=[\s()]|$)
    | (?P<not>NOT(?=[\s(])|[-−!](?=[^\s)]))
    | (?P<keyword>[^\W\d]\w*):(?!//)(?:{_QUOTED.format("value")}(?=[\s()]|$)|(?P<bare>(?:"[^"]*"|[^\s()"])*))
    | {_QUOTED.format("phrase")}
    | (?P<word>[^\s()"]+)
    | (?P<unclosed>".*)
    )""",
    re.VERBOSE | re.DOTALL,
)  # fmt: skip
_COMMA = re.compile(r'\s*,\s*(?=(?:[^"]*"[^"]*")*[^"]*$)')


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        assert found is not None  # noqa: S101  # every character begins a token
        assert found.lastgroup is not None  # noqa: S101
        place = found.end()
        kind, shown = found.lastgroup, found[0].strip()
        if kind == "unclosed":
            raise QueryError(shown, "the quotation mark is not closed")
        if kind in ("value", "bare"):
            yield _Token(_Kind.KEYWORD, shown, found[kind], is_quoted=kind == "value")
        elif kind == "keyword":
            yield _Token(_Kind.KEYWORD, shown)
        elif kind in ("phrase", "word"):
            yield _Token(_Kind.WORDS, shown, found[kind], is_quoted=kind == "phrase")
        else:
            yield _Token(_Kind[kind.upper()], shown)


class _Parser:
    """Parses by recursive descent: OR binds weakest, then AND, then NOT."""

    def __init__(self, text: str, today: Today) -> None:
        self._today = today
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self._includes_done: bool | None = None
        if len(self._tokens) > MOST_PARTS:
            raise QueryError(self._tokens[MOST_PARTS].text, f"a search has at most {MOST_PARTS} parts")

    def query(self) -> Query:
        node = self._either() if self._tokens else Everything()
        if (token := self._peek()) is not None:
            self._refuse(token, "there is no ( before it")
        return Query(node, self._includes_done)

    def _peek(self, *kinds: _Kind) -> _Token | None:
        token = self._tokens[self._next] if self._next < len(self._tokens) else None
        return token if token is not None and (not kinds or token.kind in kinds) else None

    def _take(self, *kinds: _Kind) -> _Token | None:
        token = self._peek(*kinds)
        self._next += token is not None
        return token

    def _refuse(self, token: _Token, problem: str) -> NoReturn:
        raise QueryError(token.text, problem)

    def _require_part_after(self, token: _Token) -> None:
        if self._peek() is None or self._peek(_Kind.CLOSE, _Kind.OR, _Kind.AND):
            self._refuse(token, "there is nothing after it")

    def _either(self) -> Node:
        node = self._both()
        while token := self._take(_Kind.OR):
            self._require_part_after(token)
            node = Either(node, self._both())
        return node

    def _both(self) -> Node:
        if token := self._peek(_Kind.OR, _Kind.AND):
            self._refuse(token, "there is nothing before it")
        if token := self._peek(_Kind.CLOSE):
            self._refuse(token, "there is no ( before it")
        node = self._negatable()
        while True:
            token = self._take(_Kind.AND)
            if token:
                self._require_part_after(token)
            if self._peek() is None or self._peek(_Kind.CLOSE, _Kind.OR):
                return node
            part = self._negatable()
            node = part if isinstance(node, Everything) else node if isinstance(part, Everything) else Both(node, part)

    def _negatable(self) -> Node:
        negations = 0
        while token := self._take(_Kind.NOT):
            negations += 1
            self._require_part_after(token)
        node = self._part()
        return Not(node) if negations % 2 else node

    def _part(self) -> Node:
        if token := self._take(_Kind.OPEN):
            self._depth += 1
            if self._depth > DEEPEST:
                self._refuse(token, f"at most {DEEPEST} parentheses can stand in each other")
            if self._peek(_Kind.CLOSE):
                self._refuse(token, "there is nothing between the parentheses")
            if self._peek() is None:
                self._refuse(token, "there is no ) after it")
            node = self._either()
            if not self._take(_Kind.CLOSE):
                self._refuse(token, "there is no ) after it")
            self._depth -= 1
            return node
        token = self._take(_Kind.KEYWORD, _Kind.WORDS)
        assert token is not None  # noqa: S101  # callers have looked
        return self._attribute(token) if token.kind is _Kind.KEYWORD else self._words(token)

    def _words(self, token: _Token) -> Node:
        number = re.fullmatch(r"#?([0-9]{1,18})", token.value, re.ASCII)
        if number is None or token.is_quoted:
            return Words(token.value) if HAS_WORD.search(token.value) else Everything()
        ids = Ids((int(number[1]),))
        return ids if token.value.startswith("#") else Either(Words(token.value), ids)

    def _attribute(self, token: _Token) -> Node:
        name = token.text.partition(":")[0].lower()
        keyword = ALIASES.get(name, name)
        read = KEYWORDS.get(keyword)
        if read is None:
            known = ", ".join(sorted(known for known in KEYWORDS if "_" not in known))
            self._refuse(
                token, f"{name} is no keyword; put it in quotation marks to search for the text, or use {known}"
            )
        values = (token.value,) if token.is_quoted else tuple(_COMMA.split(token.value))
        values = tuple(value.strip().strip('"').strip() for value in values)
        if not all(values):
            self._refuse(token, f"there is no value after {name}:")
        try:
            if keyword == "includedone":
                self._includes_done = _boolean(values)
                return Everything()
            return read(keyword, values, self._today)
        except ValueError as error:
            self._refuse(token, str(error))


Values = tuple[str, ...]
_Reader = Callable[[str, Values, Today], Node]


def _any_of(nodes: Iterable[Node]) -> Node:
    return reduce(Either, nodes)


def _text(name: str, values: Values, _: Today) -> Node:
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


def _boolean(values: Values) -> bool:
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
