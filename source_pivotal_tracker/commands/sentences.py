"""Words that sentences of several commands share."""

from __future__ import annotations

from collections.abc import Sequence


def listed(things: Sequence[object], most: int) -> str:
    """The first of the things with commas between them, at most so many, and how many more there are."""
    more = f" and {len(things) - most:,} more" if len(things) > most else ""
    return f"{', '.join(map(str, things[:most]))}{more}"
