"""Starts what a checkout and an image hold: the connector (`python main.py spec`), or the server (`… serve`)."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        from tracker_server.__main__ import main

        sys.exit(main(sys.argv[2:]))

    from source_pivotal_tracker.run import run

    run()
