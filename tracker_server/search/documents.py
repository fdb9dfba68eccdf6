"""What the index holds of a story or an epic: its texts, and the attributes that a search can ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from unicodedata import normalize

from tracker_server.view import View, is_blocked, rows_by_id
from tracker_server.world import Row

LONGEST_TEXT = 1_000_000
"""Characters of one field of one row that are searched; a comment of Tracker's has at most 20,000."""

_TOGETHER = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f]")
"""Letters of scripts without spaces between words."""
_JAMO = re.compile("[\u1100-\u11ff]+")
"""Parts of letters of Korean, into which a Mac takes apart the names of files."""
SEPARATOR = "\u200b"
"""A space of no width, which parts words and is not seen."""
START, END = "\ue000", "\ue001"
"""What is around a hit in a marked text."""
_OURS = re.compile(f"[{START}{END}]")


@dataclass(frozen=True)
class Document:
    """A story or an epic in the index.

    `columns` are those of index.COLUMNS. `texts` are separated, by the names in query.FIELDS. `attributes` are names
    and values in lower case, such as `("label", "needs review")`.
    """

    columns: Mapping[str, Any]
    texts: Mapping[str, str]
    attributes: frozenset[tuple[str, str]]


def attribute_token(name: str, value: str) -> str:
    """An attribute as a word that no text holds, because a tokenizer takes a value apart. Case does not count."""
    digest = blake2b(f"{name}:{value.casefold()}".encode(errors="replace"), digest_size=8).hexdigest()
    return f"attribute{digest}0"


def separated(text: str) -> str:
    """A text of which each letter of Chinese, Japanese, Korean and Thai is a word of its own."""
    text = _JAMO.sub(lambda found: normalize("NFC", found[0]), _OURS.sub("", text))
    return _TOGETHER.sub(rf"{SEPARATOR}\g<0>{SEPARATOR}", text)


def without_separators(text: str) -> str:
    """A separated text as it was, for people."""
    return text.replace(SEPARATOR, "")


class Documents:
    """Makes the documents of one project, in the version that it has now."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._project = view.project
        self._epics_of_label: dict[int, list[str]] = {}
        for epic in view.project.epics.values():
            if epic.get("label_id"):
                self._epics_of_label.setdefault(epic["label_id"], []).append(str(epic.get("name") or ""))

    def keys(self) -> list[tuple[str, int]]:
        """Kind and id of all that can be searched for, in the order of priority."""
        stories, epics = self._project.order, self._project.epics
        return [*(("story", story_id) for story_id in stories), *(("epic", epic_id) for epic_id in epics)]

    def document(self, kind: str, row_id: int, place: int) -> Document:
        """The story or the epic with this id; `place` is its index in `keys`. Raises KeyError if there is none."""
        return self._story(row_id, place) if kind == "story" else self._epic(row_id, place)

    def _story(self, story_id: int, place: int) -> Document:
        row = self._project.stories[story_id]
        labels = self._labels(row.get("label_ids") or ())
        epics = [name for label_id in row.get("label_ids") or () for name in self._epics_of_label.get(label_id, ())]
        is_done = story_id in self._view.figures.past_done
        return self._document(
            row, "story", place, labels, _people_of_story(row),
            columns={"is_done": is_done, "state": row["current_state"], "type": row["story_type"]},
            tasks=[
                *(part.get("description") for name in ("tasks", "blockers") for part in row.get(name) or ()),
                *(_link(part) for name in ("pull_requests", "branches") for part in row.get(name) or ()),
            ],
            attributes=[
                *_holding("has", {**_parts_of_story(row), "epic": epics}),
                *_holding("is", {**_states_of_story(row), "done": is_done}),
                *(("epic", name) for name in epics), *(("epic", name) for name in labels if epics),
                ("priority", row.get("story_priority") or "none"),
            ],
        )  # fmt: skip

    def _epic(self, epic_id: int, place: int) -> Document:
        row = self._project.epics[epic_id]
        labels = self._labels(filter(None, [row.get("label_id")]))
        return self._document(
            row, "epic", place, labels,
            {"follower": row.get("follower_ids") or (), "commenter": _commenters(row)},
            columns={"is_done": False, "state": None, "type": "epic"},
            tasks=(),
            attributes=[("epic", str(row.get("name") or "")), *(("epic", name) for name in labels)],
        )  # fmt: skip

    def _document(
        self,
        row: Row,
        kind: str,
        place: int,
        labels: list[str],
        people: Mapping[str, Iterable[int]],
        *,
        columns: Row,
        tasks: Iterable[str | None],
        attributes: Iterable[tuple[str, str]],
    ) -> Document:
        named = {role: rows_by_id(self._view.world.people, ids) for role, ids in people.items()}
        all_attributes = [
            *attributes, *_holding("has", _parts(row, labels)), *_roles(named),
            ("project_name", str(self._project.row.get("name") or "")), *(("label", label) for label in labels),
        ]  # fmt: skip
        return Document(
            {
                "project_id": self._project.id, "kind": kind, "id": row["id"], "place": place,
                "estimate": row.get("estimate"), "created": row.get("created_at"), "updated": row.get("updated_at"),
                "accepted": row.get("accepted_at"), "deadline": row.get("deadline"), **columns,
            },
            {name: separated(text[:LONGEST_TEXT]) for name, text in _texts(row, labels, named, tasks).items()},
            frozenset((name, value.casefold()) for name, value in all_attributes),
        )  # fmt: skip

    def _labels(self, label_ids: Iterable[int]) -> list[str]:
        return [str(label["name"]) for label in rows_by_id(self._project.labels, label_ids)]


def _texts(
    row: Row, labels: Iterable[str], people: Mapping[str, Iterable[Row]], tasks: Iterable[str | None]
) -> dict[str, str]:
    """The texts of a story or an epic by field. `people` are by role."""
    names = {str(person.get("name") or "") for persons in people.values() for person in persons}
    return {
        "name": row.get("name") or "",
        "description": row.get("description") or "",
        "comment": _joined(comment.get("text") for comment in row.get("comments") or ()),
        "task": _joined(tasks),
        "label": _joined(labels),
        "people": _joined(sorted(names)),
        "file": _joined(file.get("filename") or file.get("title") for file in _files(row)),
    }


def _parts(row: Row, labels: list[str]) -> dict[str, object]:
    """What `has:` asks for, of a story or an epic: each is true where it is there."""
    return {
        "description": row.get("description"),
        "comment": any(comment.get("text") for comment in row.get("comments") or ()),
        "attachment": any(True for _ in _files(row)),
        "label": labels,
        "follower": row.get("follower_ids"),
    }


def _parts_of_story(row: Row) -> dict[str, object]:
    """What `has:` asks for besides, of a story."""
    return {
        "task": row.get("tasks"), "blocker": row.get("blockers"), "review": row.get("reviews"),
        "pull_request": row.get("pull_requests"), "branch": row.get("branches"), "owner": row.get("owner_ids"),
        "deadline": row.get("deadline"), "estimate": row.get("estimate") is not None,
    }  # fmt: skip


def _states_of_story(row: Row) -> dict[str, object]:
    """What `is:` asks for: each is true where the story is so."""
    return {
        "blocked": is_blocked(row),
        "blocking": row.get("blocked_story_ids"),
        "unestimated": row.get("story_type") == "feature" and row.get("estimate") is None,
    }


def _people_of_story(row: Row) -> dict[str, Iterable[int]]:
    """The ids of people by role."""
    return {
        "owner": row.get("owner_ids") or (),
        "requester": filter(None, [row.get("requested_by_id")]),
        "follower": row.get("follower_ids") or (),
        "reviewer": filter(None, (review.get("reviewer_id") for review in row.get("reviews") or ())),
        "commenter": _commenters(row),
    }


def _holding(attribute: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """The attribute with each of its values that is true."""
    return ((attribute, value) for value, holds in values.items() if holds)


def _roles(people: Mapping[str, Iterable[Row]]) -> Iterator[tuple[str, str]]:
    """Everybody by name, initials and user name, under their role and under `person`."""
    for role, persons in people.items():
        for person in persons:
            for name in ("name", "initials", "username"):
                if person.get(name):
                    yield role, str(person[name])
                    yield "person", str(person[name])


def _joined(texts: Iterable[str | None]) -> str:
    return "\n".join(filter(None, texts))


def _files(row: Row) -> Iterator[Row]:
    for comment in row.get("comments") or ():
        yield from comment.get("file_attachments") or ()
        yield from comment.get("google_attachments") or ()


def _commenters(row: Row) -> list[int]:
    return [comment["person_id"] for comment in row.get("comments") or () if comment.get("person_id")]


def _link(part: Row) -> str | None:
    return part.get("original_url") or part.get("name")
