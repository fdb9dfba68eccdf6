"""The tasks and comments of a story or an epic, which take most of a project: their rows are made when asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, overload

from tracker_server.exports.cells import parse_signature, unescape_formula
from tracker_server.exports.ids import part_ids
from tracker_server.world import Row

Signature = tuple[int | None, str]
"""The id of the author of a comment, None without a name, and its day (ISO 8601)."""


class PartRows(Sequence[Row]):
    """The parts of one kind of the story or epic `owner_id`.

    Each time that somebody asks for rows, new ones are made. `updated_at` is the day of the owner, None without any.
    """

    __slots__ = ("owner_id", "updated_at")

    def __init__(self, owner_id: int) -> None:
        self.owner_id = owner_id
        self.updated_at: str | None = None

    @property
    @abstractmethod
    def content(self) -> Any:
        """All that the rows are made of besides the owner, as what JSON can hold.

        Texts, in which there is no NUL, come as one: to be written as JSON leaves a copy in each that is not ASCII.
        """

    @abstractmethod
    def __iter__(self) -> Iterator[Row]: ...

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        return list(self)[place]


class Tasks(PartRows):
    """Tasks, by their texts and by whether they are complete."""

    __slots__ = ("_are_complete", "_texts")

    def __init__(self, owner_id: int, texts: tuple[str, ...], are_complete: tuple[bool, ...]) -> None:
        super().__init__(owner_id)
        self._texts = texts
        self._are_complete = are_complete

    @property
    def content(self) -> Any:
        return "\0".join(self._texts), self._are_complete

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Row]:
        ids = part_ids("task", self.owner_id, self._texts)
        for place, task_id in enumerate(ids):
            row: Row = {
                "kind": "task",
                "id": task_id,
                "story_id": self.owner_id,
                "description": unescape_formula(self._texts[place]),
                "complete": self._are_complete[place],
                "position": place + 1,
            }
            if self.updated_at:
                row["updated_at"] = self.updated_at
            yield row


class Comments(PartRows):
    """Comments, by their cells and by the signatures of these, None for a cell without one.

    `owner` is the attribute for the id of the owner. A comment without a signature has the day of its owner.
    """

    __slots__ = ("_cells", "_owner", "_signatures")

    def __init__(
        self, owner: str, owner_id: int, cells: tuple[str, ...], signatures: tuple[Signature | None, ...]
    ) -> None:
        super().__init__(owner_id)
        self._owner = owner
        self._cells = cells
        self._signatures = signatures

    @property
    def days(self) -> list[str]:
        """The days in the signatures."""
        return [signature[1] for signature in self._signatures if signature]

    @property
    def content(self) -> Any:
        return "\0".join(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def __iter__(self) -> Iterator[Row]:
        ids = part_ids("comment", self.owner_id, self._cells)
        for comment_id, cell, signature in zip(ids, self._cells, self._signatures, strict=True):
            row: Row = {"kind": "comment", "id": comment_id, self._owner: self.owner_id}
            parsed = parse_signature(cell)
            row["text"] = unescape_formula(parsed[0] if parsed else cell)
            if signature:
                person_id, day = signature
                row["created_at"] = row["updated_at"] = day
                if person_id:
                    row["person_id"] = person_id
            elif self.updated_at:
                row["updated_at"] = self.updated_at
            yield row
