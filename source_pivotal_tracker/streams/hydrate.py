"""Fetches what a server leaves out of the rows of a list: their parts and their descriptions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import ClassVar, Protocol

from source_pivotal_tracker.api.context import ServerContext
from source_pivotal_tracker.api.fields import WHOLE, Fields, merge
from source_pivotal_tracker.streams.endpoints import Partition
from source_pivotal_tracker.streams.row_requests import (
    AGGREGATOR,
    BULK,
    FEWEST_AT_ONCE,
    IDS,
    MOST_AGGREGATED,
    MOST_AT_ONCE,
    RowRequests,
    are_parts,
)
from source_pivotal_tracker.streams.rows import ATTACHED, Row, objects

FEW_ROWS = 10
"""Rows to complete at a time where each takes requests of its own."""
ROWS_OF_AGGREGATES = 2 * MOST_AGGREGATED
"""The same where aggregates bring many requests at once, however many a row takes."""
MANY_UNDESCRIBED = 20
"""After so many stories without a description by themselves either, the whole list is asked whether it shows any."""


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
    """Fetches what consumers want of a row beyond what its list shows. `requests` counts what was asked.

    What many rows lack takes as few requests as the server has a way to: by the ids of many rows, by all that a row
    shows by itself, by aggregates of requests, and else by one request for each row and part. A way that brings nothing
    is not gone again in this sync.
    """

    def __init__(
        self, context: ServerContext, partition: Partition, consumers: Sequence[RowConsumer], fields: Fields
    ) -> None:
        """`fields` are those of all consumers."""
        self._selection = context.client.selection
        self._capabilities = context.capabilities
        self._endpoint = partition.endpoint
        self._consumers = consumers
        self._fields = fields
        self._inside: dict[str, Fields] = {part: inside for part, inside in fields.items() if inside is not None}
        parts = dict.fromkeys(consumer.part for consumer in consumers)
        self._fed_by = {part: ", ".join(some.name for some in consumers if some.part == part) for part in parts}
        self._names = ", ".join(consumer.name for consumer in consumers)
        self._ask = RowRequests(context, partition, self._fed_by)
        self._described: set[int] = set()
        self._undescribed = 0
        self._leaves_out_descriptions = False
        self._has_begun = False

    def __bool__(self) -> bool:
        """Whether there is anything that a list may lack."""
        return bool(self._inside) or any(map(self._wants_description, self._consumers))

    @property
    def requests(self) -> int:
        return self._ask.requests

    @property
    def rows_at_a_time(self) -> int:
        """How many rows to complete before they are passed on: whoever is killed before has to ask for them again."""
        if self._capabilities.completes(BULK):
            return MOST_AT_ONCE
        return ROWS_OF_AGGREGATES if self._capabilities.completes(AGGREGATOR) else FEW_ROWS

    def complete(self, rows: Sequence[Row], wanting: Wanting, kind: str | None, *, heeds_fields: bool | None) -> None:
        """Put into the rows what they lack and are wanted for. Raises a TrackerError.

        `kind` tells apart the lists that may leave out different things; None where the row was asked for alone.
        `heeds_fields`: whether the server puts into lists what `fields` names.
        """
        if heeds_fields is False and not self._has_begun:
            # What the server answers is seen by one row, and then it may be asked for many at once.
            self._has_begun = True
            first = next((row for row in rows if wanting(row)), None)
            self.complete([first] if first else [], wanting, kind, heeds_fields=heeds_fields)
            rows = [row for row in rows if row is not first]
        lacking = self._inside.keys() if heeds_fields is False else self.refused()
        self._described.clear()
        whole = self._fields if heeds_fields is False else WHOLE
        self._leaves_out_descriptions |= heeds_fields is False
        if self._leaves_out_descriptions:
            self._ask_ahead(rows, wanting, kind, whole)
        if kind and self.describes(kind):
            self._describe(rows, wanting, kind, whole)
        if lacking:
            self._add_parts(rows, wanting, lacking, heeds_fields=heeds_fields)
        if heeds_fields:
            self._warn_of_what_is_not_shown(rows)

    def learn(self, rows: Sequence[Row], kind: str | None) -> None:
        """See by the rows of a list, as they came, whether it shows descriptions, and not just empty ones."""
        if kind and any(row.get("description") for row in rows):
            self._capabilities.described.add(kind)

    def describes(self, kind: str) -> bool:
        """Whether lists of this kind are not known to hold the descriptions that are wanted."""
        wants = any(map(self._wants_description, self._consumers))
        return wants and kind not in self._capabilities.described

    def refused(self) -> Collection[str]:
        """The parts that the server refuses to put into the rows of the list."""
        return self._inside.keys() - self._selection.of(self._inside, self._endpoint.path).keys()

    def requests_for(self, rows: Sequence[Row], wanting: Wanting, kind: str) -> float:
        """About how many requests it takes to complete these rows, by the ways that are known to work."""
        if self._capabilities.completes(BULK):
            return len(rows) / MOST_AT_ONCE
        lacks = sum(len(self.lacks(row, wanting, kind)) for row in rows)
        return lacks / MOST_AGGREGATED if self._capabilities.completes(AGGREGATOR) else lacks

    def _ask_ahead(self, rows: Sequence[Row], wanting: Wanting, kind: str | None, fields: Fields) -> None:
        """Fetch what many rows lack by few requests, as far as the server has a way to. Raises a TrackerError.

        `fields` are those of a row by itself.
        """
        if self._endpoint.lookup_by_id and kind and kind != BULK:
            self._take_from_bulk([row for row in rows if self.lacks(row, wanting, kind)], fields)
        if AGGREGATOR not in self._capabilities.futile:
            wanted = [
                (row, what, self._inside[what[1:]] if what else fields)
                for row in rows
                for what in self.lacks(row, wanting, kind)
            ]
            self._ask.ask_ahead(wanted)

    def _take_from_bulk(self, rows: Sequence[Row], fields: Fields) -> None:
        """Put into the rows what requests for many of them show. Once that is no more than a list, none follows.

        The server may bring fewer than it is asked for: the others are asked for again, as long as some come.
        """
        size = self._capabilities.page_size(BULK, MOST_AT_ONCE)
        while len(rows) >= FEWEST_AT_ONCE and BULK not in self._capabilities.futile:
            answered = self._ask.many([row["id"] for row in rows], fields, self._names, size)
            if answered is None:
                return
            asked, wholes = answered
            by_id, rest = {row["id"]: row for row in rows[:asked]}, rows[asked:]
            came = [self._usable(whole) for whole in wholes if whole["id"] in by_id]
            shown = {name for whole in came for name in whole if name != "description" or whole[name]}
            if not came and self._capabilities.completes(BULK):
                # They are gone, most likely: each by itself tells.
                rows = rest
                continue
            if shown.isdisjoint(self._inside) and not ("description" in shown and self.describes(self._endpoint.path)):
                self._capabilities.futile.add(BULK)
                return
            self._capabilities.completing.add(BULK)
            for whole in came:
                by_id.pop(whole["id"], whole).update(whole)
            if "description" in shown:
                self._described.update(whole["id"] for whole in came)
            rows = [*by_id.values(), *rest]

    def _usable(self, whole: Row) -> Row:
        """What a row shows by itself, less what cannot be its parts: those are asked for."""
        return {name: value for name, value in whole.items() if name not in self._inside or are_parts(name, value)}

    def _describe(self, rows: Sequence[Row], wanting: Wanting, kind: str, fields: Fields) -> None:
        """Put the description into those rows of a list whose story is wanted. Raises a TrackerError.

        Where no row has one, the list leaves them out or there are none: only each story by itself tells. What a list
        of some changed stories does not show, the whole list may: it is looked at after MANY_UNDESCRIBED.
        """
        for number, row in enumerate(rows, 1):
            if self._lacks_description(row, wanting, kind):
                self._take_whole(row, fields)
                if row.get("description") and not self._leaves_out_descriptions:
                    self._leaves_out_descriptions = True
                    self._ask_ahead(rows[number:], wanting, kind, fields)
                self._undescribed += 1
                is_unknown = kind == self._endpoint.path and not self._leaves_out_descriptions
                if is_unknown and self._undescribed == MANY_UNDESCRIBED and self._ask.shows_descriptions(self._names):
                    self._capabilities.described.add(kind)

    def _take_whole(self, row: Row, fields: Fields) -> None:
        """Put into a row what it shows by itself, with its parts where the server heeds `fields` there."""
        lacking = self._inside.keys() - row.keys()
        whole = self._ask.one(row, "", fields)
        if isinstance(whole, dict):
            whole = self._usable(whole)
            row.update(whole)
            if fields and lacking and self._capabilities.shows_parts_alone is None:
                self._capabilities.shows_parts_alone = not lacking.isdisjoint(whole)

    def _add_parts(
        self, rows: Sequence[Row], wanting: Wanting, lacking: Collection[str], *, heeds_fields: bool | None
    ) -> None:
        """Put into the rows those of the `lacking` parts for which they are wanted. Raises a TrackerError."""
        may_show_all = heeds_fields is False and self._endpoint.lookup_by_id
        for row in rows:
            parts = self._parts_lacking(row, wanting) & set(lacking)
            if may_show_all and self._capabilities.shows_parts_alone is not False and len(parts) >= FEWEST_AT_ONCE:
                self._take_whole(row, self._fields)
            for part in parts - row.keys():
                row[part] = self._ask.one(row, f"/{part}", self._inside[part]) or []
        self._warn_of_what_is_not_attached(rows)

    def lacks(self, row: Row, wanting: Wanting, kind: str | None) -> list[str]:
        """What is to be asked for of a row, as the ends of paths: nothing at the end is the row by itself."""
        parts = [f"/{part}" for part in self._parts_lacking(row, wanting)]
        whole = [""] if kind and self._lacks_description(row, wanting, kind) else []
        shows_all = self._capabilities.shows_parts_alone and self._endpoint.lookup_by_id
        if parts and shows_all and (whole or len(parts) >= FEWEST_AT_ONCE):
            return [""]
        return [*whole, *filter(self._ask.is_served, parts)]

    def _lacks_description(self, row: Row, wanting: Wanting, kind: str) -> bool:
        is_described = row["id"] in self._described or not self.describes(kind)
        return not is_described and any(map(self._wants_description, wanting(row)))

    def _parts_lacking(self, row: Row, wanting: Wanting) -> set[str]:
        """The parts that are wanted of a row and neither in it nor known to be none by the ids that it shows."""
        parts = {consumer.part for consumer in wanting(row)} & self._inside.keys() - row.keys()
        return {part for part in parts if row.get(IDS.get(part, "")) != []}

    def _warn_of_what_is_not_shown(self, rows: Sequence[Row]) -> None:
        """Tracker shows an empty list that it is asked for: what no row has, the server does not know."""
        for part in self._inside:
            if rows and not any(part in row for row in rows):
                self._ask.warn_once(f"no {part}", "%s will be empty: no row shows %s", self._fed_by.get(part, ""), part)
        self._warn_of_what_is_not_attached(rows)

    def _warn_of_what_is_not_attached(self, rows: Sequence[Row]) -> None:
        for part, inside in self._inside.items():
            for name in inside.keys() & ATTACHED:
                is_shown = (name in thing for row in rows for thing in objects(row, part))
                if next(is_shown, None) is False and not any(is_shown):
                    words = "%s will be empty: none of the %s show it"
                    self._ask.warn_once(f"{part} without {name}", words, name, part)

    def _wants_description(self, consumer: RowConsumer) -> bool:
        return self._endpoint.lookup_by_id and not consumer.part
