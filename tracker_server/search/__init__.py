"""Search over the stories and epics of a world, in Tracker's own search language."""
