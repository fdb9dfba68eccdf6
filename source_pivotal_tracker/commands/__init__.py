"""Commands that `tracker-server` has where the connector is installed: what needs the connector's rows."""
