"""Reads one list of the API to its end, so that nothing is lost while people edit what is being read."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from itertools import chain, compress
from typing import Any

import orjson

from source_pivotal_tracker.api.errors import Failed, TrackerError
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.epics import EPICS
from source_pivotal_tracker.streams.rows import Deletion, Row
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.streams.times import is_before, iso, moment
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.ledger import Ledger
from source_pivotal_tracker.sync.lists import Answer, List, Params, Server
from source_pivotal_tracker.sync.plan import Member, Walk
from source_pivotal_tracker.sync.state import Mark, Place
from source_pivotal_tracker.sync.whereabouts import found

logger = logging.getLogger("airbyte.tracker")

MOST_IDS = 500
"""Ids that `stories/bulk` takes at a time."""
HERE, ELSEWHERE, GONE = "here", "in another project that is held", "gone"
MOST_WALKS = 4
"""How often a list that does not stand still is walked: once, and three times again."""


@dataclass
class Page:
    """What a walk brings at a time, and what holds for its members' states once the records are written.

    `rows` is how many rows of the list came, of the `total` that the server announces, in an answer of `size` bytes.
    `tombstones` counts by stream those that are among the records, `requests` what was asked since the last page.
    """

    records: dict[str, list[Row]] = field(default_factory=dict)
    marks: dict[str, Mark] = field(default_factory=dict)
    rows: int = 0
    total: int | None = None
    size: int = 0
    tombstones: dict[str, int] = field(default_factory=dict)
    requests: int = 0


class Reading:
    """One walk while it is being read; `changes` are those of its project, where a member wants only what changed."""

    def __init__(self, server: Server, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        self.list = List(server, walk, self._wanting)
        self._server = server
        self._walk = walk
        self._changes = changes
        self._lookback = lookback
        self._newest: list[str | None] = [None] * len(walk.members)
        self._digests: list[str | None] = [None] * len(walk.members)
        self._ledgers = [_ledger_for(walk, member) for member in walk.members]
        self._gone: list[list[Deletion]] = [[] for _ in walk.members]
        self._stories_found: dict[int, Row | None] = {}
        self._sent: set[Any] = set()
        self._versions: list[int | None] = []
        places = (member.mark.place for member in walk.members)
        self._pinned = min((place.version for place in places if place), default=None)
        self._is_resumed = False
        self._is_again = False
        self._is_settled = True
        self._since: str | None = None
        self._requests_told = 0

    def pages(self) -> Iterator[Page]:
        """All pages, the last with the marks of a list that is read.

        Raises a TrackerError. What was yielded before it stands.
        """
        params = self._params()
        for answer in self._answers(params):
            yield self.page(answer)
        if self._may_lack_some() and not self._is_selective:
            self._is_again = self._is_resumed
            yield from self._left_out(params)
        if self._changes is not None and self._walk.endpoint == STORIES:
            yield from self._by_id(sorted(self._changes.stories - self._sent))
        if self._is_selective and self.list.is_selected is not False:
            yield from self._followers()
        yield from self._settle_what_is_gone()
        yield self.end(self._changes)

    def page(self, answer: Answer) -> Page:
        """The records in an answer that the members want, and their place after it. The answer is let go."""
        if self.list.is_selected is False:
            # A row that comes once more has not been completed again.
            answer = self._unsent(answer)
        page = Page(rows=len(answer.rows), total=answer.total, size=answer.size, requests=self._requests())
        self._versions.append(answer.version)
        as_of = None if answer.following is None or self._moved() else self._as_of
        for index, member in enumerate(self._walk.members):
            wanted = self._wanted(index, member, answer)
            page.records[member.stream.name] = wanted
            if answer.following is not None and as_of is not None:
                place = Place(answer.following, as_of, self._since, self._newest[index])
                page.marks[member.stream.name] = replace(member.mark, place=place, ledger=self._noted(index))
        self._sent.update(self._identities(answer))
        answer.let_go()
        return page

    def end(self, changes: Changes | None) -> Page:
        """The last page: tombstones, and what holds for a list that is read to its end."""
        page = Page(requests=self._requests())
        for index, member in enumerate(self._walk.members):
            stream, mark, ledger = member.stream, member.mark, self._ledgers[index]
            if member.has_news or self._gone[index]:
                deletions = [*self._gone[index], *(changes.deleted.values() if changes else ())]
                made = (
                    (each, stream.tombstone(each, self._walk.where)) for each in deletions if not self._is_back(each)
                )
                tombstones = {each.id: tombstone for each, tombstone in made if tombstone}
                page.records[stream.name] = list(tombstones.values())
                page.tombstones[stream.name] = len(tombstones)
                if ledger and not stream.part:
                    for row_id in tombstones:
                        ledger.forget(row_id)
            # Where nothing is newer than the start that the user chose, the next read still begins there.
            cursor = max(filter(None, (mark.cursor, self._newest[index])), default=self._since)
            page.marks[stream.name] = Mark(
                self._version_at_the_end(member, changes),
                cursor,
                self._digests[index],
                ledger=self._noted(index),
                swept=self._swept_at_the_end(index),
            )
        return page

    def _version_at_the_end(self, member: Member, changes: Changes | None) -> int | None:
        """The version up to which the destination has all, once this list is read."""
        version = self._walk.version if self._began_at is None else self._began_at
        if member.version is None:
            return version
        if changes:
            return changes.version
        # Whatever was deleted after this version has not been looked for.
        is_unled = self._walk.changes_since is None or self._walk.by_content
        return member.version if is_unled and not member.is_swept else version

    def _answers(self, params: Params) -> Iterator[Answer]:
        """The pages of the list, from where an earlier run stopped if nothing can have slipped past that."""
        offset: int | None = 0
        place = self._place()
        if place and place.offset:
            known, back = self._known_since(place)
            answer = self.list.page(params, max(0, place.offset - back))
            is_the_list = known is None or answer.version == known or (self._walk.by_content and answer.version is None)
            if answer.rows and is_the_list:
                places = (member.mark.place for member in self._walk.members)
                self._newest = [each.newest if each else None for each in places]
                self._is_resumed = True
                offset = answer.following
                yield answer
            else:
                answer.let_go()
        if offset is not None:
            yield from self.list.pages(params, offset)

    def _known_since(self, place: Place) -> tuple[int | None, int]:
        """The version up to which all is known that happened since a place, and how far back that moves it.

        What nobody touched keeps its order, and what was touched is fetched by its id: rows that were not read yet have
        come up the list by as many as were touched, at the most. In a list with the newest first they only go down,
        whatever the version: None.
        """
        if self._walk.endpoint.newest_first:
            return None, 0
        changes = self._changes
        if self._walk.endpoint == STORIES and changes and changes.is_whole:
            return changes.version, changes.touched
        return place.version, 0

    def _place_of(self, story_id: int) -> str:
        """Where a story is that did not come with a list of stories, or of releases, which are stories too."""
        if story_id not in self._stories_found:
            self._stories_found[story_id] = found(self._server, story_id)
        story = self._stories_found[story_id]
        if story is None or story["project_id"] not in self._server.held:
            return GONE
        if story["project_id"] != self._walk.id:
            return ELSEWHERE
        return HERE if self._walk.endpoint == STORIES or story.get("story_type") == "release" else GONE

    def _noted(self, index: int) -> Ledger | None:
        ledger = self._ledgers[index]
        return ledger.copy() if ledger else None

    def _swept_at_the_end(self, index: int) -> int | None:
        """When all rows of the list were last looked at; that of an earlier sync where this one has not."""
        member = self._walk.members[index]
        if self._ledgers[index] is None:
            return None
        was_whole = not self._is_selective and self._is_settled
        looked_at_all = member.is_swept or not member.has_base or not (self._changes is None or self._changes.is_whole)
        return int(time.time()) if was_whole and looked_at_all else member.mark.swept

    def _wanting(self, row: Row) -> Sequence[Member]:
        """The members for which the row may bring something new."""
        if row["id"] in self._sent:
            return ()
        return [member for index, member in enumerate(self._walk.members) if self._may_have_changed(index, row)]

    def _is_back(self, deletion: Deletion) -> bool:
        """Whether what was deleted has come in this walk all the same."""
        return deletion.kind == "story" and deletion.id in self._sent

    def _requests(self) -> int:
        """The requests since the last page."""
        told, self._requests_told = self._requests_told, self.list.requests
        return self._requests_told - told

    @property
    def _is_selective(self) -> bool:
        """Whether the list may leave out what did not change: every other change is known by its id."""
        return (
            self._walk.endpoint == STORIES
            and self._changes is not None
            and self._changes.is_whole
            and all(member.has_base and member.mark.cursor and not member.is_swept for member in self._walk.members)
        )

    @property
    def _began_at(self) -> int | None:
        """The version of the project of which the list is told; what came later is for the next sync."""
        return self._pinned if self._is_resumed else next(iter(self._versions), None)

    @property
    def _as_of(self) -> int | None:
        """The version that all rows which were sent up to here are of, at the least, those of earlier runs included."""
        if self._pinned is not None:
            return self._pinned
        if self._changes:
            return self._changes.version
        return self._walk.version if self._began_at is None else self._began_at

    def _may_lack_some(self) -> bool:
        """Whether rows may have slipped past, or what came before the place is to be seen once more."""
        return self._moved() or (self._is_resumed and self._walk.by_content)

    def _moved(self) -> bool:
        """Whether the project changed between the pages, or may have, so that rows may have slipped past."""
        versions = set(self._versions)
        is_unknown = None in versions and len(self._versions) > 1
        return (is_unknown or len(versions) > 1) and not self._walk.endpoint.steady

    def _params(self) -> Params:
        parameter = self._walk.endpoint.since
        values = [self._since_of(member) for member in self._walk.members]
        self._since = None if None in values else min(filter(None, values), default=None)
        return {parameter: self._since} if parameter and self._since else {}

    def _since_of(self, member: Member) -> str | None:
        stream, mark = member.stream, member.mark
        first = stream.since(self._walk.where)
        if not member.has_base:
            return first
        endpoint = self._walk.endpoint
        if endpoint.since is None or (endpoint == STORIES and not self._is_selective):
            return None
        # The past of a restless list, too, may look different after a change.
        has_moved = self._changes is not None and self._changes.version != member.version
        is_anew = mark.cursor is None or (stream.restless and has_moved)
        return first if is_anew else stream.since_cursor(str(mark.cursor), self._lookback)

    def _place(self) -> Place | None:
        """The earliest place of the members, if an earlier run read this same list for all of them."""
        places = [member.mark.place for member in self._walk.members if member.mark.place]
        if not places or len(places) < len(self._walk.members):
            return None
        if len({(place.version, place.since) for place in places}) > 1 or places[0].since != self._since:
            return None
        return min(places, key=lambda place: place.offset)

    def _wanted(self, index: int, member: Member, answer: Answer) -> list[Row]:
        stream, mark, ledger = member.stream, member.mark, self._ledgers[index]
        records = answer.records[index]
        self._note_newest(index, stream, answer)
        endpoint = self._walk.endpoint
        if ledger is not None:
            news = list(chain.from_iterable(self._news(index, ledger, answer)))
            return news if member.has_base else stream.timely(news)
        if endpoint.page_size is None and endpoint.since is None:
            digest = hashlib.blake2b(orjson.dumps(records), digest_size=8).hexdigest()
            self._digests[index] = digest
            if digest == mark.digest:
                return []
        if not member.has_base:
            return stream.timely(list(chain.from_iterable(records)))
        changed = (made for row, made in zip(answer.rows, records, strict=True) if self._may_have_changed(index, row))
        since, cursor = self._since_of(member), str(stream.cursor_field)
        if since is None or endpoint == STORIES:
            return list(chain.from_iterable(changed))
        # Not every server heeds what it was asked for.
        begin = moment(since)
        return [record for record in chain.from_iterable(changed) if not is_before(record.get(cursor), begin)]

    def _news(self, index: int, ledger: Ledger, answer: Answer) -> Iterator[Sequence[Row]]:
        """The records that differ from what was sent. A row that was not completed is not to be held against it."""
        for row, made in zip(answer.rows, answer.records[index], strict=True):
            ledger.see(row["id"])
            is_complete = self.list.is_selected is not False or self._may_have_changed(index, row)
            # What was touched may have come and gone, and stand otherwise in another project's rows.
            if is_complete and (ledger.is_news(row["id"], made) or row["id"] in self._touched):
                yield made

    def _note_newest(self, index: int, stream: TrackerStream, answer: Answer) -> None:
        rows, records = answer.rows, answer.records[index]
        if rows and "project_version" in rows[0]:
            in_time = [not self._is_late(row) for row in rows]
            rows, records = list(compress(rows, in_time)), list(compress(records, in_time))
        newest = stream.newest(rows, chain.from_iterable(records))
        self._newest[index] = max(filter(None, (self._newest[index], newest)), default=None)

    def _may_have_changed(self, index: int, row: Row) -> bool:
        """False for a row that surely did not: a walk over all of a list meets them for members that want all.

        Where only content tells, a row that was sent is held to be as it was, as far as time and activity tell, until
        all of them are looked at.
        """
        endpoint, member = self._walk.endpoint, self._walk.members[index]
        if endpoint not in (STORIES, EPICS) or (endpoint == EPICS and not self._walk.by_content):
            return True
        mark, ledger = member.mark, self._ledgers[index]
        cursor = mark.cursor or (mark.place and mark.place.newest)
        if not cursor or (ledger is not None and row["id"] not in ledger):
            return True
        if self._looks_at_all(member):
            return True
        if row["id"] in self._touched or row.get("story_type") == "release":
            return True
        return str(row.get("updated_at")) >= member.stream.since_cursor(cursor, self._lookback)

    @property
    def _touched(self) -> Collection[int]:
        """The rows of this list that the activity names."""
        touched = {STORIES: self._changes.stories, EPICS: self._changes.epics} if self._changes else {}
        return touched.get(self._walk.endpoint, ())

    def _looks_at_all(self, member: Member) -> bool:
        """Whether every row may have changed, for all that is known."""
        if self._walk.by_content and self._is_again:
            return False
        if self._walk.by_content and self._changes is None:
            return member.is_swept or not member.has_base
        return member.is_swept or self._changes is None or not self._changes.is_whole or not member.has_base

    def _identities(self, answer: Answer) -> Iterable[Any]:
        if self._walk.endpoint.page_size is None or not self._walk.members:
            return ()
        stream = self._walk.members[0].stream
        return (
            row["id"] if "id" in row else tuple(map(stream.key_of, records))
            for row, records in zip(answer.rows, answer.records[0], strict=True)
        )

    def _is_late(self, row: Row) -> bool:
        """Whether a row says of itself that it came after the walk began: the next sync asks for it."""
        return self._began_at is not None and row.get("project_version", 0) > self._began_at

    def _left_out(self, params: Params) -> Iterator[Page]:
        """The rows that slipped from a page to the one before it while the project changed."""
        unsent_ids = None if self._since else self._unsent_ids()
        if unsent_ids is not None:
            yield from self._by_id(unsent_ids)
            return
        for _ in range(MOST_WALKS - 1):
            versions, found = set(), 0
            for answer in self.list.pages(params):
                unsent = self._unsent(answer)
                versions.add(answer.version)
                found += sum(not self._is_late(row) and not self._is_known(row) for row in unsent.rows)
                yield replace(self.page(unsent), marks={})
            if len(versions) == 1 and (None not in versions or not found):
                return
        unsent_ids = self._unsent_ids()
        if unsent_ids is not None:
            yield from self._by_id(unsent_ids)
            return
        if not found:
            return
        self._is_settled = False
        comes_again = self._walk.endpoint.since is None or self._walk.by_content
        if not comes_again or any(member.full_refresh for member in self._walk.members):
            raise Failed(f"GET /{self._walk.path}: the list kept changing while it was read {MOST_WALKS} times")
        logger.warning(
            "/%s kept changing while it was read %d times: rows of %s may be missing until the next sync, which "
            "reads all of it again",
            self._walk.path,
            MOST_WALKS,
            self._walk.names,
        )

    def _unsent_ids(self) -> list[int] | None:
        """The stories that have not come yet; None where the list is of others, or the server does not tell."""
        listed = self.list.story_ids() if self._walk.endpoint == STORIES else None
        if listed is None:
            return None
        for ledger in filter(None, self._ledgers):
            for each in listed:
                ledger.see(each)
        return [each for each in listed if each not in self._sent and not self._is_known({"id": each})]

    def _is_known(self, row: Row) -> bool:
        """Whether an earlier run, which this one goes on from, has sent the row to all members."""
        return self._is_resumed and all(ledger is not None and row["id"] in ledger for ledger in self._ledgers)

    def _unsent(self, answer: Answer) -> Answer:
        fresh = [number for number, each in enumerate(self._identities(answer)) if each not in self._sent]
        unsent = answer._replace(
            rows=[answer.rows[number] for number in fresh],
            records=[[records[number] for number in fresh] for records in answer.records],
        )
        answer.let_go()
        return unsent

    def _by_id(self, ids: Sequence[int]) -> Iterator[Page]:
        """These stories, as far as they are still there."""
        for start in range(0, len(ids), MOST_IDS):
            some = ids[start : start + MOST_IDS]
            answer = self.list.bulk(some)
            if answer:
                yield replace(self.page(answer), marks={})
            lacking = [each for each in some if each not in self._sent]
            yield from (replace(self.page(answer), marks={}) for answer in self.list.singly(lacking))

    def _followers(self) -> Iterator[Page]:
        """The stories whose attributes follow other stories: no activity names them and no time moves."""
        for member in self._walk.members:
            if member.stream.follows:
                alone = Reading(self._server, replace(self._walk, members=(member,)), None, self._lookback)
                for answer in alone.list.pages(dict(member.stream.follows)):
                    yield replace(alone.page(self._unsent(answer)), marks={})

    def _settle_what_is_gone(self) -> Iterator[Page]:
        """Find out what became of the rows that were sent once and did not come any more."""
        if self._is_selective or not self._is_settled:
            return
        still_here: set[int] = set()
        now = iso(datetime.now(timezone.utc))
        for index, member in enumerate(self._walk.members):
            ledger, kind = self._ledgers[index], member.stream.deleted_kind
            if ledger is None:
                continue
            for row_id in ledger.unseen():
                if self._changes and (kind, row_id) in self._changes.deleted:
                    continue
                place = GONE if self._walk.endpoint.page_size is None else self._place_of(row_id)
                if place == HERE:
                    still_here.add(row_id)
                    continue
                if place == GONE and not member.stream.part and not member.full_refresh:
                    self._gone[index].append(Deletion(kind, row_id, now))
                ledger.forget(row_id)
        yield from self._by_id(sorted(still_here - self._sent) if self._walk.endpoint == STORIES else ())


def _ledger_for(walk: Walk, member: Member) -> Ledger | None:
    if not walk.keeps_ledger(member.stream):
        return None
    return member.mark.ledger.copy() if member.mark.ledger else Ledger()


def explained(walk: Walk, error: TrackerError) -> str:
    """The error in words that name whose data it concerns; the error itself names the path and the cause."""
    where = ", ".join(f"{key.removesuffix('_id')} {value}" for key, value in walk.where.items() if key != "endpoint")
    names = walk.names or "what changed"
    return f"{names}{' of ' + where if where else ''}: {error}"
