"""The `fields` parameter: which attributes an answer is to hold, as a tree that can be merged and written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

Fields = Mapping[str, Union["Fields", None]]
"""Attribute name to what is wanted inside it; None for a value, and WHOLE for objects as the server shows them."""

DEFAULT = ":default"

WHOLE: Fields = {}
"""Objects that are asked for without parentheses, as in recording get_story_with_pull_requests.json."""

_DEFAULT: Fields = {DEFAULT: None}


def select(*names: str, **nested: Fields) -> Fields:
    """`select(":default", comments=select("id", "text"))` is `:default,comments(id,text)`."""
    return {**dict.fromkeys(names), **nested}


def merge(left: Fields, right: Fields) -> Fields:
    """What both want: where one names attributes inside and the other wants the default ones, all of them."""
    merged = dict(left)
    for name, inside in right.items():
        mine = merged.get(name)
        if name in left and (mine or inside):
            merged[name] = merge(mine or _DEFAULT, inside or _DEFAULT)
        else:
            merged[name] = mine if inside is None else inside
    return merged


def render(fields: Fields) -> str:
    """The tree in Tracker's spelling (recording get_all_projects.json: `:default,labels(name)`)."""
    return ",".join(f"{name}({render(inside)})" if inside else name for name, inside in fields.items())
