"""A read-only Tracker v5 server: sample data, edits, and exports of Pivotal Tracker."""
