"""Reads one list of the API to its end, so that nothing is lost while people edit what is being read."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import chain, compress
from typing import Any, NamedTuple

import orjson

from source_pivotal_tracker.api.client import TrackerClient, TrackerResponse, once_more
from source_pivotal_tracker.api.errors import Failed, ParametersRefused, TrackerError, Unreadable
from source_pivotal_tracker.api.fields import are_ignored, render
from source_pivotal_tracker.api.pagination import next_offset, number_in
from source_pivotal_tracker.api.turn import Turn
from source_pivotal_tracker.streams.activity import ACTIVITY
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.rows import Deletion, Row
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.sync.changes import Changes, ChangesReader
from source_pivotal_tracker.sync.plan import Member, Walk
from source_pivotal_tracker.sync.state import Mark, Place

logger = logging.getLogger("airbyte.tracker")

FORBIDDEN = 403
MOST_IDS = 500
"""Ids that `stories/bulk` takes at a time."""
MOST_WALKS = 4
"""How often a list that does not stand still is walked: once, and three times again."""

Params = dict[str, str | int]


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


class Answer(NamedTuple):
    """A page of a list, understood: its rows, and for each member (in order) the records in each of them."""

    rows: list[Row]
    records: list[list[Sequence[Row]]]
    following: int | None
    total: int | None
    version: int | None
    size: int
    fingerprint: int


class Walker:
    """Reads walks; one object serves all threads. A page is read in a `turn`, which the caller gives back.

    `held` are the ids of the projects that the destination has or will have: a story that moved to one of them is not
    deleted.
    """

    def __init__(self, client: TrackerClient, lookback: timedelta, held: Collection[int]) -> None:
        self.client = client
        self.lookback = lookback
        self.turn = Turn()
        self.narrowed: set[str] = set()
        self._held = frozenset(held)

    def read(self, walk: Walk, changes: Changes | None = None) -> Iterator[Page]:
        """The pages of a list; `changes` are those of its project, where a member wants only what changed.

        Raises a TrackerError. What was yielded before it stands.
        """
        return Reading(self, walk, changes).pages()

    def read_changes(self, walk: Walk, *, settle_moves: bool) -> Generator[Page, None, Changes | None]:
        """The pages of a project's activity, for the streams that want it; returns what changed in the project.

        None where the server tells no version to hold it against. With `settle_moves`, a story that left for
        another project of this sync is not among what is deleted.
        """
        reading = Reading(self, walk, None)
        since = walk.changes_since or 0
        reader: ChangesReader | None = None
        needs_all = not all(member.is_incremental for member in walk.members)
        for answer in reading.pages_from({} if needs_all else {"since_version": since}, 0):
            version = walk.version if answer.version is None else answer.version
            if reader is None and version is not None:
                reader = ChangesReader(since, version)
            if reader is not None:
                reader.add(answer.rows)
            # No place in it: an earlier part that is not read again would be missing from the changes.
            yield replace(reading.page(answer), marks={})
            del answer
        changes = reader.changes() if reader else None
        if changes and settle_moves:
            for thing, deletion in list(changes.deleted.items()):
                if deletion.kind == "story" and deletion.moved_away and self._lives_on(deletion.id):
                    del changes.deleted[thing]
        yield reading.end(changes)
        return changes

    def _lives_on(self, story_id: int) -> bool:
        def project_id() -> int:
            story = self.client.get(f"stories/{story_id}", {"fields": "project_id"}).parsed
            project = story.get("project_id") if isinstance(story, dict) else None
            if not isinstance(project, int):
                raise Failed(f"GET /stories/{story_id}: the answer does not tell the project of the story")
            return project

        try:
            return once_more(project_id) in self._held
        except Unreadable:
            return False


class Reading:
    """One walk while it is being read."""

    def __init__(self, walker: Walker, walk: Walk, changes: Changes | None) -> None:
        self._walker = walker
        self._walk = walk
        self._changes = changes
        self._newest: list[str | None] = [None] * len(walk.members)
        self._digests: list[str | None] = [None] * len(walk.members)
        self._sent: set[Any] = set()
        self._versions: list[int] = []
        self._since: str | None = None
        self._requests = 0

    def pages(self) -> Iterator[Page]:
        """All pages, the last with the marks of a list that is read."""
        walk, changes = self._walk, self._changes
        params = self._params()
        for answer in self._answers(params):
            yield self.page(answer)
            del answer  # It would be held while the next one is fetched.
        if self._moved() and not self._is_selective:
            yield from self._left_out(params)
        if changes is not None and walk.endpoint == STORIES:
            yield from self._by_id(sorted(changes.stories - self._sent))
        if self._is_selective:
            yield from self._followers()
        yield self.end(changes)

    def _answers(self, params: Params) -> Iterator[Answer]:
        """The pages of the list, from where an earlier run stopped if nothing has changed since."""
        offset: int | None = 0
        place = self._place()
        if place:
            answer = self._answer(params, place.offset)
            if answer.version == place.version and answer.rows:
                places = (member.mark.place for member in self._walk.members)
                self._newest = [each.newest if each else None for each in places]
                offset = answer.following
                yield answer
            del answer
        yield from self.pages_from(params, offset)

    def page(self, answer: Answer) -> Page:
        """The records in an answer that the members want, and their place after it."""
        page = Page(rows=len(answer.rows), total=answer.total, size=answer.size, requests=self._asked())
        if answer.version is not None:
            self._versions.append(answer.version)
        for index, member in enumerate(self._walk.members):
            wanted = self._wanted(index, member, answer)
            page.records[member.stream.name] = wanted
            if answer.following is not None and self._versions:
                place = Place(answer.following, self._versions[0], self._since, self._newest[index])
                page.marks[member.stream.name] = replace(member.mark, place=place)
        self._sent.update(self._identities(answer))
        return page

    def end(self, changes: Changes | None) -> Page:
        """The last page: tombstones, and what holds for a list that is read to its end."""
        page = Page(requests=self._asked())
        for index, member in enumerate(self._walk.members):
            stream, mark, _ = member
            version = self._versions[0] if self._versions else self._walk.version
            if member.version is not None:
                # Whatever was deleted after this version has not been looked for.
                looked_for = version if self._walk.changes_since is not None or mark.place else mark.version
                version = changes.version if changes else looked_for
            if member.version is not None and changes:
                deletions = (each for each in changes.deleted.values() if not self._is_back(each))
                tombstones = (stream.tombstone(each, self._walk.where) for each in deletions)
                page.records[stream.name] = [tombstone for tombstone in tombstones if tombstone]
                page.tombstones[stream.name] = len(page.records[stream.name])
            # Where nothing is newer than the start that the user chose, the next read still begins there.
            cursor = max(filter(None, (mark.cursor, self._newest[index])), default=self._since)
            page.marks[stream.name] = Mark(version, cursor, self._digests[index])
        return page

    def _is_back(self, deletion: Deletion) -> bool:
        """Whether what was deleted has come in this walk all the same."""
        return deletion.kind == "story" and deletion.id in self._sent

    def _asked(self) -> int:
        """The requests since the last page."""
        requests, self._requests = self._requests, 0
        return requests

    @property
    def _is_selective(self) -> bool:
        """Whether the list may leave out what did not change: every other change is known by its id."""
        return (
            self._walk.endpoint == STORIES
            and self._changes is not None
            and self._changes.is_whole
            and all(member.is_incremental and member.mark.cursor for member in self._walk.members)
        )

    def _moved(self) -> bool:
        """Whether the project changed between the pages, so that rows may have slipped past."""
        return len(set(self._versions)) > 1 and not self._walk.endpoint.steady

    def _params(self) -> Params:
        parameter = self._walk.endpoint.since
        values = [self._since_of(member) for member in self._walk.members]
        self._since = None if None in values else min(filter(None, values), default=None)
        return {parameter: self._since} if parameter and self._since else {}

    def _since_of(self, member: Member) -> str | None:
        stream, mark, _ = member
        first = stream.since(self._walk.where)
        if not member.is_incremental:
            return first
        endpoint = self._walk.endpoint
        if endpoint.since is None or (endpoint == STORIES and not self._is_selective):
            return None
        # The past of a restless list, too, may look different after a change.
        is_anew = mark.cursor is None or (stream.restless and self._changes is not None)
        return first if is_anew else stream.since_cursor(str(mark.cursor), self._walker.lookback)

    def _place(self) -> Place | None:
        """The earliest place of the members, if an earlier run read this same list for all of them."""
        places = [member.mark.place for member in self._walk.members if member.mark.place]
        if not places or len(places) < len(self._walk.members):
            return None
        if len({(place.version, place.since) for place in places}) > 1 or places[0].since != self._since:
            return None
        return min(places, key=lambda place: place.offset)

    def pages_from(self, params: Params, offset: int | None) -> Iterator[Answer]:
        """The pages of the list from an offset on, following by what came."""
        fingerprint: int | None = None
        while offset is not None:
            answer = self._answer(params, offset, fingerprint)
            fingerprint, offset = answer.fingerprint, answer.following
            yield answer
            del answer

    def _wanted(self, index: int, member: Member, answer: Answer) -> list[Row]:
        stream, mark, _ = member
        records = answer.records[index]
        self._note_newest(index, stream, answer)
        endpoint = self._walk.endpoint
        if endpoint.page_size is None and endpoint.since is None:
            digest = hashlib.blake2b(orjson.dumps(records), digest_size=8).hexdigest()
            self._digests[index] = digest
            if digest == mark.digest:
                return []
        if not member.is_incremental:
            return stream.timely(list(chain.from_iterable(records)))
        changed = (made for row, made in zip(answer.rows, records, strict=True) if self._may_have_changed(row, member))
        return list(chain.from_iterable(changed))

    def _note_newest(self, index: int, stream: TrackerStream, answer: Answer) -> None:
        rows, records = answer.rows, answer.records[index]
        if rows and "project_version" in rows[0]:
            in_time = [not self._is_late(row) for row in rows]
            rows, records = list(compress(rows, in_time)), list(compress(records, in_time))
        newest = stream.newest(rows, chain.from_iterable(records))
        self._newest[index] = max(filter(None, (self._newest[index], newest)), default=None)

    def _may_have_changed(self, row: Row, member: Member) -> bool:
        """False for a story that surely did not: a walk over all stories meets them for members that want all."""
        if self._walk.endpoint != STORIES or self._changes is None or not self._changes.is_whole:
            return True
        if row["id"] in self._changes.stories or row.get("story_type") == "release" or not member.mark.cursor:
            return True
        return str(row.get("updated_at")) >= member.stream.since_cursor(member.mark.cursor, self._walker.lookback)

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
        return bool(self._versions) and row.get("project_version", 0) > self._versions[0]

    def _left_out(self, params: Params) -> Iterator[Page]:
        """The rows that slipped from a page to the one before it while the project changed."""
        listed = self._story_ids() if self._walk.endpoint == STORIES and not self._since else None
        if listed is not None:
            yield from self._by_id([each for each in listed if each not in self._sent])
            return
        for _ in range(MOST_WALKS - 1):
            versions, found = set(), 0
            for answer in self.pages_from(params, 0):
                unsent = self._unsent(answer)
                versions.add(answer.version)
                found += sum(not self._is_late(row) for row in unsent.rows)
                yield replace(self.page(unsent), marks={})
                del answer, unsent
            if len(versions) == 1:
                return
        if not found:
            return
        if self._walk.endpoint.since is None and not any(member.full_refresh for member in self._walk.members):
            logger.warning(
                "/%s kept changing while it was read %d times: rows of %s may be missing until the next sync, which "
                "reads all of it again",
                self._walk.path,
                MOST_WALKS,
                ", ".join(member.stream.name for member in self._walk.members),
            )
            return
        raise Failed(f"GET /{self._walk.path}: the list kept changing while it was read {MOST_WALKS} times")

    def _unsent(self, answer: Answer) -> Answer:
        fresh = [number for number, each in enumerate(self._identities(answer)) if each not in self._sent]
        return answer._replace(
            rows=[answer.rows[number] for number in fresh],
            records=[[records[number] for number in fresh] for records in answer.records],
        )

    def _story_ids(self) -> list[int] | None:
        """The ids of all stories of the project in one answer, where the server gives it."""
        try:
            self._requests += 1
            project = self._walker.client.get(f"projects/{self._walk.id}", {"fields": "story_ids"}).parsed
        except ParametersRefused:
            return None
        ids = project.get("story_ids") if isinstance(project, dict) else None
        return ids if isinstance(ids, list) else None

    def _by_id(self, ids: Sequence[int]) -> Iterator[Page]:
        """These stories, as far as they are still there."""
        for start in range(0, len(ids), MOST_IDS):
            some = ids[start : start + MOST_IDS]
            answer = self._bulk(some)
            if answer:
                yield replace(self.page(answer), marks={})
            lacking = [each for each in some if each not in self._sent]
            yield from (replace(self.page(answer), marks={}) for answer in self._singly(lacking))

    def _bulk(self, ids: Sequence[int]) -> Answer | None:
        """What one request brings of these stories; None where the server does not serve such requests."""
        path = f"{self._walk.path}/bulk"

        def bulk() -> Answer:
            response = self._get(path, {"ids": ",".join(map(str, ids))}, may_narrow=False)
            return self._understood(path, response, response.parsed)

        try:
            return once_more(bulk)
        except (ParametersRefused, Unreadable) as error:
            if error.status == FORBIDDEN:
                raise
            logger.warning("GET /%s is not served: %d stories are read one by one", path, len(ids))
            return None

    def _singly(self, ids: Iterable[int]) -> Iterator[Answer]:
        """Each of these stories that is still there: only its own 404 tells that one is gone."""
        for story_id in ids:
            path = f"{self._walk.path}/{story_id}"
            try:
                response = self._get(path, {}, may_narrow=False)
            except Unreadable as error:
                if error.status == FORBIDDEN:
                    raise
                logger.info("Story %d is gone", story_id)
                continue
            yield self._understood(path, response, [response.parsed])

    def _followers(self) -> Iterator[Page]:
        """The stories whose attributes follow other stories: no activity names them and no time moves."""
        for member in self._walk.members:
            if member.stream.follows:
                alone = Reading(self._walker, replace(self._walk, members=(member,)), None)
                for answer in alone.pages_from(dict(member.stream.follows), 0):
                    yield replace(alone.page(self._unsent(answer)), marks={})

    def _answer(self, params: Params, offset: int, previous: int | None = None) -> Answer:
        """One page. What contradicts itself is asked for once more, and then is an error."""
        endpoint = self._walk.endpoint
        if endpoint.page_size:
            params = {**params, "limit": endpoint.page_size, "offset": offset}
        return once_more(partial(self._page_at, params, offset, previous))

    def _page_at(self, params: Params, offset: int, previous: int | None) -> Answer:
        endpoint = self._walk.endpoint
        response = self._get(self._walk.path, params)
        answer = self._understood(self._walk.path, response, [response.parsed] if endpoint.single else response.parsed)
        if endpoint.page_size is None:
            return answer
        if answer.rows and answer.fingerprint == previous:
            raise Failed(f"GET /{self._walk.path}: the page at offset {offset} is the one before it again")
        try:
            return answer._replace(following=next_offset(response.headers, offset=offset, rows=len(answer.rows)))
        except Failed as problem:
            raise Failed(f"GET /{self._walk.path}: {problem}") from None

    def _get(self, path: str, params: Params, *, may_narrow: bool = True) -> TrackerResponse:
        """GET with the fields that the members want; with fewer, from then on, if the server refuses those."""
        walk, narrowed = self._walk, self._walker.narrowed
        is_narrow = walk.endpoint.path in narrowed
        fields = walk.fields(narrow=is_narrow)
        self._requests += 1
        try:
            asked = {**params, "fields": render(fields)} if fields else params
            return self._walker.client.get(path, asked, turn=self._walker.turn)
        except ParametersRefused as refusal:
            if is_narrow or not fields or not may_narrow:
                raise
            if walk.endpoint.path not in narrowed:
                streams = ", ".join(member.stream.name for member in walk.members)
                logger.warning("Read with fewer attributes: %s (%s)", streams, refusal)
            narrowed.add(walk.endpoint.path)
            return self._get(path, params)

    def _understood(self, path: str, response: TrackerResponse, rows: Any) -> Answer:
        """Raises Failed, with the path that was asked for, for what cannot be rows of this list."""
        walk = self._walk
        is_of_changes = walk.endpoint == ACTIVITY and walk.changes_since is not None
        try:
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise Failed(f"the answer is not {'an object' if walk.endpoint.single else 'a list of objects'}")
            if are_ignored(walk.fields(narrow=walk.endpoint.path in self._walker.narrowed), rows):
                streams = ", ".join(member.stream.name for member in walk.members)
                raise Failed(f"the server ignores `fields`, so it does not show all of {streams}")
            if walk.endpoint.part_of and any(row.get("id") is None for row in rows):
                raise Failed("a row came without its id")
            if is_of_changes and not all(isinstance(row.get("project_version"), int) for row in rows):
                raise Failed("a row came without its project_version")
            records = [[member.stream.made_of(row, walk.where) for row in rows] for member in walk.members]
            total = number_in(response.headers, "X-Tracker-Pagination-Total")
            version = number_in(response.headers, "X-Tracker-Project-Version")
        except Failed as problem:
            raise Failed(f"GET /{path}: {problem}") from None
        # A page that comes again is the same answer, unless additions have shifted the list by just a page.
        fingerprint = hash((response.content, total, version))
        return Answer(rows, records, None, total, version, len(response.content), fingerprint)


def explained(walk: Walk, error: TrackerError) -> str:
    """The error in words that name whose data it concerns; the error itself names the path and the cause."""
    names = ", ".join(member.stream.name for member in walk.members) or "what changed"
    where = ", ".join(f"{key.removesuffix('_id')} {value}" for key, value in walk.where.items() if key != "endpoint")
    return f"{names}{' of ' + where if where else ''}: {error}"
