"""A search as a tree: what a text in Tracker's search language asks for."""

from __future__ import annotations

from dataclasses import dataclass


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


FIELDS = ("name", "description", "comment", "task", "label", "people", "file")
"""The fields of the text."""
