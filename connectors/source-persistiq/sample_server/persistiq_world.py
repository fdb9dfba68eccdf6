"""What a made-up PersistIQ account holds: its records as the API shows them, and the edits that happen to them."""

from __future__ import annotations

import random
import threading
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

Row = dict[str, Any]
Rows = dict[str, Row]

STATS = ("contacted", "reached", "opened", "replied", "bounced", "optedout")
TIMES = ("event_at", "sent_at", "created_at")
OF_CAMPAIGNS = ("campaign_leads", "campaign_replies")
"""The resources of which each campaign has its own list."""

BLANKS: dict[str, Row] = {
    "users": {"id": "u_", **dict.fromkeys(("name", "email", "activated", "default_mailbox_id", "salesforce_id"))}
    | {"mailboxes": []},
    "leads": {"id": "l_", **dict.fromkeys(("status", "creator_id", "owner_id"))}
    | {"bounced": False, "optedout": False, "sent_count": 0, "replied_count": 0, "last_sent_at": None, "data": {}},
    "lead_statuses": {"id": "lss_", "name": None},
    "lead_fields": {"id": "lcf_", "name": None, "label": None},
    "campaigns": {"id": "c_", "name": None, "creator": None}
    | {"stats": {**{f"prospects_{stat}": 0 for stat in STATS}, "total_prospects": 0}},
    "campaign_leads": {"id": "cl_", **dict.fromkeys(("campaign_id", "mailbox_id", "lead"))},
    "campaign_replies": {"id": "rep_", "from_email": None, "to_emails": [], "cc_emails": [], "kind": "reply"}
    | dict.fromkeys(("subject", "body", "preview", "sent_at", "sentiment"))
    | dict.fromkeys(("lead_id", "campaign_id", "step_message_id")),
    "events": {"id": "evt_"}
    | dict.fromkeys(("kind", "event_at", "user_id", "user", "campaign", "lead", "params", "diff")),
    "dnc_domains": {"id": "dom_", "name": None},
    "tags": {"id": "tag_", "name": None},
}
"""The attributes that a new row of each resource has, with the prefix of its id."""

OAS_EVENT: Row = {"id": "evt_", **dict.fromkeys(("event_type", "data", "created_at"))}
"""The same for an event in the newer shape, that of the vendor's OpenAPI."""


def iso(moment: datetime, hours: float = 0) -> str:
    """A moment as the API writes it, in the zone that is `hours` ahead of UTC."""
    text = moment.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _stated(row: Row) -> datetime | None:
    """The time that a record gives for itself; only events and replies do."""
    text = next(filter(None, map(row.get, TIMES)), None)
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC) if text else None


@dataclass
class World:
    """The account: the rows of each resource by id, and what the API never tells of them.

    `created` and `updated` have the times of every row by its id; `created` of an event or a reply is the time that
    it gives. The edits happen at `now`, and take the `lock`.
    """

    now: datetime
    users: Rows = field(default_factory=dict)
    leads: Rows = field(default_factory=dict)
    lead_statuses: Rows = field(default_factory=dict)
    lead_fields: Rows = field(default_factory=dict)
    campaigns: Rows = field(default_factory=dict)
    campaign_leads: dict[str, Rows] = field(default_factory=dict)
    campaign_replies: dict[str, Rows] = field(default_factory=dict)
    events: Rows = field(default_factory=dict)
    dnc_domains: Rows = field(default_factory=dict)
    tags: Rows = field(default_factory=dict)
    archived: set[str] = field(default_factory=set)
    created: dict[str, datetime] = field(default_factory=dict)
    updated: dict[str, datetime] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def create(self, resource: str, /, **attributes: Any) -> Row:
        """Add a row, and return it; an event is of the newer shape if it is given an `event_type`.

        A row of a campaign takes its `campaign_id`, and a campaign lead a `lead`, of which it shows every later edit.
        """
        with self.lock:
            row = deepcopy(OAS_EVENT if "event_type" in attributes else BLANKS[resource])
            number = len(self.numbers) + 1
            row["id"] += f"{number:05x}"
            row |= {name: iso(self.now) for name in TIMES if name in row} | attributes
            if row["id"] in self.numbers:
                raise ValueError(f"There is or was a row {row['id']}.")
            if row.get("lead") and resource == "campaign_leads":
                row["lead"] = self.leads[row["lead"]["id"]]
            held = getattr(self, resource)
            (held[row["campaign_id"]] if resource in OF_CAMPAIGNS else held)[row["id"]] = row
            if resource == "campaigns":
                self.campaign_leads[row["id"]], self.campaign_replies[row["id"]] = {}, {}
            self.numbers[row["id"]] = number
            self.created[row["id"]] = _stated(row) or self.now
            self.updated[row["id"]] = self.now
            return row

    def edit(self, resource: str, row_id: str, /, **attributes: Any) -> Row:
        """Replace attributes of a row, and return it."""
        with self.lock:
            row = self._holding(resource, row_id)[row_id]
            row |= attributes
            self.created[row_id] = _stated(row) or self.created[row_id]
            self.updated[row_id] = self.now
            return row

    def delete(self, resource: str, row_id: str, /) -> None:
        """Remove a row: a campaign with its leads and replies, a lead from its campaigns too."""
        with self.lock:
            del self._holding(resource, row_id)[row_id]
            if resource == "campaigns":
                del self.campaign_leads[row_id], self.campaign_replies[row_id]
            elif resource == "leads":
                for rows in self.campaign_leads.values():
                    for key in [key for key, row in rows.items() if row["lead"] and row["lead"]["id"] == row_id]:
                        del rows[key]

    def archive_user(self, user_id: str, /) -> None:
        """Keep a user, but show it no more."""
        with self.lock:
            self.updated[self.users[user_id]["id"]] = self.now
            self.archived.add(user_id)

    def position(self, row: Row) -> tuple[datetime, int]:
        """What a row is sorted by; it stays, whatever happens to other rows."""
        return self.created[row["id"]], self.numbers[row["id"]]

    def shown(self, resource: str, campaign_id: str | None = None) -> list[Row]:
        """The rows that the API shows, newest first; those of all campaigns, unless `campaign_id` names one."""
        lists = self._lists(resource) if campaign_id is None else [getattr(self, resource)[campaign_id]]
        rows = [row for held in lists for row in held.values() if row["id"] not in self.archived]
        return sorted(rows, key=self.position, reverse=True)

    def _lists(self, resource: str) -> list[Rows]:
        held = getattr(self, resource)
        return list(held.values()) if resource in OF_CAMPAIGNS else [held]

    def _holding(self, resource: str, row_id: str) -> Rows:
        for rows in self._lists(resource):
            if row_id in rows:
                return rows
        raise KeyError(row_id)


NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FIRST = NOW - timedelta(days=730)
MILLISECOND = timedelta(milliseconds=1)
HOURS = (-7, -7, -8, 0, 2, 5.5)

PEOPLE = ("Ada Martínez", "Jürgen Groß", "Zoë O'Neill", 'Grace "Gigi" Okafor', "陈晓明", "Left <b>Long</b> Ago", "Bo")
LEFT = 5
"""Which of the people is archived."""
COMPANIES = ("Müller & Söhne GmbH", 'The "Quoted" Company', "Rocket 🚀 Inc.", "O'Brien, Ltd; Partners", "Åkesson AB")
SNIPPETS = (None, "", "Grüße aus Köln 👋", "<p>Hi <b>there</b> &amp; welcome</p>", "two\nlines, a \\ and a\ttab")
STATUSES = ("active", "replied", "bounced", "not interested", "in Prüfung ✅")
STANDARD = (
    *("email", "first_name", "last_name", "company_name", "address", "city", "state", "country", "phone", "title"),
    *("industry", "linkedin", "twitter", "facebook", "domain", "snippet", "snippet1", "snippet2", "snippet3"),
    *("snippet4", "salesforce_id"),
)
CUSTOM = ("plan_tier", "Größe", "renewal date", "tags")
SETTINGS = {
    "lead_statuses": STATUSES,
    "tags": ("vip", "Größe L", 'say "hi" 🎉', "<none>"),
    "dnc_domains": ("bücher.example", *(f"blocked{number:03}.example" for number in range(119))),
}
CAMPAIGNS = ("Spring outreach", "Frühling 🌱 <i>draft</i>", "Nobody yet", 'Win-back "2026"')
NO_CREATOR, NO_LEADS = 1, 2
MOST_LEADS = 1000
"""How many leads a made-up campaign has at most."""
KINDS: dict[str, Row] = {
    "lead_created": {"source": "csv"},
    "lead_updated": {},
    "message_sent": {"subject": "Grüße, {{first_name}} 👋"},
    "message_opened": {},
    "message_clicked": {"url": "https://example.org/?a=1&b=%20"},
    "message_received": {"subject": 'Re: "offer"', "preview": "<div>No, thanks…</div>"},
    "message_bounced": {"reason": "550 unknown user"},
    "message_optout": {},
    "settings_changed": {"setting": "signature"},
}
"""The kinds of events, with the params of each."""


def make_world(leads: int = 250, campaigns: int = 3, events: int = 1200, seed: int = 7) -> World:
    """Make an account up, the same one for the same numbers; its times are spread over two years."""
    world = World(FIRST)
    rng = random.Random(seed)  # noqa: S311
    for number, name in enumerate(PEOPLE):
        email = f"user{number}@example.com"
        boxes = [{"id": f"mbox_{number}{letter}", "email": email, "campaign_ids": []} for letter in "ab"[: number % 3]]
        box = boxes[0]["id"] if boxes else None
        world.create("users", name=name, email=email, activated=bool(number), default_mailbox_id=box, mailboxes=boxes)
    world.edit("users", list(world.users)[-1], mailboxes=None, salesforce_id="005x0000")
    for resource, names in SETTINGS.items():
        for name in names:
            world.create(resource, name=name)
    for name in (*STANDARD, *CUSTOM):
        world.create("lead_fields", name=name, label=name.replace("_", " ").capitalize())
    for moment in _times(rng, leads):
        world.now = moment
        _make_lead(world, rng)
    for number, moment in enumerate(_times(rng, campaigns)):
        world.now = moment
        _make_campaign(world, rng, number)
    about: list[list[Row | None]] = [[*rows.values()] or [None] for rows in (world.leads, world.campaigns)]
    for number, moment in enumerate(_times(rng, events)):
        world.now = world.now if number % 40 == 39 else moment  # Some happen at the same moment as the one before.
        _make_event(world, rng, number, *map(rng.choice, about))
    world.now = NOW - timedelta(days=30)
    world.archive_user(list(world.users)[LEFT])
    world.now = NOW
    return world


def _times(rng: random.Random, count: int, since: datetime = FIRST) -> list[datetime]:
    return sorted(since + rng.randrange((NOW - since) // MILLISECOND + 1) * MILLISECOND for _ in range(count))


def _make_lead(world: World, rng: random.Random) -> None:
    number, user = len(world.leads), rng.choice(list(world.users))
    first, _, last = rng.choice(PEOPLE).partition(" ")
    sent, (last_sent, changed) = rng.randrange(6), _times(rng, 2, world.now)
    data = dict.fromkeys(STANDARD) | {name: rng.choice(("gold", "1,5", "", None)) for name in rng.sample(CUSTOM, 2)}
    data |= {"email": f"lead{number}@example.org" if number % 25 else None, "first_name": first, "last_name": last}
    data |= {"company_name": rng.choice(COMPANIES), "snippet": rng.choice(SNIPPETS)}
    lead = world.create(
        "leads",
        status=rng.choice((*STATUSES, None)),
        creator_id=user,
        owner_id=rng.choice((user, user, user, None)),
        bounced=rng.choice((False, False, False, True, "false", "true", None)),
        optedout=rng.choice((False, False, False, True, None)),
        sent_count=sent or rng.choice((0, None)),
        replied_count=sent // 3,
        last_sent_at=iso(last_sent, rng.choice(HOURS)) if sent else None,
        data=data,
    )
    world.updated[lead["id"]] = rng.choice((world.now, changed, changed))


def _make_campaign(world: World, rng: random.Random, number: int) -> None:
    user = rng.choice(list(world.users.values()))
    creator = {name: user[name] for name in ("id", "name", "email")} if number != NO_CREATOR else None
    name = CAMPAIGNS[number] if number < len(CAMPAIGNS) else f"Campaign {number}"
    count = min(len(world.leads) * 3 // 5, MOST_LEADS) if number != NO_LEADS else 0
    stats = {f"prospects_{stat}": count // (place + 1) for place, stat in enumerate(STATS)} | {"total_prospects": count}
    campaign_id = world.create("campaigns", name=name, creator=creator, stats=stats)["id"]
    members = rng.sample(list(world.leads.values()), count)
    for moment, lead in zip(_times(rng, count, world.now), members, strict=True):
        world.now = moment
        box = rng.choice(list(world.users.values()))["default_mailbox_id"]
        world.create("campaign_leads", campaign_id=campaign_id, mailbox_id=box, lead=lead)
    for lead in members[: count // 4]:
        world.create(
            "campaign_replies",
            campaign_id=campaign_id,
            from_email=lead["data"]["email"],
            to_emails=[user["email"]],
            cc_emails=rng.choice(([], ["boss@example.org", "büro@example.org"])),
            subject=rng.choice(("Re: Grüße 👋", 'AW: "Angebot"', None)),
            body=f"<div>{rng.choice(SNIPPETS)}<br>-- <i>sent &amp; signed</i></div>",
            preview=rng.choice(("No, thanks.", None)),
            sent_at=iso(_times(rng, 1, world.created[campaign_id])[0], rng.choice(HOURS)),
            sentiment=rng.choice(("positive", "negative", None)),
            lead_id=rng.choice((lead["id"], lead["id"], None)),
            step_message_id=rng.choice((f"sm_{number}", None)),
        )


def _make_event(world: World, rng: random.Random, number: int, lead: Row | None, campaign: Row | None) -> None:
    kind, user = rng.choice(list(KINDS)), rng.choice(list(world.users.values()))
    lead = None if kind.startswith("settings") else lead
    campaign = campaign if kind.startswith("message") else None
    at = iso(world.now, rng.choice(HOURS))
    if number % 10 == 9:
        ids = {"user_id": user["id"], "lead_id": lead and lead["id"], "campaign_id": campaign and campaign["id"]}
        world.create("events", event_type=kind, data={**KINDS[kind], **ids}, created_at=at)
        return
    world.create(
        "events",
        kind=kind,
        event_at=at,
        user_id=user["id"],
        user={name: user[name] for name in ("id", "name", "email")} if number % 7 else None,
        campaign=campaign and {name: campaign[name] for name in ("id", "name")},
        lead=lead and {name: lead[name] for name in ("id", "status")},
        params=dict(KINDS[kind]) if number % 11 else None,
        diff={"status": [None, "active"]} if kind == "lead_updated" else None,
    )
