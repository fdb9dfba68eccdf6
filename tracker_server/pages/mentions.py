"""Who is meant by `@name` in a text."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from tracker_server.world import Row

_BETWEEN_NAMES = re.compile(r"[\W_]+")


class Mentions:
    """Finds people by what Tracker let others write of them, a user name, and by what stands for it without one.

    An export knows no user names. There the first name stands for somebody, or the whole name in one word, if it is
    that of nobody else.
    """

    def __init__(self, people: Mapping[int, Row]) -> None:
        self._people = people
        self._count = 0
        self._names: dict[str, str] = {}

    def name_of(self, mention: str) -> str | None:
        """The name, or the user name, of the one who is meant; None if that is nobody, or not clear."""
        if self._count != len(self._people):  # people come to a world, and neither leave it nor change
            self._count, self._names = len(self._people), self._known()
        return self._names.get(mention.casefold()) or self._names.get(_in_one_word(mention))

    def _known(self) -> dict[str, str]:
        """By each form in which somebody can be mentioned, the name to search for."""
        for_sure: dict[str, str] = {}
        meant: dict[str, set[str]] = defaultdict(set)
        for person in list(self._people.values()):
            name = str(person.get("name") or "")
            for exact in ("initials", "username"):
                if person.get(exact):
                    for_sure[str(person[exact]).casefold()] = str(person[exact])
            if name:
                meant[_in_one_word(name)].add(name)
                meant[name.split()[0].casefold()].add(name)
        return {form: min(names) for form, names in meant.items() if len(names) == 1} | for_sure


def _in_one_word(name: str) -> str:
    return _BETWEEN_NAMES.sub("", name).casefold()
