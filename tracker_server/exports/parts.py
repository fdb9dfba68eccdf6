"""The parts of a story or an epic: comments, tasks, blockers, reviews, pull requests and branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.cells import parse_branch, parse_pull_request, unescape_formula
from tracker_server.exports.columns import Cells, Columns, grouped
from tracker_server.exports.errors import shown
from tracker_server.exports.ids import part_ids
from tracker_server.exports.part_rows import Comments, PartRows, Tasks
from tracker_server.world import Row

TASK_STATUSES = {"completed": True, "not completed": False, "": False}
BLOCKER_STATUSES = {"resolved": True, "blocked": False, "": False}
REVIEW_STATUSES = {status: status for status in ("unstarted", "in_review", "pass", "revise")}

Groups = Sequence[tuple[str, ...]]


def parts_of_a_story(
    story_id: int, columns: Columns, cells: Cells, reader: CellReader
) -> dict[str, PartRows | list[Row]]:
    """All parts, by kind, without the kinds that the story has none of; without a day but that in a signature."""
    parts: dict[str, PartRows | list[Row]] = {}
    cells_of = columns.cells_of
    if any(found := cells_of["Task"](cells)):
        parts["tasks"] = _tasks(grouped("Task", found), story_id, reader)
    if any(found := cells_of["Comment"](cells)):
        parts["comments"] = comments(tuple(filter(None, found)), "story_id", story_id, reader)
    if any(found := cells_of["Blocker"](cells)):
        parts["blockers"] = _blockers(grouped("Blocker", found), story_id, reader)
    if any(found := cells_of["Review Type"](cells)):
        parts["reviews"] = _reviews(grouped("Review Type", found), story_id, reader)
    if any(found := cells_of["Pull Request"](cells)):
        parts["pull_requests"] = _links("pull_request", parse_pull_request, list(filter(None, found)), story_id)
    if any(found := cells_of["Git Branch"](cells)):
        parts["branches"] = _links("branch", parse_branch, list(filter(None, found)), story_id)
    return parts


def comments(cells: tuple[str, ...], owner: str, owner_id: int, reader: CellReader) -> Comments:
    """The comments on a story or an epic; `owner` is the attribute for its id. Without a signature it has no times."""
    signatures = tuple(map(reader.signature, cells))
    if None in signatures:
        reason = "does not end in (Author - Nov 22, 2014); author and day are left out"
        for cell, signature in zip(cells, signatures, strict=True):
            if signature is None:
                reader.warn("Comment", f"{shown(cell)} {reason}")
    return Comments(owner, owner_id, cells, signatures)


def _tasks(groups: Groups, story_id: int, reader: CellReader) -> Tasks:
    are_complete = tuple(_is_done("Task", TASK_STATUSES, group, reader) for group in groups)
    return Tasks(story_id, tuple([text for text, _ in groups]), are_complete)


def _is_done(column: str, statuses: Mapping[str, bool], group: tuple[str, ...], reader: CellReader) -> bool:
    """The status of a part with a text."""
    text, status = group
    is_done = statuses.get(status)
    if is_done is None or not text:
        if not text:
            reader.warn(f"{column} Status", f"there is no {column} to it; it counts as one without a text")
        is_done = reader.one_of(statuses, status, f"{column} Status") or False
    return is_done


def _blockers(groups: Groups, story_id: int, reader: CellReader) -> list[Row]:
    ids = part_ids("blocker", story_id, [text for text, _ in groups])
    return [
        {
            "kind": "blocker",
            "id": blocker_id,
            "story_id": story_id,
            "description": unescape_formula(group[0]),
            "resolved": _is_done("Blocker", BLOCKER_STATUSES, group, reader),
        }
        for blocker_id, group in zip(ids, groups, strict=True)
    ]


def _reviews(groups: Groups, story_id: int, reader: CellReader) -> list[Row]:
    ids = part_ids("review", story_id, ["\0".join(group[:2]) for group in groups])
    rows = []
    for review_id, (review_type, reviewer, status) in zip(ids, groups, strict=True):
        values = {
            "review_type_id": reader.review_type_id(review_type),
            "reviewer_id": reader.person_id(reviewer),
            "status": reader.one_of(REVIEW_STATUSES, status.replace(" ", "_"), "Review Status"),
        }
        row: Row = {"kind": "review", "id": review_id, "story_id": story_id}
        rows.append(row | {name: value for name, value in values.items() if value is not None})
    return rows


def _links(kind: str, attributes: Callable[[str], Row], texts: Sequence[str], story_id: int) -> list[Row]:
    ids = part_ids(kind, story_id, texts)
    head = {"kind": kind, "story_id": story_id}
    return [{**head, "id": link_id, **attributes(text)} for link_id, text in zip(ids, texts, strict=True)]
