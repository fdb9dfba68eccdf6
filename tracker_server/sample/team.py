"""A project and the team that works on it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tracker_server import edits
from tracker_server.sample.words import SENTENCES, TAGS, THEMES, Theme
from tracker_server.sample.working_hours import DAY, HOUR, WEEK
from tracker_server.world import Project, Row, World, iso

HISTORY_ENDS = 2 * DAY
"""Before now; after it every project sees the same last events (`last_days`)."""


@dataclass
class Team:
    """One project and what its stories are made of; `start` and `end` of its history are epoch seconds."""

    world: World
    project: Project
    rng: random.Random
    theme: Theme
    editors: list[int]
    scale: list[float]
    epic_labels: list[int]
    tags: list[int]
    start: int
    end: int

    def anyone(self) -> int:
        return self.rng.choice(self.editors)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability


def create_team(
    world: World, rng: random.Random, index: int, projects: int, account_id: int, end: int, weeks: int
) -> Team:
    """A new project with its people, labels and epics, whose work starts `weeks` weeks before `end`."""
    theme = THEMES[index % len(THEMES)]
    name = theme.project + (f" {index // len(THEMES) + 1}" if index >= len(THEMES) else "")
    monday = end // DAY - (end // DAY + 3) % 7
    start = (monday - 7 * (weeks - 1)) * DAY + 8 * HOUR
    founded = min(start - 6 * WEEK, end - 32 * WEEK)
    world.now = datetime.fromtimestamp(founded, UTC)
    scale: list[float] = [0.5, 1, 2, 3, 5] if index == 0 else [1, 2, 3]
    started = datetime.fromtimestamp(start, UTC)
    project_id = world.new_id()
    project = Project(
        {
            "kind": "project",
            "id": project_id,
            "name": name,
            "status": "active",
            "iteration_length": 2 if index == 2 else 1,
            "week_start_day": "Monday",
            "point_scale": ",".join(str(points) for points in [0, *scale]),
            "point_scale_is_custom": index == 0,
            "bugs_and_chores_are_estimatable": index == 1,
            "automatic_planning": index != min(1, projects - 1),
            "enable_tasks": True,
            "start_date": started.date().isoformat(),
            "time_zone": {"kind": "time_zone", "olson_name": "Europe/Oslo", "offset": "+01:00"},
            "velocity_averaged_over": 3,
            "number_of_done_iterations_to_show": 12,
            "has_google_domain": False,
            "profile_content": f"{name}: what we build, and why.\n\n{SENTENCES[0]}",
            "enable_incoming_emails": True,
            "initial_velocity": 10,
            "public": False,
            "atom_enabled": False,
            "project_type": "private",
            "start_time": iso(started.replace(hour=0)),
            "account_id": account_id,
            "enable_following": True,
            "show_story_priority": True,
            "show_priority_icon": True,
            "show_priority_icon_in_all_panels": False,
            "created_at": iso(world.now),
            "updated_at": iso(world.now),
        }
    )
    world.projects[project_id] = project
    people = list(world.people)
    for type_name in ("Test (QA)", "Design", "Code", "Security"):
        type_id = world.new_id()
        row = {"kind": "review_type", "id": type_id, "project_id": project_id, "name": type_name, "hidden": False}
        project.review_types[type_id] = row | {"created_at": iso(world.now), "updated_at": iso(world.now)}
    for number, person_id in enumerate(people):
        world.now += timedelta(minutes=7)
        role = "owner" if number < 2 else "viewer" if number == len(people) - 1 else "member"
        color = f"{rng.getrandbits(24):06x}"
        edits.create_membership(world, project, people[0], person_id=person_id, role=role, project_color=color)
    epic_labels, tags = [], []
    for epic_name in theme.epics:
        world.now += timedelta(minutes=11)
        epic_labels.append(edits.create_epic(world, project, people[1], name=epic_name)["label_id"])
    for tag in TAGS:
        world.now += timedelta(minutes=1)
        tags.append(edits.create_label(world, project, people[1], name=tag)["id"])
    _add_webhooks_and_integrations(world, rng, project)
    return Team(world, project, rng, theme, people[:-1], scale, epic_labels, tags, start, end)


def _add_webhooks_and_integrations(world: World, rng: random.Random, project: Project) -> None:
    """Webhooks and integrations, which hold secrets as those of real projects do."""
    now = iso(world.now)

    def secret() -> str:
        return f"{rng.getrandbits(128):032x}"

    for enabled in (True, False):
        webhook_id = world.new_id()
        project.webhooks[webhook_id] = {
            "kind": "webhook",
            "id": webhook_id,
            "project_id": project.id,
            "webhook_url": f"https://hook:{secret()}@ci.example.com/tracker/{project.id}?secret={secret()}",
            "webhook_version": "v5",
            "enabled": enabled,
            **({} if enabled else {"last_error_code": "503", "last_response_body": "no healthy upstream"}),
            "created_at": now,
            "updated_at": now,
        }
    kinds: dict[str, Row] = {
        "jira": {"api_username": "sync", "api_password": secret(), "filter_id": 10200},
        "zendesk": {"zendesk_user_email": "sync@example.com", "zendesk_user_password": secret(), "view_id": "360"},
        "bugzilla": {"basic_auth_username": "sync", "basic_auth_password": secret(), "product": "shop"},
        "lighthouse": {"external_api_token": secret(), "account": "harbour", "bin_id": 3},
        "get_satisfaction": {"company": "harbour-it", "comments_private": True},
        "other": {"import_api_url": f"https://sync:{secret()}@tickets.example.com/import.xml?key={secret()}"},
    }
    for kind, settings in kinds.items():
        integration_id = world.new_id()
        project.integrations[integration_id] = {
            "kind": f"{kind}_integration",
            "id": integration_id,
            "project_id": project.id,
            "name": kind.replace("_", " ").title(),
            "active": kind != "bugzilla",
            "base_url": f"https://{kind.replace('_', '-')}.example.com",
            "can_import": True,
            "is_other": kind == "other",
            "story_name": "ticket",
            **settings,
            "created_at": now,
            "updated_at": now,
        }
