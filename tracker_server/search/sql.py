"""Turns a parsed query into a condition of SQL over the tables of the index."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tracker_server.search.documents import attribute_token, separated
from tracker_server.search.query import Attribute, Between, Both, Either, Ids, Node, Not, Query, Words

COLUMN_ATTRIBUTES = ("type", "state")
"""Attributes that are columns too: many rows have the same value."""


@dataclass(frozen=True)
class Condition:
    """A boolean expression of SQL over a row of `item`, never NULL, and its parameters.

    `match` is a query of FTS5 that finds the same rows, if there is one; `no_match` is one that finds all others.
    """

    sql: str
    parameters: tuple[Any, ...] = ()
    match: str = ""
    no_match: str = ""

    def __and__(self, other: Condition) -> Condition:
        return _combined("AND", [self, other])

    def __or__(self, other: Condition) -> Condition:
        return _combined("OR", [self, other])

    def __invert__(self) -> Condition:
        return Condition(f"NOT {self.sql}", self.parameters, self.no_match, self.match)


MOST_IN_A_MATCH = 2_000
"""Characters of a query of FTS5, which takes an expression only up to a depth of 256."""
AT_A_LEVEL = 100
"""Parts between two parentheses of SQL; SQLite takes an expression only up to a depth of 1,000."""


def _combined(operator: str, parts: Sequence[Condition]) -> Condition:
    """The parts with an operator between them, in one pair of parentheses.

    What the full-text index can combine by itself is one part: it has lists of rows for it, and SQL has to try each.
    SQLite's parser gives up where about thirty parentheses are open behind other parts. So the longest part, which
    holds the most parentheses, comes first: then nothing waits for its end.
    """
    parts = _with_matches_joined(operator, parts)
    if len(parts) == 1:
        return parts[0]
    longest_first = sorted(parts, key=lambda part: len(part.sql), reverse=True)
    while len(longest_first) > AT_A_LEVEL:
        starts = range(0, len(longest_first), AT_A_LEVEL)
        longest_first = [_combined(operator, longest_first[start : start + AT_A_LEVEL]) for start in starts]
    sql = f" {operator} ".join(part.sql for part in longest_first)
    return Condition(f"({sql})", tuple(itertools.chain.from_iterable(part.parameters for part in longest_first)))


def _with_matches_joined(operator: str, parts: Sequence[Condition]) -> Sequence[Condition]:
    """The parts, with all that a query of FTS5 can say in one of them. It has no NOT but that of `one NOT another`."""
    matches = [part for part in parts if part.match]
    others = [part for part in parts if not part.match]
    excluding = [part for part in others if part.no_match] if operator == "AND" and matches else []
    together = f" {operator} ".join(f"({part.match})" for part in matches)
    if excluding:
        together = f"({together}) NOT ({' OR '.join(f'({part.no_match})' for part in excluding)})"
    if len(matches) + len(excluding) < 2 or len(together) > MOST_IN_A_MATCH:
        return parts
    return [_matching(together), *(part for part in others if part not in excluding)]


def condition(node: Node) -> Condition:
    """The rows that a node matches."""
    if isinstance(node, Both | Either):
        operator = "AND" if isinstance(node, Both) else "OR"
        return _combined(operator, [condition(operand) for operand in _operands(node, type(node))])
    if isinstance(node, Not):
        return ~condition(node.part)
    if isinstance(node, Words):
        return _matching(_match(node))
    if isinstance(node, Attribute):
        return _attribute(node)
    if isinstance(node, Ids):
        return Condition(f"item.id IN ({_placeholders(node.ids)})", node.ids)
    if isinstance(node, Between):
        return _between(node)
    return Condition("1")


def _operands(node: Node, kind: type[Both | Either]) -> Iterator[Node]:
    """The parts of a chain such as `a OR b OR c`, of which each link is a node in the next one."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        if isinstance(part, kind):
            waiting += (part.right, part.left)
        else:
            yield part


def matched_words(query: Query) -> str | None:
    """The words that a hit may hold, which are those that are not excluded, as a query of FTS5. None without any."""
    return " OR ".join(f"({_match(node)})" for node in _asked(query.node)) or None


def _asked(node: Node) -> Iterator[Words]:
    if isinstance(node, Words):
        yield node
    elif isinstance(node, Both | Either):
        for operand in _operands(node, type(node)):
            yield from _asked(operand)


def _matching(match: str) -> Condition:
    return Condition("item.rowid IN (SELECT rowid FROM words WHERE words MATCH ?)", (match,), match)


def _match(node: Words) -> str:
    """A phrase of FTS5; one that ends with * matches beginnings of words."""
    phrase = separated(node.text.replace('"', " ").replace("\0", " ").rstrip("*"))
    field = f"{node.field} : " if node.field else ""
    return f'{field}"{phrase}"{"*" if node.text.endswith("*") else ""}'


def _attribute(node: Attribute) -> Condition:
    if node.name == "project":
        numbers = [int(value) for value in node.values if re.fullmatch("[0-9]{1,18}", value)]
        by_id = Condition(f"item.project_id IN ({_placeholders(numbers)})", tuple(numbers))
        return by_id | _attribute(Attribute("project_name", node.values))
    if node.name in COLUMN_ATTRIBUTES:
        return Condition(f"coalesce(item.{node.name}, '') IN ({_placeholders(node.values)})", node.values)
    tokens = " OR ".join(attribute_token(node.name, value) for value in node.values)
    return _matching(f"attributes : ({tokens})")


def _between(node: Between) -> Condition:
    column = f"item.{node.name}"
    limits = Condition(f"{column} IS NOT NULL")  # false AND NULL is false
    if node.start is not None:
        limits &= Condition(f"{column} >= ?", (node.start,))
    if node.end is not None:
        limits &= Condition(f"{column} < ?", (node.end,))
    return limits


def _placeholders(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
