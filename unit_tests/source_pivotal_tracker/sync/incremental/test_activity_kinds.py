"""Every kind of activity that is known of Tracker: which streams a deletion that it tells is for, or why for none."""

from __future__ import annotations

import pytest

from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.endpoints import Parent, ParentKind, Partition
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.streams.rows import Deletion
from source_pivotal_tracker.sync.changes import SWEEPING, ChangesReader
from source_pivotal_tracker.wiring import client_of, configured, parents_of, streams_of

SETTINGS = configured({"api_url": "https://tracker.example.org/services/v5", "api_token": "a" * 32})
CLIENT = client_of(SETTINGS)
STREAMS = streams_of(SETTINGS, CLIENT, parents_of(SETTINGS, CLIENT))

ADDS = "tells what is new or changed, which comes as a row"
STORY_ATTRIBUTE = "is an attribute of a story or an epic, whose row comes again"
NO_ROW = "is of a thing that no GET of the API shows, so no stream has it"
NEVER_DELETED = "a review type is hidden, and never deleted"
WHOLE_PROJECT = "a project that is gone has no activity that could be read"

DELETIONS: dict[str, tuple[str, set[str]]] = {
    "story_delete": ("story", {"stories", "releases"}),
    "story_move_from_project": ("story", {"stories", "releases"}),
    "epic_delete": ("epic", {"epics"}),
    "comment_delete": ("comment", {"story_comments", "epic_comments"}),
    "task_delete": ("task", {"story_tasks"}),
    "label_delete": ("label", {"labels"}),
    "label_merge": ("label", {"labels"}),
    "blocker_delete": ("blocker", {"story_blockers"}),
    "review_delete": ("review", {"story_reviews"}),
    "pull_request_delete": ("pull_request", {"story_pull_requests"}),
    "branch_delete": ("branch", {"story_branches"}),
    "project_membership_delete": ("project_membership", {"project_memberships"}),
}
"""The kinds of activity in which something is deleted, the kind of that thing, and the streams that have it."""
OTHERS = {
    **dict.fromkeys(
        [
            *("story_create", "story_update", "story_move", "story_move_into_project", "story_c2genericcommand"),
            *("story_move_into_project_and_prioritize", "epic_create", "epic_update", "epic_move", "comment_create"),
            *("comment_update", "task_create", "task_update", "task_move", "label_create", "label_update"),
            *("blocker_create", "blocker_update", "review_create", "review_update", "review_type_create"),
            *("pull_request_create", "pull_request_update", "branch_create", "iteration_update", "project_update"),
            *("project_create", "model_import", "project_membership_create", "project_membership_update"),
        ],
        ADDS,
    ),
    **dict.fromkeys(["blocking_create", "blocking_delete", "follower_create", "follower_delete"], STORY_ATTRIBUTE),
    **dict.fromkeys(["reaction_create", "reaction_update", "reaction_delete", "cicd_event_create"], NO_ROW),
    "review_type_update": NEVER_DELETED,
    "project_delete": WHOLE_PROJECT,
}
"""All other kinds, and why nothing that they tell is a tombstone."""


def deleted_by(kind: str, thing: str) -> dict[tuple[str, int], Deletion]:
    """What is deleted, according to an activity of a kind in which a thing is deleted."""
    reader = ChangesReader(Revision(1), Revision(2))
    reader.add(
        [
            {
                "kind": f"{kind}_activity",
                "guid": "1_2",
                "project_version": 2,
                "occurred_at": "2024-01-01T00:00:00Z",
                "primary_resources": [],
                "changes": [{"kind": thing, "change_type": "delete", "id": 7}],
            }
        ]
    )
    return reader.changes().deleted


def partition(stream: TrackerStream) -> Partition:
    return Partition(stream.endpoints[0], Parent(ParentKind.PROJECT, 1))


@pytest.mark.parametrize("kind", DELETIONS)
def test_what_is_deleted_comes_as_a_tombstone_of_each_stream_that_has_it(kind: str) -> None:
    thing, streams = DELETIONS[kind]
    (deletion,) = deleted_by(kind, thing).values()
    tombstones = {
        stream.name: stream.tombstone(deletion, partition(stream)) for stream in STREAMS if stream.deleted_kind
    }
    assert {name for name, tombstone in tombstones.items() if tombstone} == streams
    for tombstone in filter(None, tombstones.values()):
        assert (tombstone["id"], tombstone["_ab_cdc_deleted_at"]) == (7, "2024-01-01T00:00:00Z")


@pytest.mark.parametrize("kind", [kind for kind, why in OTHERS.items() if why in (STORY_ATTRIBUTE, NO_ROW)])
def test_a_deletion_of_what_no_stream_has_is_no_tombstone(kind: str) -> None:
    (deletion,) = deleted_by(kind, kind.rpartition("_")[0]).values()
    assert [stream.name for stream in STREAMS if stream.tombstone(deletion, partition(stream))] == []


def test_every_stream_that_has_deletions_has_a_kind_that_tells_them() -> None:
    told_of = set().union(*(streams for _, streams in DELETIONS.values()))
    assert {stream.name for stream in STREAMS if stream.deleted_kind} == told_of


def test_the_kinds_that_change_rows_unseen_are_known_ones() -> None:
    assert {kind.removesuffix("_activity") for kind in SWEEPING} <= DELETIONS.keys() | OTHERS.keys()
