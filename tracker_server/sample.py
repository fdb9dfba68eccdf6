"""Makes a sample world: teams that are played, command by command, from their first week until now."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from heapq import heapify, heappop, heapreplace
from io import BytesIO
from itertools import accumulate
from typing import IO, NamedTuple

from tracker_server import edits
from tracker_server.collector import uncollected
from tracker_server.edits.priority import PLACES
from tracker_server.world import Project, Row, StoredFile, World, iso

SAMPLE_TOKEN = "0123456789abcdef0123456789abcdef"  # noqa: S105
NOW = datetime(2026, 11, 20, 12, tzinfo=timezone.utc)

HOUR = 3600
DAY = 24 * HOUR
WEEK = 7 * DAY
ACTIVITY_KEPT = timedelta(days=180)
HISTORY_ENDS = 2 * DAY  # so long before now; after it every project sees the same last events, `_last_days`

# The first is the one whose token is SAMPLE_TOKEN, the second leads, the third leaves, the last only looks on.
PEOPLE = (
    ("Ada Martínez", "AM", "ada"),
    ("Bjørn Åkesson", "BÅ", "bjorn"),
    ("Tomáš Dvořák", "TD", "tomas"),
    ("陈晓明", "陈", "xiaoming"),
    ("Zoë O'Neill", "ZO", "zoe"),
    ("فاطمة الزهراء", "فز", "fatima"),
    ("Priya Raghunathan", "PR", "priya"),
    ('Grace "Gigi" Okafor', "GO", "gigi"),
)


class Theme(NamedTuple):
    """What a team builds, in the words of its stories."""

    project: str
    epics: tuple[str, ...]
    people: tuple[str, ...]
    actions: tuple[str, ...]
    things: tuple[str, ...]


THEMES = (
    Theme(
        "Harbour Web Shop",
        ("Checkout", "Product search", "Customer accounts", "Gift cards", "Returns & refunds"),
        ("Shopper", "Guest", "Shop owner", "Support agent", "Returning customer"),
        ("filter", "compare", "save", "share", "print", "reorder", "review", "undo", "export", "bookmark"),
        ("orders", "invoices", "gift cards", "wish lists", "delivery slots", "coupons", "addresses", "product photos"),
    ),
    Theme(
        "Ferry Mobile App",
        ("Boarding passes", "Offline timetable", "Push notifications", "Accessibility", "Payments"),
        ("Passenger", "Commuter", "Crew member", "Harbour master", "Group leader"),
        ("buy", "scan", "transfer", "cancel", "look up", "download", "pin", "translate", "report", "rate"),
        ("tickets", "day passes", "departures", "delays", "vehicles on deck", "receipts", "seat maps", "lost items"),
    ),
    Theme(
        "Freight Billing",
        ("Tariff engine", "Customs documents", "Dunning", "Ledger export", "Single sign-on"),
        ("Clerk", "Auditor", "Dispatcher", "Carrier", "Finance lead"),
        ("approve", "split", "merge", "archive", "reconcile", "import", "sign", "correct", "forward", "schedule"),
        ("waybills", "credit notes", "surcharges", "VAT reports", "exchange rates", "containers", "claims", "batches"),
    ),
)

CIRCUMSTANCES = (
    "",
    "",
    "",
    " from the start page",
    " on a phone",
    " without signing in",
    " in bulk",
    " by keyboard alone",
    " for the last 90 days",
    " in the local currency",
    " while offline",
    " per customer",
)
SYMPTOMS = (
    "are shown twice",
    "vanish after a reload",
    "have the wrong time zone",
    "are sorted by id instead of name",
    "time out when there are more than 1,000",
    "show NaN",
    "ignore the chosen language",
    "lose their last digit",
)
CHORES = (
    "Upgrade the framework for",
    "Write a runbook for",
    "Remove dead code around",
    "Add an index for",
    "Rotate the keys used for",
    "Measure response times of",
)
ODD_NAMES = (
    "Emoji in names survive: 🚀🎉 👩‍👩‍👧‍👦 🇳🇴",
    "検索結果の並び順を保存できるようにする",
    "يمكن للعميل تغيير لغة الواجهة إلى العربية",
    "Cafe\u0301 menu: combining accents (e\u0301 n\u0303 Z\u0351\u036b\u0343\u036a) sort as users expect",
    "Quotes \"double\", 'single', “curly”, `back` and a \\ backslash",
    "<script>alert('x')</script> & <b>bold</b> in comments is shown as text",
    "Comma, separated; values: with = signs, 100% | tested?",
    "Übergrößenträger: ÄÖÜ, ß, ſ and İstanbul match case-insensitively",
    "שלום – mixed LTR and RTL (עברית) in one line",
    "NULL",
    "0012",
    "=SUM(A1:A9) must not run in a spreadsheet",
    "A name that goes on and on, " + "because somebody pasted the whole mail into it, " * 12 + "and nobody cut it",
)
SENTENCES = (
    "As discussed in the planning meeting, we start with the simplest version that is useful.",
    "The design is attached; spacing follows the new grid.",
    "Acceptance: the page answers in under 300 ms at the 95th percentile.",
    "It must also work for customers who have more than one account.",
    "Out of scope: migrating the old records, that is a story of its own.",
    "See https://wiki.example.com/specs?id=42&lang=en for the numbers.",
    "Steps to reproduce:\n1. sign in\n2. open the list\n3. press *Back* twice",
    "Legal wants the wording to be exactly as in the attached document.",
    "The API already returns this, we only have to show it.",
    "```\nif total < 0:\n    raise ValueError(total)\n```",
    "Finance asked for this again last week, and the year-end closing is near.",
    "We saw it on Firefox and on Safari, never on Chrome.",
    "Please keep the old URL working; partners have it in their bookmarks.",
    "– ничего не меняется для существующих клиентов –",
    "Numbers come from the warehouse every night at 02:00 UTC.",
    "Tested with `curl -s 'https://shop.example.com/?q=a+b'`.",
)
REMARKS = (
    "Looks good to me 👍",
    "Can we split this one? It grew during the week.",
    "Deployed to staging.",
    "I cannot reproduce this any more, was it fixed by the upgrade?",
    "@ada could you have a look at the wording?",
    "Works, but the button jumps on small screens. Rejecting for now.",
    "Talked to the customer: they are happy with the second variant.",
    "已经修复，请再测试一次。",
    "Merged; the flag is still off in production.",
    "The numbers differ by 0.01 from the ledger: rounding, I think.",
)
CHECKS = (
    "Write the migration",
    "Ask legal",
    "Cover the empty list",
    "Update the help page",
    "Check with a screen reader",
    "Measure before and after",
    "Tell support",
    "Remove the flag",
)
WAITING = ("the new certificate", "an answer from the bank", "the translation", "test data from the customer")
TAGS = ("needs design", "tech debt", "security", "performance", "quick win", "größe: klein", "要確認", "customer ❤️")
FILES: tuple[Row, ...] = (
    {"filename": "Bildschirmfoto 2026-03-02 um 10.14.png", "size": 183211, "content_type": "image/png"}
    | {"width": 1440, "height": 900},
    {"filename": "receipt.jpg", "size": 90412, "content_type": "image/jpeg", "width": 600, "height": 1400},
    {"filename": "spec v2 (final).pdf", "size": 1048576, "content_type": "application/pdf"},
    {"filename": "export.csv", "size": 0},
)
GOOGLE_DOCUMENT: Row = {
    "google_kind": "document",
    "title": "Wording, third draft",
    "google_id": "1aBcD3fGh1jKlMn0pQrStUvWxYz",
    "alternate_link": "https://docs.google.com/document/d/1aBcD3fGh1jKlMn0pQrStUvWxYz/edit",
    "resource_id": "document:1aBcD3fGh1jKlMn0pQrStUvWxYz",
}


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


def make_world(projects: int = 3, stories: int = 250, seed: int = 1, now: datetime = NOW) -> World:
    """A world of `projects` projects with exactly `stories` stories each; the same arguments make an equal one.

    SAMPLE_TOKEN belongs to a person who is in every project, and in the third, if there is one, only as a viewer.
    """
    with uncollected():
        return _make(projects, stories, seed, now)


def _make(projects: int, stories: int, seed: int, now: datetime) -> World:
    rng = random.Random(seed)
    world = World(now=now)
    end = int(now.timestamp()) - HISTORY_ENDS
    weeks = min(max(stories // 12, 10), 30)
    people = _people(world)
    accounts = _accounts(world, people)
    teams = []
    for index in range(projects):
        team = _found(world, rng, index, projects, accounts[index % len(accounts)], end, weeks)
        teams.append(team)
        # One story less: the last days bring one to every project.
        _play(world, _lives(team, max(stories - 1, 0), weeks))
    if stories:
        _play(world, [_last_days(teams, index) for index in range(projects)])
    world.now = now
    world.workspaces = _workspaces(world, people)
    if stories and projects:
        world.notifications = {people[0]: _notifications(world, rng, people)}
    oldest = iso(now - ACTIVITY_KEPT)
    for project in world.projects.values():
        del project.activity[: bisect_left(project.activity, oldest, key=lambda row: str(row["occurred_at"]))]
    return world


def sample_files(world: World) -> dict[int, StoredFile]:
    """Content for the files of a sample world, as `World.files` has it: each has its size, and is nothing but that."""
    return {
        row["id"]: StoredFile(row["filename"], row["size"], row.get("content_type"), partial(_content, row))
        for project in world.projects.values()
        for owner in (*project.stories.values(), *project.epics.values())
        for comment in owner["comments"]
        for row in comment["file_attachments"]
    }


def _content(file: Row) -> IO[bytes]:
    words = f"Sample of {file['filename']}. ".encode()
    return BytesIO((words * (file["size"] // len(words) + 1))[: file["size"]])


def _play(world: World, lives: Iterable[Iterator[int]]) -> None:
    """Run lives side by side. A life yields the time of its next act (epoch seconds), and acts when resumed."""
    agenda = [(next(life), number, life) for number, life in enumerate(lives)]
    heapify(agenda)
    while agenda:
        moment, number, life = agenda[0]
        world.now = datetime.fromtimestamp(moment, timezone.utc)
        following = next(life, None)
        if following is None:
            heappop(agenda)
        else:
            heapreplace(agenda, (max(following, moment), number, life))


def _steps(rng: random.Random, begin: int, end: int, count: int) -> list[int]:
    """Times in rising order from `begin` to `end`, the last of them; all but that one in working hours."""
    times = []
    previous = begin
    for moment in sorted(rng.randrange(begin, max(end, begin + 1)) for _ in range(count - 1)):
        previous = max(previous + 1, _working(moment))
        times.append(min(previous, end))
    return [*times, end]


def _working(moment: int) -> int:
    """The like of a moment between 8 and 18 o'clock UTC, from Monday to Friday."""
    day, second = divmod(moment, DAY)
    weekday = (day + 3) % 7
    return (day - max(weekday - 4, 0)) * DAY + 8 * HOUR + second * 10 // 24


def _lives(team: Team, stories: int, weeks: int) -> list[Iterator[int]]:
    """All that happens in a project until its history ends: its stories, its epics, and the grooming."""
    done = stories * 58 // 100
    current = min(stories - done, max(10, done // weeks))
    icebox = (stories - done - current) * 2 // 5
    rng = team.rng
    pace = [1 + rng.uniform(-0.35, 0.35) for _ in range(weeks)]
    pace[weeks // 3] = 0.1  # the week of the holidays
    lives = []
    pace[-1] *= 0.4  # the current week is not over
    so_far = list(accumulate(pace))
    for number in range(done):
        week = bisect_left(so_far, (number + rng.random()) / done * so_far[-1])
        monday = team.start + week * WEEK
        accepted = _working(rng.randrange(monday, min(monday + WEEK, team.end)))
        lives.append(_story_life(team, number, "accepted", max(accepted, team.start)))
    waiting = "unstarted" if team.project.row["automatic_planning"] else "planned"
    states = ("started", "finished", "delivered", "rejected", waiting)
    fates = [states[number % len(states)] for number in range(current)]
    fates += ["unstarted"] * (stories - done - current - icebox) + ["unscheduled"] * icebox
    for number, fate in enumerate(fates, done):
        lives.append(_story_life(team, number, fate, _working(team.end - rng.randrange(DAY, 3 * WEEK))))
    lives += [_epic_life(team, epic_id) for epic_id in team.project.epics]
    lives.append(_grooming(team, stories // 15))
    return lives


def _story_life(team: Team, number: int, fate: str, end: int) -> Iterator[int]:
    """One story, from its creation until it is in the state `fate` at `end`, and at times a word after that."""
    rng = team.rng
    story_type = _story_type(rng, number, fate)
    begin = _working(max(end - rng.randrange(3 * DAY, 45 * DAY), team.start - rng.randrange(5 * WEEK)))
    unscheduled = fate == "unscheduled" or (story_type != "release" and team.chance(0.4))
    acts: list[str] = _path(story_type, fate, twice=team.chance(0.08))
    acts[:0] = ["unstarted"] * (unscheduled and fate != "unscheduled")
    for part, (probability, _) in PARTS.items():
        while story_type != "release" and team.chance(probability):
            acts.insert(rng.randrange(len(acts)) if acts else 0, part)
            probability /= 3
    moments = _steps(rng, begin + HOUR, end, len(acts)) if acts else []

    yield begin
    story = _create_story(team, number, story_type, "unscheduled" if unscheduled else "unstarted", begin)
    for moment, act in zip(moments, acts, strict=True):
        yield moment
        if act in PLACES:
            _advance(team, story, act)
        else:
            _, make = PARTS[act]
            make(team, story)
    if fate == "accepted" and team.chance(0.1):
        yield min(end + rng.randrange(HOUR, 10 * DAY), team.end)
        _comment(team, story)


def _story_type(rng: random.Random, number: int, fate: str) -> str:
    if fate in ("accepted", "unstarted") and number % 20 == 19:
        return "release"
    if fate in ("finished", "delivered", "rejected"):
        return "bug" if number % 3 == 0 else "feature"
    return rng.choices(("feature", "bug", "chore"), (63, 23, 14))[0]


def _path(story_type: str, fate: str, *, twice: bool) -> list[str]:
    """The states between creation in the backlog and `fate`; `twice`: it is rejected once on the way."""
    if fate in ("unstarted", "unscheduled"):
        return []
    if fate == "planned" or story_type == "release":
        return [fate]
    work = ["started", "finished", "delivered"]
    if fate == "accepted":
        if story_type == "chore":
            return ["started", "accepted"]
        return work + (["rejected", *work] if twice else []) + ["accepted"]
    return [*work, "rejected"] if fate == "rejected" else work[: work.index(fate) + 1]


def _create_story(team: Team, number: int, story_type: str, state: str, created: int) -> Row:
    rng = team.rng
    values: Row = {"story_type": story_type, "current_state": state, "label_ids": []}
    if team.chance(0.6):
        values["label_ids"].append(rng.choice(team.epic_labels))
    if team.chance(0.25):
        values["label_ids"].append(rng.choice(team.tags))
    if team.chance(0.3):
        values["story_priority"] = rng.choice(("p0", "p1", "p2", "p3"))
    if story_type == "release":
        due = datetime.fromtimestamp(created, timezone.utc) + timedelta(days=rng.randrange(20, 90))
        values["deadline"] = iso(due.replace(hour=8, minute=0, second=0))
    elif team.chance(0.5):
        values["estimate"] = _estimate(team, story_type)
    if team.project.id == min(team.world.projects) and number == 0:
        values["description"] = (" ".join(SENTENCES * 20))[:20_000]
    elif team.chance(0.75):
        values["description"] = "\n\n".join(rng.choices(SENTENCES, k=rng.choice((2, 5, 9, 14, 20))))
    checks = rng.sample(CHECKS, rng.choice((0, 0, 1, 2, 3, 3, 5))) if story_type != "release" else ()
    remarks = rng.choices(REMARKS, k=rng.choice((0, 0, 1, 2))) if story_type != "release" else ()
    name = _story_name(team, number, story_type)
    return edits.create_story(
        team.world, team.project, team.anyone(), name=name, tasks=checks, comments=remarks, **values
    )


def _story_name(team: Team, number: int, story_type: str) -> str:
    rng, theme = team.rng, team.theme
    if story_type == "release":
        return f"{theme.project} {1 + number // 200}.{number // 20 % 10}"
    if number % 17 == 3:
        return ODD_NAMES[number // 17 % len(ODD_NAMES)]
    thing, circumstance = rng.choice(theme.things), rng.choice(CIRCUMSTANCES)
    if story_type == "bug":
        return f"{thing.capitalize()} {rng.choice(SYMPTOMS)}{circumstance}"
    if story_type == "chore":
        return f"{rng.choice(CHORES)} {thing}"
    return f"{rng.choice(theme.people)} can {rng.choice(theme.actions)} {thing}{circumstance}"


def _estimate(team: Team, story_type: str) -> float | None:
    if story_type == "release" or (story_type != "feature" and not team.project.row["bugs_and_chores_are_estimatable"]):
        return None
    return team.rng.choices(team.scale, range(2 * len(team.scale), 0, -2))[0]


def _advance(team: Team, story: Row, state: str) -> None:
    values: Row = {"current_state": state}
    if state in ("started", "planned") and "estimate" not in story:
        values["estimate"] = _estimate(team, story["story_type"])
    if state == "started" and not story["owner_ids"] and team.chance(0.95):
        values["owner_ids"] = team.rng.sample(team.editors, team.rng.choice((1, 1, 1, 2, 3)))
    owners: Sequence[int] = story["owner_ids"] or team.editors
    by = story["requested_by_id"] if state in ("accepted", "rejected") else team.rng.choice(owners)
    edits.update_story(team.world, team.project, by, story["id"], **values)
    if state == "finished" and team.chance(0.3):
        for task in story["tasks"]:
            edits.update_task(team.world, team.project, by, story["id"], task["id"], complete=True)


def _comment(team: Team, story: Row) -> None:
    rng = team.rng
    text: str | None = " ".join(rng.choices(REMARKS, k=rng.choice((1, 2, 3, 6))))
    files: list[Row] = []
    documents: list[Row] = []
    if team.chance(0.08):
        files = rng.sample(FILES, rng.choice((1, 1, 2)))
        documents = [GOOGLE_DOCUMENT] * team.chance(0.3)
        text = text if team.chance(0.6) else None
    edits.create_comment(
        team.world,
        team.project,
        team.anyone(),
        story_id=story["id"],
        text=text,
        file_attachments=files,
        google_attachments=documents,
    )


def _blocker(team: Team, story: Row) -> None:
    what = f"#{team.rng.choice(team.project.order)}" if team.chance(0.5) else team.rng.choice(WAITING)
    world, project, by = team.world, team.project, team.anyone()
    blocker = edits.create_blocker(world, project, by, story["id"], description=f"Waiting for {what}")
    if team.chance(0.6):
        edits.update_blocker(world, project, team.anyone(), story["id"], blocker["id"], resolved=True)


def _review(team: Team, story: Row) -> None:
    rng = team.rng
    edits.create_review(
        team.world,
        team.project,
        team.anyone(),
        story["id"],
        review_type_id=rng.choice(list(team.project.review_types)),
        reviewer_id=team.anyone() if team.chance(0.7) else None,
        status=rng.choice(("unstarted", "in_review", "pass", "pass", "revise")),
    )


def _pull_request(team: Team, story: Row) -> None:
    edits.create_pull_request(
        team.world,
        team.project,
        team.anyone(),
        story["id"],
        owner="harbour-it",
        repo=team.theme.project.lower().replace(" ", "-"),
        number=team.rng.randrange(1, 4000),
        status=team.rng.choice(("open", "merged", "merged", "closed")),
    )


def _branch(team: Team, story: Row) -> None:
    repo = team.theme.project.lower().replace(" ", "-")
    name = f"{story['id']}-{team.rng.choice(team.theme.actions).replace(' ', '-')}"
    edits.create_branch(team.world, team.project, team.anyone(), story["id"], owner="harbour-it", repo=repo, name=name)


def _follower(team: Team, story: Row) -> None:
    edits.add_follower(team.world, team.project, team.anyone(), story["id"], team.anyone())


def _rewording(team: Team, story: Row) -> None:
    description = "\n\n".join(team.rng.choices(SENTENCES, k=4))
    edits.update_story(team.world, team.project, team.anyone(), story["id"], description=description)


# How likely a story has one beyond those it was created with (a second is a third as likely, …), and what makes it.
PARTS: dict[str, tuple[float, Callable[[Team, Row], None]]] = {
    "comment": (0.75, _comment),
    "review": (0.18, _review),
    "blocker": (0.1, _blocker),
    "pull_request": (0.18, _pull_request),
    "branch": (0.1, _branch),
    "follower": (0.05, _follower),
    "rewording": (0.08, _rewording),
}


def _epic_life(team: Team, epic_id: int) -> Iterator[int]:
    world, project = team.world, team.project
    for number, moment in enumerate(_steps(team.rng, team.start, team.end, 4)):
        yield moment
        if number == 1:
            description = " ".join(team.rng.choices(SENTENCES, k=3))
            edits.update_epic(world, project, team.anyone(), epic_id, description=description)
        else:
            files = [team.rng.choice(FILES)] * (number == 2)
            documents = [GOOGLE_DOCUMENT] * (number == 3)
            edits.create_comment(
                world,
                project,
                team.anyone(),
                epic_id=epic_id,
                text=None if documents else team.rng.choice(REMARKS),
                file_attachments=files,
                google_attachments=documents,
            )


def _grooming(team: Team, times: int) -> Iterator[int]:
    """The lead puts the backlog in order, one story a time."""
    for moment in _steps(team.rng, team.start, team.end, times + 1):
        yield moment
        backlog = _in_state(team.project, "unstarted")
        if len(backlog) > 1:
            story_id, other_id = team.rng.sample(backlog, 2)
            edits.move_story(team.world, team.project, team.editors[1], story_id, before=other_id)


def _in_state(project: Project, state: str) -> list[int]:
    return [story_id for story_id in project.order if project.stories[story_id]["current_state"] == state]


def _last_days(teams: Sequence[Team], index: int) -> Iterator[int]:
    """What every project sees in its last two days: each kind of command once, deletions above all.

    It makes one story more in every project, which then goes on to the next project if there are several.
    """
    team = teams[index]
    world, project, rng = team.world, team.project, team.rng
    boss, lead, leaver, tester = team.editors[:4]
    moments = iter(range(team.end + HOUR + 60 * index, team.end + HISTORY_ENDS, 40 * 60))

    yield next(moments)
    rows = [{"name": f"Imported line {line}", "current_state": "unscheduled"} for line in (1, 2, 3)]
    imported = edits.import_stories(world, project, lead, rows)
    yield next(moments)
    edits.delete_stories(world, project, boss, [story["id"] for story in imported[:2]])
    yield next(moments)
    edits.delete_stories(world, project, tester, [imported[2]["id"]])

    yield next(moments)
    remarks = ("First idea", "Second thought")
    story = edits.create_story(
        world, project, boss, name="Tell customers about planned downtime", tasks=CHECKS[:3], comments=remarks
    )
    story_id = story["id"]
    yield next(moments)
    edits.update_task(world, project, lead, story_id, story["tasks"][0]["id"], complete=True)
    yield next(moments)
    edits.delete_task(world, project, boss, story_id, story["tasks"][1]["id"])
    yield next(moments)
    edits.create_task(world, project, boss, story_id, description="Ask the harbour master")
    yield next(moments)
    edits.delete_comment(world, project, lead, story["comments"][0]["id"], story_id=story_id)
    yield next(moments)
    comment = edits.create_comment(
        world, project, tester, story_id=story_id, file_attachments=FILES[:2], google_attachments=[GOOGLE_DOCUMENT]
    )
    yield next(moments)
    first_file = comment["file_attachments"][0]["id"]
    edits.update_comment(
        world, project, tester, comment["id"], story_id=story_id, text="Now final", remove_attachments=[first_file]
    )
    yield next(moments)
    other_id = rng.choice(project.order)
    blocker = edits.create_blocker(world, project, boss, story_id, description=f"Waiting for #{other_id}")
    yield next(moments)
    edits.update_blocker(world, project, lead, story_id, blocker["id"], resolved=True)
    yield next(moments)
    edits.delete_blocker(world, project, lead, story_id, blocker["id"])
    for review_type_id in project.review_types:
        yield next(moments)
        edits.create_review(world, project, boss, story_id, review_type_id=review_type_id)
    yield next(moments)
    edits.update_review(world, project, lead, story_id, story["reviews"][0]["id"], status="pass", reviewer_id=lead)
    yield next(moments)
    edits.delete_review(world, project, lead, story_id, story["reviews"][1]["id"])
    yield next(moments)
    _pull_request(team, story)
    yield next(moments)
    _branch(team, story)
    yield next(moments)
    edits.add_follower(world, project, boss, story_id, leaver)
    yield next(moments)
    edits.update_story(world, project, boss, story_id, current_state="unstarted", estimate=team.scale[-1])

    yield next(moments)
    label = edits.create_label(world, project, boss, name=f"Week {index + 47}")
    for other_id in rng.sample(project.order, min(2, len(project.order))):
        yield next(moments)
        label_ids = [*project.stories[other_id]["label_ids"], label["id"]]
        edits.update_story(world, project, boss, other_id, label_ids=label_ids)
    yield next(moments)
    edits.delete_label(world, project, boss, label["id"])
    yield next(moments)
    misspelt = edits.create_label(world, project, tester, name="preformance")
    yield next(moments)
    edits.update_story(world, project, tester, story_id, label_ids=[misspelt["id"]])
    yield next(moments)
    edits.merge_labels(world, project, tester, team.tags[TAGS.index("performance")], [misspelt["id"]])
    yield next(moments)
    edits.update_label(world, project, tester, team.tags[TAGS.index("quick win")], name="Quick Wins")

    yield next(moments)
    epic = edits.create_epic(world, project, lead, name="Rebranding", description="Everything in blue.")
    yield next(moments)
    edits.create_comment(world, project, boss, epic_id=epic["id"], text="Not before next year.")
    yield next(moments)
    edits.delete_epic(world, project, lead, epic["id"])

    yield next(moments)
    edits.move_story(world, project, boss, story_id, before=(_in_state(project, "unstarted"))[0])
    for accepted_id in _in_state(project, "accepted")[-1:]:
        for state in ("rejected", "accepted"):
            yield next(moments)
            edits.update_story(world, project, lead, accepted_id, current_state=state)

    for started_id in _in_state(project, "started")[:1]:
        yield next(moments)
        others = [person for person in (boss, lead) if project.stories[started_id]["owner_ids"] != [person]]
        edits.update_story(world, project, boss, started_id, owner_ids=others[:1])

    yield next(moments)
    edits.update_project(world, project, boss, description="Plans change, the harbour stays.")
    yield next(moments)
    membership_of = {row["person_id"]: row["id"] for row in project.memberships.values()}
    edits.delete_membership(world, project, lead, membership_of[leaver])
    yield next(moments)
    if len(teams) > 1:
        target = teams[(index + 1) % len(teams)].project
        edits.move_story_to_project(world, project, target, boss, story_id)
    yield next(moments)
    if index == 2:
        edits.update_membership(world, project, lead, membership_of[boss], role="viewer")


def _people(world: World) -> list[int]:
    born = datetime(2019, 3, 4, 9, 30, tzinfo=timezone.utc)
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
    people = list(world.people)
    world.tokens[SAMPLE_TOKEN] = people[0]
    return people


def _accounts(world: World, people: Sequence[int]) -> list[int]:
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


def _found(world: World, rng: random.Random, index: int, projects: int, account_id: int, end: int, weeks: int) -> Team:
    """A new project with its people, labels and epics, whose work starts `weeks` weeks before `end`."""
    theme = THEMES[index % len(THEMES)]
    name = theme.project + (f" {index // len(THEMES) + 1}" if index >= len(THEMES) else "")
    monday = end // DAY - (end // DAY + 3) % 7
    start = (monday - 7 * (weeks - 1)) * DAY + 8 * HOUR
    founded = min(start - 6 * WEEK, end - 32 * WEEK)
    world.now = datetime.fromtimestamp(founded, timezone.utc)
    scale: list[float] = [0.5, 1, 2, 3, 5] if index == 0 else [1, 2, 3]
    started = datetime.fromtimestamp(start, timezone.utc)
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
    _connect(world, rng, project)
    return Team(world, project, rng, theme, people[:-1], scale, epic_labels, tags, start, end)


def _connect(world: World, rng: random.Random, project: Project) -> None:
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


def _workspaces(world: World, people: Sequence[int]) -> dict[int, list[Row]]:
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


def _notifications(world: World, rng: random.Random, people: Sequence[int]) -> list[Row]:
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
