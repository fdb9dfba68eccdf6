"""What was found at a place: exports, the files of stories, and what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, NamedTuple

from tracker_server.exports.errors import Failure
from tracker_server.world import StoredFile

Path = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A CSV of stories: its name in messages, and the project and time that the names of files and folders say.

    `folder` is where it lies, `copy` what its name has because another file had that name. `origins` are the names by
    which an unreadable file may belong to the same project (see `slug`): that of the project and those of the ZIPs
    around.
    """

    label: str
    project: str
    stamp: datetime | None
    open: Callable[[], IO[bytes]]
    folder: Path = ()
    copy: str = ""
    origins: frozenset[str] = frozenset()


@dataclass(frozen=True)
class HistoryTable:
    """A CSV with the history of a project: its name in messages, and the `slug` of the project that its name says.

    Without `is_of_one` there are exports of several projects beside it, and any line may be about any of them.
    """

    label: str
    project: str
    open: Callable[[], IO[bytes]]
    is_of_one: bool = True


class Attachment(NamedTuple):
    """A file in the folder of a story or an epic.

    `checksum` changes with its bytes. `archive` is the ZIP that it lies in, `member` its path there; a file outside of
    ZIPs has the folder that the user named and its path below that.
    """

    owner_id: int
    label: str
    checksum: int
    file: StoredFile
    archive: str
    member: str


@dataclass
class Layout:
    """What lies at a place.

    `attachments` are the files of stories, by the labels of all tables beside their folder and above it; by `()` where
    there are none. `histories` are those of projects, each with the labels of the tables beside it, or else above.
    `failures` are the files that cannot be read.
    """

    tables: list[Table] = field(default_factory=list)
    attachments: dict[tuple[str, ...], list[Attachment]] = field(default_factory=dict)
    histories: list[tuple[HistoryTable, frozenset[str]]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
