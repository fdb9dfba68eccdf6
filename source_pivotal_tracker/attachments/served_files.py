"""The bytes of the files on a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from source_pivotal_tracker.api.client import TrackerClient
from source_pivotal_tracker.api.errors import GONE, UNROUTED, RetryableError, SkippableError, answer_of
from source_pivotal_tracker.api.fields import DEFAULT, select
from source_pivotal_tracker.attachments.attachments import FILES, FileUnavailable, limited
from source_pivotal_tracker.streams.comments import FileAttachments, with_whole_addresses
from source_pivotal_tracker.streams.endpoints import Endpoint
from source_pivotal_tracker.streams.rows import Row, objects, rows_in

ATTACHMENTS = FileAttachments.attachments
"""The attribute of a comment that holds its files."""
FIELDS = select(DEFAULT, ATTACHMENTS)

ATTEMPTS = 4
"""At one file; the next sync tries again."""
MOST_FAILURES = 5
"""Where so many files in a row failed, the server is out of order: each further one is tried once, until one comes."""


class FilesOfServer:
    """The files of a server, by the addresses in their rows."""

    def __init__(self, client: TrackerClient) -> None:
        self._client = client
        self._failed_in_a_row = 0

    def __call__(self, row: Row, out: IO[bytes], most: int) -> None:
        """As `CopyTo`."""
        url = row.get("download_url")
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise FileUnavailable("the server names no address for it")
        size = row.get("size")

        def begin() -> Callable[[bytes], object]:
            out.seek(0)
            out.truncate()
            return limited(out, most)

        is_out_of_order = self._failed_in_a_row >= MOST_FAILURES
        try:
            self._client.download(
                url, begin, size if isinstance(size, int) else None, attempts=1 if is_out_of_order else ATTEMPTS
            )
        except RetryableError:
            self._failed_in_a_row += 1
            raise
        self._failed_in_a_row = 0


class RowOfFile:
    """Asks a server for the row of a file, by its comment: an address may hold for some days, and a file may go."""

    def __init__(self, client: TrackerClient) -> None:
        self._client = client

    def __call__(self, row: Row) -> Row | None:
        """As `RefreshRow`."""
        parent, owner_id = ("stories", row["story_id"]) if row.get("story_id") else ("epics", row.get("epic_id"))
        # What the server refuses of the list of comments is known by then.
        comments = f"projects/{{project_id}}/{parent}/{{id}}/comments"
        path = f"projects/{row.get('project_id')}/{parent}/{owner_id}/comments/{row.get('comment_id')}"
        try:
            answer = self._client.selection.get(path, {}, FIELDS, endpoint=comments, names=FILES, variant="one")
        except SkippableError as error:
            if error.code == GONE:
                return None
            if error.code == UNROUTED:
                return row
            raise
        with answer_of(path):
            (comment,) = rows_in(answer.parsed, Endpoint(path, single=True))
            files = objects(comment, ATTACHMENTS)
        if ATTACHMENTS not in comment:
            return row
        current = next((file for file in files if file.get("id") == row["id"]), None)
        if current is None:
            return None
        return with_whole_addresses(
            {**row, **current, "comment_updated_at": comment.get("updated_at")}, self._client.base_url
        )
