"""The list of files that could not be copied, which the next sync tries again."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from source_pivotal_tracker.attachments.file_store import FileStore
from source_pivotal_tracker.streams.rows import Row

logger = logging.getLogger("airbyte.tracker")

FOLDER = "missing/"
UNKNOWN = "unknown"
"""What stands for the size of a file whose row has none."""
_NAME = re.compile(r"(-?\d+)_(story|epic)_(-?\d+)_(-?\d+)_((-?\d+)-(?:-?\d+|unknown))", re.ASCII)


def identity_of(row: Row) -> str:
    """What tells a file from all others; one of another size is another, whatever its id."""
    size = row.get("size")
    return f"{int(row['id'])}-{size if isinstance(size, int) else UNKNOWN}"


class MissingFile(NamedTuple):
    """A file that could not be had: what it is, and the comment that it hangs on."""

    project_id: int
    owner_kind: str
    """`story` or `epic`."""
    owner_id: int
    comment_id: int
    id: int
    identity: str

    @classmethod
    def of(cls, row: Row) -> MissingFile:
        kind = "story" if row.get("story_id") else "epic"
        places = (_number(row.get(name)) for name in ("project_id", f"{kind}_id", "comment_id"))
        project_id, owner_id, comment_id = places
        return cls(project_id, kind, owner_id, comment_id, int(row["id"]), identity_of(row))

    @classmethod
    def named(cls, name: str) -> MissingFile | None:
        """The file of an entry, None for what is no entry of ours."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        project_id, kind, owner_id, comment_id, identity, file_id = found.groups()
        return cls(int(project_id), kind, int(owner_id), int(comment_id), int(file_id), identity)

    @property
    def key(self) -> str:
        """The key of its entry. Its parts lead to the file on the server, whatever becomes of the content."""
        return f"{FOLDER}{self.project_id}_{self.owner_kind}_{self.owner_id}_{self.comment_id}_{self.identity}"

    @property
    def ids(self) -> Row:
        """What its entry's name says of its row."""
        ids = {"project_id": self.project_id, f"{self.owner_kind}_id": self.owner_id, "comment_id": self.comment_id}
        return {"id": self.id, **{name: value for name, value in ids.items() if value}}


class MissingFiles:
    """The entries of `missing/`, each with the row of its file. Raises OSError where the store fails."""

    def __init__(self, store: FileStore) -> None:
        self._store = store
        found = (MissingFile.named(key.removeprefix(FOLDER)) for key, _ in store.sizes(FOLDER))
        self._there = set(filter(None, found))
        self._before = sorted(self._there)
        self._now: set[MissingFile] = set()
        self._has_warned = False

    def of_earlier_syncs(self) -> Iterator[MissingFile]:
        """Those that this sync has neither noted nor forgotten so far."""
        return (file for file in self._before if file in self._there and file not in self._now)

    def note(self, row: Row) -> None:
        """Keep the row for the next sync; a newer one takes the place of an older one, whose address may be void."""
        try:
            content = orjson.dumps(row)
        except orjson.JSONEncodeError:
            return  # then nobody can write the row itself either, and the sync says so
        file = MissingFile.of(row)
        self._store.put(file.key, io.BytesIO(content))
        self._there.add(file)
        self._now.add(file)

    def row_of(self, file: MissingFile) -> Row | None:
        """The row of an entry, or what is left of it; None if another sync has removed the entry."""
        content = self._store.get(file.key)
        if content is None:
            return None
        try:
            row = orjson.loads(content)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            logger.warning("%s holds no row; the file is asked for by its comment", file.key)
            row = {}
        return {"story_id": None, "epic_id": None, **row, **file.ids}

    def forget(self, file: MissingFile) -> None:
        """Remove an entry, if there is one. Where it stays, nothing is lost: the next sync looks at it again."""
        if file not in self._there:
            return
        self._there.discard(file)
        try:
            self._store.delete(file.key)
        except OSError as error:
            if not self._has_warned:
                logger.warning("%s cannot be deleted: %s", file.key, error)
            self._has_warned = True


def _number(value: object) -> int:
    """An id as it is, and 0 for what is none."""
    return value if type(value) is int else 0
