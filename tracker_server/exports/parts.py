"""The parts of a story or an epic: comments, tasks, blockers, reviews, pull requests and branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.columns import Cells, Columns, grouped
from tracker_server.exports.errors import shown
from tracker_server.exports.part_rows import Blockers, Branches, Comments, PartRows, PullRequests, Reviews, Tasks

TASK_STATUSES = {"completed": True, "not completed": False, "": False}
BLOCKER_STATUSES = {"resolved": True, "blocked": False, "": False}
REVIEW_STATUSES = {status: status for status in ("unstarted", "in_review", "pass", "revise")}

Groups = Sequence[tuple[str, ...]]


def parts_of_a_story(story_id: int, columns: Columns, cells: Cells, reader: CellReader) -> dict[str, PartRows]:
    """All parts, by kind, without the kinds that the story has none of; without a day but that in a signature."""
    parts: dict[str, PartRows] = {}
    cells_of = columns.cells_of
    if any(found := cells_of["Task"](cells)):
        parts["tasks"] = Tasks(story_id, *_with_status("Task", TASK_STATUSES, found, reader))
    if any(found := cells_of["Comment"](cells)):
        parts["comments"] = comments(Comments, story_id, tuple(filter(None, found)), reader)
    if any(found := cells_of["Blocker"](cells)):
        parts["blockers"] = Blockers(story_id, *_with_status("Blocker", BLOCKER_STATUSES, found, reader))
    if any(found := cells_of["Review Type"](cells)):
        parts["reviews"] = _reviews(grouped("Review Type", found), story_id, reader)
    if any(found := cells_of["Pull Request"](cells)):
        parts["pull_requests"] = PullRequests(story_id, tuple(filter(None, found)))
    if any(found := cells_of["Git Branch"](cells)):
        parts["branches"] = Branches(story_id, tuple(filter(None, found)))
    return parts


def comments(kind: type[Comments], owner_id: int, cells: tuple[str, ...], reader: CellReader) -> Comments:
    """The comments on a story or an epic. Without a signature a comment has no times."""
    signatures = tuple(map(reader.signature, cells))
    if None in signatures:
        reason = "does not end in (Author - Nov 22, 2014); author and day are left out"
        for cell, signature in zip(cells, signatures, strict=True):
            if signature is None:
                reader.warn("Comment", f"{shown(cell)} {reason}")
    return kind(owner_id, cells, signatures)


def _with_status(
    column: str, statuses: Mapping[str, bool], cells: Sequence[str], reader: CellReader
) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    """The texts of the parts in cells that are by turns a text and a status, and whether each of them is done."""
    texts = tuple(filter(None, cells[::2]))
    try:
        # Nearly always the first cells are filled, and no others.
        if cells[2 * len(texts) - 2] and not any(cells[2 * len(texts) :]):
            return texts, tuple([statuses[status] for status in cells[1 : 2 * len(texts) : 2]])
    except KeyError:
        pass
    groups = grouped(column, cells)
    return tuple([text for text, _ in groups]), tuple([_is_done(column, statuses, group, reader) for group in groups])


def _is_done(column: str, statuses: Mapping[str, bool], group: tuple[str, ...], reader: CellReader) -> bool:
    """The status of a part with a text."""
    text, status = group
    is_done = statuses.get(status)
    if is_done is None or not text:
        if not text:
            reader.warn(f"{column} Status", f"there is no {column} to it; it counts as one without a text")
        is_done = reader.one_of(statuses, status, f"{column} Status") or False
    return is_done


def _reviews(groups: Groups, story_id: int, reader: CellReader) -> Reviews:
    values = [
        (
            reader.review_type_id(review_type),
            reader.person_id(reviewer),
            reader.one_of(REVIEW_STATUSES, status.replace(" ", "_"), "Review Status"),
        )
        for review_type, reviewer, status in groups
    ]
    return Reviews(story_id, tuple(["\0".join(group[:2]) for group in groups]), tuple(values))
