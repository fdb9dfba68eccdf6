"""Brings the rows that slipped past a walk while people edited the list."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from source_pivotal_tracker.api.errors import IncompleteError
from source_pivotal_tracker.streams.list_client import MOST_IDS, ListClient
from source_pivotal_tracker.streams.pages import Answer, Params
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.list_revisions import ListRevisions
from source_pivotal_tracker.sync.sent_rows import SentRows
from source_pivotal_tracker.sync.walks import Walk

logger = logging.getLogger("airbyte.tracker")

MOST_WALKS = 4
"""How often a list that does not stand still is walked: once, and three times again."""


class Recovery:
    """Finds the rows of a walk that have not come.

    Whoever iterates adds each answer to `sent` and `revisions` before the next one: what comes next depends on it.
    All methods raise a TrackerError.
    """

    def __init__(
        self,
        list_client: ListClient,
        walk: Walk,
        detections: Sequence[Detection],
        sent: SentRows,
        revisions: ListRevisions,
    ) -> None:
        self._list = list_client
        self._walk = walk
        self._detections = detections
        self._digests = [detection.row_digests for detection in detections if detection.row_digests is not None]
        self._sent = sent
        self._revisions = revisions
        self.kept_changing = False
        """Whether the list never stood still, so that rows may be missing until the next sync."""

    def by_id(self, ids: Sequence[int]) -> Iterator[Answer]:
        """These stories, as far as they are still there."""
        for start in range(0, len(ids), MOST_IDS):
            some = ids[start : start + MOST_IDS]
            yield from self._list.bulk(some)
            yield from self._list.singly(self._sent.without(some))

    def missed(self, params: Params, *, is_whole_list: bool) -> Iterator[Answer]:
        """The rows that slipped from a page to the one before it: by their ids, or by reading the list again."""
        if self._revisions.is_resumed:
            for detection in self._detections:
                detection.trusts_earlier_run = True
        ids = self._unsent_ids() if is_whole_list else None
        if ids is not None:
            yield from self.by_id(ids)
            return
        found = 0
        for _ in range(MOST_WALKS - 1):
            revisions, found = set(), 0
            for answer in self._list.pages(params):
                unsent = self._sent.unsent(answer)
                revisions.add(answer.revision)
                found += sum(
                    not self._revisions.is_late(row) and not self._is_known(row.get("id")) for row in unsent.rows
                )
                yield unsent
            stood_still = None not in revisions and not self._sent.has_repeats
            if len(revisions) == 1 and (stood_still or not found):
                return
        ids = self._unsent_ids()
        if ids is not None:
            yield from self.by_id(ids)
        elif found:
            self._give_up()

    def _give_up(self) -> None:
        self.kept_changing = True
        walk = self._walk
        comes_again = walk.endpoint.since is None or walk.compares_content
        if not comes_again or any(member.full_refresh for member in walk.members):
            reason = f"the list kept changing while it was read {MOST_WALKS} times"
            raise IncompleteError(reason, path=walk.path)
        logger.warning(
            "/%s kept changing while it was read %d times: rows of %s may be missing until the next sync, which "
            "reads all of it again",
            walk.path,
            MOST_WALKS,
            walk.names,
        )

    def _unsent_ids(self) -> list[int] | None:
        """The stories that have not come; None if the list is of others, or the server does not show their ids."""
        listed = self._list.story_ids() if self._walk.endpoint.lookup_by_id else None
        if listed is None:
            return None
        for digests in self._digests:
            for row_id in listed:
                digests.see(row_id)
        return [row_id for row_id in listed if row_id not in self._sent and not self._is_known(row_id)]

    def _is_known(self, row_id: int | None) -> bool:
        """Whether an earlier run, which this one goes on from, has sent the row to all members."""
        if row_id is None or not self._revisions.is_resumed or len(self._digests) < len(self._detections):
            return False
        return all(row_id in digests for digests in self._digests)
