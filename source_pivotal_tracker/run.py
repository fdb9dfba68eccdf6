"""What the console script starts: the command line, ended quietly by a signal from the first moment on."""

from __future__ import annotations

import signal


def run(args: list[str] | None = None) -> None:
    """Run one verb, as `command_line.run` does; imported here, because that takes a second.

    A SIGINT in that second would show a trace, where Python has its own handler for it.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from source_pivotal_tracker import command_line

    command_line.run(args)
