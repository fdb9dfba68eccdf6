"""What a fuzzer does to JSON and to bytes: few changes in something real, so that most of it is still understood."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("EXAMPLES", "5"))
"""How many inputs each test tries: the same ones each time, and with more of them others too."""

fuzzed = settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
"""For all tests with a fuzzer: a failure prints the input, and comes again without a database."""

ODD = (
    "null", "true", "false", "0", "-1", "1", "3.5", "1e400", "-1e400", "NaN", "Infinity", "-0.0",
    str(2**63), str(10**30), "9" * 5000, '""', '" "', '"0"', '"-1"', '"x"', r'"\ud800"', r'"\u0000"', '"\u202e\u2028"',
    '"2026-13-45T99:99:99Z"', '"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00+14:00"', '"2024-02-30"',
    json.dumps("é" * 3000), json.dumps("9" * 400), "[]", "[null]", "[[]]", "{}", '{"": ""}',
    '{"id": null}', '{"id": {}}',     '[{"id": 1}, {"id": 1}]', "[" * 100 + "]" * 100, '{"a":' * 300 + "1" + "}" * 300,
)  # fmt: skip
"""Values as a JSON text has them, some of which only Python takes."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mutation:
    """A change at one node of a document: `how` at the node that comes as the `place`th, counted around."""

    place: int
    how: str
    value: str

    def apply(self, document: Any) -> tuple[Any, Path]:
        """The document with the change, and where that is. The document itself may be changed."""
        paths = list(_paths(document))
        path = paths[self.place % len(paths)]
        if not path:
            return (_Raw(self.value) if self.how == "replace" else [document]), path
        parent = _at(document, path[:-1])
        _HOW[self.how](parent, path[-1], self.value, _at(document, paths[self.place * 7 % len(paths)]))
        return document, path


mutations = st.builds(
    Mutation,
    place=st.integers(0, 100_000),
    how=st.sampled_from(("replace", "replace", "replace", "drop", "repeat", "rename", "wrap", "confuse")),
    value=st.sampled_from(ODD),
)


def mutated(document: Any, changes: list[Mutation]) -> tuple[str, list[Path]]:
    """The text of a document after all changes, and where these are. The document itself is left as it was."""
    changed, paths = json.loads(json.dumps(document)), []
    for change in changes:
        changed, path = change.apply(changed)
        paths.append(path)
        if isinstance(changed, _Raw):
            break
    return _written(changed), paths


@dataclass(frozen=True)
class Cut:
    """A change of bytes: from one place on, given in millionths of all, `length` bytes become others."""

    place: int
    length: int
    instead: bytes

    def apply(self, content: bytes) -> bytes:
        start = len(content) * self.place // 1_000_000
        return content[:start] + self.instead + content[start + self.length :]


cuts = st.builds(
    Cut,
    place=st.integers(0, 1_000_000),
    length=st.sampled_from((0, 0, 1, 1, 2, 7, 100, 10**7)),
    instead=st.one_of(
        st.binary(max_size=4),
        st.sampled_from(
            (
                b"",
                b"\0",
                b'"',
                b",",
                b"\r",
                b"\n",
                b"\xff",
                b"\xef\xbb\xbf",
                b'"' * 3,
                b";",
                b"\t",
                b"[",
                b"}",
                b"PK\x03\x04",
            )
        ),
    ),
)


class _Raw:
    """A value that is written as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


def _paths(node: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(node, dict | list):
        inner = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in inner:
            yield from _paths(value, (*path, key))


def _at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def _replace(parent: Any, key: Any, value: str, _other: Any) -> None:
    parent[key] = _Raw(value)


def _drop(parent: Any, key: Any, _value: str, _other: Any) -> None:
    del parent[key]


def _repeat(parent: Any, key: Any, _value: str, _other: Any) -> None:
    if isinstance(parent, list):
        parent.insert(key, parent[key])
    else:
        parent[f"{key}_again"] = parent[key]


def _rename(parent: Any, key: Any, value: str, _other: Any) -> None:
    if isinstance(parent, list):
        parent[key] = {"renamed": parent[key]}
    else:
        parent[value[:40]] = parent.pop(key)


def _wrap(parent: Any, key: Any, _value: str, _other: Any) -> None:
    parent[key] = [parent[key]]


def _confuse(parent: Any, key: Any, _value: str, other: Any) -> None:
    parent[key] = json.loads(json.dumps(other, default=lambda raw: raw.text))


_HOW: dict[str, Callable[[Any, Any, str, Any], None]] = {
    "replace": _replace,
    "drop": _drop,
    "repeat": _repeat,
    "rename": _rename,
    "wrap": _wrap,
    "confuse": _confuse,
}


def _written(document: Any) -> str:
    """JSON, in which each raw value stands for itself."""
    raws: dict[str, str] = {}
    numbers = itertools.count()

    def placed(raw: _Raw) -> str:
        mark = f"@@raw {next(numbers)}@@"
        raws[json.dumps(mark)] = raw.text
        return mark

    text = json.dumps(document, default=placed)
    for mark, raw in raws.items():
        text = text.replace(mark, raw)
    return text
