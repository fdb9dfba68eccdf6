"""How a stream finds out what changed in a list since it was last read: one class a mode."""

from __future__ import annotations

import logging
from datetime import timedelta

from source_pivotal_tracker.sync.changes import Changes
from source_pivotal_tracker.sync.detection.base import Detection
from source_pivotal_tracker.sync.detection.by_activity import ByActivity
from source_pivotal_tracker.sync.detection.by_list_digest import ByListDigest
from source_pivotal_tracker.sync.detection.by_row_digests import ByRowDigests
from source_pivotal_tracker.sync.detection.by_time import ByTime
from source_pivotal_tracker.sync.detection.full import FullRead, Reread
from source_pivotal_tracker.sync.walks import DetectionMode, Member, Walk

logger = logging.getLogger("airbyte.tracker")

DETECTIONS: dict[DetectionMode, type[Detection]] = {
    DetectionMode.FULL: FullRead,
    DetectionMode.REREAD: Reread,
    DetectionMode.BY_TIME: ByTime,
    DetectionMode.BY_ACTIVITY: ByActivity,
    DetectionMode.BY_LIST_DIGEST: ByListDigest,
    DetectionMode.BY_ROW_DIGESTS: ByRowDigests,
}


def detection_of(member: Member, walk: Walk, changes: Changes | None, lookback: timedelta) -> Detection:
    """The mode that the plan has picked; REREAD in place of BY_ACTIVITY if the activity leaves out some changes.

    `changes` are those of the project, None if nobody looked for them or they could not be read.
    """
    mode = member.detection
    if mode is DetectionMode.BY_ACTIVITY and not (changes and changes.covers(member.stream.part)):
        logger.debug(
            "%s of %s: %s in place of %s", member.stream.name, walk.parent, DetectionMode.REREAD.value, mode.value
        )
        mode = DetectionMode.REREAD
    return DETECTIONS[mode](member, walk, changes, lookback)
