"""The world that the exports at a place make, and the report of what was understood of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tracker_server.exports.errors import ExportError, Failure, Finding, Report
from tracker_server.exports.ids import hashed_id
from tracker_server.exports.iterations import CLOSED
from tracker_server.exports.names import natural_sort_key
from tracker_server.exports.place_reader import PlaceReader, ReadProject
from tracker_server.exports.project import by_owner
from tracker_server.exports.project_cache import ProjectCache
from tracker_server.exports.project_reader import Summary
from tracker_server.exports.sources import Source
from tracker_server.exports.unavailable import UNAVAILABLE_ATTRIBUTES, UNAVAILABLE_ENDPOINTS
from tracker_server.world import Row, StoredFile, World

MOST_IN_MEMORY = 40_000
"""Stories. With its parts, one takes about 5 kB of memory."""
MOST_FINDINGS = 1_000
"""How many of them a report keeps."""
ANONYMOUS: Row = {"kind": "person", "id": hashed_id("reader"), "name": "Reader of the export"}
"""The made-up person as whom everybody reads."""


@dataclass
class ExportReport:
    """The projects that are served, the files that cannot be read, and what was not understood.

    `findings` are the first MOST_FINDINGS of `finding_count`.
    """

    served: list[Summary] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    finding_count: int = 0

    def find(self, finding: Finding) -> None:
        self.finding_count += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding)


def read_exports(
    sources: Iterable[Source],
    ids: Mapping[str, int] | None = None,
    most_in_memory: int = MOST_IN_MEMORY,
    *,
    links: bool = True,
) -> tuple[World, ExportReport]:
    """The world in the exports. Raises ExportError if none can be read, or if `ids` do not fit.

    `ids` has ids of projects by name; the others get one that is derived from the name. Several exports of one project
    are merged row by row (see `merging`). The projects that an unreadable file may belong to are not in the world, and
    the report says why. Without `links`, files have the place where they lie in place of an address.

    At most `most_in_memory` stories are in memory at a time, or those of the one largest project. Sources are opened
    again later, for projects that are not in memory and for files. So they must not change: a request for a project
    that has changed is answered with an error.
    """
    report = ExportReport()
    cache = ProjectCache(most_in_memory)
    read = PlaceReader(report.find, cache, links=links).read(sources, ids or {})
    report.failures = read.failures
    if not read.projects:
        raise ExportError(_why_nothing(report.failures))
    report.served = sorted((project.summary for project in read.projects), key=lambda summary: summary.name.casefold())
    return _world(read.projects), report


def inspect(sources: Iterable[Source], report: Report) -> Iterator[Summary | ExportError]:
    """What is understood of each project, or why a file cannot be read. Nothing of the rows is kept.

    `report` receives what is not understood while the exports are read.
    """
    read = PlaceReader(report, None).read(sources, {})
    found: list[tuple[str, Summary | ExportError]] = [
        *((failure.file, ExportError(failure.words)) for failure in read.failures),
        *((project.summary.files[0], project.summary) for project in read.projects),
    ]
    yield from (outcome for _, outcome in sorted(found, key=lambda pair: natural_sort_key(pair[0])))
    if not read.projects and not read.failures:
        yield ExportError(_why_nothing(()))


def _why_nothing(failures: Sequence[Failure]) -> str:
    words = " ".join(failure.words for failure in failures[:3])
    more = f" And {len(failures) - 3:,} more." if len(failures) > 3 else ""
    return f"{words}{more}" or "There is no Tracker export: no CSV with stories in it."


def _world(oldest_first: Collection[ReadProject]) -> World:
    anonymous_id = int(ANONYMOUS["id"])
    names = {name for read in oldest_first for name in read.summary.people}
    people = {hashed_id("person", name): name for name in sorted(names)}
    projects = [read.project for read in oldest_first if read.project]
    return World(
        now=max((read.summary.as_of for read in oldest_first), default=CLOSED),
        projects={project.id: project for project in projects},
        people={
            anonymous_id: dict(ANONYMOUS),
            **{person_id: {"kind": "person", "id": person_id, "name": name} for person_id, name in people.items()},
        },
        files=dict(_files(oldest_first)),
        unavailable_endpoints=UNAVAILABLE_ENDPOINTS,
        unavailable_attributes=UNAVAILABLE_ATTRIBUTES,
        anonymous_person_id=anonymous_id,
    )


def _files(all_read: Iterable[ReadProject]) -> Iterator[tuple[int, StoredFile]]:
    for read in all_read:
        for owned in by_owner(read.attachments).values():
            yield from ((file_id, attachment.file) for file_id, attachment in owned)
