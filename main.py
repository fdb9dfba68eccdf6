"""Starts the connector from a checkout or an image: `python main.py spec`."""

from source_pivotal_tracker.run import run

if __name__ == "__main__":
    run()
