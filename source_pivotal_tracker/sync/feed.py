"""A member of a walk while its list is read: what of the rows it is sent, and what its state says afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from itertools import chain

import orjson

from source_pivotal_tracker.streams.epics import EPICS
from source_pivotal_tracker.streams.rows import Deletion, Row
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.streams.times import is_before, iso, moment
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.row_digests import RowDigests
from source_pivotal_tracker.sync.state import Checkpoint, ResumePoint, today
from source_pivotal_tracker.sync.walks import Member, Walk


class Feed:
    """What one stream is fed of a walk; `changes` are those of the project, where somebody looked for them.

    `digests` has the rows that were sent, where content tells what changed.
    With `trusts_digests`, what an interrupted run has sent is not asked for in detail again.
    """

    def __init__(self, member: Member, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        self.member = member
        self.stream = member.stream
        self.row_digests: RowDigests | None = None
        if walk.compares_rows(member.stream):
            self.row_digests = member.checkpoint.row_digests.copy() if member.checkpoint.row_digests else RowDigests()
        self.trusts_digests = False
        self._walk = walk
        self._changes = changes
        self._lookback = lookback
        self._digest: str | None = None
        self._gone: dict[int, Row] = {}

    @property
    def goes_by_changes(self) -> bool:
        """Whether it needs no more than the rows that changed."""
        return self.member.has_base and bool(self.member.checkpoint.cursor) and not self.member.is_swept

    @property
    def is_told_all(self) -> bool:
        """Whether what the project's activity does not name surely did not change. What sweeps leaves parts alone."""
        changes = self._changes
        return changes is not None and not changes.missing and (not changes.sweeping or bool(self.stream.part))

    def since(self, *, is_selective: bool) -> str | None:
        """The oldest row that it needs; `is_selective`, of a list of stories that may leave out what did not change."""
        member, stream, endpoint = self.member, self.stream, self._walk.endpoint
        first = stream.since(self._walk.partition)
        if not member.has_base:
            return first
        if endpoint.since is None or (endpoint == STORIES and not is_selective):
            return None
        # The past of a restless list, too, may look different after a change, and after what nobody can tell.
        version = self._changes.version if self._changes else self._walk.version
        has_moved = version is None or version != member.version
        is_anew = member.checkpoint.cursor is None or (stream.changes_without_version and has_moved)
        return first if is_anew else stream.since_cursor(str(member.checkpoint.cursor), self._lookback)

    def may_bring_news(self, row: Row) -> bool:
        """False for a row that surely did not change: a walk over a whole list meets them for streams that want all.

        Where only content tells, a row that was sent is held to be as it was, as far as time and activity tell, until
        all of them are looked at.
        """
        endpoint = self._walk.endpoint
        if endpoint not in (STORIES, EPICS) or (endpoint == EPICS and not self._walk.by_content):
            return True
        if self._looks_at_all and not self.trusts_digests:
            return True
        return self._is_said_to_have_changed(row)

    def wanted(self, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_news_is_whole: bool) -> list[Row]:
        """Those of the records that it is sent.

        `only_news_is_whole`: what hangs on a row was asked for only where the row may bring news.
        """
        endpoint = self._walk.endpoint
        if self.row_digests is not None:
            news = self._news(self.row_digests, rows, records, only_news_is_whole=only_news_is_whole)
            return list(chain.from_iterable(news))
        if endpoint.page_size is None and endpoint.since is None:
            self._digest = hashlib.blake2b(orjson.dumps(records), digest_size=8).hexdigest()
            if self._digest == self.member.checkpoint.digest:
                return []
        if not self.member.has_base:
            return self.stream.after_start(list(chain.from_iterable(records)))
        changed = (made for row, made in zip(rows, records, strict=True) if self.may_bring_news(row))
        return list(self._in_time(chain.from_iterable(changed)))

    def forget(self, row_id: int, *, is_gone: bool) -> None:
        """Take a row out of the digests that has left the list; it may be gone, or be in another project's.

        When it went is not known. Its tombstone has the cursor that the row had: a row that comes back as it was, as
        from an older export, would be older than any other, and the destination would not take it.
        """
        cursor = self.row_digests.cursor_of(row_id) if self.row_digests else None
        if self.row_digests:
            self.row_digests.forget(row_id)
        if is_gone and not self.stream.part and not self.member.full_refresh:
            now = iso(datetime.now(timezone.utc))
            tombstone = self.stream.tombstone(Deletion(self.stream.deleted_kind, row_id, now), self._walk.partition)
            if tombstone:
                tombstone.pop(str(self.stream.cursor_field))
                self._gone[row_id] = tombstone | ({str(self.stream.cursor_field): cursor} if cursor else {})

    def tombstones(self, deleted: Iterable[Deletion]) -> list[Row]:
        """The records that stand for these deletions and for those that were noted, as far as they are news to it."""
        told = (each for each in deleted if self.member.has_news and not self._was_told_before(each))
        made = ((each.id, self.stream.tombstone(each, self._walk.partition)) for each in told)
        tombstones = self._gone | {row_id: tombstone for row_id, tombstone in made if tombstone}
        if self.row_digests and not self.stream.part:
            for row_id in tombstones:
                self.row_digests.forget(row_id)
        return list(tombstones.values())

    def _was_told_before(self, deletion: Deletion) -> bool:
        """Whether it is of a story that moved away before what is known, and may live on: such are told once more."""
        if (
            not deletion.moved_away
            or self.row_digests is None
            or deletion.id in self.row_digests
            or self._changes is None
        ):
            return False
        return moment(deletion.at).timestamp() <= self._changes.since

    def checkpoint_at(self, resume_point: ResumePoint) -> Checkpoint:
        """What holds while the list is being read."""
        return replace(self.member.checkpoint, resume_point=resume_point, row_digests=self._noted())

    def checkpoint_at_end(
        self, changes: Changes | None, began_at: int | None, cursor: str | None, *, saw_all: bool
    ) -> Checkpoint:
        """What holds once the list is read, up to `cursor`. `began_at` is the version that it was of.

        `saw_all`: no row of the list was passed over.
        """
        swept = self.member.checkpoint.swept
        if saw_all and self.row_digests and self._looks_at_all:
            swept = today()
        return Checkpoint(
            self._version(changes, began_at), cursor, self._digest, row_digests=self._noted(), swept=swept
        )

    def _version(self, changes: Changes | None, began_at: int | None) -> int | None:
        """The version up to which the destination has all, once this list is read."""
        member = self.member
        version = self._walk.version if began_at is None else began_at
        if member.version is None:
            return version
        if changes:
            return changes.version
        # Whatever was deleted after this version has not been looked for.
        is_unled = self._walk.changes_since is None or self._walk.by_content
        return member.version if is_unled and not member.is_swept else version

    @property
    def _looks_at_all(self) -> bool:
        """Whether every row may have changed, for all that is known."""
        if not self.member.has_base or self.member.is_swept:
            return True
        return not self._walk.by_content if self._changes is None else not self.is_told_all

    def _is_said_to_have_changed(self, row: Row) -> bool:
        """Whether time or activity say so, or nothing is known of the row."""
        checkpoint = self.member.checkpoint
        cursor = checkpoint.cursor or (checkpoint.resume_point and checkpoint.resume_point.newest)
        if not cursor or (self.row_digests is not None and row["id"] not in self.row_digests):
            return True
        # The points of a release follow other stories; what hangs on it does not.
        if row["id"] in self._touched or (row.get("story_type") == "release" and not self.stream.part):
            return True
        return str(row.get("updated_at")) >= self.stream.since_cursor(cursor, self._lookback)

    @property
    def _touched(self) -> Collection[int]:
        """The rows of this list that the activity names."""
        touched = {STORIES: self._changes.stories, EPICS: self._changes.epics} if self._changes else {}
        return touched.get(self._walk.endpoint, ())

    def _news(
        self, digests: RowDigests, rows: Sequence[Row], records: Sequence[Sequence[Row]], *, only_news_is_whole: bool
    ) -> Iterator[Sequence[Row]]:
        """The records that differ from what was sent. A row that is not whole is not to be held against it."""
        for row, made in zip(rows, records, strict=True):
            digests.see(row["id"])
            if only_news_is_whole and not self.may_bring_news(row):
                continue
            if not (self.member.has_base and self._is_said_to_have_changed(row)):
                made = self.stream.after_start(list(made))
            # What moved may have been sent from another project meanwhile.
            cursor = None if self.stream.part else self.stream.newest((row,), made)
            if digests.is_news(row["id"], made, cursor) or (self._changes and row["id"] in self._changes.moved):
                yield made

    def _in_time(self, records: Iterable[Row]) -> Iterable[Row]:
        """Without those that are older than what was asked for: not every server heeds that."""
        since = None if self._walk.endpoint == STORIES else self.since(is_selective=False)
        if since is None:
            return records
        begin, cursor = moment(since), str(self.stream.cursor_field)
        return (record for record in records if not is_before(record.get(cursor), begin))

    def _noted(self) -> RowDigests | None:
        return self.row_digests.copy() if self.row_digests else None
