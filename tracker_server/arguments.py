"""Types of command line arguments."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """The type of an argument that is a number between these two."""

    def number(text: str) -> int:
        if not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest} and {highest}")
        return int(text)

    return number


HOST = os.environ.get("TRACKER_SERVER_HOST", "127.0.0.1")
"""Every address in a container; elsewhere only this machine."""

port = whole_number(0, 65_535)
projects = whole_number(1, 1_000)
stories_in_memory = whole_number(1, 100_000_000)
stories = whole_number(1, 100_000)
