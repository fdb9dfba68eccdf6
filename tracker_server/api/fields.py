"""The `fields` parameter: parses the expression, and selects its attributes from the row of a resource."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from tracker_server.api.resources import RESOURCES, Computed, Getter
from tracker_server.view import View
from tracker_server.world import Row

Wanted = dict[str, "Wanted | None"]
DEFAULT = ":default"
PIECE = re.compile(r"[,()]|[^,()]+")


class FieldsError(ValueError):
    """A `fields` expression that cannot be read, or that names what the resource does not have."""


def parse_fields(text: str) -> Wanted:
    """`:default,labels(name)` as `{":default": None, "labels": {"name": None}}`; None means no parentheses.

    A name that is given twice counts once, with the parentheses of the last. Raises FieldsError.
    """
    wanted: Wanted = {}
    outer: list[Wanted] = []
    previous = ","
    for piece in PIECE.findall(text):
        after_name = previous not in (",", "(", ")")
        ended = after_name or previous == ")"
        valid = {",": ended, "(": after_name, ")": ended and bool(outer)}.get(piece, previous in (",", "("))
        if not valid:
            raise FieldsError(f"'{piece}' stands in the wrong place")
        if piece == "(":
            inner: Wanted = {}
            wanted[previous] = inner
            outer.append(wanted)
            wanted = inner
        elif piece == ")":
            wanted = outer.pop()
        elif piece != ",":
            wanted[piece] = None
        previous = piece
    if outer or previous in (",", "("):
        raise FieldsError("it ends too early")
    return wanted


Selector = Callable[[Row, View], Row]
Shape = Callable[[str, bool, Selector], Selector]
"""Given a kind, whether its rows stand in a list, and a selector of them: the one to use instead."""


def _chosen(kind: str, wanted: Wanted, unavailable: frozenset[str]) -> Wanted:
    """`wanted` with `:default` spelled out and the key, without `unavailable`. Raises FieldsError for unknown names."""
    resource = RESOURCES[kind]
    unknown = sorted(wanted.keys() - resource.attributes - {":default"})
    if unknown:
        raise FieldsError(f"'{unknown[0]}' is not an attribute of {kind}")
    names: Wanted = {}
    if ":default" in wanted:
        names = dict.fromkeys(resource.default.split())
    if resource.key:
        names[resource.key] = None
    for asked, ousted in resource.replaces.items():
        if asked in wanted:
            names.pop(ousted, None)
    names.update((name, inner) for name, inner in wanted.items() if name != ":default")
    return {name: inner for name, inner in names.items() if f"{kind}.{name}" not in unavailable}


def refuse(kind: str, fields: str, refused: frozenset[str]) -> None:
    """Raises FieldsError where `fields` names one of these attributes, such as `comment.reactions`, at any level."""
    if refused:
        _refuse(kind, parse_fields(fields), refused)


def _refuse(kind: str, wanted: Wanted, refused: frozenset[str]) -> None:
    attributes = RESOURCES[kind].computed
    for name, inner in wanted.items():
        if f"{kind}.{name}" in refused:
            raise FieldsError(f"'{name}' is not an attribute of {kind}")
        if inner is not None and name in attributes and attributes[name].kind:
            _refuse(attributes[name].kind, inner, refused)


def _as_tracker(_kind: str, _listed: bool, select: Selector) -> Selector:
    return select


def _compiled(kind: str, wanted: Wanted, shape: Shape, unavailable: frozenset[str], *, listed: bool) -> Selector:
    attributes = RESOURCES[kind].computed
    stored: list[str] = []
    computed: list[tuple[str, Getter]] = []
    nested: list[tuple[str, Computed, Selector]] = []
    for name, inner in _chosen(kind, wanted, unavailable).items():
        attribute = attributes.get(name)
        if attribute and attribute.kind:
            inner = inner or {":default": None}
            select = _compiled(attribute.kind, inner, shape, unavailable, listed=attribute.many)
            nested.append((name, attribute, select))
        elif inner is not None:
            raise FieldsError(f"'{name}' of {kind} has no attributes of its own")
        elif attribute:
            computed.append((name, attribute.get))
        else:
            stored.append(name)

    select = shape(kind, listed, _selecting(stored, computed, nested))
    return _in_its_own_view(select) if kind == "project" else select


def _selecting(
    stored: list[str], computed: list[tuple[str, Getter]], nested: list[tuple[str, Computed, Selector]]
) -> Selector:
    def select(row: Row, view: View) -> Row:
        picked = {name: value for name in stored if (value := row.get(name)) is not None}
        for name, get in computed:
            if (value := get(row, view)) is not None:
                picked[name] = value
        for name, attribute, select_inner in nested:
            found = attribute.get(row, view)
            if attribute.many:
                picked[name] = [select_inner(inner_row, view) for inner_row in found]
            elif found is not None:
                picked[name] = select_inner(found, view)
        return picked

    return select


def _in_its_own_view(select: Selector) -> Selector:
    """Projects come in lists and inside other resources; each is read with its own figures."""
    return lambda row, view: select(row, view.views.of(view.world.projects[row["id"]]))


@lru_cache(maxsize=1024)
def selector(
    kind: str,
    fields: str = ":default",
    shape: Shape = _as_tracker,
    unavailable: frozenset[str] = frozenset(),
    *,
    listed: bool = False,
) -> Selector:
    """A function (row, view) -> the row as the API shows it, with the attributes in `fields`. Raises FieldsError.

    `listed` says whether the rows stand in a list, and `shape` may have another selector then. `unavailable` has the
    attributes that are left out, as `World.unavailable_attributes` has them.
    """
    return _compiled(kind, parse_fields(fields), shape, unavailable, listed=listed)
