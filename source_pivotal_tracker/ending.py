"""How the program ends when a signal asks it to."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from source_pivotal_tracker.stdout import Stdout

SIGNALS = (signal.SIGTERM, signal.SIGINT)
SECONDS_TO_WRITE = 0.45
"""How long a write may wait for a reader that reads nothing."""
SECONDS_TO_STOP = 4.0
"""How long it may take until there is something to write."""
TICK = 0.025


class Ending:
    """Ends the program at its first SIGTERM or SIGINT, as if by that signal; further ones change nothing.

    If there are states to write, it ends after them. A slow reader gets them all, and one that reads nothing does not
    hold up the end.
    """

    def __init__(self) -> None:
        self._stdout: Stdout | None = None
        self._asked_by: int | None = None
        self._stop: Callable[[], None] | None = None
        self._progress: tuple[int, ...] = ()
        self._looks = 0

    def listen(self, stdout: Stdout) -> None:
        """Heed the signals from now on; `stdout` is where the last states go."""
        self._stdout = stdout
        for number in SIGNALS:
            # A shell lets what it starts in the background ignore SIGINT, and means it.
            if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._asked)

    def begin(self, stop: Callable[[], None]) -> None:
        """From now on there are states to write: a signal calls `stop`, and `end` is for the caller to call."""
        self._stop = stop

    def end(self) -> None:
        """Die of the signal that has asked for it, if one has."""
        if self._asked_by is not None:
            _die_of(self._asked_by)

    def _asked(self, number: int, _: object) -> None:
        if self._asked_by is not None:
            return
        self._asked_by = number
        if self._stop is None:
            self.end()
        else:
            self._stop()
            # A signal makes a write that has written something return, so the alarm shows whether it goes on.
            signal.signal(signal.SIGALRM, self._look)
            signal.setitimer(signal.ITIMER_REAL, TICK, TICK)

    def _look(self, *_: object) -> None:
        assert self._stdout is not None  # noqa: S101
        progress = self._stdout.progress()
        # Looks are counted, not seconds: where the whole machine stood still, nobody could have read.
        self._looks = self._looks + 1 if progress == self._progress else 0
        self._progress = progress
        if self._looks * TICK > (SECONDS_TO_WRITE if self._stdout.is_waiting else SECONDS_TO_STOP):
            self.end()


def _die_of(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # Only the first process of a container outlives that.
    os._exit(128 + number)
