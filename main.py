"""Starts what a checkout and an image hold: the connector (`python main.py spec`), or the server (`… serve FILE`)."""

import os
import signal
import sys

if __name__ == "__main__":
    # The first process of a container is not ended by a signal that it does not handle; imports take a second.
    if os.getpid() == 1:
        for asked in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked, lambda number, _: os._exit(128 + number))
    if sys.argv[1:] and sys.argv[1] in ("serve", "site", "inspect", "export", "convert", "backup", "sample"):
        from tracker_server.__main__ import main

        sys.exit(main())

    from source_pivotal_tracker.run import run

    run()
