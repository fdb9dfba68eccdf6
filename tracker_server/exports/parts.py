"""The parts of a story or an epic: comments, tasks, blockers, reviews, pull requests and branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tracker_server.exports.cell_reader import CellReader
from tracker_server.exports.cells import parse_branch, parse_pull_request, unescape_formula
from tracker_server.exports.columns import Cells, Columns, grouped
from tracker_server.exports.errors import shown
from tracker_server.exports.ids import part_ids
from tracker_server.world import Row

TASK_STATUSES = {"completed": True, "not completed": False, "": False}
BLOCKER_STATUSES = {"resolved": True, "blocked": False, "": False}
REVIEW_STATUSES = {status: status for status in ("unstarted", "in_review", "pass", "revise")}

Groups = Sequence[tuple[str, ...]]


def parts_of_a_story(story_id: int, columns: Columns, cells: Cells, reader: CellReader) -> dict[str, list[Row]]:
    """All parts, by kind, without the kinds that the story has none of."""
    parts = {}
    cells_of = columns.cells_of
    if any(found := cells_of["Task"](cells)):
        parts["tasks"] = _tasks(grouped("Task", found), story_id, reader)
    if any(found := cells_of["Comment"](cells)):
        parts["comments"] = comments(list(filter(None, found)), "story_id", story_id, reader)
    if any(found := cells_of["Blocker"](cells)):
        parts["blockers"] = _blockers(grouped("Blocker", found), story_id, reader)
    if any(found := cells_of["Review Type"](cells)):
        parts["reviews"] = _reviews(grouped("Review Type", found), story_id, reader)
    if any(found := cells_of["Pull Request"](cells)):
        parts["pull_requests"] = _links("pull_request", parse_pull_request, list(filter(None, found)), story_id)
    if any(found := cells_of["Git Branch"](cells)):
        parts["branches"] = _links("branch", parse_branch, list(filter(None, found)), story_id)
    return parts


def comments(cells: Sequence[str], owner: str, owner_id: int, reader: CellReader) -> list[Row]:
    """The comments on a story or an epic; `owner` is the attribute for its id. Without a signature it has no times."""
    rows: list[Row] = []
    for comment_id, cell in zip(part_ids("comment", owner_id, cells), cells, strict=True):
        signed = reader.signed(cell)
        if signed is None:
            rows.append({"kind": "comment", "id": comment_id, owner: owner_id, "text": unescape_formula(cell)})
            reason = "does not end in (Author - Nov 22, 2014); author and day are left out"
            reader.warn("Comment", f"{shown(cell)} {reason}")
            continue
        text, person_id, day = signed
        row: Row = {
            "kind": "comment",
            "id": comment_id,
            owner: owner_id,
            "text": unescape_formula(text),
            "created_at": day,
            "updated_at": day,
        }
        if person_id:
            row["person_id"] = person_id
        rows.append(row)
    return rows


def _tasks(groups: Groups, story_id: int, reader: CellReader) -> list[Row]:
    tasks = _with_status("task", "complete", TASK_STATUSES, groups, story_id, reader)
    for position, row in enumerate(tasks, 1):
        row["position"] = position
    return tasks


def _blockers(groups: Groups, story_id: int, reader: CellReader) -> list[Row]:
    return _with_status("blocker", "resolved", BLOCKER_STATUSES, groups, story_id, reader)


def _with_status(
    kind: str, done: str, statuses: Mapping[str, bool], groups: Groups, story_id: int, reader: CellReader
) -> list[Row]:
    """Parts with a text and a status, which becomes the boolean attribute `done`."""
    ids = part_ids(kind, story_id, [text for text, _ in groups])
    rows = []
    for part_id, (text, status) in zip(ids, groups, strict=True):
        if not text:
            column = kind.capitalize()
            reader.warn(f"{column} Status", f"there is no {column} to it; it counts as one without a text")
        is_done = statuses.get(status)
        if is_done is None:
            is_done = reader.one_of(statuses, status, f"{kind.capitalize()} Status") or False
        rows.append(
            {
                "kind": kind,
                "id": part_id,
                "story_id": story_id,
                "description": unescape_formula(text),
                done: is_done,
            }
        )
    return rows


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
