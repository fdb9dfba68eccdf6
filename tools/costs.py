"""What a sync of a stream asks the server for, as the planner plans it: the request-cost table of the documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Endpoint, ParentKind
from source_pivotal_tracker.streams.parents import ProjectRef
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.stories import STORIES
from source_pivotal_tracker.sync.checkpoints import Checkpoint, StateKey
from source_pivotal_tracker.sync.plan import Plan, Selected, plan
from source_pivotal_tracker.sync.state import StreamState
from source_pivotal_tracker.sync.walks import Walk

ACCOUNT = 1
PROJECT = ProjectRef(id=1, revision=Revision(2), first_day="2024-01-31")
CURSOR = "2024-01-31T00:00:00Z"


class Asked(NamedTuple):
    """The requests for one list: one for every `page_size` of its rows, and one at least; without a size, one."""

    path: str
    rows: str
    page_size: int | None

    def __str__(self) -> str:
        return "1" if self.page_size is None else f"1 for every {self.page_size:,} {self.rows}"

    def requests(self, rows: int) -> int:
        """How many requests that many rows take."""
        return 1 if self.page_size is None else max(1, -(-rows // self.page_size))


class Cost(NamedTuple):
    """What is asked for a stream that is read alone: at first, and later where a project did not change or did.

    Left out is what streams share: the list of projects or accounts, and the activity of a project that changed.
    """

    first: tuple[Asked, ...]
    unchanged: tuple[Asked, ...]
    changed: tuple[Asked, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(asked.path for asked in self.first))


def cost(stream: TrackerStream) -> Cost:
    """The cost of one project, of one account, or of the server, as the paths of the stream have it."""
    return Cost(*(tuple(_asked(stream, revision)) for revision in (None, PROJECT.revision, Revision(1))))


def words(asked: tuple[Asked, ...]) -> str:
    """`1 for every 500 stories, 1 for the epics`; `0` where nothing is asked for."""
    if len(asked) == 1:
        return str(asked[0])
    return (
        ", ".join(f"1 for the {request.rows}" if request.page_size is None else str(request) for request in asked)
        or "0"
    )


def planned(stream: TrackerStream, revision: Revision | None) -> Plan:
    """The plan for a stream alone, of which the destination has this version of the project; None: nothing yet."""
    endpoints = [endpoint.name for endpoint in stream.endpoints]
    known = StreamState(stream.name, endpoints, full_refresh=not stream.cursor_field, given={})
    if revision is not None and stream.cursor_field:
        for endpoint in stream.endpoints:
            known.put(
                _state_key(endpoint), Checkpoint(revision if endpoint.parent is ParentKind.PROJECT else None, CURSOR)
            )
    return plan([Selected(stream, known)], [PROJECT], [ACCOUNT])


def _asked(stream: TrackerStream, revision: Revision | None) -> Iterator[Asked]:
    for walk in planned(stream, revision).walks():
        if not walk.members:
            continue
        endpoint, rows = walk.endpoint, _rows(walk.endpoint)
        is_narrow = endpoint.since is not None and all(member.has_base for member in walk.members)
        yield Asked(endpoint.path, f"newer {rows}" if is_narrow else rows, endpoint.page_size)
        if is_narrow and _serves_some(walk):
            for kind in stream.also_list.values():
                yield Asked(endpoint.path, f"{kind}s", endpoint.page_size)


def _serves_some(walk: Walk) -> bool:
    """Whether a list of stories leaves out what did not change: only then are the followers asked for besides."""
    return walk.endpoint == STORIES and walk.changes_since is not None


def _rows(endpoint: Endpoint) -> str:
    return {"activity": "commands"}.get(endpoint.name, endpoint.name.replace("_", " "))


def _state_key(endpoint: Endpoint) -> StateKey:
    ids = {ParentKind.PROJECT: PROJECT.id, ParentKind.ACCOUNT: ACCOUNT, None: None}
    return StateKey(endpoint.name, ids[endpoint.parent])
