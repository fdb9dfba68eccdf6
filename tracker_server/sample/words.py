"""The words and the files that samples are made of."""

from __future__ import annotations

from typing import NamedTuple

from tracker_server.world import Row

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
