"""The index that a static copy searches: scripts of few kilobytes, of which a browser loads those that a query needs.

A page that is opened from a disk may load scripts, and nothing else. So each part of the index is a script that hands
over its data. `words/…` maps words and attributes to the places of the rows that hold them. `rows/…` has what a list of
hits shows of each row. Static search libraries that are well kept load their whole index, or need a server.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import orjson

from tracker_server.search.documents import Document, separated, without_separators

ROWS_AT_A_TIME = 200
"""Hits in one script."""
LONGEST_WORD = 40
"""Letters of a word that count; static/search.js cuts words too."""
AT_A_TIME = 1_000
"""Characters that are folded at a time."""

_WORD = re.compile(r"\w+")
_MARKS = re.compile("[\u0300-\u036f]")


@dataclass
class StaticIndex:
    """Takes documents, and makes the scripts."""

    _found: list[tuple[str, int, Document]] = field(default_factory=list)

    def add(self, document: Document) -> None:
        """Take a document, of which only its words are kept."""
        updated = document.columns["updated"] or ""
        self._found.append((str(updated), int(document.columns["id"]), _without_long_texts(document)))

    def scripts(self, projects: dict[int, str]) -> Iterator[tuple[str, bytes]]:
        """Path and content of each script. `projects` has the names by id.

        The place of a row is its place among all, the newest first.
        """
        newest_first = sorted(self._found, key=lambda found: (found[0], found[1]), reverse=True)
        shards: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        rows: list[list[object]] = []
        for place, (_, row_id, document) in enumerate(newest_first):
            columns = document.columns
            rows.append(
                [
                    row_id, columns["kind"][0], columns["type"], columns["state"], columns["estimate"],
                    columns["updated"], columns["project_id"], without_separators(document.texts["name"]),
                ]
            )  # fmt: skip
            for word in _words_of(document):
                shards[shard_of(word)][word].append(place)
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            part = rows[start : start + ROWS_AT_A_TIME]
            yield f"search/rows/{start // ROWS_AT_A_TIME}.js", _script("rows", start, part)
        for shard, words in sorted(shards.items()):
            places = {word: _gaps(words[word]) for word in sorted(words)}
            yield f"search/words/{shard}.js", _script("words", shard, places)
        about = {"rows": len(rows), "size": ROWS_AT_A_TIME, "projects": projects, "shards": sorted(shards)}
        yield "search/about.js", _script("about", "", about)


def _without_long_texts(document: Document) -> Document:
    """The document with each word once, because its texts are not needed any more."""
    words = {name: " ".join(sorted(set(_split(text)))) for name, text in document.texts.items() if name != "name"}
    return Document(document.columns, {**words, "name": document.texts["name"]}, document.attributes)


def folded(text: str) -> str:
    """A text without case and accents: `strasse` for `Straße`. The script of the search does the same.

    It is done in parts, because it takes a time of the square of the accents on one letter.
    """
    return "".join(_folded(text[start : start + AT_A_TIME]) for start in range(0, len(text), AT_A_TIME))


def _folded(text: str) -> str:
    letters = _MARKS.sub("", unicodedata.normalize("NFKD", text)).lower().upper().lower().replace("ς", "σ")
    return _MARKS.sub("", unicodedata.normalize("NFKD", letters))


def _split(text: str) -> list[str]:
    return [word[:LONGEST_WORD] for word in _WORD.findall(separated(folded(text)))]


def _words_of(document: Document) -> list[str]:
    """The words of a document, its number, and its attributes as `name:value`."""
    columns = document.columns
    words = {word for text in document.texts.values() for word in _split(text)}
    attributes = {("project" if name == "project_name" else name, value) for name, value in document.attributes}
    attributes |= {("type", columns["type"]), ("project", str(columns["project_id"]))}
    if columns["state"]:
        attributes.add(("state", columns["state"]))
    if columns["estimate"] is not None:
        attributes.add(("estimate", f"{columns['estimate']:g}"))
    return sorted(words | {str(columns["id"])} | {f"{name}:{folded(value)}" for name, value in attributes})


def shard_of(word: str) -> str:
    """The script that has a word: by its first two letters, or by the name of the attribute. As in static/search.js."""
    name, colon, _ = word.partition(":")
    if colon:
        return f"a-{name}"
    return "w-" + "-".join(f"{ord(letter):x}" for letter in word[:2])


def _gaps(places: Iterable[int]) -> list[int]:
    """Places as their distances, which are shorter to write."""
    previous = 0
    gaps = []
    for place in places:
        gaps.append(place - previous)
        previous = place
    return gaps


def _script(kind: str, key: object, data: object) -> bytes:
    # JavaScript takes this one key for the kind of an object, unless it is computed.
    written = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).replace(b'"__proto__":', b'["__proto__"]:')
    return b"tracker.take(" + orjson.dumps(kind) + b"," + orjson.dumps(str(key)) + b"," + written + b");\n"
