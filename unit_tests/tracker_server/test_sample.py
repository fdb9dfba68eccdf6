"""What a sample world holds, so that a demo has something to show and a test meets every shape."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from tracker_server.edits.priority import PLACES
from tracker_server.sample import NOW, SAMPLE_TOKEN, make_world, sample_files
from tracker_server.world import STORY_PARTS, Project, Row, World, iso


@pytest.fixture(scope="module")
def world() -> World:
    return make_world()


def content(world: World) -> Row:
    return {name: value for name, value in vars(world).items() if name != "lock"}


def stories_of(world: World) -> list[Row]:
    return [story for project in world.projects.values() for story in project.stories.values()]


def comments_of(world: World) -> list[Row]:
    return [comment for story in stories_of(world) for comment in story["comments"]]


def role_of(project: Project, person_id: int) -> str:
    return next(str(row["role"]) for row in project.memberships.values() if row["person_id"] == person_id)


def test_the_same_arguments_make_an_equal_world() -> None:
    assert content(make_world(2, 40, seed=7)) == content(make_world(2, 40, seed=7))


def test_another_seed_makes_another_world() -> None:
    assert content(make_world(1, 40, seed=7)) != content(make_world(1, 40, seed=8))


@pytest.mark.parametrize(("projects", "stories"), [(0, 5), (1, 0), (1, 1), (2, 1), (3, 2), (1, 30), (4, 61)])
def test_every_project_has_exactly_the_stories_asked_for(projects: int, stories: int) -> None:
    world = make_world(projects, stories)
    assert len(world.projects) == projects
    for project in world.projects.values():
        assert len(project.stories) == stories
        assert sorted(project.order) == sorted(project.stories)


def test_nothing_happens_after_now() -> None:
    now = datetime(2024, 2, 29, 7, 30, tzinfo=UTC)
    world = make_world(2, 30, now=now)
    assert world.now == now
    assert max(story["updated_at"] for story in stories_of(world)) <= iso(now)
    assert max(project.activity[-1]["occurred_at"] for project in world.projects.values()) <= iso(now)


def test_the_activity_is_the_unbroken_tail_of_the_versions_of_180_days(world: World) -> None:
    for project in world.projects.values():
        versions = [row["project_version"] for row in project.activity]
        assert versions == list(range(versions[0], project.version + 1))
        assert versions[0] > 2
        assert project.activity[0]["occurred_at"] >= iso(NOW - timedelta(days=180))
        times = [row["occurred_at"] for row in project.activity]
        assert times == sorted(times)


def test_several_people_and_the_tokens_person_act_in_every_project(world: World) -> None:
    me = world.tokens[SAMPLE_TOKEN]
    for project in world.projects.values():
        actors = {row["performed_by"]["id"] for row in project.activity}
        assert me in actors
        assert len(actors) > 3


@pytest.mark.parametrize(
    "kind",
    [
        *("story_create", "story_update", "story_move", "story_delete", "model_import"),
        *("story_move_from_project", "story_move_into_project", "follower_create"),
        *("task_create", "task_update", "task_delete", "comment_create", "comment_update", "comment_delete"),
        *("blocker_create", "blocker_update", "blocker_delete", "review_create", "review_update", "review_delete"),
        *("pull_request_create", "branch_create", "epic_create", "epic_update", "epic_delete"),
        *("label_create", "label_update", "label_delete", "label_merge"),
        *("project_membership_update", "project_membership_delete", "project_update"),
    ],
)
def test_the_activity_has_every_kind(world: World, kind: str) -> None:
    kinds = {row["kind"] for project in world.projects.values() for row in project.activity}
    assert f"{kind}_activity" in kinds


def test_several_stories_were_deleted_at_once(world: World) -> None:
    for project in world.projects.values():
        deletes = [row for row in project.activity if row["kind"] == "story_delete_activity"]
        assert max(len(row["changes"]) for row in deletes) > 1


def test_all_states_types_and_priorities_are_there(world: World) -> None:
    stories = stories_of(world)
    assert {story["current_state"] for story in stories} == set(PLACES)
    assert {story["story_type"] for story in stories} == {"feature", "bug", "chore", "release"}
    assert {story["story_priority"] for story in stories} == {"p0", "p1", "p2", "p3", "none"}


def test_some_releases_have_a_deadline_and_are_still_to_come(world: World) -> None:
    for project in world.projects.values():
        releases = [row for row in project.stories.values() if row["story_type"] == "release"]
        assert any("deadline" in row and row["current_state"] == "unstarted" for row in releases)


def test_optional_attributes_are_absent_in_some_stories(world: World) -> None:
    stories = stories_of(world)
    for attribute in ("estimate", "description", "accepted_at"):
        assert 0 < sum(attribute in story for story in stories) < len(stories)
    assert {len(story["owner_ids"]) for story in stories} >= {0, 1, 2, 3}
    assert all(value is not None for story in stories for value in story.values())


def test_one_project_has_fractional_estimates_and_a_custom_scale(world: World) -> None:
    custom = [project for project in world.projects.values() if project.row["point_scale_is_custom"]]
    assert [project.row["point_scale"] for project in custom] == ["0,0.5,1,2,3,5"]
    assert 0.5 in {story.get("estimate") for story in custom[0].stories.values()}


def test_a_description_has_twenty_thousand_characters(world: World) -> None:
    assert max(len(story.get("description", "")) for story in stories_of(world)) == 20_000


@pytest.mark.parametrize("text", ["🚀", "検索", "العربية", "e\u0301", '"double"', "<script>", "\\", "NULL"])
def test_names_are_as_odd_as_people_make_them(world: World, text: str) -> None:
    assert any(text in story["name"] for story in stories_of(world))


def test_a_name_has_no_newline(world: World) -> None:
    assert not any("\n" in story["name"] for story in stories_of(world))


def test_every_kind_of_part_is_there_and_belongs_to_its_story(world: World) -> None:
    for part in STORY_PARTS:
        assert sum(len(story[part]) for story in stories_of(world)) > 10, part
    for story in stories_of(world):
        for part in STORY_PARTS:
            for row in story[part]:
                assert row["story_id"] == story["id"]
                assert row["created_at"] <= row["updated_at"] <= story["updated_at"]


def test_parts_come_as_often_as_in_real_projects() -> None:
    stories = stories_of(make_world(1, 1000))
    mean = {part: sum(len(story[part]) for story in stories) / len(stories) for part in STORY_PARTS}
    expected = {"tasks": 2, "comments": 1.6, "blockers": 0.1, "reviews": 0.2, "pull_requests": 0.2, "branches": 0.1}
    assert mean == pytest.approx(expected, rel=0.25)


def test_times_of_a_story_are_in_order(world: World) -> None:
    for story in stories_of(world):
        assert story["created_at"] <= story.get("accepted_at", story["updated_at"]) <= story["updated_at"]


def test_the_priority_list_is_done_by_time_then_by_place(world: World) -> None:
    for project in world.projects.values():
        rows = [project.stories[story_id] for story_id in project.order]
        places = [PLACES[row["current_state"]] for row in rows]
        assert places == sorted(places)
        accepted = [row["accepted_at"] for row in rows if row["current_state"] == "accepted"]
        assert accepted == sorted(accepted)


def test_the_last_transition_of_a_story_is_its_state(world: World) -> None:
    for project in world.projects.values():
        last: dict[int, str] = {}
        before = (0, "")
        for row in project.transitions:
            assert before <= (row["project_version"], row["occurred_at"])
            before = (row["project_version"], row["occurred_at"])
            last[row["story_id"]] = row["state"]
        came = {row["primary_resources"][0]["id"] for row in project.activity if "into_project" in row["kind"]}
        for story_id, story in project.stories.items():
            assert story_id in came or last[story_id] == story["current_state"]


def test_work_was_accepted_in_most_weeks_and_more_in_some_than_in_others(world: World) -> None:
    for project in world.projects.values():
        weeks: dict[int, float] = defaultdict(float)
        for story in project.stories.values():
            if "accepted_at" in story:
                accepted = datetime.strptime(story["accepted_at"], "%Y-%m-%dT%H:%M:%S%z")
                weeks[(NOW - accepted).days // 7] += story.get("estimate", 0)
        assert 15 <= len(weeks) <= 21
        assert max(weeks.values()) > 2 * sorted(weeks.values())[len(weeks) // 4]


def test_comments_have_texts_attachments_or_both(world: World) -> None:
    shapes = Counter(
        ("text" in row, bool(row["file_attachments"]), bool(row["google_attachments"])) for row in comments_of(world)
    )
    assert {(True, False, False), (True, True, False), (False, True, False), (True, True, True)} <= set(shapes)


def test_attachments_are_images_with_a_size_or_other_files_and_link_to_the_same_host(world: World) -> None:
    files = [file for comment in comments_of(world) for file in comment["file_attachments"]]
    assert {"width" in file for file in files} == {True, False}
    assert {"content_type" in file for file in files} == {True, False}
    assert all(file["download_url"] == f"/file_attachments/{file['id']}/download" for file in files)


def test_blockers_are_open_or_resolved_and_some_name_a_story(world: World) -> None:
    stories = stories_of(world)
    assert {row["resolved"] for story in stories for row in story["blockers"]} == {True, False}
    assert any(story["blocked_story_ids"] for story in stories)


def test_reviews_have_a_reviewer_or_none(world: World) -> None:
    assert {"reviewer_id" in row for story in stories_of(world) for row in story["reviews"]} == {True, False}


def test_epics_have_labels_on_stories_and_comments_with_attachments(world: World) -> None:
    for project in world.projects.values():
        used = {label_id for story in project.stories.values() for label_id in story["label_ids"]}
        assert {epic["label_id"] for epic in project.epics.values()} <= used
        comments = [comment for epic in project.epics.values() for comment in epic["comments"]]
        assert any(comment["file_attachments"] for comment in comments)
        assert any(comment["google_attachments"] for comment in comments)


def test_the_tokens_person_only_views_the_third_project(world: World) -> None:
    me = world.tokens[SAMPLE_TOKEN]
    assert [role_of(project, me) for project in world.projects.values()] == ["owner", "owner", "viewer"]


def test_somebody_who_left_still_owns_stories(world: World) -> None:
    for project in world.projects.values():
        members = {row["person_id"] for row in project.memberships.values()}
        owners = {person_id for story in project.stories.values() for person_id in story["owner_ids"]}
        assert owners - members
        assert owners <= set(world.people)


def test_webhooks_and_integrations_hold_secrets(world: World) -> None:
    for project in world.projects.values():
        assert all("@" in row["webhook_url"] and "secret=" in row["webhook_url"] for row in project.webhooks.values())
        keys = {key for row in project.integrations.values() for key in row}
        assert {"api_password", "external_api_token", "zendesk_user_password", "basic_auth_username"} <= keys
        assert len({row["kind"] for row in project.integrations.values()}) == 6


def test_notifications_are_read_or_not_and_some_are_older_than_ten_days(world: World) -> None:
    rows = world.notifications[world.tokens[SAMPLE_TOKEN]]
    assert {"read_at" in row for row in rows} == {True, False}
    old = [row for row in rows if row["created_at"] < iso(NOW - timedelta(days=10))]
    assert 0 < len(old) < len(rows)


def test_every_id_is_of_one_row(world: World) -> None:
    ids = [*world.people, *world.accounts, *world.account_memberships, *world.projects]
    for project in world.projects.values():
        ids += [*project.memberships, *project.labels, *project.epics, *project.stories, *project.review_types]
        ids += [*project.webhooks, *project.integrations]
    for story in stories_of(world):
        ids += [row["id"] for part in STORY_PARTS for row in story[part]]
    assert len(ids) == len(set(ids))


def test_each_file_has_content_of_its_size(world: World) -> None:
    files = sample_files(world)
    rows = [row for comment in comments_of(world) for row in comment["file_attachments"]]
    assert rows
    assert {row["id"] for row in rows} < files.keys()
    for row in rows[:10]:
        with files[row["id"]].open() as file:
            assert len(file.read()) == row["size"] == files[row["id"]].size
