"""Whether a deletion is sent: decided here and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from source_pivotal_tracker.streams.rows import Deletion, Row
from source_pivotal_tracker.streams.times import iso, moment
from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.context import SyncContext
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.sent_rows import SentRows
from source_pivotal_tracker.sync.story_lookup import Found, Gone, Unknown, Whereabouts, find_story
from source_pivotal_tracker.sync.walks import Walk

logger = logging.getLogger("airbyte.tracker")

Thing = tuple[str, int]
"""A kind of Tracker's activity, and an id."""
Deleted = dict[Thing, Deletion]
MOST_STORIES = 20
"""The most stories that a warning names."""


def without_moves_here(
    context: SyncContext, project_id: int | None, deleted: Mapping[Thing, Deletion]
) -> tuple[Deleted, set[int]]:
    """What is deleted in a project, less the stories that may live on in a project that the destination has.

    Returns those that surely do besides.

    Without the look, the tombstone of the one project might come after the row of the other and hide it. A story that
    the server does not say the place of stays, with a warning. Raises a TrackerError.
    """
    left = dict(deleted)
    moved_on: set[int] = set()
    unknown: dict[int, str] = {}
    for thing, deletion in deleted.items():
        if deletion.kind != "story" or not deletion.moved_away:
            continue
        place = find_story(context, deletion.id)
        if isinstance(place, Unknown):
            unknown[deletion.id] = place.reason
            del left[thing]
        elif isinstance(place, Found) and place.project_id in context.replicated_projects:
            moved_on.add(deletion.id)
            del left[thing]
    _warn_of_unknown(project_id, unknown)
    return left, moved_on


class Deletions:
    """The tombstones of one walk. When in doubt there is none, and the row stays.

    A deletion that the activity shows is sent to a stream if

    - the destination may have the row: it has rows of the list, and this is no full refresh;
    - the story did not come in this walk all the same;
    - it is new: a story that had moved away before `changes.since` was deleted in the destination then;
    - the stream has such things (`tombstone`).

    A row that was sent once and is in the list no more (`missing`), though no activity says so, is deleted if Tracker's
    own words prove that no replicated project has it, and the source proves to show all of the project. An answer that
    is the whole list proves what is not in it, unless it is empty.
    """

    def __init__(
        self, context: SyncContext, walk: Walk, changes: Changes | None, detections: Sequence[Detection]
    ) -> None:
        self._context = context
        self._walk = walk
        self._changes = changes
        self._detections = detections
        self._of_missing: dict[str, dict[int, Row]] = {}

    def tombstones(self, detection: Detection, changes: Changes | None, sent: SentRows) -> list[Row]:
        """The records that stand for what is gone, for one stream; `sent` are the rows that came in this walk."""
        partition, stream = self._walk.partition, detection.stream
        shown: Iterable[Deletion] = changes.deleted.values() if changes and detection.member.wants_deletions else ()
        tombstones = dict(self._of_missing.get(stream.name, {}))
        for deletion in shown:
            has_come = deletion.kind == "story" and deletion.id in sent
            if not has_come and not self._was_sent_before(detection, deletion):
                tombstone = stream.tombstone(deletion, partition)
                if tombstone:
                    tombstones[deletion.id] = tombstone
        if detection.row_digests and not stream.part:
            for row_id in tombstones:
                detection.row_digests.forget(row_id)
        if detection.row_digests and changes and "story" in (self._walk.endpoint.activity_kind, stream.deleted_kind):
            # Another project sends it now. Should it come back untold, it would seem to be as it was sent from here.
            for story_id in changes.moved_on:
                if story_id not in sent:
                    detection.row_digests.forget(story_id)
        return list(tombstones.values())

    def find_missing(self) -> set[int]:
        """Look for rows that were sent once and did not come. Returns the stories that are still in the project.

        The others are forgotten: they are deleted, or in another project, which sends them. Those of which that is not
        known stay, with a warning. Raises a TrackerError.
        """
        here: set[int] = set()
        unproven: set[int] = set()
        silenced: set[int] = set()
        unknown: dict[int, str] = {}
        places: dict[int, Whereabouts] = {}
        for detection in self._detections:
            kind = detection.stream.deleted_kind
            for row_id in detection.row_digests.unseen() if detection.row_digests else ():
                if self._changes and (kind, row_id) in self._changes.deleted:
                    continue
                place = self._place_of(row_id, places)
                if isinstance(place, Unknown):
                    unknown[row_id] = place.reason
                elif isinstance(place, Gone):
                    if self._is_silent(detection, row_id):
                        silenced.add(row_id)
                    elif self._is_gone(detection, row_id):
                        self._forget(detection, row_id, is_gone=True)
                    else:
                        unproven.add(row_id)
                elif place.project_id != self._walk.partition.project_id:
                    is_elsewhere = place.project_id in self._context.replicated_projects
                    self._forget(detection, row_id, is_gone=not is_elsewhere)
                elif self._lists(place):
                    here.add(row_id)
                else:
                    self._forget(detection, row_id, is_gone=True)
        self._warn_of(unproven)
        self._warn_of_silence(silenced)
        _warn_of_unknown(self._walk.partition.project_id, unknown)
        return here if self._walk.endpoint.lookup_by_id else set()

    def _was_sent_before(self, detection: Detection, deletion: Deletion) -> bool:
        digests = detection.row_digests
        if not deletion.moved_away or digests is None or deletion.id in digests or self._changes is None:
            return False
        return moment(deletion.at).timestamp() <= self._changes.since

    def _lists(self, story: Found) -> bool:
        return self._walk.endpoint.lookup_by_id or story.story_type == "release"

    def _place_of(self, row_id: int, places: dict[int, Whereabouts]) -> Whereabouts:
        """Where a row is that is in the list no more; `places` are those that were found before."""
        # A list that comes in one answer cannot have lost a row on the way.
        if self._walk.endpoint.page_size is None:
            return Gone()
        if row_id not in places:
            places[row_id] = find_story(self._context, row_id)
        return places[row_id]

    def _is_silent(self, detection: Detection, row_id: int) -> bool:
        """Whether a list that comes in one answer shows nothing at all, and nobody says that this row of it is gone.

        For a stream of parts the activity tells it of the row that they are in.
        """
        is_told = self._changes is not None and (self._walk.endpoint.activity_kind, row_id) in self._changes.deleted
        saw_nothing = detection.row_digests is not None and detection.row_digests.has_seen_none
        is_one_answer = self._walk.endpoint.page_size is None
        return is_one_answer and saw_nothing and not is_told and self._context.client.completeness.may_fall_silent

    def _is_gone(self, detection: Detection, row_id: int) -> bool:
        """Whether the source proves that a row that it does not show was deleted."""
        kind = self._walk.endpoint.activity_kind or detection.stream.deleted_kind
        digests = detection.row_digests
        cursor = digests.cursor_of(row_id) if digests else None
        return self._context.client.completeness.is_gone(self._walk.partition.parent_id or 0, kind, cursor)

    def _forget(self, detection: Detection, row_id: int, *, is_gone: bool) -> None:
        """Take a missing row out of the digests, and note its tombstone if it is gone.

        When it went is not known. Its tombstone has the cursor that the row had: a row that comes back as it was, as
        from an older export, would be older than any other, and the destination would not take it.
        """
        digests, stream = detection.row_digests, detection.stream
        cursor = digests.cursor_of(row_id) if digests else None
        if digests:
            digests.forget(row_id)
        if not is_gone or stream.part or detection.member.full_refresh:
            return
        now = iso(datetime.now(UTC))
        tombstone = stream.tombstone(Deletion(stream.deleted_kind, row_id, now), self._walk.partition)
        if tombstone:
            tombstone.pop(str(stream.cursor_field))
            dated = {str(stream.cursor_field): cursor} if cursor else {}
            self._of_missing.setdefault(stream.name, {})[row_id] = tombstone | dated

    def _warn_of(self, unproven: Collection[int]) -> None:
        if unproven:
            logger.warning(
                "Project %s: %d rows of the list of %s that were sent before are in no export any more. They stay, "
                "because no newer export proves to be all of the project",
                self._walk.partition.parent_id,
                len(unproven),
                self._list,
            )

    def _warn_of_silence(self, silenced: Collection[int]) -> None:
        if silenced:
            logger.warning(
                "Project %s: the list of %s is empty, and the activity does not say that its %d rows that were sent "
                "before were deleted. They stay, because the server may be at fault. If they are gone, refresh the "
                "streams of %s",
                self._walk.partition.parent_id,
                self._list,
                len(silenced),
                self._list,
            )

    @property
    def _list(self) -> str:
        """What is in the list, in words."""
        return self._walk.path.rpartition("/")[2].replace("_", " ")


def _warn_of_unknown(project_id: int | None, unknown: Mapping[int, str]) -> None:
    """Say which stories stay because the server does not say where they are."""
    if not unknown:
        return
    named = ", ".join(map(str, sorted(unknown)[:MOST_STORIES]))
    logger.warning(
        "Project %s: the rows of %d stories that are not in it any more stay (%s), because the server does not say "
        "whether they are gone (%s). Refresh the streams of stories once it does",
        project_id,
        len(unknown),
        named if len(unknown) <= MOST_STORIES else f"{named}, …",
        next(iter(unknown.values())),
    )
