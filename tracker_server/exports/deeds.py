"""What a message of a history says that somebody did: `Ann Lee started this feature`, `accepted`, `added comment: …`.

The messages of v5 are known from recordings of its activity (get_project_activity.json), those of the CSV are not: no
file was at hand. So only its beginning counts, behind the name of the person, in upper or lower case.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

THINGS = ("story", "epic", "project", "label", "iteration", "project_membership")
TYPES_OF_STORIES = ("feature", "bug", "chore", "release")
STORY_TYPES = (*TYPES_OF_STORIES, "story")

STATES_BY_VERB = {
    "started": "started", "restarted": "started", "finished": "finished", "delivered": "delivered",
    "accepted": "accepted", "rejected": "rejected", "unstarted": "unstarted", "unscheduled": "unscheduled",
    "planned": "planned",
}  # fmt: skip
"""The state that a story comes into, by what somebody does to it."""
_STATE = "|".join(dict.fromkeys(STATES_BY_VERB.values()))
_FROM_TO = re.compile(
    r"(?:(?:edited|updated|changed|set) )?(?:(?:this|the) \w+[:,]? ?)?(?:(?:the|its|his|her|this) )?(?:story'?s? )?"
    r"(?:current[ _])?stat(?:e|us)\b[: ]*(?:(?:was )?changed )?(?:from )?[\"'“]?"
    rf"(?:(?P<before>{_STATE})[\"'”]? ?(?:to|->|→|=>) ?[\"'“]?|to [\"'“]?|: ?)?(?P<state>{_STATE})\b"
    r"(?![\"'”]? ?(?:to\b|->|→|=>)).*",
    re.IGNORECASE | re.DOTALL,
)
_VERB = re.compile(r"(?P<verb>[a-z]+)\b(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_OF_A_STORY = re.compile(rf"(?: (?:this|the|an?) (?:{'|'.join(STORY_TYPES)})\b.*|[.!]?)", re.IGNORECASE | re.DOTALL)
_OF_A_STATE = re.compile(r"[^\"“]*(?:\b|_)stat(?:e|us)\b", re.IGNORECASE)
"""A change of a state, if the words in quotation marks do not say so."""
_PART = re.compile(
    r" (?:(?:this|the|an?|new) )*(?P<part>comment|task|blocker|review|pull request|branch|label|attachment|file"
    r"|follower|membership|owner|integration|webhook)s?\b",
    re.IGNORECASE,
)
_VERBS = {
    "added": "create", "created": "create", "deleted": "delete", "removed": "delete", "moved": "move",
    **dict.fromkeys(
        (
            "edited", "updated", "changed", "estimated", "unestimated", "rewrote", "completed", "uncompleted",
            "reopened", "resolved", "unresolved", "renamed", "assigned", "unassigned", "imported", "copied", "followed",
            "unfollowed", "scheduled", "prioritized", "merged", "set", "cleared", "passed", "requested", "revised",
            *STATES_BY_VERB,
        ),
        "update",
    ),
}  # fmt: skip
"""What v5 calls a deed in the `kind` of an activity, by the first word of its message."""
_KINDS_OF_PARTS = {
    "attachment": "comment", "file": "comment", "pull request": "pull_request", "owner": "story",
    "membership": "project_membership",
}  # fmt: skip
_PHRASES = (
    (re.compile(r"added .* as an? follower\b", re.IGNORECASE | re.DOTALL), "follower_create_activity"),
    (re.compile(r"imported \d+ stor(?:y|ies)\b", re.IGNORECASE), "model_import_activity"),
    (re.compile(r"merged .*\blabels?\b", re.IGNORECASE | re.DOTALL), "label_merge_activity"),
    (re.compile(r"moved (?:this|the) \w+ into this project\b", re.IGNORECASE), "story_move_into_project_activity"),
)


class Deed(NamedTuple):
    """What was done. `kind` is that of the activity in v5, `highlight` the words of the message that say it.

    `state` is the state into which a story came, `before` the one in which it was; all are empty where the message does
    not say it.
    """

    kind: str
    highlight: str
    state: str = ""
    before: str = ""


def without_person(message: str, person: str) -> str:
    """The words of a message behind the name of the person with which it may begin."""
    begin, rest = message[: len(person)], message[len(person) :]
    return rest.strip() if begin == person or begin.casefold() == person.casefold() else message


@lru_cache(maxsize=1_000)
def deed_of(words: str, thing: str) -> Deed | None:
    """What the words of a message say, without the person; None if they are not understood.

    `thing` is what it was done to: `story`, `epic`, …
    """
    if thing == "story" and (found := _FROM_TO.fullmatch(words)):
        state, before = found["state"].lower(), (found["before"] or "").lower()
        return Deed("story_update_activity", "edited", state, before)
    found = _VERB.match(words)
    verb = found["verb"].lower() if found else ""
    if not found or verb not in _VERBS:
        return None
    rest = found["rest"]
    if verb in STATES_BY_VERB and thing == "story" and _OF_A_STORY.fullmatch(rest):
        return Deed("story_update_activity", verb, STATES_BY_VERB[verb])
    for phrase, kind in _PHRASES:
        if phrase.match(words):
            return Deed(kind, verb)
    part = _PART.match(rest)
    if part:
        name = part["part"].lower()
        of = _KINDS_OF_PARTS.get(name, name.replace(" ", "_"))
        return Deed(f"{of}_{_VERBS[verb]}_activity", f"{verb}{part[0].lower()}")
    if not thing or (thing == "story" and _OF_A_STATE.match(rest)):
        return None
    return Deed(f"{thing}_{_VERBS[verb]}_activity", verb)
