"""Reads Tracker's search language: a query, such as `type:bug -label:"needs review" (login OR password)`, as a tree.

Words next to each other must all be there. `OR` in capitals needs one of its sides; `-` before a part, or `NOT`,
excludes it; parentheses group; quotes keep words together. `keyword:value` asks for an attribute, `keyword:a,b` for one
of several values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NoReturn

from tracker_server.search.dates import Today
from tracker_server.search.keywords import ALIASES, HAS_WORD, KEYWORDS, WITHOUT_WORD, boolean
from tracker_server.search.query import Both, Either, Everything, Ids, Node, Not, Query, Words

LONGEST, MOST_PARTS, DEEPEST = 2_000, 100, 30
"""Characters of a query, parts of it, and parentheses in each other: more would cost too much."""


class QueryError(ValueError):
    """A query that is not understood: its part, and what is wrong with it, in a sentence."""

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(f"{part}: {problem}")
        self.part = part
        self.problem = problem


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
    values: tuple[str, ...] = ()
    is_quoted: bool = False


_INSIDE = r'(?:[^"\\]|\\.)*'
"""What may stand between quotation marks: a backslash before one of them, or before another, makes it a letter."""
_QUOTED = rf'"(?P<{{0}}>{_INSIDE})"'
_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<open>\()
    | (?P<close>\))
    | (?P<or>OR|\|\|?)(?=[\s()]|$)
    | (?P<and>AND|&&?)(?=[\s()]|$)
    | (?P<not>NOT(?=[\s(])|[-−!](?=[^\s)]))
    | (?P<keyword>[^\W\d]\w*):(?!//)(?:{_QUOTED.format("value")}(?=[\s()]|$)|(?P<bare>(?:"{_INSIDE}"|[^\s()"])*))
    | {_QUOTED.format("phrase")}
    | (?P<word>[^\s()"]+)
    | (?P<unclosed>".*)
    )""",
    re.VERBOSE | re.DOTALL,
)  # fmt: skip
_PIECE = re.compile(rf'{_QUOTED.format("quoted")}|(?P<comma>,)|[^,"]+', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')


def quoted(text: str) -> str:
    """A text in quotation marks, so that a search takes all of it as it is."""
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _values(bare: str) -> tuple[str, ...]:
    """The values between commas, some of them in quotation marks."""
    values = [""]
    for piece in _PIECE.finditer(bare):
        if piece["comma"]:
            values.append("")
        else:
            values[-1] += piece[0] if piece["quoted"] is None else _unescaped(piece["quoted"])
    return tuple(values)


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
            values = (_unescaped(found[kind]),) if kind == "value" else _values(found[kind])
            yield _Token(_Kind.KEYWORD, shown, values=values)
        elif kind == "keyword":
            yield _Token(_Kind.KEYWORD, shown)
        elif kind in ("phrase", "word"):
            words = _unescaped(found[kind]) if kind == "phrase" else found[kind]
            yield _Token(_Kind.WORDS, shown, words, is_quoted=kind == "phrase")
        else:
            yield _Token(_Kind[kind.upper()], shown)


class _Parser:
    """Parses by recursive descent: OR binds weakest, then AND, then NOT.

    A part without a letter or a digit, such as the dash in `login - page`, is None and does not count;
    so is `includedone:`, which is said of the whole query.
    """

    def __init__(self, text: str, today: Today) -> None:
        self._today = today
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self._includes_done: bool | None = None
        if len(self._tokens) > MOST_PARTS:
            raise QueryError(self._tokens[MOST_PARTS].text, f"a search has at most {MOST_PARTS} parts")

    def query(self) -> Query:
        if not self._tokens:
            return Query(Everything())
        node = self._either()
        if (token := self._peek()) is not None:
            self._refuse(token, "there is no ( before it")
        if node is None and self._includes_done is None:
            self._refuse(self._tokens[0], WITHOUT_WORD)
        return Query(node or Everything(), self._includes_done)

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

    def _either(self) -> Node | None:
        node = self._both()
        while token := self._take(_Kind.OR):
            self._require_part_after(token)
            other = self._both()
            node = Either(node, other) if node and other else node or other
        return node

    def _both(self) -> Node | None:
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
            node = Both(node, part) if node and part else node or part

    def _negatable(self) -> Node | None:
        negations = 0
        while token := self._take(_Kind.NOT):
            negations += 1
            self._require_part_after(token)
        node = self._part()
        return Not(node) if node and negations % 2 else node

    def _part(self) -> Node | None:
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

    def _words(self, token: _Token) -> Node | None:
        number = re.fullmatch(r"#?([0-9]{1,18})", token.value, re.ASCII)
        if number is None or token.is_quoted:
            return Words(token.value) if HAS_WORD.search(token.value) else None
        ids = Ids((int(number[1]),))
        return ids if token.value.startswith("#") else Either(Words(token.value), ids)

    def _attribute(self, token: _Token) -> Node | None:
        name = token.text.partition(":")[0].lower()
        keyword = ALIASES.get(name, name)
        read = KEYWORDS.get(keyword)
        if read is None:
            known = ", ".join(sorted(known for known in KEYWORDS if "_" not in known))
            self._refuse(
                token, f"{name} is no keyword; put it in quotation marks to search for the text, or use {known}"
            )
        values = tuple(value.strip() for value in token.values)
        if not all(values):
            self._refuse(token, f"there is no value after {name}:")
        try:
            if keyword == "includedone":
                self._includes_done = boolean(values)
                return None
            return read(keyword, values, self._today)
        except ValueError as error:
            self._refuse(token, str(error))
