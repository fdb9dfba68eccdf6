"""Fetches what a server does not put into the rows of a list: what hangs on them, and their descriptions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any

from source_pivotal_tracker.api.errors import FORBIDDEN, GONE, InvalidResponse, SkippableError
from source_pivotal_tracker.api.fields import WHOLE, Fields
from source_pivotal_tracker.streams.comments import ATTACHED
from source_pivotal_tracker.streams.rows import Row, objects
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.sync.context import SyncContext
from source_pivotal_tracker.sync.walks import Member, Walk

logger = logging.getLogger("airbyte.tracker")

Wanting = Callable[[Row], Sequence[Member]]
"""The members of a walk that want a row."""


class Hydrator:
    """What the members of a walk want of a row beyond what its list shows, by requests for each row of its own.

    `requests` counts them.
    """

    def __init__(self, context: SyncContext, walk: Walk) -> None:
        self.requests = 0
        self._context = context
        self._walk = walk
        self._capabilities = context.capabilities
        self._inside: dict[str, Fields] = {part: inside for part, inside in walk.fields().items() if inside is not None}

    def __bool__(self) -> bool:
        """Whether there is anything that a list may lack."""
        return bool(self._inside) or any(map(self._wants_descriptions, self._walk.members))

    def describe(self, rows: Sequence[Row], wanting: Wanting, kind: str, *, most: int | None = None) -> None:
        """Put the description into those rows of a list whose story is wanted. Raises a TrackerError.

        Where no row has one, the list leaves them out or there are none: only each story by itself tells. Where `most`
        stories have none by themselves either, lists of this `kind` are held to be complete.
        """
        if any("description" in row for row in rows):
            self._capabilities.described.add(kind)
        if not self.describes(kind):
            return
        asked = 0
        for row in rows:
            if any(map(self._wants_descriptions, wanting(row))):
                story = self._found(row, "")
                if isinstance(story, dict):
                    row.update(story)
                asked += 1
                if most and asked >= most and not any("description" in each for each in rows):
                    self._capabilities.described.add(kind)
                    logger.info("%d stories have no description by themselves either: lists are held to show all", most)
                    return

    def describes(self, kind: str) -> bool:
        """Whether lists of this kind are not known to hold the descriptions that are wanted."""
        wants = any(map(self._wants_descriptions, self._walk.members))
        return wants and kind not in self._capabilities.described

    def refused(self) -> Collection[str]:
        """The parts that the server refuses to put into the rows of the list."""
        return self._inside.keys() - self._context.client.selection.of(self._inside, self._walk.endpoint.path).keys()

    def complete(self, rows: Sequence[Row], wanting: Wanting, only: Collection[str] | None = None) -> None:
        """Put into the rows the parts for which they are wanted, or of these `only` some. Raises a TrackerError."""
        lacking = self._inside.keys() if only is None else only
        if not lacking:
            return
        for row in rows:
            parts = dict.fromkeys(member.stream.part for member in wanting(row))
            for part in parts.keys() & lacking - row.keys():
                row[part] = self._found(row, f"/{part}", self._inside[part]) or []
        self._warn_of_what_is_not_attached(rows)

    def warn_of_what_is_not_shown(self, rows: Sequence[Row]) -> None:
        """Tracker shows an empty list that it is asked for: what no row has, the server does not know."""
        for part in self._inside:
            if rows and not any(part in row for row in rows):
                self._warn_once(f"no {part}", "nothing comes of %s, for no row shows %s", self._fed_by(part), part)
        self._warn_of_what_is_not_attached(rows)

    def _warn_of_what_is_not_attached(self, rows: Sequence[Row]) -> None:
        for part, inside in self._inside.items():
            for name in inside.keys() & ATTACHED:
                is_shown = (name in each for row in rows for each in objects(row, part))
                if next(is_shown, None) is False and not any(is_shown):
                    self._warn_once(f"{part} without {name}", "nothing comes of %s, for no %s show it", name, part)

    def _fed_by(self, part: str) -> str:
        return ", ".join(each.stream.name for each in self._walk.members if each.stream.part == part)

    def _wants_descriptions(self, member: Member) -> bool:
        return self._walk.endpoint == STORIES and not member.stream.part

    def _found(self, row: Row, what: str, fields: Fields = WHOLE) -> Any:
        """What a request for one row brings; None where the row is gone, or the server has no such endpoint."""
        walk = self._walk
        everywhere, here = f"{walk.endpoint.path}/{{id}}{what}", f"{walk.path}/…{what}"
        if not self._capabilities.unserved.isdisjoint((everywhere, here)):
            return None
        path = f"{walk.path}{what}" if walk.endpoint.single else f"{walk.path}/{row['id']}{what}"
        try:
            self.requests += 1
            names = self._fed_by(what.strip("/"))
            selection, parse_lock = self._context.client.selection, self._context.parse_lock
            answer = selection.get(path, {}, fields, endpoint=everywhere, names=names, parse_lock=parse_lock).parsed
            rows = answer if isinstance(answer, list) else () if what else [answer]
            if not all(isinstance(each, dict) and "id" in each for each in rows):
                raise InvalidResponse("a row came without its id", path=path)
            return answer
        except SkippableError as error:
            if error.code == GONE:
                # It is the story that went, most likely; a server that says so of an endpoint is not to go unnoticed.
                self._warn_once(f"{everywhere} {GONE}", "left out, for the row seems to be gone: %s", error)
            else:
                place = here if error.status == FORBIDDEN else everywhere
                self._capabilities.unserved.add(place)
                names = self._fed_by(what.strip("/"))
                self._warn_once(place, "nothing comes of %s, for the server does not serve it: %s", names, error)
        return None

    def _warn_once(self, about: str, words: str, *values: object) -> None:
        self._capabilities.warn_once("/%s: " + words, self._walk.path, *values, about=about)
