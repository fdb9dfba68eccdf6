"""Fetches what a server leaves out of the rows of a list: their parts and their descriptions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar, Protocol

from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.errors import FORBIDDEN, GONE, InvalidResponse, SkippableError
from source_pivotal_tracker.api.fields import WHOLE, Fields, merge
from source_pivotal_tracker.streams.endpoints import Partition
from source_pivotal_tracker.streams.rows import ATTACHED, Row, objects

logger = logging.getLogger("airbyte.tracker")


class RowConsumer(Protocol):
    """Who wants the rows of a list: a stream, by what a list has to know of it."""

    part: ClassVar[str]
    """The attribute of the rows that holds its records; empty where the rows themselves are the records."""

    @property
    def name(self) -> str: ...

    def wanted_fields(self) -> Fields: ...

    def records_by_row(self, rows: Sequence[Row], partition: Partition) -> list[Sequence[Row]]: ...


Wanting = Callable[[Row], Sequence[RowConsumer]]
"""Returns the consumers that want what a row lacks."""


def fields_of(consumers: Sequence[RowConsumer]) -> Fields:
    """What all of them need of a row."""
    wanted: Fields = {}
    for consumer in consumers:
        wanted = merge(wanted, consumer.wanted_fields())
    return wanted


class Hydrator:
    """Fetches what consumers want of a row beyond what its list shows, by requests for each row of its own.

    `requests` counts them.
    """

    def __init__(
        self, context: ServerContext, partition: Partition, consumers: Sequence[RowConsumer], fields: Fields
    ) -> None:
        """`fields` are those of all consumers."""
        self.requests = 0
        self._context = context
        self._partition = partition
        self._endpoint = partition.endpoint
        self._consumers = consumers
        self._capabilities = context.capabilities
        self._inside: dict[str, Fields] = {part: inside for part, inside in fields.items() if inside is not None}

    def __bool__(self) -> bool:
        """Whether there is anything that a list may lack."""
        return bool(self._inside) or any(map(self._wants_descriptions, self._consumers))

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
                if most and asked >= most and not any("description" in row for row in rows):
                    self._capabilities.described.add(kind)
                    logger.info(
                        "%d stories have no description by themselves either: the lists are taken to show all of them",
                        most,
                    )
                    return

    def describes(self, kind: str) -> bool:
        """Whether lists of this kind are not known to hold the descriptions that are wanted."""
        wants = any(map(self._wants_descriptions, self._consumers))
        return wants and kind not in self._capabilities.described

    def refused(self) -> Collection[str]:
        """The parts that the server refuses to put into the rows of the list."""
        return self._inside.keys() - self._context.client.selection.of(self._inside, self._endpoint.path).keys()

    def complete(self, rows: Sequence[Row], wanting: Wanting, only: Collection[str] | None = None) -> None:
        """Put into the rows the parts for which they are wanted, or of these `only` some. Raises a TrackerError."""
        lacking = self._inside.keys() if only is None else only
        if not lacking:
            return
        for row in rows:
            parts = dict.fromkeys(consumer.part for consumer in wanting(row))
            for part in parts.keys() & lacking - row.keys():
                row[part] = self._found(row, f"/{part}", self._inside[part]) or []
        self._warn_of_what_is_not_attached(rows)

    def warn_of_what_is_not_shown(self, rows: Sequence[Row]) -> None:
        """Tracker shows an empty list that it is asked for: what no row has, the server does not know."""
        for part in self._inside:
            if rows and not any(part in row for row in rows):
                self._warn_once(f"no {part}", "%s will be empty: no row shows %s", self._fed_by(part), part)
        self._warn_of_what_is_not_attached(rows)

    def _warn_of_what_is_not_attached(self, rows: Sequence[Row]) -> None:
        for part, inside in self._inside.items():
            for name in inside.keys() & ATTACHED:
                is_shown = (name in thing for row in rows for thing in objects(row, part))
                if next(is_shown, None) is False and not any(is_shown):
                    self._warn_once(f"{part} without {name}", "%s will be empty: none of the %s show it", name, part)

    def _fed_by(self, part: str) -> str:
        return ", ".join(consumer.name for consumer in self._consumers if consumer.part == part)

    def _wants_descriptions(self, consumer: RowConsumer) -> bool:
        return self._endpoint.lookup_by_id and not consumer.part

    def _found(self, row: Row, what: str, fields: Fields = WHOLE) -> Any:
        """What a request for one row brings; None where the row is gone, or the server has no such endpoint."""
        path_of_list = self._partition.path
        everywhere, here = f"{self._endpoint.path}/{{id}}{what}", f"{path_of_list}/…{what}"
        if not self._capabilities.unserved.isdisjoint((everywhere, here)):
            return None
        path = f"{path_of_list}{what}" if self._endpoint.single else f"{path_of_list}/{row['id']}{what}"
        try:
            self.requests += 1
            names = self._fed_by(what.strip("/"))
            selection, parse_lock = self._context.client.selection, self._context.parse_lock
            answer = selection.get(path, {}, fields, endpoint=everywhere, names=names, parse_lock=parse_lock).parsed
            rows = answer if isinstance(answer, list) else () if what else [answer]
            if not all(isinstance(row, dict) and "id" in row for row in rows):
                raise InvalidResponse("a row came without its id", path=path)
            return answer
        except SkippableError as error:
            if error.code == GONE:
                # It is the story that went, most likely; a server that says so of an endpoint is not to go unnoticed.
                self._warn_once(f"{everywhere} {GONE}", "left out, because the row seems to be deleted: %s", error)
            else:
                place = here if error.status == FORBIDDEN else everywhere
                self._capabilities.unserved.add(place)
                names = self._fed_by(what.strip("/"))
                self._warn_once(place, "%s will be empty: the server has no such endpoint (%s)", names, error)
        return None

    def _warn_once(self, about: str, words: str, *values: object) -> None:
        self._capabilities.warn_once("/%s: " + words, self._partition.path, *values, about=about)
