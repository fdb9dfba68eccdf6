"""An Airbyte source that replicates everything a Tracker v5 API can tell."""

from source_pivotal_tracker.source import SourcePivotalTracker

__all__ = ["SourcePivotalTracker"]
