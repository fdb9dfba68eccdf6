"""What the messages of a history say, by those of real activity and those of the sample."""

from __future__ import annotations

import pytest

from tracker_server.exports.deeds import Deed, deed_of, without_person
from tracker_server.sample import make_world
from unit_tests.recordings import exchanges, needs_recordings


def deed(message: str, thing: str, person: str = "Ann Lee") -> Deed | None:
    return deed_of(without_person(message, person), thing)


STATE_CHANGES = {
    "Ann Lee started this feature": "started",
    "ann lee finished this bug": "finished",
    "delivered this chore": "delivered",
    "Accepted": "accepted",
    "rejected this feature.": "rejected",
    "Ann Lee restarted the story": "started",
    "Ann Lee unstarted this feature": "unstarted",
    "Ann Lee unscheduled this feature and three others": "unscheduled",
}


@pytest.mark.parametrize("message", STATE_CHANGES)
def test_a_message_that_names_a_state_alone_shows_where_a_story_came(message: str) -> None:
    found = deed(message, "story")
    assert found is not None
    assert (found.kind, found.state, found.before) == ("story_update_activity", STATE_CHANGES[message], "")


@pytest.mark.parametrize(
    "message",
    [
        "Ann Lee changed the state from started to finished",
        "Ann Lee edited this feature: current_state: started -> finished",
        "state changed from 'Started' to 'Finished'",
        "Current State: started → finished",
        "Ann Lee updated this story's state from started to finished, and the estimate",
    ],
)
def test_a_message_that_names_two_states_shows_both(message: str) -> None:
    assert deed(message, "story") == Deed("story_update_activity", "edited", "finished", "started")


@pytest.mark.parametrize(
    ("message", "thing", "kind"),
    [
        ('Ann Lee added comment: "started this feature"', "story", "comment_create_activity"),
        ("Ann Lee started work on the frobnicator", "story", "story_update_activity"),
        ("Ann Lee added task: \"finished\"", "story", "task_create_activity"),
        ("Ann Lee accepted this feature", "epic", "epic_update_activity"),
        ("Ann Lee deleted a blocker", "story", "blocker_delete_activity"),
        ("Ann Lee added Bo as a follower of this feature", "story", "follower_create_activity"),
        ("Ann Lee changed the membership of Bo", "project_membership", "project_membership_update_activity"),
        ("Ann Lee estimated this feature as 3 points", "story", "story_update_activity"),
    ],
)  # fmt: skip
def test_other_words_change_no_state(message: str, thing: str, kind: str) -> None:
    found = deed(message, thing)
    assert found is not None
    assert (found.kind, found.state) == (kind, "")


@pytest.mark.parametrize("message", ["", "Ann Lee", "Started", "¿qué?", "started" * 9, "a task: started", "#12"])
def test_what_is_not_understood_is_nothing(message: str) -> None:
    assert deed(message, "") is None


@pytest.mark.parametrize(
    "message",
    ["Ann Lee changed the state from started to frobnicated", "Ann Lee edited this feature: current_state: -> blocked",
     "Ann Lee set this story's status"],
)  # fmt: skip
def test_a_change_of_a_state_whose_states_are_not_understood_is_not_understood(message: str) -> None:
    assert deed(message, "story") is None
    assert deed(message, "epic") is not None


@pytest.mark.parametrize(
    "message", ['Ann Lee renamed this feature to "State of the art"', "Ann Lee edited this statement"]
)
def test_a_state_in_a_name_is_none(message: str) -> None:
    assert deed(message, "story") == Deed("story_update_activity", message.split()[2])


@needs_recordings
def test_the_recorded_activity_of_tracker_is_understood_as_tracker_calls_it() -> None:
    recorded = [
        row
        for exchange in exchanges()
        if exchange.path.endswith("/activity") and exchange.status == 200
        for row in exchange.body
    ]
    assert len(recorded) > 100
    wrong = set()
    for row in recorded:
        found = deed(row["message"], row["primary_resources"][0]["kind"], row["performed_by"]["name"])
        states = [
            change["new_values"]["current_state"]
            for change in row["changes"]
            if change["kind"] == "story" and "current_state" in change.get("new_values", {})
        ]
        if found is None or found.kind != row["kind"] or (found.state and found.state not in states):
            wrong.add((row["kind"], row["message"], tuple(states), found))
    assert wrong == set()


def test_the_activity_of_the_sample_is_understood_as_it_is_called_there() -> None:
    wrong = set()
    for project in make_world(2, 100).projects.values():
        for row in project.activity:
            found = deed(row["message"], row["primary_resources"][0]["kind"], row["performed_by"]["name"])
            if found is None or found.kind != row["kind"]:
                wrong.add((row["kind"], row["highlight"]))
    # Which project a story went to is not in words that could be told from others.
    assert wrong == {("story_move_from_project_activity", "moved")}
