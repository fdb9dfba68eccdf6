"""Starts what a checkout and an image hold: the connector (`python main.py spec`), or the server (`… serve FILE`)."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in ("serve", "inspect", "export", "sample"):
        from tracker_server.__main__ import main

        sys.exit(main())

    from source_pivotal_tracker.run import run

    run()
