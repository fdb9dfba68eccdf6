"""The parts of a story or an epic, which take most of a project: their rows are made when somebody asks for them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, overload

from tracker_server.exports.cells import parse_branch, parse_pull_request, parse_signature, unescape_formula
from tracker_server.exports.ids import part_ids
from tracker_server.world import Row

Signature = tuple[int | None, str]
"""The id of the author of a comment, None without a name, and its day (ISO 8601)."""


class PartRows(Sequence[Row]):
    """The parts of one kind of a story or an epic, whose id is `owner_id`.

    They are made of `texts`, from which their ids are derived, and of `values`, one for each text, which JSON can hold.
    Each time that somebody asks for rows, new ones are made. A part without a day of its own has `updated_at`, the day
    of the owner, None without any.
    """

    __slots__ = ("_texts", "_values", "owner_id", "updated_at")
    kind: ClassVar[str]
    owner: ClassVar = "story_id"
    """The attribute for the id of the owner."""

    def __init__(self, owner_id: int, texts: tuple[str, ...], values: tuple[Any, ...] = ()) -> None:
        self.owner_id = owner_id
        self.updated_at: str | None = None
        self._texts = texts
        self._values = values

    @property
    def content(self) -> Any:
        """All that the rows are made of besides the owner, as what JSON can hold.

        Texts, in which there is no NUL, come as one: to be written as JSON leaves a copy in each that is not ASCII.
        """
        return "\0".join(self._texts), self._values

    @abstractmethod
    def _fill(self, row: Row, place: int) -> None:
        """Gives the row of the part at this index what its kind has."""

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[Row]:
        for place, part_id in enumerate(part_ids(self.kind, self.owner_id, self._texts)):
            row: Row = {"kind": self.kind, "id": part_id, self.owner: self.owner_id}
            self._fill(row, place)
            if self.updated_at and "updated_at" not in row:
                row["updated_at"] = self.updated_at
            yield row

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...

    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        return list(self)[place]


class Tasks(PartRows):
    """Tasks, by their texts; the value of each is whether it is complete."""

    __slots__ = ()
    kind = "task"

    def _fill(self, row: Row, place: int) -> None:
        row["description"] = unescape_formula(self._texts[place])
        row["complete"] = self._values[place]
        row["position"] = place + 1


class Blockers(PartRows):
    """Blockers, by their texts; the value of each is whether it is resolved."""

    __slots__ = ()
    kind = "blocker"

    @property
    def open_texts(self) -> list[str]:
        """The texts of those that are not resolved."""
        return [text for text, is_resolved in zip(self._texts, self._values, strict=True) if not is_resolved]

    def _fill(self, row: Row, place: int) -> None:
        row["description"] = unescape_formula(self._texts[place])
        row["resolved"] = self._values[place]


class Reviews(PartRows):
    """Reviews, by the names of their types and reviewers; the value of each are their ids and its status."""

    __slots__ = ()
    kind = "review"

    def _fill(self, row: Row, place: int) -> None:
        for name, value in zip(("review_type_id", "reviewer_id", "status"), self._values[place], strict=True):
            if value is not None:
                row[name] = value


class PullRequests(PartRows):
    """Pull requests, by their addresses."""

    __slots__ = ()
    kind = "pull_request"

    def _fill(self, row: Row, place: int) -> None:
        row.update(parse_pull_request(unescape_formula(self._texts[place])))


class Branches(PartRows):
    """Branches, by their addresses or names."""

    __slots__ = ()
    kind = "branch"

    def _fill(self, row: Row, place: int) -> None:
        row.update(parse_branch(unescape_formula(self._texts[place])))


class Comments(PartRows):
    """Comments on a story, by their cells; the value of each is the signature in it, None without one."""

    __slots__ = ()
    kind = "comment"

    @property
    def days(self) -> list[str]:
        """The days in the signatures."""
        return [signature[1] for signature in self._values if signature]

    @property
    def content(self) -> Any:
        """The cells alone, because the signatures are in them."""
        return "\0".join(self._texts)

    def _fill(self, row: Row, place: int) -> None:
        cell, signature = self._texts[place], self._values[place]
        parsed = parse_signature(cell)
        row["text"] = unescape_formula(parsed[0] if parsed else cell)
        if signature:
            person_id, day = signature
            row["created_at"] = row["updated_at"] = day
            if person_id:
                row["person_id"] = person_id


class EpicComments(Comments):
    """The same on an epic."""

    __slots__ = ()
    owner = "epic_id"
