"""Exports of the closed Pivotal Tracker in place of a server: the one package that uses `tracker_server`."""
