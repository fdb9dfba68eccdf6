"""An Airbyte source that replicates everything a Tracker v5 API can tell."""
