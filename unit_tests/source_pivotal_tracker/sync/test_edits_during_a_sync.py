"""A replica is right although people edit while it is read: seeded schedules of edits before chosen requests."""

from __future__ import annotations

import os
import random
import re

from tracker_server.api.call import Caps
from tracker_server.app import TrackerServer
from tracker_server.http_message import Request
from tracker_server.sample import make_world
from unit_tests.editor import Editor
from unit_tests.modes import Mode, by_mode
from unit_tests.replica import Replica
from unit_tests.syncs import Sync, config_for

SCHEDULES = int(os.environ.get("SCHEDULES", "2"))
OF_ONE_ROW = re.compile(r"/(stories|epics)/[0-9]+(/|$)")
SMALL_PAGES = Caps(stories=7, releases=3, iterations=4, activity=25, transitions=9)


class Schedule:
    """Edits before some of the requests of a sync, until it is told to stop."""

    def __init__(self, seed: int) -> None:
        self.world = make_world(projects=3, stories=25, seed=seed % 5)
        self._editor = Editor(self.world, seed, sweeping=seed % 3 == 0)
        self._random = random.Random(seed)  # noqa: S311
        self._chance = self._random.choice((0.05, 0.2, 0.5))
        self.is_over = False

    def before(self, request: Request) -> None:
        # Where each story takes requests of its own, a team would have to be very fast to edit before every second one.
        chance = self._chance / 10 if OF_ONE_ROW.search(request.path) else self._chance
        if not self.is_over and self._random.random() < chance:
            self._editor.edit(self._random.choice((1, 1, 2, 6)))

    def edit(self, times: int) -> None:
        self._editor.edit(times)


@by_mode("seed", lambda mode: range(mode.fewer(SCHEDULES)))
def test_the_replica_equals_the_server_after_one_more_sync(seed: int, mode: Mode) -> None:
    # Cycle times want every story in every sync: without them, the stories are asked for by what changed.
    streams = [name for name in mode.known() if seed % 4 == 0 or name != "story_cycle_times"]
    schedule = Schedule(seed)
    with TrackerServer(schedule.world, before=schedule.before, caps=SMALL_PAGES, dialect=mode.dialect) as server:
        config = config_for(server)
        first = Sync(config, streams, incremental=True)
        if seed % 2:
            schedule.edit(20)
        second = Sync(config, streams, incremental=True, state=first.state)
        schedule.is_over = True
        third = Sync(config, streams, incremental=True, state=second.state)
        whole = Sync(config, streams)
    assert [sync.failure for sync in (first, second, third)] == [None] * 3
    assert Replica(first, second, third).differences(Replica(whole)) == []
