"""Syncs a sample PersistIQ account into demo-persistiq.duckdb, twice, and shows what came."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tools.manifest_demo import Account, demo
from tools.program import Message
from tools.sample_modules import load
from tools.show import play

CONNECTOR = "source-persistiq"
DATABASE = Path("demo-persistiq.duckdb")
LEADS = 250
CAMPAIGNS = 3
EVENTS = 1200
API_KEY = "sample-key-0000000000000000"

KINDS = """\
SELECT coalesce(kind, event_type) AS kind, count(*) AS events
FROM events
GROUP BY ALL
ORDER BY events DESC, kind"""


def main(database: Path = DATABASE) -> int:
    """Run the demo; returns the exit status."""
    return play(lambda console: demo(console, database, account()))


def account() -> Account:
    """A sample account, which nobody serves yet."""
    worlds, api, serving = load(CONNECTOR, "persistiq_world", "persistiq_api", "serving")
    world = worlds.make_world(LEADS, CAMPAIGNS, EVENTS)

    def held(stream: str) -> list[Message]:
        rows: list[Message] = api.expected(world, stream)
        return rows

    return Account(
        connector=CONNECTOR,
        what=f"a sample PersistIQ account of {LEADS} leads in {CAMPAIGNS} campaigns with {EVENTS:,} events",
        server=serving.SampleServer(api.PersistiqApi(world, API_KEY)),
        path=api.PREFIX,
        api_key=API_KEY,
        settings={"include_replies": True, "requests_per_minute": 1000},
        edit=lambda: edit(world),
        deleted={"leads": 1},
        held=held,
        query=KINDS,
        title="Events by their kind",
    )


def edit(world: Any) -> str:
    """What people do between two syncs, the same each time; returns it in words.

    It happened a minute ago, because a sync leaves what happens in the second of its start to the next one.
    """
    world.now = datetime.now(UTC) - timedelta(minutes=1)
    quiet, *leads, unwanted = world.leads
    campaign, *_ = world.campaigns
    user = next(iter(world.users))
    for lead in leads[:3]:
        world.edit("leads", lead, status="not interested")
        world.create("events", kind="lead_updated", user_id=user, lead={"id": lead, "status": "not interested"})
    new = world.create("leads", status="active", owner_id=user, data={"email": "new@example.org"})
    world.create("campaign_leads", campaign_id=campaign, lead=new)
    world.create("events", kind="lead_created", user_id=user, lead={"id": new["id"], "status": "active"})
    world.create("campaign_replies", campaign_id=campaign, lead_id=quiet, body="<div>Yes, please.</div>")
    world.edit("campaigns", campaign, name="Spring outreach, once more")
    world.delete("tags", next(iter(world.tags)))
    world.delete("leads", unwanted)
    return (
        "3 leads get another status, 1 is created and put into a campaign, 1 is deleted, 1 replies,\n"
        "                  1 campaign is renamed, and 1 tag is deleted"
    )


if __name__ == "__main__":
    sys.exit(main())
