"""Which walks a sync makes: pure, with no server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, cast

import pytest

from source_pivotal_tracker.source import SourcePivotalTracker
from source_pivotal_tracker.streams.base import TrackerStream
from source_pivotal_tracker.streams.hydrate import fields_of
from source_pivotal_tracker.streams.parents import ProjectRef
from source_pivotal_tracker.streams.revision import Revision
from source_pivotal_tracker.sync.plan import Plan, Selected, plan
from source_pivotal_tracker.sync.state import StreamState
from source_pivotal_tracker.sync.walks import Walk

VERSION = 7
NOON = "2026-11-20T12:00:00Z"
APOLLO, BORIS = ProjectRef(99, Revision(VERSION), "2026-01-01"), ProjectRef(98, Revision(VERSION), "2026-01-01")
PARTS = (
    *("story_tasks", "story_comments", "story_blockers", "story_reviews", "story_pull_requests", "story_branches"),
    *("story_cycle_times", "file_attachments", "google_attachments"),
)
READ: dict[str, Any] = {"version": VERSION, "cursor": NOON}
BEHIND: dict[str, Any] = {"version": VERSION - 2, "cursor": NOON}


@pytest.fixture(scope="module")
def streams() -> dict[str, TrackerStream]:
    of_the_source = SourcePivotalTracker().streams({"api_token": "x"})
    return {stream.name: cast("TrackerStream", stream) for stream in of_the_source}


class Planned:
    """Plans these streams over two projects, each stream with the checkpoints of its projects that it is given."""

    def __init__(
        self,
        streams: Mapping[str, TrackerStream],
        wanted: Mapping[str, Mapping[int, Mapping[str, Any]]],
        projects: tuple[ProjectRef, ...] = (APOLLO, BORIS),
        accounts: tuple[int, ...] = (),
        *,
        full_refresh: bool = False,
    ) -> None:
        self._selected = []
        for name, checkpoints in wanted.items():
            given: dict[str, Any] = {"stream": name}
            if full_refresh:
                given |= {"full_refresh": True, "began": int(time.time())}
            given["projects"] = {str(project): dict(checkpoint) for project, checkpoint in checkpoints.items()}
            names = [endpoint.name for endpoint in streams[name].endpoints]
            state = StreamState(name, names, full_refresh=full_refresh, given=given)
            self._selected.append(Selected(streams[name], state))
        self.plan: Plan = plan(self._selected, projects, accounts)

    @property
    def ready(self) -> list[str]:
        return [shown(walk) for walk in self.plan.ready]

    @property
    def waiting(self) -> dict[int, list[str]]:
        return {project: [shown(walk) for walk in walks] for project, walks in self.plan.waiting.items()}


def shown(walk: Walk) -> str:
    """`projects/99/stories: stories, story_tasks`"""
    return f"{walk.path}: {', '.join(member.stream.name for member in walk.members)}"


def both(checkpoint: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    return {APOLLO.id: checkpoint, BORIS.id: checkpoint}


def test_one_walk_feeds_stories_and_their_nine_parts(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {name: {} for name in ("stories", *PARTS)}, (APOLLO,))
    stories, epics = planned.plan.ready
    assert [member.stream.name for member in stories.members] == ["stories", *PARTS]
    assert shown(epics) == "projects/99/epics: file_attachments, google_attachments"
    assert planned.waiting == {}


def test_a_part_that_is_read_alone_asks_for_itself_only(streams: Mapping[str, TrackerStream]) -> None:
    (walk,) = Planned(streams, {"story_tasks": {}}, (APOLLO,)).plan.ready
    assert set(fields_of([member.stream for member in walk.members])) == {"id", "project_id", "updated_at", "tasks"}


def test_walks_over_stories_come_before_the_others_of_their_project(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"labels": {}, "me": {}, "stories": {}})
    assert planned.ready == [
        "projects/99/stories: stories",
        "projects/99/labels: labels",
        "projects/98/stories: stories",
        "projects/98/labels: labels",
        "me: me",
    ]


def test_what_hangs_on_accounts_is_walked_once_for_each(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"account_memberships": {}}, accounts=(5, 6))
    assert planned.ready == [
        "accounts/5/memberships: account_memberships",
        "accounts/6/memberships: account_memberships",
    ]


def test_an_unchanged_project_is_not_walked(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"stories": both(READ), "labels": both(READ)})
    assert (planned.ready, planned.waiting) == ([], {})
    assert planned.plan.unchanged == {"stories": {APOLLO.id, BORIS.id}, "labels": {APOLLO.id, BORIS.id}}


def test_a_restless_stream_is_walked_though_its_project_is_unchanged(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"project_memberships": both(READ), "stories": both(READ)})
    assert planned.ready == [
        "projects/99/memberships: project_memberships",
        "projects/98/memberships: project_memberships",
    ]


def test_an_unchanged_project_that_was_not_read_to_its_end_is_walked(streams: Mapping[str, TrackerStream]) -> None:
    halfway = {**READ, "walk": {"offset": 500, "version": VERSION}}
    planned = Planned(streams, {"stories": {APOLLO.id: halfway, BORIS.id: READ}})
    assert planned.ready == ["projects/99/stories: stories"]


def test_a_project_that_a_running_full_refresh_has_read_is_not_walked_again(
    streams: Mapping[str, TrackerStream],
) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: {**READ, "done": True}}}, full_refresh=True)
    assert planned.ready == ["projects/98/stories: stories"]


def test_a_project_that_changed_since_a_running_full_refresh_has_read_it_is_read_for_its_changes(
    streams: Mapping[str, TrackerStream],
) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: {**BEHIND, "done": True}, BORIS.id: READ}}, full_refresh=True)
    assert planned.waiting == {99: ["projects/99/stories: stories"]}


def test_of_a_project_that_fell_behind_one_of_its_streams_no_stream_gets_changes(
    streams: Mapping[str, TrackerStream],
) -> None:
    ahead = {"version": VERSION + 3, "cursor": NOON}
    planned = Planned(streams, {"stories": {APOLLO.id: ahead}, "epics": {APOLLO.id: BEHIND}}, (APOLLO,))
    assert {walk.changes_since for walk in planned.plan.walks()} == {VERSION + 3}


def test_a_changed_project_waits_for_its_activity(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND, BORIS.id: READ}})
    (leader,) = planned.plan.ready
    assert (shown(leader), leader.changes_since) == ("projects/99/activity: ", VERSION - 2)
    assert planned.waiting == {99: ["projects/99/stories: stories"]}
    assert {walk.changes_since for walk in planned.plan.waiting[99]} == {VERSION - 2}


def test_activity_is_asked_for_once_where_a_stream_wants_it_too(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND}, "activity": {APOLLO.id: BEHIND}}, (APOLLO,))
    assert planned.ready == ["projects/99/activity: activity"]
    assert planned.waiting == {99: ["projects/99/stories: stories"]}


def test_activity_serves_the_changes_too_where_its_stream_is_read_for_the_first_time(
    streams: Mapping[str, TrackerStream],
) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND}, "activity": {}}, (APOLLO,))
    assert planned.ready == ["projects/99/activity: activity"]


def test_a_first_read_from_a_start_date_does_not_serve_the_changes() -> None:
    of_the_source = SourcePivotalTracker().streams({"api_token": "x", "start_date": NOON})
    streams = {stream.name: cast("TrackerStream", stream) for stream in of_the_source}
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND}, "activity": {}}, (APOLLO,))
    assert planned.ready == ["projects/99/activity: ", "projects/99/activity: activity"]


def test_changes_are_wanted_from_the_oldest_version_that_a_stream_has(streams: Mapping[str, TrackerStream]) -> None:
    older = {"version": VERSION - 4, "cursor": NOON}
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND}, "labels": {APOLLO.id: older}}, (APOLLO,))
    assert planned.plan.ready[0].changes_since == VERSION - 4
    assert {walk.changes_since for walk in planned.plan.waiting[99]} == {VERSION - 4}


def test_a_walk_of_streams_that_are_read_anew_does_not_wait(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND}, "labels": {}}, (APOLLO,))
    assert planned.ready == ["projects/99/activity: ", "projects/99/labels: labels"]
    assert planned.waiting == {99: ["projects/99/stories: stories"]}


def test_each_member_of_a_walk_has_its_own_state(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: BEHIND}, "story_tasks": {}}, (APOLLO,))
    ((walk,),) = planned.plan.waiting.values()
    assert {member.stream.name: member.has_base for member in walk.members} == {
        "stories": True,
        "story_tasks": False,
    }


def test_a_stream_that_is_new_in_the_catalog_walks_an_unchanged_project_alone(
    streams: Mapping[str, TrackerStream],
) -> None:
    planned = Planned(streams, {"stories": {APOLLO.id: READ}, "story_tasks": {}}, (APOLLO,))
    assert planned.ready == ["projects/99/stories: story_tasks"]
    assert planned.waiting == {}


def test_in_a_project_of_no_version_all_that_is_taken_up_later_waits_for_its_activity(
    streams: Mapping[str, TrackerStream],
) -> None:
    unknown = ProjectRef(99, None, None)
    planned = Planned(streams, {"labels": {}, "stories": {}}, (unknown,))
    assert planned.ready == ["projects/99/activity: "]
    assert planned.waiting == {99: ["projects/99/stories: stories", "projects/99/labels: labels"]}
    not_taken_up = Planned(streams, {"labels": {}}, (unknown,), full_refresh=True)
    assert not_taken_up.ready == ["projects/99/labels: labels"]
    (leader,) = Planned(streams, {"labels": {99: READ}, "epics": {99: BEHIND}}, (unknown,)).plan.ready
    assert (shown(leader), leader.changes_since) == ("projects/99/activity: ", VERSION - 2)


def test_projects_of_the_state_that_the_server_does_not_show_are_told(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"stories": both(READ), "labels": {97: READ}}, (APOLLO,))
    assert planned.plan.gone == {97, BORIS.id}


def test_accounts_of_the_state_are_no_projects_that_are_gone(streams: Mapping[str, TrackerStream]) -> None:
    planned = Planned(streams, {"account_memberships": {5: {"digest": "d"}}, "stories": {}})
    assert planned.plan.gone == set()
