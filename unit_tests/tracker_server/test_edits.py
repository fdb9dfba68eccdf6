"""What the commands of `tracker_server.edits` do to a world, held to the recorded activities where there are any."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tracker_server import edits
from tracker_server.edits.priority import PLACES
from tracker_server.world import Project, Row, World, iso

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings" / "tracker_api"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ADA, BO = 1, 2


def small_world() -> tuple[World, Project]:
    world = World(now=START)
    for person_id, name in ((ADA, "Ada"), (BO, "Bo")):
        world.people[person_id] = {"kind": "person", "id": person_id, "name": name, "initials": name[0]}
        world.people[person_id]["email"] = f"{name}@example.com"
    return world, new_project(world, 10)


def new_project(world: World, project_id: int) -> Project:
    row = {"kind": "project", "id": project_id, "name": f"Project {project_id}", "updated_at": iso(START)}
    project = Project(row)
    for offset, name in enumerate(("Code", "Design")):
        type_id = project_id + 1 + offset
        project.review_types[type_id] = {"kind": "review_type", "id": type_id, "name": name}
    world.projects[project_id] = project
    return project


def later(world: World) -> str:
    world.now += timedelta(minutes=1)
    return iso(world.now)


def add(world: World, project: Project, state: str = "unstarted", **values: Any) -> int:
    later(world)
    return int(edits.create_story(world, project, ADA, name=f"A story {state}", current_state=state, **values)["id"])


def changes(project: Project) -> list[Row]:
    found: list[Row] = project.activity[-1]["changes"]
    return found


def kinds(project: Project) -> list[tuple[str, str]]:
    return [(change["kind"], change["change_type"]) for change in changes(project)]


def every_command(world: World, project: Project, target: Project) -> list[tuple[str, Callable[[], object]]]:
    """Each command once, in an order in which each finds what it needs, with the kind of its activity."""
    rows: Row = {}

    def keep(name: str, row: Row) -> None:
        rows[name] = row

    def of(name: str) -> int:
        return int(rows[name]["id"])

    w, p = world, project
    return [
        ("story_create", lambda: keep("story", edits.create_story(w, p, ADA, name="One", tasks=["a"], comments=["b"]))),
        ("story_create", lambda: keep("other", edits.create_release(w, p, ADA, name="1.0"))),
        ("story_update", lambda: edits.update_story(w, p, BO, of("story"), current_state="unstarted", estimate=2)),
        ("story_move", lambda: edits.move_story(w, p, BO, of("story"), before=of("other"))),
        ("follower_create", lambda: edits.add_follower(w, p, BO, of("story"), BO)),
        ("task_create", lambda: keep("task", edits.create_task(w, p, ADA, of("story"), description="t"))),
        ("task_update", lambda: edits.update_task(w, p, ADA, of("story"), of("task"), complete=True)),
        ("task_delete", lambda: edits.delete_task(w, p, ADA, of("story"), of("task"))),
        ("comment_create", lambda: keep("comment", edits.create_comment(w, p, ADA, story_id=of("story"), text="c"))),
        ("comment_update", lambda: edits.update_comment(w, p, ADA, of("comment"), story_id=of("story"), text="d")),
        ("comment_delete", lambda: edits.delete_comment(w, p, ADA, of("comment"), story_id=of("story"))),
        ("blocker_create", lambda: keep("blocker", edits.create_blocker(w, p, ADA, of("story"), description="x"))),
        ("blocker_update", lambda: edits.update_blocker(w, p, ADA, of("story"), of("blocker"), resolved=True)),
        ("blocker_delete", lambda: edits.delete_blocker(w, p, ADA, of("story"), of("blocker"))),
        ("review_create", lambda: keep("review", edits.create_review(w, p, ADA, of("story"), review_type_id=11))),
        ("review_update", lambda: edits.update_review(w, p, ADA, of("story"), of("review"), reviewer_id=BO)),
        ("review_delete", lambda: edits.delete_review(w, p, ADA, of("story"), of("review"))),
        (
            "pull_request_create",
            lambda: edits.create_pull_request(w, p, ADA, of("story"), owner="o", repo="r", number=7),
        ),
        ("branch_create", lambda: edits.create_branch(w, p, ADA, of("story"), owner="o", repo="r", name="b")),
        ("label_create", lambda: keep("label", edits.create_label(w, p, ADA, name="Alpha"))),
        ("label_create", lambda: keep("merged", edits.create_label(w, p, ADA, name="Beta"))),
        ("label_update", lambda: edits.update_label(w, p, ADA, of("label"), name="Gamma")),
        ("label_merge", lambda: edits.merge_labels(w, p, ADA, of("label"), [of("merged")])),
        ("label_delete", lambda: edits.delete_label(w, p, ADA, of("label"))),
        ("epic_create", lambda: keep("epic", edits.create_epic(w, p, ADA, name="Big"))),
        ("comment_create", lambda: edits.create_comment(w, p, ADA, epic_id=of("epic"), text="c")),
        ("epic_update", lambda: edits.update_epic(w, p, ADA, of("epic"), description="Bigger")),
        ("epic_delete", lambda: edits.delete_epic(w, p, ADA, of("epic"))),
        ("project_membership_create", lambda: keep("member", edits.create_membership(w, p, ADA, person_id=BO))),
        ("project_membership_update", lambda: edits.update_membership(w, p, ADA, of("member"), role="viewer")),
        ("project_membership_delete", lambda: edits.delete_membership(w, p, ADA, of("member"))),
        ("project_update", lambda: edits.update_project(w, p, ADA, name="Renamed")),
        ("model_import", lambda: edits.import_stories(w, p, ADA, [{"name": "x"}, {"name": "y"}])),
        ("story_delete", lambda: edits.delete_stories(w, p, ADA, [of("other")])),
        ("story_move_from_project", lambda: edits.move_story_to_project(w, p, target, ADA, of("story"))),
    ]


def test_every_command_makes_one_version_and_one_activity_of_its_kind() -> None:
    world, project = small_world()
    commands = every_command(world, project, new_project(world, 20))
    for number, (kind, command) in enumerate(commands, 1):
        now = later(world)
        command()
        activity = project.activity[-1]
        assert (project.version, len(project.activity)) == (1 + number, number)
        assert activity["guid"] == f"10_{project.version}"
        assert activity["project_version"] == project.version
        assert (activity["kind"], activity["occurred_at"]) == (f"{kind}_activity", now)
        assert activity["primary_resources"]
        assert activity["secondary_resources"] == []
        assert activity["message"].startswith(f"{activity['performed_by']['name']} {activity['highlight']}")
        assert set(activity["performed_by"]) == {"kind", "id", "name", "initials"}


def recorded_activities() -> list[Row]:
    if not RECORDINGS.is_dir():
        pytest.skip(f"no recordings of Tracker at {RECORDINGS}")
    exchanges = json.loads((RECORDINGS / "get_project_activity.json").read_text(encoding="utf-8"))
    found: list[Row] = exchanges[0]["response"]["body"]
    return found


@pytest.mark.parametrize("kind", ["story_create", "story_update", "comment_create", "task_create", "task_update"])
def test_activities_have_the_keys_that_tracker_was_recorded_with(kind: str) -> None:
    recorded = [row for row in recorded_activities() if row["kind"] == f"{kind}_activity"]
    world, project = small_world()
    for _, command in every_command(world, project, new_project(world, 20))[:10]:
        later(world)
        command()
    activity_rows = [row for row in project.activity if row["kind"] == f"{kind}_activity"]
    assert activity_rows
    assert set(activity_rows[0]) == set(recorded[0])
    assert set(activity_rows[0]["primary_resources"][0]) == set(recorded[0]["primary_resources"][0])
    shapes = {(c["kind"], c["change_type"]): set(c) for row in recorded for c in row["changes"]}
    for change in activity_rows[-1]["changes"]:
        assert set(change) == shapes[change["kind"], change["change_type"]]


def test_a_story_creation_tells_the_values_that_tracker_was_recorded_with() -> None:
    recorded = next(row for row in recorded_activities() if row["kind"] == "story_create_activity")
    world, project = small_world()
    add(world, project, "unscheduled", description="why")
    assert set(changes(project)[0]["new_values"]) == set(recorded["changes"][0]["new_values"])


def test_a_comment_creation_tells_the_values_that_tracker_was_recorded_with() -> None:
    recorded = next(row for row in recorded_activities() if row["kind"] == "comment_create_activity")
    world, project = small_world()
    edits.create_comment(world, project, ADA, story_id=add(world, project), text="hello")
    assert set(changes(project)[0]["new_values"]) == set(recorded["changes"][0]["new_values"])


def test_the_list_is_done_then_in_progress_then_planned_then_backlog_then_icebox() -> None:
    world, project = small_world()
    for state in reversed(PLACES):
        add(world, project, state)
    places = [PLACES[project.stories[story_id]["current_state"]] for story_id in project.order]
    assert places == sorted(places)


def test_a_new_story_is_first_in_the_icebox_and_last_in_the_backlog() -> None:
    world, project = small_world()
    ids = [add(world, project, state) for state in ("unscheduled", "unscheduled", "unstarted", "unstarted")]
    assert project.order == [ids[2], ids[3], ids[1], ids[0]]


def test_accepting_puts_a_story_last_among_the_done_and_rejecting_it_first_among_those_in_progress() -> None:
    world, project = small_world()
    done, doing, delivered = (add(world, project, state) for state in ("accepted", "started", "delivered"))
    accepted_at = later(world)
    story = edits.update_story(world, project, BO, delivered, current_state="accepted")
    assert project.order == [done, delivered, doing]
    assert story["accepted_at"] == accepted_at
    assert changes(project)[0]["original_values"]["accepted_at"] is None
    later(world)
    edits.update_story(world, project, BO, delivered, current_state="rejected")
    assert project.order == [done, delivered, doing]
    assert "accepted_at" not in story
    assert changes(project)[0]["new_values"]["accepted_at"] is None


def test_a_story_that_changes_its_place_tells_its_new_neighbours() -> None:
    world, project = small_world()
    first, second, third = (add(world, project) for _ in range(3))
    edits.update_story(world, project, ADA, third, current_state="started")
    assert project.order == [third, first, second]
    change = changes(project)[0]
    assert (change["original_values"]["before_id"], change["new_values"]["before_id"]) == (None, first)
    assert (change["original_values"]["after_id"], change["new_values"]["after_id"]) == (second, None)


def test_states_and_the_creation_are_transitions_with_the_version_of_their_command() -> None:
    world, project = small_world()
    story_id = add(world, project)
    edits.update_story(world, project, BO, story_id, current_state="started", estimate=3)
    edits.update_story(world, project, BO, story_id, name="No new state")
    assert [(row["state"], row["project_version"], row["performed_by_id"]) for row in project.transitions] == [
        ("unstarted", 2, ADA),
        ("started", 3, BO),
    ]


def test_a_null_takes_an_attribute_away() -> None:
    world, project = small_world()
    story_id = add(world, project, description="gone soon", estimate=1)
    story = edits.update_story(world, project, ADA, story_id, description=None, estimate=None)
    assert not {"description", "estimate"} & set(story)


def test_only_an_estimate_is_told_as_estimated() -> None:
    world, project = small_world()
    story_id = add(world, project)
    edits.update_story(world, project, ADA, story_id, estimate=1)
    assert project.activity[-1]["message"] == "Ada estimated this feature as 1 point"
    edits.update_story(world, project, ADA, story_id, estimate=2, name="More")
    assert project.activity[-1]["message"] == "Ada edited this feature"


def test_changes_within_one_second_leave_updated_at_out() -> None:
    world, project = small_world()
    edits.update_story(world, project, ADA, add(world, project), name="Quick")
    assert changes(project)[0]["new_values"] == {"name": "Quick"}


def test_what_a_caller_does_to_its_lists_afterwards_changes_no_story() -> None:
    world, project = small_world()
    owners = [ADA]
    story = project.stories[add(world, project, owner_ids=owners)]
    owners.append(BO)
    assert story["owner_ids"] == [ADA]


@pytest.mark.parametrize(
    ("where", "expected"), [({"before": 0}, [2, 0, 1]), ({"after": 0}, [0, 2, 1]), ({"after": 3}, [0, 1, 2])]
)
def test_a_moved_story_goes_next_to_the_other_but_stays_in_its_stretch(
    where: dict[str, int], expected: list[int]
) -> None:
    world, project = small_world()
    ids = [add(world, project) for _ in range(3)] + [add(world, project, "unscheduled")]
    edits.move_story(world, project, ADA, ids[2], **{side: ids[other] for side, other in where.items()})
    assert project.order == [ids[place] for place in expected] + [ids[3]]


def test_a_move_changes_updated_at_of_the_moved_story_alone() -> None:
    world, project = small_world()
    first, second = add(world, project), add(world, project)
    before = project.stories[first]["updated_at"]
    now = later(world)
    edits.move_story(world, project, ADA, second, before=first)
    assert (project.stories[first]["updated_at"], project.stories[second]["updated_at"]) == (before, now)


def test_an_accepted_story_does_not_move() -> None:
    world, project = small_world()
    done, other = add(world, project, "accepted"), add(world, project)
    with pytest.raises(ValueError, match="accepted"):
        edits.move_story(world, project, ADA, done, after=other)


def test_stories_deleted_together_are_one_change_each_in_one_activity() -> None:
    world, project = small_world()
    ids = [add(world, project, tasks=["part"]) for _ in range(4)]
    edits.delete_stories(world, project, ADA, ids[:3])
    assert changes(project) == [
        {"kind": "story", "change_type": "delete", "id": i, "name": "A story unstarted", "story_type": "feature"}
        for i in ids[:3]
    ]
    assert (project.order, list(project.stories)) == (ids[3:], ids[3:])


def test_a_blocker_that_names_a_story_is_told_on_both_until_it_is_resolved() -> None:
    world, project = small_world()
    waiting, blocking = add(world, project), add(world, project)
    now = later(world)
    blocker = edits.create_blocker(world, project, ADA, waiting, description=f"after #{blocking}")
    assert project.stories[blocking]["blocked_story_ids"] == [waiting]
    assert project.stories[blocking]["updated_at"] == project.stories[waiting]["updated_at"] == now
    edits.update_blocker(world, project, ADA, waiting, blocker["id"], resolved=True)
    assert project.stories[blocking]["blocked_story_ids"] == []


def test_a_deleted_story_blocks_and_waits_for_nothing() -> None:
    world, project = small_world()
    waiting, blocking = add(world, project), add(world, project)
    edits.create_blocker(world, project, ADA, waiting, description=f"after #{blocking}")
    edits.delete_stories(world, project, ADA, [waiting])
    assert project.stories[blocking]["blocked_story_ids"] == []
    assert kinds(project) == [("story", "delete"), ("story", "update")]


def test_a_story_moved_to_another_project_is_the_same_story_with_its_parts() -> None:
    world, source = small_world()
    target = new_project(world, 20)
    label_id = edits.create_label(world, source, ADA, name="blue")["id"]
    story_id = add(world, source, label_ids=[label_id], tasks=["pack"])
    edits.create_review(world, source, ADA, story_id, review_type_id=12)
    created_at, now = source.stories[story_id]["created_at"], later(world)
    story = edits.move_story_to_project(world, source, target, BO, story_id)
    assert (source.order, target.order) == ([], [story_id])
    assert (story["project_id"], story["created_at"], story["updated_at"]) == (20, created_at, now)
    assert [task["description"] for task in story["tasks"]] == ["pack"]
    assert story["reviews"][0]["review_type_id"] == 22
    assert [target.labels[i]["name"] for i in story["label_ids"]] == ["blue"]
    assert kinds(source) == [("story", "delete")]
    assert kinds(target) == [("label", "create"), ("story", "create")]
    assert target.activity[-1]["kind"] == "story_move_into_project_activity"
    assert (source.version, target.version) == (5, 2)


def test_an_import_is_one_activity_with_a_creation_for_each_story() -> None:
    world, project = small_world()
    edits.import_stories(
        world, project, ADA, [{"name": "old", "current_state": "accepted", "accepted_at": "2020-01-01T00:00:00Z"}] * 2
    )
    assert kinds(project) == [("story", "create")] * 2
    assert len(project.order) == 2


def test_parts_move_updated_at_of_their_story() -> None:
    world, project = small_world()
    for number, (kind, command) in enumerate(every_command(world, project, new_project(world, 20))[:19]):
        now = later(world)
        command()
        story = next(iter(project.stories.values()))
        assert number == 1 or story["updated_at"] == now, kind


def test_a_deleted_label_leaves_its_stories_and_its_epic() -> None:
    world, project = small_world()
    epic = edits.create_epic(world, project, ADA, name="Blue")
    label_id = epic["label_id"]
    story_id = add(world, project, label_ids=[label_id])
    now = later(world)
    edits.delete_label(world, project, ADA, label_id)
    assert project.stories[story_id]["label_ids"] == []
    assert project.stories[story_id]["updated_at"] == now
    assert "label_id" not in epic
    assert kinds(project) == [("label", "delete"), ("story", "update"), ("epic", "update")]
    assert changes(project)[1]["original_values"]["labels"] == ["blue"]


def test_merged_labels_become_one_on_each_story() -> None:
    world, project = small_world()
    blue, bleu, azul = (edits.create_label(world, project, ADA, name=name)["id"] for name in ("blue", "bleu", "azul"))
    story_id = add(world, project, label_ids=[bleu, blue, azul])
    edits.merge_labels(world, project, ADA, blue, [bleu, azul])
    assert project.stories[story_id]["label_ids"] == [blue]
    assert list(project.labels) == [blue]


def test_a_new_epic_brings_a_label_of_its_name_in_lower_case() -> None:
    world, project = small_world()
    epic = edits.create_epic(world, project, ADA, name="Gift Cards")
    assert project.labels[epic["label_id"]]["name"] == "gift cards"
    assert kinds(project) == [("label", "create"), ("epic", "create")]


def test_tasks_are_numbered_without_gaps() -> None:
    world, project = small_world()
    story_id = add(world, project, tasks=["a", "b", "c"])
    tasks = project.stories[story_id]["tasks"]
    edits.update_task(world, project, ADA, story_id, tasks[2]["id"], position=1)
    edits.delete_task(world, project, ADA, story_id, tasks[1]["id"])
    assert [(task["description"], task["position"]) for task in tasks] == [("c", 1), ("b", 2)]


def test_attachments_come_and_go_with_the_comment() -> None:
    world, project = small_world()
    story_id = add(world, project)
    comment = edits.create_comment(
        world,
        project,
        ADA,
        story_id=story_id,
        file_attachments=[{"filename": "a.png", "size": 9, "width": 3, "height": 4}],
        google_attachments=[{"title": "Notes", "google_kind": "document"}],
    )
    file, document = comment["file_attachments"][0], comment["google_attachments"][0]
    assert file["download_url"] == f"/file_attachments/{file['id']}/download"
    assert document["comment_id"] == comment["id"]
    assert "text" not in comment
    assert changes(project)[0]["new_values"]["attachment_ids"] == [file["id"], document["id"]]
    now = later(world)
    edits.update_comment(world, project, ADA, comment["id"], story_id=story_id, remove_attachments=[file["id"]])
    assert comment["file_attachments"] == []
    assert comment["updated_at"] == project.stories[story_id]["updated_at"] == now


def test_who_comments_follows_from_then_on() -> None:
    world, project = small_world()
    story_id = add(world, project)
    edits.create_comment(world, project, BO, story_id=story_id, text="hm")
    edits.create_comment(world, project, BO, story_id=story_id, text="hm!")
    assert project.stories[story_id]["follower_ids"] == [BO]


def test_a_comment_on_an_epic_moves_the_epics_updated_at() -> None:
    world, project = small_world()
    epic = edits.create_epic(world, project, ADA, name="Big")
    now = later(world)
    comment = edits.create_comment(world, project, BO, epic_id=epic["id"], text="hm")
    assert (comment["epic_id"], epic["updated_at"]) == (epic["id"], now)
    assert "story_id" not in comment


def test_only_settings_move_the_projects_updated_at() -> None:
    world, project = small_world()
    before = project.row["updated_at"]
    add(world, project)
    assert project.row["updated_at"] == before
    now = later(world)
    edits.update_project(world, project, ADA, description="new")
    assert project.row["updated_at"] == now


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (lambda w, p: edits.delete_stories(w, p, ADA, [99]), "no story 99 in project 10"),
        (lambda w, p: edits.delete_label(w, p, ADA, 99), "no label 99 in project 10"),
        (lambda w, p: edits.delete_epic(w, p, ADA, 99), "no epic 99 in project 10"),
        (lambda w, p: edits.delete_membership(w, p, ADA, 99), "no membership 99 in project 10"),
        (lambda w, p: edits.delete_task(w, p, ADA, p.order[0], 99), "no task 99 in story"),
        (lambda w, p: edits.delete_comment(w, p, ADA, 99, story_id=p.order[0]), "no comment 99 in story"),
        (lambda w, p: edits.delete_blocker(w, p, ADA, p.order[0], 99), "no blocker 99 in story"),
        (lambda w, p: edits.delete_review(w, p, ADA, p.order[0], 99), "no review 99 in story"),
        (lambda w, p: edits.update_story(w, p, 99, p.order[0], name="x"), "no person 99"),
        (lambda w, p: edits.update_story(w, p, ADA, p.order[0], label_ids=[99]), "no label 99"),
        (lambda w, p: edits.create_review(w, p, ADA, p.order[0], review_type_id=99), "no review type 99"),
    ],
)
def test_an_unknown_id_is_a_key_error_and_changes_nothing(
    command: Callable[[World, Project], object], message: str
) -> None:
    world, project = small_world()
    add(world, project)
    before = json.dumps(vars(project), default=str)
    with pytest.raises(KeyError, match=message):
        command(world, project)
    assert json.dumps(vars(project), default=str) == before


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (lambda w, p: edits.update_story(w, p, ADA, p.order[0], current_state="done"), "done: not a state"),
        (lambda w, p: edits.update_story(w, p, ADA, p.order[0], updated_at="x"), "updated_at: not to be set"),
        (lambda w, p: edits.move_story(w, p, ADA, p.order[0]), "either before or after"),
        (lambda w, p: edits.create_comment(w, p, ADA, text="x"), "either to a story or to an epic"),
        (lambda w, p: edits.create_comment(w, p, ADA, story_id=p.order[0]), "a text or an attachment"),
        (lambda w, p: edits.move_story_to_project(w, p, p, ADA, p.order[0]), "in project 10 already"),
        (lambda w, p: edits.import_stories(w, p, ADA, [{"description": "x"}]), "needs a name"),
        (lambda w, p: edits.delete_stories(w, p, ADA, []), "no story to delete"),
    ],
)
def test_what_tracker_would_refuse_is_a_value_error_and_changes_nothing(
    command: Callable[[World, Project], object], message: str
) -> None:
    world, project = small_world()
    add(world, project)
    before = json.dumps(vars(project), default=str)
    with pytest.raises(ValueError, match=message):
        command(world, project)
    assert json.dumps(vars(project), default=str) == before
