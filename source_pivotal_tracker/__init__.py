"""An Airbyte source that replicates everything a Tracker v5 API can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from source_pivotal_tracker.source import SourcePivotalTracker

__all__ = ["SourcePivotalTracker"]


def __getattr__(name: str) -> object:
    """The source is imported when somebody asks for it: `run` has something to do before."""
    if name in __all__:
        from source_pivotal_tracker import source

        return getattr(source, name)
    raise AttributeError(name)
