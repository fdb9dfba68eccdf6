"""What the arguments of the command line may be."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """The type of an argument that is a number between these two."""

    def number(text: str) -> int:
        if not lowest <= int(text) <= highest:
            raise argparse.ArgumentTypeError(f"{text} is not between {lowest} and {highest}")
        return int(text)

    return number


port = whole_number(0, 65_535)
projects = whole_number(1, 1_000)
kept = whole_number(1, 100_000_000)
stories = whole_number(1, 100_000)
