"""Reads one list of the API to its end, so that nothing is lost while people edit what is being read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, compress

from source_pivotal_tracker.api.dialect.capabilities import ignores_updated_after
from source_pivotal_tracker.api.errors import TrackerError
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.list_client import ListClient
from source_pivotal_tracker.streams.pages import Answer, Params
from source_pivotal_tracker.streams.rows import Row
from source_pivotal_tracker.streams.times import iso
from source_pivotal_tracker.sync.changes import Changes, refuse_unordered
from source_pivotal_tracker.sync.checkpoints import Checkpoint, ResumePoint
from source_pivotal_tracker.sync.context import SyncContext
from source_pivotal_tracker.sync.deletions import Deletions
from source_pivotal_tracker.sync.detection import detection_of
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.list_revisions import ListRevisions
from source_pivotal_tracker.sync.newest_first import FROM_THE_START, NewestFirst
from source_pivotal_tracker.sync.recovery import Recovery
from source_pivotal_tracker.sync.row_digests import refuse_other_ids
from source_pivotal_tracker.sync.sent_rows import SentRows
from source_pivotal_tracker.sync.walks import DetectionMode, Walk


@dataclass
class Page:
    """What a walk brings at a time, and the checkpoints that hold once the records are written.

    Records, checkpoints and the number of `tombstones` among the records are by stream. `rows` is how many rows of the
    list came, of the `total` that the server announces, in an answer of `size` bytes. `requests` is what was asked
    since the last page.
    """

    records: dict[str, list[Row]] = field(default_factory=dict)
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)
    rows: int = 0
    total: int | None = None
    size: int = 0
    tombstones: dict[str, int] = field(default_factory=dict)
    requests: int = 0


class WalkReader:
    """Reads one walk. `changes` are those of its project, None if nobody looked for them or they could not be read.

    After the last page, each stream of the walk has had every row that was in the list when the walk began and that
    it lacked. A row may come twice. A row that is left out and claimed by a checkpoint would be lost.
    """

    def __init__(self, context: SyncContext, walk: Walk, changes: Changes | None, lookback: timedelta) -> None:
        self._context = context
        self._walk = walk
        self._changes = changes
        self._lookback = lookback
        self._detections = [detection_of(member, walk, changes, lookback) for member in walk.members]
        self._sent = SentRows(walk)
        self._revisions = ListRevisions(walk, changes)
        # Without a way back to this object, which would keep all of it until somebody looks for cycles.
        streams = [member.stream for member in walk.members]
        wanting = partial(_wanting, self._detections, self._sent)
        self.list = ListClient(context, walk.partition, streams, wanting, partial(_check_rows, walk))
        self._newest_first = NewestFirst(walk, self.list, context.forecast)
        self._recovery = Recovery(self.list, walk, self._detections, self._sent, self._revisions)
        self._deletions = Deletions(context, walk, changes, self._detections)
        self._began = iso(datetime.now(UTC))
        self._newest: str | None = None
        self._since: str | None = None
        self._requests_counted = 0

    def pages(self) -> Iterator[Page]:
        """All pages, the last with the checkpoints of a list that is read.

        Raises a TrackerError. What was yielded before it stands.
        """
        params = self._params()
        for answer in self._answers(params):
            if self._is_narrowed and ignores_updated_after(self._since, answer.rows):
                self._context.capabilities.mark_missing("heeds_updated_after")
            yield self.page(answer)
        if self._may_have_missed_rows and not self._is_narrowed:
            yield from self._recovered(self._recovery.missed(params, is_whole_list=self._since is None))
        if self._changes is not None and self._walk.endpoint.lookup_by_id:
            yield from self._recovered(self._recovery.by_id(self._sent.without(self._changes.stories)))
        if self._is_narrowed and self.list.is_selected is not False:
            yield from self._also_listed()
        if self._saw_all:
            yield from self._recovered(self._recovery.by_id(self._sent.without(self._deletions.find_missing())))
        yield self.end(self._changes)

    def page(self, answer: Answer) -> Page:
        """The records in an answer that the members want, and their resume point after it. The answer is let go."""
        completes_rows = self.list.completes_rows
        if completes_rows and self._walk.endpoint.page_size is not None:
            # A row that comes once more has not been completed again.
            answer = self._sent.unsent(answer)
        page = Page(rows=len(answer.rows), total=answer.total, size=answer.size, requests=self._requests())
        self._revisions.add(answer.revision)
        self._sent.add(answer)
        self._note_newest(answer)
        resume_point = self._resume_point_after(answer)
        for detection, records in zip(self._detections, answer.records, strict=True):
            page.records[detection.stream.name] = detection.records_to_emit(
                answer.rows, records, only_changed_are_complete=completes_rows
            )
            if resume_point:
                page.checkpoints[detection.stream.name] = detection.checkpoint_at(resume_point)
        answer.let_go()
        return page

    def end(self, changes: Changes | None) -> Page:
        """The last page: tombstones, and what holds for a list that is read to its end."""
        page = Page(requests=self._requests())
        for detection in self._detections:
            name = detection.stream.name
            page.records[name] = self._deletions.tombstones(detection, changes, self._sent)
            page.tombstones[name] = len(page.records[name])
            # Where nothing is newer than the start that the user chose, the next read still begins there.
            cursor = max(filter(None, (detection.member.checkpoint.cursor, self._newest, self._since)), default=None)
            page.checkpoints[name] = detection.checkpoint_at_end(
                changes, self._revisions.began_at, cursor, saw_all=self._saw_all
            )
        return page

    def _answers(self, params: Params) -> Iterator[Answer]:
        """The pages of the list, from where an earlier run stopped if nothing can have slipped past that."""
        offset: int | None = 0
        resume_point = self._resume_point()
        if resume_point and resume_point.offset:
            known, back = self._known_since(resume_point)
            answer = self.list.page(params, max(0, resume_point.offset - back))
            has_no_version = self._walk.compares_content and answer.revision is None
            if answer.rows and (known is None or answer.revision == known or has_no_version):
                self._newest = resume_point.newest
                self._revisions.is_resumed = True
                offset = answer.following
                yield answer
            else:
                answer.let_go()
        if offset is None:
            return
        if self._walk.compares_content and self._walk.endpoint.lookup_by_id:
            yield from self._newest_first.answers(self.list.listed(params, offset), self._began)
        else:
            yield from self.list.pages(params, offset)

    def _known_since(self, resume_point: ResumePoint) -> tuple[int | None, int]:
        """The version up to which all is known that happened since a resume point, and how far back that moves it.

        What nobody touched keeps its order, and what was touched is fetched by its id: rows that were not read yet have
        come up the list by as many as were touched, at the most. In a list with the newest first they only go down,
        whatever the version: None.
        """
        if self._walk.endpoint.newest_first:
            return None, 0
        changes = self._changes
        if self._walk.endpoint.lookup_by_id and changes and changes.is_whole:
            return changes.revision, changes.touched
        return resume_point.revision, 0

    def _resume_point_after(self, answer: Answer) -> ResumePoint | None:
        """Where another run can go on once the rows of an answer are written, if there is such a place."""
        oldest = self._revisions.oldest
        if answer.following is None:
            return None
        if answer.following == FROM_THE_START:
            return ResumePoint(FROM_THE_START, oldest, self._since, self._up_to_date, self._newest_first.reached)
        if oldest is None or self._may_have_moved:
            return None
        return ResumePoint(answer.following, oldest, self._since, self._newest)

    @property
    def _up_to_date(self) -> str | None:
        """The time from which on the rows that came in this run or in earlier ones may have changed since.

        Those of an earlier run are as they were then, until this run has come by all that has changed since.
        """
        points = [member.checkpoint.resume_point for member in self._walk.members]
        earlier = min((point.newest for point in points if point and point.newest), default=None)
        reached = self._newest_first.reached
        is_past_it = earlier is None or (reached is not None and reached < self._looked_back_from(earlier))
        return self._newest_first.newest if is_past_it else earlier

    def _looked_back_from(self, cursor: str) -> str:
        return min(detection.stream.since_cursor(cursor, self._lookback) for detection in self._detections)

    def _resume_point(self) -> ResumePoint | None:
        """The earliest resume point of the members, if an earlier run read this same list for all of them."""
        points = [member.checkpoint.resume_point for member in self._walk.members if member.checkpoint.resume_point]
        if not points or len(points) < len(self._walk.members):
            return None
        if len({(point.revision, point.since) for point in points}) > 1 or points[0].since != self._since:
            return None
        return min(points, key=lambda point: point.offset)

    def _params(self) -> Params:
        parameter = self._walk.endpoint.since
        values = [detection.since(is_narrowed=self._is_narrowed) for detection in self._detections]
        self._since = None if None in values else min(filter(None, values), default=None)
        return {parameter: self._since} if parameter and self._since else {}

    def _requests(self) -> int:
        """The requests since the last page."""
        before, self._requests_counted = self._requests_counted, self.list.requests
        return self._requests_counted - before

    @property
    def _is_narrowed(self) -> bool:
        """Whether the list may leave out what did not change: every other change is known by its id.

        Activity that never named anything names nothing now: of a project at rest, or of a server that keeps none.
        """
        is_named = self._walk.endpoint.lookup_by_id and self._changes is not None and self._changes.revision > 0
        return is_named and all(detection.needs_changes_only for detection in self._detections)

    @property
    def _saw_all(self) -> bool:
        """Whether no row of the list is left that this walk has not come by."""
        return not (self._is_narrowed or self._recovery.kept_changing)

    @property
    def _may_have_missed_rows(self) -> bool:
        """Whether rows may have slipped past, or what came before the resume point is to be seen once more."""
        return self._may_have_moved or (self._revisions.is_resumed and self._walk.compares_content)

    @property
    def _may_have_moved(self) -> bool:
        """Whether the list changed between the pages, or may have, so that rows may have slipped past.

        Where a row came twice it did, whatever the version: another may not have come at all.
        """
        return (self._revisions.differ or self._sent.has_repeats) and not self._walk.endpoint.append_only

    def _note_newest(self, answer: Answer) -> None:
        """Note the newest cursor. Asked of one member for all: their cursors are that of the rows.

        One in the future is none: what comes until then would seem to be known.
        """
        if answer.following == FROM_THE_START:
            self._newest = max(filter(None, (self._newest, self._newest_first.newest)), default=None)
            return
        if not answer.records:
            return
        rows, records = answer.rows, answer.records[0]
        if rows and "project_version" in rows[0]:
            in_time = [not self._revisions.is_late(row) for row in rows]
            rows, records = list(compress(rows, in_time)), list(compress(records, in_time))
        # Where no version tells, what was edited after a row was read is found by its time alone.
        until = self._began if self._walk.compares_content else iso(datetime.now(UTC))
        newest = self._detections[0].stream.newest(rows, chain.from_iterable(records), until=until)
        self._newest = max(filter(None, (self._newest, newest)), default=None)

    def _recovered(self, answers: Iterable[Answer]) -> Iterator[Page]:
        """Pages without checkpoints: these rows have no place in the list that another run could go on from."""
        return (replace(self.page(answer), checkpoints={}) for answer in answers)

    def _also_listed(self) -> Iterator[Page]:
        """The stories whose attributes change with other stories: no activity names them and no time moves."""
        for member in self._walk.members:
            if member.stream.also_list:
                alone = WalkReader(self._context, replace(self._walk, members=(member,)), None, self._lookback)
                for answer in alone.list.pages(dict(member.stream.also_list)):
                    yield replace(alone.page(self._sent.unsent(answer)), checkpoints={})


def _wanting(detections: Sequence[Detection], sent: SentRows, row: Row) -> Sequence[TrackerStream]:
    """The streams for which the row may bring something new."""
    if row["id"] in sent:
        return ()
    return [detection.stream for detection in detections if detection.may_have_changed(row)]


def _check_rows(walk: Walk, rows: Sequence[Row]) -> None:
    """Raises InvalidResponse for rows whose changes could not be found out."""
    if any(member.detection is DetectionMode.BY_ROW_DIGESTS for member in walk.members):
        refuse_other_ids(rows)
    if walk.finds_changes:
        refuse_unordered(rows, by_time=walk.compares_content)


def explained(walk: Walk, error: TrackerError) -> str:
    """The error in words that name whose data it concerns; the error itself names the path and the cause."""
    names = walk.names or "what changed"
    return f"{names}{f' of {walk.parent}' if walk.parent else ''}: {error}"
