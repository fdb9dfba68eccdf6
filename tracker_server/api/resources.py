"""What each resource of the v5 API has: the attributes that it shows, and how some of them are computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tracker_server.view import View, accounts_of, membership_of, projects_of, rows_by_id
from tracker_server.world import STORY_PART_KINDS, Row

Getter = Callable[[Row, View], Any]


@dataclass(frozen=True)
class Computed:
    """An attribute that is more than a value stored under its own name.

    `kind` is the resource that `get` returns one row of (or None), or a list of rows where `many`.
    """

    get: Getter
    kind: str = ""
    many: bool = False


@dataclass(frozen=True)
class Resource:
    """A resource: its default attributes, those that come on request, and how some of them are computed.

    `key` always comes. `replaces` maps an attribute on request to the default attribute that it replaces.
    """

    default: str
    on_request: str = ""
    key: str | None = "id"
    computed: Mapping[str, Computed] = field(default_factory=dict)
    replaces: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def attributes(self) -> frozenset[str]:
        return frozenset([*self.default.split(), *self.on_request.split(), *self.computed])


def ids_of(rows: Iterable[Row] | None) -> list[int]:
    return [row["id"] for row in rows or ()]


def stored_list(name: str) -> Computed:
    return Computed(lambda row, _: row.get(name) or [])


def part(name: str, kind: str) -> Computed:
    return Computed(lambda row, _: row.get(name) or (), kind, many=True)


def part_ids(name: str) -> Computed:
    return Computed(lambda row, _: ids_of(row.get(name)))


def person(id_name: str) -> Computed:
    return Computed(lambda row, view: view.world.people.get(row.get(id_name, 0)), "person")


def people(ids_name: str) -> Computed:
    return Computed(lambda row, view: rows_by_id(view.world.people, row.get(ids_name)), "person", many=True)


def release_figure(name: str) -> Computed:
    """A figure of `Figures.release`, which only releases have."""
    return Computed(lambda row, view: view.figures.release(row["id"])[name] if row["story_type"] == "release" else None)


def epic_figure(name: str) -> Computed:
    return Computed(lambda row, view: view.figures.epic(row["id"])[name])


def neighbour(order: Callable[[View], list[int]], places: Callable[[View], dict[int, int]], step: int) -> Computed:
    """The id that stands `step` places further down the priority order."""

    def get(row: Row, view: View) -> int | None:
        ids, place = order(view), places(view)[row["id"]] + step
        return ids[place] if 0 <= place < len(ids) else None

    return Computed(get)


def story_neighbour(step: int) -> Computed:
    return neighbour(lambda view: view.project.order, lambda view: view.story_places, step)


def epic_neighbour(step: int) -> Computed:
    return neighbour(lambda view: view.epic_order, lambda view: view.epic_places, step)


def story_labels(row: Row, view: View) -> list[Row]:
    return rows_by_id(view.project.labels, row.get("label_ids"))


def attachment_ids(row: Row, _: View) -> list[int]:
    return [*ids_of(row.get("file_attachments")), *ids_of(row.get("google_attachments"))]


def first_owner(row: Row, _: View) -> int | None:
    return next(iter(row.get("owner_ids") or ()), None)


def account_summary(row: Row, view: View) -> Row | None:
    account = view.world.accounts.get(row.get("account_id", 0))
    return account and {**account, "kind": "account_summary"}


def membership_summaries(row: Row, view: View) -> list[Row]:
    summaries = []
    for project in projects_of(view.world, row["id"]):
        membership = membership_of(project, row["id"]) or {}
        name = {"project_id": project.id, "project_name": project.row["name"]}
        summaries.append({**membership, **name, "kind": "membership_summary"})
    return summaries


def account_projects(row: Row, view: View) -> list[Row]:
    return [project.row for project in view.world.projects.values() if project.row.get("account_id") == row["id"]]


def workspace_projects(row: Row, view: View) -> list[Row]:
    projects = view.world.projects
    return [projects[project_id].row for project_id in row.get("project_ids", ()) if project_id in projects]


RESOURCES: Mapping[str, Resource] = {
    "me": Resource(
        "kind id name initials username email time_zone api_token has_google_identity"
        " receives_in_app_notifications projects accounts personal_settings created_at updated_at",
        computed={
            "projects": Computed(membership_summaries, "membership_summary", many=True),
            "project_ids": Computed(lambda row, view: [p.id for p in projects_of(view.world, row["id"])]),
            "accounts": Computed(lambda row, view: accounts_of(view.world, row["id"]), "account", many=True),
            "account_ids": Computed(lambda row, view: ids_of(accounts_of(view.world, row["id"]))),
            "workspaces": Computed(lambda row, view: view.world.workspaces.get(row["id"], ()), "workspace", many=True),
            "workspace_ids": Computed(lambda row, view: ids_of(view.world.workspaces.get(row["id"]))),
        },
    ),
    "membership_summary": Resource("kind id project_id project_name project_color favorite role last_viewed_at"),
    "person": Resource("kind id name initials username email"),
    "my_person": Resource("person", key=None, computed={"person": person("person_id")}),
    "account": Resource(
        "id kind name plan status days_left over_the_limit created_at updated_at",
        computed={
            "projects": Computed(account_projects, "project", many=True),
            "project_ids": Computed(lambda row, view: ids_of(account_projects(row, view))),
        },
    ),
    "account_summary": Resource("kind id name status plan", on_request="days_left over_the_limit"),
    "account_membership": Resource(
        "kind id account_id person owner admin project_creator timekeeper time_enterer created_at updated_at",
        on_request="person_id",
        computed={"person": person("person_id")},
    ),
    "workspace": Resource(
        "kind id name person_id project_ids",
        computed={
            "projects": Computed(workspace_projects, "project", many=True),
            "project_ids": stored_list("project_ids"),
        },
    ),
    "notification": Resource(
        "kind id project performer message link context notification_type new_attachment_count action"
        " story epic comment_id created_at updated_at read_at"
    ),
    "project": Resource(
        "id kind name version iteration_length week_start_day point_scale point_scale_is_custom"
        " bugs_and_chores_are_estimatable automatic_planning enable_tasks start_date time_zone"
        " velocity_averaged_over number_of_done_iterations_to_show has_google_domain description"
        " profile_content enable_incoming_emails initial_velocity public atom_enabled project_type start_time"
        " created_at updated_at account_id current_iteration_number enable_following show_story_priority"
        " show_priority_icon show_priority_icon_in_all_panels",
        on_request="status accounting_type featured",
        computed={
            "version": Computed(lambda _, view: view.project.version),
            "current_iteration_number": Computed(lambda _, view: view.figures.current_iteration_number),
            "current_velocity": Computed(lambda _, view: view.figures.current_velocity),
            "current_volatility": Computed(lambda _, view: view.figures.current_volatility),
            "current_standard_deviation": Computed(lambda _, view: view.figures.current_standard_deviation),
            "shown_iterations_start_time": Computed(lambda _, view: view.figures.shown_iterations_start_time),
            "account": Computed(account_summary, "account_summary"),
            "labels": Computed(lambda _, view: view.sorted_labels(), "label", many=True),
            "label_ids": Computed(lambda _, view: ids_of(view.sorted_labels())),
            "epics": Computed(lambda _, view: view.project.epics.values(), "epic", many=True),
            "epic_ids": Computed(lambda _, view: list(view.project.epics)),
            "memberships": Computed(lambda _, view: view.memberships(), "project_membership", many=True),
            "membership_ids": Computed(lambda _, view: ids_of(view.memberships())),
            "review_types": Computed(lambda _, view: view.project.review_types.values(), "review_type", many=True),
            "review_type_ids": Computed(lambda _, view: list(view.project.review_types)),
            "story_ids": Computed(lambda _, view: list(view.project.order)),
            "integration_ids": Computed(lambda _, view: list(view.project.integrations)),
        },
    ),
    "project_membership": Resource(
        "kind id project_id person role project_color favorite last_viewed_at"
        " wants_comment_notification_emails will_receive_mention_notifications_or_emails created_at updated_at",
        on_request="person_id",
        computed={"person": person("person_id")},
    ),
    "label": Resource(
        "id project_id kind name created_at updated_at",
        computed={"counts": Computed(lambda row, view: view.figures.label_counts(row["id"]))},
    ),
    "review_type": Resource("kind id project_id name hidden created_at updated_at"),
    "epic": Resource(
        "id kind project_id name description url label created_at updated_at",
        on_request="label_id",
        computed={
            "label": Computed(lambda row, view: view.project.labels.get(row.get("label_id", 0)), "label"),
            "comments": part("comments", "comment"),
            "comment_ids": part_ids("comments"),
            "followers": people("follower_ids"),
            "follower_ids": stored_list("follower_ids"),
            "before_id": epic_neighbour(+1),
            "after_id": epic_neighbour(-1),
            "past_done_story_estimates": epic_figure("past_done_story_estimates"),
            "past_done_stories_count": epic_figure("past_done_stories_count"),
            "past_done_stories_no_point_count": epic_figure("past_done_stories_no_point_count"),
            "completed_at": epic_figure("completed_at"),
            "projected_completion": epic_figure("projected_completion"),
        },
    ),
    "story": Resource(
        "kind id created_at updated_at accepted_at estimate story_type story_priority name description"
        " current_state requested_by_id url project_id owner_ids labels owned_by_id deadline external_id"
        " integration_id",
        computed={
            "labels": Computed(story_labels, "label", many=True),
            "label_ids": Computed(lambda row, view: ids_of(story_labels(row, view))),
            "requested_by": person("requested_by_id"),
            "owned_by": Computed(
                lambda row, view: view.world.people.get(first_owner(row, view) or 0),
                "person",
            ),
            "owned_by_id": Computed(first_owner),
            "owners": people("owner_ids"),
            "owner_ids": stored_list("owner_ids"),
            "followers": people("follower_ids"),
            "follower_ids": stored_list("follower_ids"),
            "blocked_story_ids": stored_list("blocked_story_ids"),
            **{name: part(name, kind) for name, kind in STORY_PART_KINDS.items()},
            **{f"{kind}_ids": part_ids(name) for name, kind in STORY_PART_KINDS.items()},
            "transitions": Computed(
                lambda row, view: view.figures.transitions_of(row["id"]), "story_transition", many=True
            ),
            "cycle_time_details": Computed(lambda row, view: view.figures.cycle_time(row["id"]), "cycle_time_details"),
            "before_id": story_neighbour(+1),
            "after_id": story_neighbour(-1),
            "points_accepted": release_figure("points_accepted"),
            "points_total": release_figure("points_total"),
            "counts_accepted": release_figure("counts_accepted"),
            "counts_total": release_figure("counts_total"),
            "projected_completion": release_figure("projected_completion"),
        },
        replaces={"owned_by": "owned_by_id"},
    ),
    "release": Resource(
        "kind id created_at updated_at accepted_at name description current_state url project_id labels deadline",
        computed={
            "kind": Computed(lambda *_: "release"),
            "labels": Computed(story_labels, "label", many=True),
            "label_ids": Computed(lambda row, view: ids_of(story_labels(row, view))),
            "story_ids": release_figure("story_ids"),
            "points_accepted": release_figure("points_accepted"),
            "points_total": release_figure("points_total"),
            "counts_accepted": release_figure("counts_accepted"),
            "counts_total": release_figure("counts_total"),
            "projected_completion": release_figure("projected_completion"),
        },
    ),
    "task": Resource("kind id story_id description complete position created_at updated_at"),
    "comment": Resource(
        "kind id story_id epic_id text person_id created_at updated_at commit_identifier commit_type"
        " external_source external_author external_link",
        computed={
            "person": person("person_id"),
            "file_attachments": part("file_attachments", "file_attachment"),
            "file_attachment_ids": part_ids("file_attachments"),
            "google_attachments": part("google_attachments", "google_attachment"),
            "google_attachment_ids": part_ids("google_attachments"),
            "attachment_ids": Computed(attachment_ids),
        },
    ),
    "file_attachment": Resource(
        "kind id filename created_at uploader_id thumbnailable height width size download_url content_type"
        " uploaded big_url thumbnail_url archive member"
    ),
    "google_attachment": Resource(
        "id kind comment_id person_id google_kind title google_id alternate_link resource_id"
    ),
    "blocker": Resource("id kind story_id person_id description resolved created_at updated_at"),
    "review": Resource(
        "kind id story_id review_type_id reviewer_id status created_at updated_at",
        computed={
            "review_type": Computed(
                lambda row, view: view.project.review_types.get(row.get("review_type_id", 0)), "review_type"
            )
        },
    ),
    "pull_request": Resource("id kind story_id owner repo host_url original_url status number created_at updated_at"),
    "branch": Resource("id kind story_id owner repo host_url original_url name created_at updated_at"),
    "story_transition": Resource(
        "kind state story_id project_id project_version occurred_at performed_by_id", key=None
    ),
    "cycle_time_details": Resource(
        "kind total_cycle_time started_time started_count finished_time finished_count delivered_time"
        " delivered_count rejected_time rejected_count story_id",
        key=None,
    ),
    "iteration": Resource(
        "number project_id length team_strength stories start finish kind",
        on_request="velocity points accepted_points effective_points",
        key="number",
        computed={
            "stories": Computed(
                lambda row, view: rows_by_id(view.project.stories, row["story_ids"]), "story", many=True
            ),
            "story_ids": stored_list("story_ids"),
        },
    ),
    "activity": Resource(
        "kind guid project_version message highlight changes primary_resources secondary_resources project"
        " performed_by occurred_at",
        key="guid",
    ),
    "webhook": Resource(
        "kind id project_id webhook_url webhook_version enabled last_error_code last_response_body"
        " created_at updated_at"
    ),
    "search_result_container": Resource(
        "stories epics query",
        key=None,
        computed={
            "stories": Computed(lambda row, _: row["stories"], "story_search_result"),
            "epics": Computed(lambda row, _: row["epics"], "epic_search_result"),
        },
    ),
    "story_search_result": Resource(
        "stories total_points total_points_completed total_hits total_hits_with_done",
        key=None,
        computed={"stories": Computed(lambda row, _: row["stories"], "story", many=True)},
    ),
    "epic_search_result": Resource(
        "epics total_hits", key=None, computed={"epics": Computed(lambda row, _: row["epics"], "epic", many=True)}
    ),
    "integration": Resource(
        "id kind project_id name active base_url can_import is_other story_name import_api_url"
        " basic_auth_username basic_auth_password api_username api_password external_api_token account"
        " filter_id view_id company product component statuses_to_exclude bin_id external_project_id"
        " comments_private update_comments update_state zendesk_user_email zendesk_user_password"
        " created_at updated_at"
    ),
}
