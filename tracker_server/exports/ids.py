"""Ids for what an export names but does not number.

An id is derived from the kind of the thing and from its content in the export. So the same file gives the same ids, and
a later export keeps them for what has not changed. An id is positive and has 53 bits at most, which every JSON reader
preserves. That two different things get one id is nearly impossible: the probability is 1 in 18 million for 31,622 of
a kind.

| Of                       | derived from                                                         |
|--------------------------|----------------------------------------------------------------------|
| a person                 | the name, in whatever project                                        |
| a project                | its name, which is that of the file                                  |
| a membership             | project and person                                                   |
| a label, a review type   | project and name                                                     |
| a task, a blocker        | story and text, whether it is done or not                            |
| a comment                | story or epic, text, author and day                                  |
| a review                 | story, type and reviewer, whatever its status                        |
| a pull request, a branch | story and address or name                                            |
| a file                   | story or epic, and the name of the file                              |
| the comment with files   | story or epic                                                        |
| a story, an epic         | project, type, title and day of creation, where a row has no number  |

Things that are equal in all of that, such as two tasks "Test" of one story, are counted: the second gets another id.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

LARGEST_ID = 2**53 - 1
UNUSED_BITS = 64 - 53
from_bytes = int.from_bytes
_EMPTY = blake2b(digest_size=8)


def hashed_id(kind: str, *content: object) -> int:
    """The id of a thing, derived from its kind and its content."""
    return _number("\0".join([kind, *map(str, content)]))


def part_ids(kind: str, owner_id: int, contents: Sequence[str]) -> list[int]:
    """The ids of the parts of one kind of a story or an epic, one for each content."""
    head = _EMPTY.copy()
    head.update(f"{kind}\0{owner_id}\0".encode())
    ids = []
    for content in contents:
        digest = head.copy()
        digest.update(content.encode())
        ids.append(from_bytes(digest.digest(), "big") >> UNUSED_BITS or 1)
    if len(ids) > 1 and len(set(contents)) < len(contents):
        times: dict[str, int] = {}
        for place, content in enumerate(contents):
            before = times.get(content, 0)
            times[content] = before + 1
            if before:
                ids[place] = hashed_id(kind, owner_id, content, before)
    return ids


def _number(text: str) -> int:
    digest = _EMPTY.copy()
    digest.update(text.encode())
    return int.from_bytes(digest.digest(), "big") >> UNUSED_BITS or 1
