"""Comments on stories and epics, and the files in them."""

from __future__ import annotations

import re
from abc import ABC
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urljoin

from source_pivotal_tracker.api.fields import DEFAULT, Fields, select
from source_pivotal_tracker.streams.base import PartStream
from source_pivotal_tracker.streams.endpoints import Partition
from source_pivotal_tracker.streams.epics import EPICS
from source_pivotal_tracker.streams.rows import ATTACHED, Row, filled, ids_of_parts, objects, without
from source_pivotal_tracker.streams.stories import STORIES

PATH = re.compile(r"/(?!/)")
"""How a URL begins that names no host."""


class CommentPart(PartStream, ABC):
    """Comments, which carry what is attached to them as ids and, where somebody asked, as objects."""

    part = "comments"
    cursor_field = "updated_at"
    deleted_kind = "comment"
    inside = select(DEFAULT, "file_attachment_ids", "google_attachment_ids")

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return [without(comment, ATTACHED) for comment in super().records(row, partition)]


class StoryComments(CommentPart):
    """A comment on a story. https://www.pivotaltracker.com/help/api/rest/v5#Comments, recording get_comments.json"""

    endpoints = (STORIES,)


class EpicComments(CommentPart):
    """A comment on an epic. Recording get_epic_comments.json."""

    endpoints = (EPICS,)


class AttachmentPart(PartStream, ABC):
    """What is attached to comments of stories and epics; adding or removing it moves the comment's `updated_at`."""

    endpoints = (STORIES, EPICS)
    part = "comments"
    cursor_field = "comment_updated_at"
    attachments: ClassVar[str]
    """The attribute of the comment that holds them."""

    def wanted_fields(self) -> Fields:
        return {**super().wanted_fields(), self.part: select("id", "updated_at", self.attachments)}

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        ids = ids_of_parts(row, partition)
        return [
            filled(
                {"story_id": None, "epic_id": None, **attachment, "comment_updated_at": comment.get("updated_at")},
                comment_id=comment["id"],
                **ids,
            )
            for comment in objects(row, self.part)
            for attachment in objects(comment, self.attachments)
        ]


class FileAttachments(AttachmentPart):
    """A file in a comment. Recording create_comment_with_attachment.json.

    Its URLs are relative to the server's host in the API and absolute here; they need the token.
    """

    attachments = "file_attachments"

    def records(self, row: Row, partition: Partition) -> Sequence[Row]:
        return [with_whole_addresses(record, self.url_base) for record in super().records(row, partition)]


def with_whole_addresses(file: Row, base_url: str) -> Row:
    """The row of a file, in which an address that names no host is on that of the API."""
    for url in ("download_url", "big_url", "thumbnail_url"):
        if PATH.match(str(file.get(url) or "")):
            file[url] = urljoin(base_url, "/").rstrip("/") + file[url]
    return file


class GoogleAttachments(AttachmentPart):
    """A Google document in a comment."""

    attachments = "google_attachments"
