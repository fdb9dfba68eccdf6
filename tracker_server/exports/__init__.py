"""Export archives of Pivotal Tracker: read into a world that the server can serve, inspected, and written."""

from tracker_server.exports.errors import ExportError, Failure, Finding, ProjectIdError
from tracker_server.exports.exports_world import MOST_IN_MEMORY, ExportReport, inspect, read_exports
from tracker_server.exports.project_reader import Summary
from tracker_server.exports.sources import Source, require_exports, sources_at
from tracker_server.exports.unavailable import UNAVAILABLE_PERSON
from tracker_server.exports.writing import OF_BACKUP, OF_SAMPLE, ExportWriter, write_export

__all__ = [
    "MOST_IN_MEMORY",
    "OF_BACKUP",
    "OF_SAMPLE",
    "UNAVAILABLE_PERSON",
    "ExportError",
    "ExportReport",
    "ExportWriter",
    "Failure",
    "Finding",
    "ProjectIdError",
    "Source",
    "Summary",
    "inspect",
    "read_exports",
    "require_exports",
    "sources_at",
    "write_export",
]
