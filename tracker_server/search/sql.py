"""Turns a parsed query into a condition of SQL over the tables of the index."""

from __future__ import annotations

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
    """A boolean expression of SQL over a row of `item`, never NULL, and its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()

    def __and__(self, other: Condition) -> Condition:
        return Condition(f"({self.sql} AND {other.sql})", self.parameters + other.parameters)

    def __or__(self, other: Condition) -> Condition:
        return Condition(f"({self.sql} OR {other.sql})", self.parameters + other.parameters)

    def __invert__(self) -> Condition:
        return Condition(f"NOT {self.sql}", self.parameters)


def condition(node: Node) -> Condition:
    """The rows that a node matches."""
    if isinstance(node, Both):
        return condition(node.left) & condition(node.right)
    if isinstance(node, Either):
        return condition(node.left) | condition(node.right)
    if isinstance(node, Not):
        return ~condition(node.part)
    if isinstance(node, Words):
        return _words(node)
    if isinstance(node, Attribute):
        return _attribute(node)
    if isinstance(node, Ids):
        return Condition(f"item.id IN ({_placeholders(node.ids)})", node.ids)
    if isinstance(node, Between):
        return _between(node)
    return Condition("1")


def matched_words(query: Query) -> str | None:
    """The words that a hit may hold, which are those that are not excluded, as a query of FTS5. None without any."""
    words = [match for node in _asked(query.node) if (match := _match(node))]
    return " OR ".join(f"({match})" for match in words) or None


def _asked(node: Node) -> Iterator[Words]:
    if isinstance(node, Words):
        yield node
    elif isinstance(node, Both | Either):
        yield from _asked(node.left)
        yield from _asked(node.right)


def _words(node: Words) -> Condition:
    match = _match(node)
    return Condition("1") if match is None else _matching(match)


def _matching(match: str) -> Condition:
    return Condition("item.rowid IN (SELECT rowid FROM words WHERE words MATCH ?)", (match,))


def _match(node: Words) -> str | None:
    """A phrase of FTS5; one that ends with * matches beginnings of words. None for a text without a word."""
    if not re.search(r"\w", node.text):
        return None
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
