"""What `tracker-server` and `python -m tracker_server` start: the command line, which SIGINT ends quietly."""

from __future__ import annotations

import signal
import sys


def main(argv: list[str] | None = None) -> int:
    """As `command_line.main`; imported here, because that takes a while, in which a SIGINT would show a trace."""
    if argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tracker_server import command_line

    return command_line.main(argv)


if __name__ == "__main__":
    sys.exit(main())
