"""Reads one list of the API to its end, so that nothing is lost while people edit what is being read."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import chain, compress
from typing import Any

from source_pivotal_tracker.api.errors import Failed, TrackerError
from source_pivotal_tracker.streams.epics import EPICS
from source_pivotal_tracker.streams.rows import Deletion, Row
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.context import SyncContext
from source_pivotal_tracker.sync.feed import Feed
from source_pivotal_tracker.sync.list_client import Answer, ListClient, Params
from source_pivotal_tracker.sync.row_digests import RowDigests
from source_pivotal_tracker.sync.state import Checkpoint, ResumePoint
from source_pivotal_tracker.sync.story_lookup import find_story
from source_pivotal_tracker.sync.walks import Member, Walk

logger = logging.getLogger("airbyte.tracker")

MOST_IDS = 500
"""Ids that `stories/bulk` takes at a time."""
MOST_WALKS = 4
"""How often a list that does not stand still is walked: once, and three times again."""


@dataclass
class Page:
    """What a walk brings at a time, and what holds for its members' states once the records are written.

    `rows` is how many rows of the list came, of the `total` that the server announces, in an answer of `size` bytes.
    `tombstones` counts by stream those that are among the records, `requests` what was asked since the last page.
    """

    records: dict[str, list[Row]] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    rows: int = 0
    total: int | None = None
    size: int = 0
    tombstones: dict[str, int] = field(default_factory=dict)
    requests: int = 0


class WalkReader:
    """One walk while it is being read; `changes` are those of its project, where a member wants only what changed."""

    def __init__(self, context: SyncContext, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        self._context = context
        self._walk = walk
        self._changes = changes
        self._lookback = lookback
        self._feeds = [Feed(member, walk, changes, lookback) for member in walk.members]
        self._newest: str | None = None
        self._sent: set[Any] = set()
        # Without a way back to this object, which would keep all of it until somebody looks for cycles.
        self.list = ListClient(context, walk, partial(_wanting, self._feeds, self._sent))
        self._has_repeats = False
        self._versions: list[int | None] = []
        places = (member.checkpoint.resume_point for member in walk.members)
        self._pinned = min((place.version for place in places if place), default=None)
        self._is_resumed = False
        self._kept_changing = False
        self._since: str | None = None
        self._requests_told = 0

    def pages(self) -> Iterator[Page]:
        """All pages, the last with the checkpoints of a list that is read.

        Raises a TrackerError. What was yielded before it stands.
        """
        params = self._params()
        for answer in self._answers(params):
            if self._is_selective and any(str(row.get("updated_at", "~")) < str(self._since) for row in answer.rows):
                self._context.abilities.note_lack_of("heeds_updated_after")
            yield self.page(answer)
        if self._may_have_missed_rows and not self._is_selective:
            yield from self._left_out(params)
        if self._changes is not None and self._walk.endpoint == STORIES:
            yield from self._by_id(sorted(self._changes.stories - self._sent))
        if self._is_selective and self.list.is_selected is not False:
            yield from self._followers()
        if self._saw_all:
            yield from self._by_id(sorted(self._unseen_but_here()))
        yield self.end(self._changes)

    def page(self, answer: Answer) -> Page:
        """The records in an answer that the members want, and their place after it. The answer is let go."""
        if self.list.completes_rows and self._walk.endpoint.page_size is not None:
            # A row that comes once more has not been completed again.
            answer = self._unsent(answer)
        page = Page(rows=len(answer.rows), total=answer.total, size=answer.size, requests=self._requests())
        self._versions.append(answer.version)
        self._note_sent(answer)
        as_of = None if answer.following is None or self._may_have_moved else self._as_of
        self._note_newest(answer)
        for feed, records in zip(self._feeds, answer.records, strict=True):
            wanted = feed.wanted(answer.rows, records, only_news_is_whole=self.list.completes_rows)
            page.records[feed.stream.name] = wanted
            if answer.following is not None and as_of is not None:
                place = ResumePoint(answer.following, as_of, self._since, self._newest)
                page.checkpoints[feed.stream.name] = feed.checkpoint_at(place)
        answer.let_go()
        return page

    def end(self, changes: Changes | None) -> Page:
        """The last page: tombstones, and what holds for a list that is read to its end."""
        page = Page(requests=self._requests())
        deleted = [each for each in changes.deleted.values() if not self._is_back(each)] if changes else []
        for feed in self._feeds:
            name = feed.stream.name
            page.records[name] = feed.tombstones(deleted)
            page.tombstones[name] = len(page.records[name])
            # Where nothing is newer than the start that the user chose, the next read still begins there.
            cursor = max(filter(None, (feed.member.checkpoint.cursor, self._newest, self._since)), default=None)
            page.checkpoints[name] = feed.checkpoint_at_end(changes, self._began_at, cursor, saw_all=self._saw_all)
        return page

    def _answers(self, params: Params) -> Iterator[Answer]:
        """The pages of the list, from where an earlier run stopped if nothing can have slipped past that."""
        offset: int | None = 0
        place = self._resume_point()
        if place and place.offset:
            known, back = self._known_since(place)
            answer = self.list.page(params, max(0, place.offset - back))
            is_the_list = known is None or answer.version == known or (self._walk.by_content and answer.version is None)
            if answer.rows and is_the_list:
                self._newest = place.newest
                self._is_resumed = True
                offset = answer.following
                yield answer
            else:
                answer.let_go()
        if offset is not None:
            yield from self.list.pages(params, offset)

    def _known_since(self, place: ResumePoint) -> tuple[int | None, int]:
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

    def _is_back(self, deletion: Deletion) -> bool:
        """Whether what was deleted has come in this walk all the same."""
        return deletion.kind == "story" and deletion.id in self._sent

    def _requests(self) -> int:
        """The requests since the last page."""
        told, self._requests_told = self._requests_told, self.list.requests
        return self._requests_told - told

    @property
    def _is_selective(self) -> bool:
        """Whether the list may leave out what did not change: every other change is known by its id.

        Activity that never held anything names none: of a project that stands still, or a server that keeps none.
        """
        is_told = self._walk.endpoint == STORIES and self._changes is not None and self._changes.version > 0
        return is_told and all(feed.goes_by_changes and feed.is_told_all for feed in self._feeds)

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

    @property
    def _saw_all(self) -> bool:
        """Whether no row of the list is left that this walk has not come by."""
        return not (self._is_selective or self._kept_changing)

    @property
    def _may_have_missed_rows(self) -> bool:
        """Whether rows may have slipped past, or what came before the place is to be seen once more."""
        return self._may_have_moved or (self._is_resumed and self._walk.by_content)

    @property
    def _may_have_moved(self) -> bool:
        """Whether the list changed between the pages, or may have, so that rows may have slipped past.

        Where a row came twice it did, whatever the version: another may not have come at all.
        """
        versions = set(self._versions)
        is_unknown = None in versions and len(self._versions) > 1
        return (is_unknown or len(versions) > 1 or self._has_repeats) and not self._walk.endpoint.append_only

    def _params(self) -> Params:
        parameter = self._walk.endpoint.since
        values = [feed.since(is_selective=self._is_selective) for feed in self._feeds]
        self._since = None if None in values else min(filter(None, values), default=None)
        return {parameter: self._since} if parameter and self._since else {}

    def _resume_point(self) -> ResumePoint | None:
        """The earliest place of the members, if an earlier run read this same list for all of them."""
        places = [member.checkpoint.resume_point for member in self._walk.members if member.checkpoint.resume_point]
        if not places or len(places) < len(self._walk.members):
            return None
        if len({(place.version, place.since) for place in places}) > 1 or places[0].since != self._since:
            return None
        return min(places, key=lambda place: place.offset)

    def _note_newest(self, answer: Answer) -> None:
        """Asked of one member for all: their cursors are that of the rows, which are the same ones."""
        if not answer.records:
            return
        rows, records = answer.rows, answer.records[0]
        if rows and "project_version" in rows[0]:
            in_time = [not self._is_late(row) for row in rows]
            rows, records = list(compress(rows, in_time)), list(compress(records, in_time))
        newest = self._feeds[0].stream.newest(rows, chain.from_iterable(records))
        self._newest = max(filter(None, (self._newest, newest)), default=None)

    def _note_sent(self, answer: Answer) -> None:
        identities = list(self._identities(answer))
        if_all_are_new = len(self._sent) + len(identities)
        self._sent.update(identities)
        self._has_repeats |= len(self._sent) < if_all_are_new

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
        for feed in self._feeds:
            feed.trusts_digests = self._is_resumed and feed.row_digests is not None
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
                yield replace(self.page(unsent), checkpoints={})
            stood_still = None not in versions and not self._has_repeats
            if len(versions) == 1 and (stood_still or not found):
                return
        unsent_ids = self._unsent_ids()
        if unsent_ids is not None:
            yield from self._by_id(unsent_ids)
            return
        if not found:
            return
        self._kept_changing = True
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
        for digests in self._row_digests():
            for each in listed:
                digests.see(each)
        return [each for each in listed if each not in self._sent and not self._is_known({"id": each})]

    def _is_known(self, row: Row) -> bool:
        """Whether an earlier run, which this one goes on from, has sent the row to all members."""
        all_digests = self._row_digests()
        is_told = len(all_digests) == len(self._feeds)
        return self._is_resumed and is_told and all(row["id"] in digests for digests in all_digests)

    def _row_digests(self) -> list[RowDigests]:
        return [feed.row_digests for feed in self._feeds if feed.row_digests is not None]

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
                yield replace(self.page(answer), checkpoints={})
            lacking = [each for each in some if each not in self._sent]
            yield from (replace(self.page(answer), checkpoints={}) for answer in self.list.singly(lacking))

    def _followers(self) -> Iterator[Page]:
        """The stories whose attributes follow other stories: no activity names them and no time moves."""
        for member in self._walk.members:
            if member.stream.also_list:
                alone = WalkReader(self._context, replace(self._walk, members=(member,)), None, self._lookback)
                for answer in alone.list.pages(dict(member.stream.also_list)):
                    yield replace(alone.page(self._unsent(answer)), checkpoints={})

    def _unseen_but_here(self) -> set[int]:
        """The stories that are still there and did not come; the feeds forget what else they were sent once."""
        here: set[int] = set()
        found: dict[int, Row | None] = {}
        kept: set[int] = set()
        for feed in self._feeds:
            for row_id in feed.row_digests.unseen() if feed.row_digests else ():
                if self._changes and (feed.stream.deleted_kind, row_id) in self._changes.deleted:
                    continue
                # A list that comes in one answer cannot have lost a row on the way.
                if self._walk.endpoint.page_size is not None and row_id not in found:
                    found[row_id] = find_story(self._context, row_id)
                story = found.get(row_id) or {}
                project = story.get("project_id")
                if project is None and not self._is_gone(feed, row_id):
                    kept.add(row_id)
                    continue
                if project == self._walk.partition.parent_id and self._lists(story):
                    here.add(row_id)
                else:
                    feed.forget(
                        row_id,
                        is_gone=project == self._walk.partition.parent_id
                        or project not in self._context.replicated_projects,
                    )
        if kept:
            logger.warning(
                "Project %s: %d rows of the list of %s that were sent before are in no export any more; they stay, for "
                "no export that is newer proves to be all of the project",
                self._walk.partition.parent_id,
                len(kept),
                self._walk.path.rpartition("/")[2].replace("_", " "),
            )
        return here - self._sent if self._walk.endpoint == STORIES else set()

    def _is_gone(self, feed: Feed, row_id: int) -> bool:
        """Whether a row that is not shown was deleted."""
        kind = feed.stream.deleted_kind
        if self._walk.endpoint == EPICS:
            kind = "epic"
        elif kind == "release" or feed.stream.part:
            kind = "story"
        cursor = feed.row_digests.cursor_of(row_id) if feed.row_digests else None
        return self._context.client.completeness.is_gone(self._walk.partition.parent_id or 0, kind, cursor)

    def _lists(self, story: Row) -> bool:
        return self._walk.endpoint == STORIES or story.get("story_type") == "release"


def _wanting(feeds: Sequence[Feed], sent: Collection[Any], row: Row) -> Sequence[Member]:
    """The members for which the row may bring something new."""
    return () if row["id"] in sent else [feed.member for feed in feeds if feed.may_bring_news(row)]


def explained(walk: Walk, error: TrackerError) -> str:
    """The error in words that name whose data it concerns; the error itself names the path and the cause."""
    return f"{walk.names or 'what changed'}{f' of {walk.parent}' if walk.parent else ''}: {error}"
