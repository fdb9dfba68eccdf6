"""What the activity of a project says of a time: what was touched, what is gone, and what is not told."""

from __future__ import annotations

from typing import Any

import pytest

from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.sync.changes import Changes, ChangesReader, clock_of
from tracker_server.sample import make_world

Row = dict[str, Any]

STORY, OTHER, EPIC = 101, 102, 201


def activity(revision: int, kind: str, *changes: Row, of: tuple[Row, ...] = ()) -> Row:
    return {
        "kind": f"{kind}_activity",
        "project_version": revision,
        "occurred_at": at(revision),
        "changes": list(changes),
        "primary_resources": list(of),
    }


def at(revision: int) -> str:
    return f"2026-11-20T12:00:{revision:02}Z"


def change(what: str, kind: str, thing: int, **more: Any) -> Row:
    return {"change_type": what, "kind": kind, "id": thing, **more}


def resource(kind: str, thing: int) -> Row:
    return {"kind": kind, "id": thing}


def read(*activities: Row, since: int = 0, revision: int | None = None) -> Changes:
    """The changes up to `revision`, or up to the last of the activities, which come newest first as Tracker's do."""
    newest = max((activity["project_version"] for activity in activities), default=since)
    reader = ChangesReader(Revision(since), Revision(newest if revision is None else revision))
    reader.add(reversed(activities))
    return reader.changes()


def edited(revision: int, story: int = STORY) -> Row:
    return activity(revision, "story_update", change("update", "story", story), of=(resource("story", story),))


def deleted(revision: int, *stories: int, kind: str = "story_delete") -> Row:
    changes = (change("delete", "story", story, story_type="feature") for story in stories)
    return activity(revision, kind, *changes, of=tuple(resource("story", story) for story in stories))


def created(revision: int, story: int = STORY, kind: str = "story_create") -> Row:
    return activity(revision, kind, change("create", "story", story), of=(resource("story", story),))


def test_a_touched_story_is_named() -> None:
    assert read(edited(1), edited(2, OTHER)).stories == {STORY, OTHER}


def test_a_change_of_a_part_names_its_story() -> None:
    task = change("create", "task", 5, new_values={"story_id": STORY, "description": "Dust"})
    assert read(activity(1, "task_create", task)).stories == {STORY}
    assert read(activity(1, "task_update", change("update", "task", 5), of=(resource("story", STORY),))).stories == {
        STORY
    }


def test_a_story_that_another_command_changes_by_the_way_is_named() -> None:
    unblocked = change("update", "story", OTHER, new_values={"blocked_story_ids": []})
    gone = activity(1, "story_delete", change("delete", "story", STORY), unblocked, of=(resource("story", STORY),))
    assert read(gone).stories == {OTHER}


def test_one_activity_deletes_many_stories() -> None:
    changes = read(deleted(1, STORY, OTHER, 103))
    assert changes.deleted.keys() == {("story", STORY), ("story", OTHER), ("story", 103)}
    assert {deletion.at for deletion in changes.deleted.values()} == {at(1)}
    assert changes.stories == set()


def test_a_story_that_was_edited_and_then_deleted_is_deleted_only() -> None:
    changes = read(edited(1), deleted(2, STORY))
    assert changes.stories == set()
    assert changes.deleted.keys() == {("story", STORY)}


def test_a_deletion_knows_the_type_of_its_story() -> None:
    gone = activity(1, "story_delete", change("delete", "story", STORY, story_type="release"))
    assert read(gone).deleted["story", STORY].story_type == "release"


def test_what_was_deleted_and_created_again_is_not_deleted() -> None:
    changes = read(deleted(1, STORY), created(2, STORY))
    assert (changes.stories, changes.deleted) == ({STORY}, {})


def test_what_was_created_and_deleted_again_is_deleted() -> None:
    assert read(created(1, STORY), deleted(2, STORY)).deleted.keys() == {("story", STORY)}


def test_the_order_of_versions_counts_and_not_that_in_which_the_rows_come() -> None:
    reader = ChangesReader(Revision(0), Revision(2))
    reader.add([created(2, STORY)])
    reader.add([deleted(1, STORY)])
    assert reader.changes().deleted == {}


def test_the_order_of_changes_counts_inside_one_activity() -> None:
    gone, back = change("delete", "label", 7), change("create", "label", 7)
    assert read(activity(1, "label_merge", gone, back)).deleted == {}
    assert read(activity(1, "label_merge", back, gone)).deleted.keys() == {("label", 7)}


def test_a_story_that_moved_to_another_project_is_marked_as_such() -> None:
    changes = read(deleted(1, STORY, kind="story_move_from_project"))
    assert changes.deleted["story", STORY].moved_away
    assert not read(deleted(1, STORY)).deleted["story", STORY].moved_away


def test_a_story_that_moved_away_and_back_is_not_deleted() -> None:
    away = deleted(1, STORY, kind="story_move_from_project")
    back = created(2, STORY, kind="story_move_into_project")
    assert read(away, back).deleted == {}


def test_a_story_that_came_and_was_deleted_here_did_not_move_away() -> None:
    came = created(1, STORY, kind="story_move_into_project")
    assert not read(came, deleted(2, STORY)).deleted["story", STORY].moved_away


def test_a_merge_deletes_every_label_but_one_and_names_the_stories_that_carried_them() -> None:
    stories = (change("update", "story", story, new_values={"label_ids": [1]}) for story in (STORY, OTHER))
    merge = activity(
        1,
        "label_merge",
        change("delete", "label", 7),
        change("delete", "label", 8),
        *stories,
        of=(resource("label", 1), resource("label", 7), resource("label", 8)),
    )
    changes = read(merge)
    assert changes.deleted.keys() == {("label", 7), ("label", 8)}
    assert changes.stories == {STORY, OTHER}


def test_a_deleted_part_knows_what_it_hung_on() -> None:
    of_story = activity(1, "comment_delete", change("delete", "comment", 5), of=(resource("story", STORY),))
    of_epic = activity(2, "comment_delete", change("delete", "comment", 6), of=(resource("epic", EPIC),))
    gone = read(of_story, of_epic).deleted
    assert (gone["comment", 5].story_id, gone["comment", 5].epic_id) == (STORY, None)
    assert (gone["comment", 6].story_id, gone["comment", 6].epic_id) == (None, EPIC)


def test_a_part_that_was_deleted_along_with_others_names_no_story_that_it_may_not_have_hung_on() -> None:
    resources = (resource("story", STORY), resource("story", OTHER))
    gone = read(activity(1, "comment_delete", change("delete", "comment", 5), of=resources)).deleted
    assert gone["comment", 5].story_id is None


def test_a_change_of_what_stories_show_without_saying_so_is_sweeping() -> None:
    for kind in ("label_update", "label_merge", "project_update"):
        changes = read(activity(1, kind, change("update", kind.partition("_")[0], 7)))
        assert changes.sweeping
        assert not changes.is_whole
    assert read(edited(1)).is_whole


def test_every_version_has_its_activity_where_nothing_is_missing() -> None:
    changes = read(edited(6), edited(7), edited(8), since=5)
    assert (changes.missing, changes.is_whole) == (0, True)


def test_versions_without_an_activity_are_counted() -> None:
    changes = read(edited(9), since=5, revision=10)
    assert (changes.missing, changes.is_whole) == (4, False)


def test_no_activity_at_all_where_there_were_changes_is_a_gap_too() -> None:
    assert read(since=5, revision=8).missing == 3


def test_a_project_that_fell_behind_is_not_understood() -> None:
    changes = read(edited(3), since=9, revision=4)
    assert (changes.missing, changes.is_whole) == (5, False)
    assert changes.stories == set()


@pytest.mark.parametrize(("seconds_back", "is_whole"), [(2, True), (3600, False)])
def test_where_times_stand_for_versions_a_clock_that_went_back_far_leaves_a_gap(
    seconds_back: int, is_whole: bool
) -> None:
    edit = edited(3) | {"guid": "a"}
    del edit["project_version"]
    now = clock_of(edit)
    reader = ChangesReader(Revision(now + seconds_back), now, slack=2)
    reader.add([edit, edit | {"guid": "b", "occurred_at": "2026-11-19T12:00:00Z"}])
    assert reader.changes().is_whole == is_whole


def test_a_row_that_comes_twice_counts_once() -> None:
    reader = ChangesReader(Revision(5), Revision(7))
    reader.add([edited(7)])
    reader.add([edited(7), edited(6)])
    assert reader.changes().missing == 0


def test_rows_from_before_and_after_the_time_in_question_do_not_count() -> None:
    changes = read(deleted(5, STORY), edited(6, OTHER), deleted(7, OTHER), since=5, revision=6)
    assert (changes.stories, changes.deleted, changes.missing) == ({OTHER}, {}, 0)


def test_an_activity_without_the_parts_that_older_ones_lack_is_understood() -> None:
    bare = {"kind": "story_update_activity", "project_version": 1, "occurred_at": at(1)}
    odd = activity(2, "story_update", {"new_values": None}, {"kind": "label"}, of=({"kind": "story"},))
    changes = read(bare, odd)
    assert (changes.missing, changes.stories, changes.deleted) == (0, set(), {})


def test_nothing_that_a_played_project_deleted_is_there_and_nothing_else_is_missing() -> None:
    (project,) = make_world(projects=1, stories=30).projects.values()
    reader = ChangesReader(Revision(project.activity[0]["project_version"] - 1), Revision(project.version))
    reader.add(project.activity)
    changes = reader.changes()
    there = {
        "story": project.stories.keys(),
        "epic": project.epics.keys(),
        "label": project.labels.keys(),
        "project_membership": project.memberships.keys(),
        **{
            kind: {part["id"] for story in project.stories.values() for part in story[parts]}
            for kind, parts in (("task", "tasks"), ("comment", "comments"), ("blocker", "blockers"))
        },
    }
    assert {kind for kind, _ in changes.deleted} >= {"story", "epic", "label", "task", "comment", "blocker", "review"}
    assert [thing for thing in changes.deleted if thing[1] in there.get(thing[0], ())] == []
    assert changes.stories <= project.stories.keys()
    assert changes.missing == 0
