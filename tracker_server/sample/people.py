"""The people of a sample world, their accounts and workspaces, and what one of them was notified of."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tracker_server.sample.words import PEOPLE
from tracker_server.sample.working_hours import DAY, HOUR
from tracker_server.world import Row, World, iso


def create_people(world: World) -> list[int]:
    born = datetime(2019, 3, 4, 9, 30, tzinfo=UTC)
    for number, (name, initials, username) in enumerate(PEOPLE):
        person_id = world.new_id()
        email = f"{username}@example.com"
        person = {"kind": "person", "id": person_id, "name": name, "initials": initials}
        world.people[person_id] = person | {"username": username, "email": email}
        world.person_settings[person_id] = {
            "time_zone": {"kind": "time_zone", "olson_name": "Europe/Oslo", "offset": "+01:00"},
            "has_google_identity": number % 2 == 0,
            "receives_in_app_notifications": True,
            "personal_settings": {
                "kind": "personal_settings",
                "header_display_mode": "full_display",
                "reports_autorefresh": True,
            },
            "created_at": iso(born + timedelta(days=41 * number)),
            "updated_at": iso(born + timedelta(days=900 + 41 * number)),
        }
    return list(world.people)


def create_accounts(world: World, people: Sequence[int]) -> list[int]:
    opened = "2019-03-04T09:30:00Z"
    renewed = "2026-03-04T09:30:00Z"
    for name, plan, status in (("Harbour IT", "Enterprise", "active"), ("Side Projects", "Free", "limited")):
        account_id = world.new_id()
        account: Row = {"kind": "account", "id": account_id, "name": name, "plan": plan, "status": status}
        account |= {"over_the_limit": status == "limited", "created_at": opened, "updated_at": renewed}
        if status == "limited":
            account["days_left"] = 12
        world.accounts[account_id] = account
        for number, person_id in enumerate(people):
            membership_id = world.new_id()
            world.account_memberships[membership_id] = {
                "kind": "account_membership",
                "id": membership_id,
                "account_id": account_id,
                "person_id": person_id,
                "owner": number == 0,
                "admin": number < 2,
                "project_creator": number < 3,
                "timekeeper": number == 1,
                "time_enterer": True,
                "created_at": opened,
                "updated_at": renewed,
            }
    return list(world.accounts)


def create_workspaces(world: World, people: Sequence[int]) -> dict[int, list[Row]]:
    project_ids = list(world.projects)
    workspaces = {}
    for person_id, names in ((people[0], ("Everything", "Favourites ⭐")), (people[1], ("Release week",))):
        chosen = {"Everything": project_ids}
        workspaces[person_id] = [
            {
                "kind": "workspace",
                "id": world.new_id(),
                "name": name,
                "person_id": person_id,
                "project_ids": chosen.get(name, project_ids[:1]),
            }
            for name in names
        ]
    return workspaces


def create_notifications(world: World, rng: random.Random, people: Sequence[int]) -> list[Row]:
    """Notifications of the last weeks, newest first; the older ones were read."""
    notifications = []
    moment = world.now
    for number in range(30):
        moment -= timedelta(seconds=rng.randrange(HOUR, 3 * DAY))
        project = rng.choice(list(world.projects.values()))
        story = project.stories[rng.choice(project.order)]
        performer = world.people[rng.choice(people[1:])]
        kind, action, message = rng.choice(
            (
                ("story", "ownership", "{} added you as an owner of this {}"),
                ("story", "delivered", "{} delivered this {}"),
                ("comment", "create", "{} commented on this {}"),
                ("comment_with_mention", "create", "You were mentioned by {} in this {}"),
                ("blocker", "create", "{} added a blocker to this {}"),
            )
        )
        notification: Row = {
            "kind": "notification",
            "id": world.new_id(),
            "project": {"kind": "project", "id": project.id, "name": project.row["name"]},
            "performer": {key: performer[key] for key in ("kind", "id", "name")},
            "message": message.format(performer["name"], story["story_type"]),
            "notification_type": kind,
            "new_attachment_count": 0,
            "action": action,
            "story": {key: story[key] for key in ("kind", "id", "name")},
            "created_at": iso(moment),
            "updated_at": iso(moment),
        }
        if kind.startswith("comment") and story["comments"]:
            comment = story["comments"][-1]
            notification |= {"comment_id": comment["id"], "context": comment.get("text", "")}
        if number > 8:
            read_at = iso(moment + timedelta(seconds=rng.randrange(60, HOUR)))
            notification |= {"read_at": read_at, "updated_at": read_at}
        notifications.append(notification)
    return notifications
