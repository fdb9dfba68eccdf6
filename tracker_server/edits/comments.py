"""Commands on the comments of stories and epics, and on their attachments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tracker_server.edits.edit import ATTACHMENTS, Edit, command, comment_values, set_comment_id
from tracker_server.edits.lookup import part_by_id, story_or_epic
from tracker_server.world import Project, Row, World


@command
def create_comment(
    world: World,
    project: Project,
    by: int,
    *,
    story_id: int | None = None,
    epic_id: int | None = None,
    text: str | None = None,
    file_attachments: Sequence[Mapping[str, Any]] = (),
    google_attachments: Sequence[Mapping[str, Any]] = (),
) -> Row:
    """A comment on a story or on an epic, one of the two; who comments follows it from then on.

    A file needs `filename` and `size`, and may have `content_type`, `width` and `height`; a Google document has
    `google_kind`, `title`, `google_id`, `alternate_link` and `resource_id`.
    """
    edit, parent = Edit(world, project, by), story_or_epic(project, story_id, epic_id)
    if text is None and not file_attachments and not google_attachments:
        raise ValueError("a comment has a text or an attachment")
    values = comment_values(by, text)
    edit.attach(values, file_attachments, google_attachments)
    followers = parent["follower_ids"]
    if by not in followers and project.row.get("enable_following", True):
        followers = [*followers, by]
    quote = f'"{text}"' if text is not None else attachment_names(values)
    return edit.create_part(parent, "comment", values, "added comment:", quote, follower_ids=followers)


@command
def update_comment(
    world: World,
    project: Project,
    by: int,
    comment_id: int,
    *,
    story_id: int | None = None,
    epic_id: int | None = None,
    text: str | None = None,
    add_files: Sequence[Mapping[str, Any]] = (),
    add_google: Sequence[Mapping[str, Any]] = (),
    remove_attachments: Iterable[int] = (),
) -> Row:
    """Set a comment's text (None leaves it), add attachments (as in `create_comment`) or remove them by their ids."""
    edit, parent = Edit(world, project, by), story_or_epic(project, story_id, epic_id)
    comment = part_by_id(parent, "comment", comment_id)
    gone = set(remove_attachments)
    unknown = gone.difference(row["id"] for part in ATTACHMENTS for row in comment[part])
    if unknown:
        raise KeyError(f"no attachment {min(unknown)} in comment {comment_id}")
    values: Row = {part: [row for row in comment[part] if row["id"] not in gone] for part in ATTACHMENTS}
    edit.attach(values, add_files, add_google)
    set_comment_id(comment_id, values)
    if text is not None:
        values["text"] = text
    return edit.update_part(parent, comment, values, "edited", "this comment")


@command
def delete_comment(
    world: World, project: Project, by: int, comment_id: int, *, story_id: int | None = None, epic_id: int | None = None
) -> None:
    """Delete a comment of a story or of an epic, with its attachments."""
    Edit(world, project, by).delete_part(story_or_epic(project, story_id, epic_id), "comment", comment_id)


def attachment_names(comment: Row) -> str:
    names = [row["filename"] for row in comment["file_attachments"]]
    return ", ".join(names + [row["title"] for row in comment["google_attachments"]])
