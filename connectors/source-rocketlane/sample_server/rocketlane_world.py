"""The data behind a sample Rocketlane: what its resources are, their rows, edits of them, and how to make some up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any, NamedTuple
from uuid import UUID

Row = dict[str, Any]

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
"""When a world that was just made takes place."""

DAY = 24 * 60 * 60 * 1000
HISTORY = 730 * DAY
FIRST_ID = 7_000_000_000_000
REVEALED_BY = {"archived": "includeArchive", "deleted": "includeDeleted"}
"""The filter that brings back the rows that a list hides for this attribute."""


class Filter(NamedTuple):
    """What a filter compares: the values at `path` (`@project.` leads into the row's project), by one of `ops`, with
    what `read` makes of the text; `read` raises ValueError for a text that is no such value."""

    path: str
    ops: tuple[str, ...]
    read: Callable[[str], Any]


@dataclass(frozen=True)
class Resource:
    """One list of the API.

    `key` is empty where rows carry no key. `optional` has the names of includeFields with what they bring, and
    `all_fields` says whether there is includeAllFields. `stamps` are the times that rows carry. `hides` is the flag
    whose rows are left out by default. `parents` says of what a row is a part, and where the parent's key stands;
    `unsent` attributes are kept in the world, and no answer has them.
    """

    path: str
    key: str
    filters: dict[str, Filter]
    optional: dict[str, str]
    parents: dict[str, str]
    required: tuple[str, ...] = ()
    all_fields: bool = True
    sorts: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ("createdAt", "updatedAt")
    hides: str = ""
    unsent: tuple[str, ...] = ()


def day(text: str) -> str:
    """The text of a date YYYY-MM-DD."""
    return datetime.strptime(text, "%Y-%m-%d").date().isoformat()  # noqa: DTZ007


def flag(text: str) -> bool:
    """What `true` or `false` stands for."""
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


WITHIN = ("gt", "eq", "lt", "ge", "le")
FILTERS: dict[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "moments": (WITHIN, int),
    "days": (WITHIN, day),
    "numbers": (WITHIN, float),
    "texts": (("eq", "cn", "nc", "oneOf", "noneOf"), str),
    "text": (("eq",), str),
    "ids": (("eq", "oneOf", "noneOf"), int),
    "id": (("eq",), int),
    "flag": (("eq",), flag),
}
"""The kinds of filters: the operators that they take, and how their value is read."""


def _names(words: str) -> dict[str, str]:
    """`a b=c.d` is {a: a, b: c.d}."""
    return {name: path or name for name, _, path in (word.partition("=") for word in words.split())}


def _resource(
    path: str, key: str, optional: str = "", parents: str = "", filters: dict[str, str] | None = None, **more: Any
) -> Resource:
    """A resource whose names stand in texts, those of the filters by their kind."""
    entries = ((name, place, kind) for kind, words in (filters or {}).items() for name, place in _names(words).items())
    known = {name: Filter(place, *FILTERS[kind]) for name, place, kind in entries}
    return Resource(path, key, known, _names(optional), _names(parents), **more)


CHANGES = "createdAt updatedAt"
DAYS = "startDate dueDate startDateActual dueDateActual"
PROJECT = "project.projectId"
IN_PROJECT = f"projects={PROJECT}"

RESOURCES: dict[str, Resource] = {
    "projects": _resource(
        "projects",
        "projectId",
        "annualizedRecurringRevenue projectFee allocatedHours allocatedMinutes budgetedHours"
        " percentageBudgetedHoursConsumed percentageBudgetConsumed billableHours billableMinutes nonBillableHours"
        " nonBillableMinutes trackedHours trackedMinutes remainingHours remainingMinutes progressPercentage"
        " startDateActual dueDateActual currentPhase=currentPhases autoAllocation sources inferredProgress"
        " plannedDuration=plannedDurationInDays projectAgeInDays customersInvited customersJoined externalReferenceId"
        " metrics=financials.metrics",
        filters={
            "moments": CHANGES,
            "days": DAYS,
            "texts": "projectName contractType=financials.contractType inferredProgress",
            "text": "externalReferenceId",
            "ids": "status=status.value customerId=customer.companyId companyId=customer.companyId"
            " teamMemberId=teamMembers.members.userId",
            "numbers": "projectFee annualizedRecurringRevenue budgetedHours allocatedHours customersInvited"
            " customersJoined",
        },
        hides="archived",
    ),
    "tasks": _resource(
        "tasks",
        "taskId",
        "startDateActual dueDateActual type phase assignees followers dependencies billable csatEnabled priority"
        " timeEntryCategory financialsBudget=financialsBudgets taskPrivateNote parent externalReferenceId",
        f"{IN_PROJECT} tasks=parent.taskId",
        {
            "moments": CHANGES,
            "days": DAYS,
            "texts": "taskName",
            "text": "externalReferenceId",
            "id": f"projectId={PROJECT} phaseId=phase.phaseId",
            "ids": "task.status=status.value project.status=@project.status.value",
            "numbers": "effortInMinutes progress",
        },
        hides="archived",
    ),
    "users": _resource(
        "users",
        "userId",
        "role company permission holidayCalendar capacityInMinutes profilePictureUrl",
        filters={
            "moments": CHANGES,
            "texts": "firstName lastName email status type",
            "ids": "roleId=role.roleId permissionId=permission.permissionId",
            "numbers": "capacityInMinutes",
        },
    ),
    "fields": _resource(
        "fields",
        "fieldId",
        "options=fieldOptions",
        filters={"moments": CHANGES, "text": "objectType fieldType", "flag": "enabled private"},
    ),
    "time_offs": _resource(
        "time-offs",
        "timeOffId",
        "note notifyUsers",
        filters={"days": "startDate endDate", "texts": "type emailId=user.emailId", "ids": "userId=user.userId"},
        sorts=("startDate", "endDate", "createdAt"),
        stamps=("createdAt",),
    ),
    "phases": _resource(
        "phases",
        "phaseId",
        "startDateActual dueDateActual",
        IN_PROJECT,
        {"moments": CHANGES, "days": DAYS, "texts": "phaseName"},
        required=("projectId",),
    ),
    "spaces": _resource(
        "spaces", "spaceId", "", IN_PROJECT, {"moments": CHANGES, "texts": "spaceName"}, required=("projectId",)
    ),
    "space_documents": _resource(
        "space-documents",
        "spaceDocumentId",
        "",
        "projects=projectId spaces=space.spaceId",
        {"moments": CHANGES, "texts": "spaceDocumentName", "id": "spaceId=space.spaceId"},
        required=("projectId",),
        unsent=("projectId",),
    ),
    "time_entries": _resource(
        "time-entries",
        "timeEntryId",
        "notes sourceType deleted status submittedBy submittedAt approvedBy approvedAt rejectedBy rejectedAt costRate"
        " billRate",
        IN_PROJECT,
        {
            "moments": f"{CHANGES} submittedAt approvedAt rejectedAt",
            "days": "date",
            "texts": "emailId=user.emailId activityName",
            "text": "sourceType approvalStatus=status",
            "id": f"project={PROJECT} projectId={PROJECT} task=task.taskId projectPhase=projectPhase.phaseId"
            " category=category.categoryId user=user.userId submittedBy=submittedBy.userId"
            " approvedBy=approvedBy.userId rejectedBy=rejectedBy.userId",
            "ids": "taskId=task.taskId",
            "flag": "billable",
        },
        all_fields=False,
        sorts=("minutes", "date", "id", "billable"),
        hides="deleted",
    ),
    "time_entry_categories": _resource("time-entries/categories", "categoryId", stamps=()),
    "resource_allocations": _resource(
        "resource-allocations",
        "",
        "member task=tasks placeholder duration",
        IN_PROJECT,
        {"ids": f"memberId=member.userId projectId={PROJECT} placeholderId=placeholder.placeholderId"},
        required=("startDate", "endDate"),
    ),
    "invoices": _resource(
        "invoices",
        "invoiceId",
        "notes attachments",
        filters={
            "moments": "createdAt",
            "days": "dateOfIssue dueDate",
            "texts": "invoiceNumber status",
            "ids": "companyId=company.companyId",
            "numbers": "amount amountOutstanding amountPaid amountWrittenOff",
        },
        sorts=("createdAt", "invoiceNumber"),
    ),
    **{
        f"invoice_{part}": _resource(
            f"invoices/{{invoiceId}}/{part}", key, "", "invoices=invoiceId", stamps=(), unsent=("invoiceId",)
        )
        for part, key in (("lines", "invoiceLineItemId"), ("payments", "paymentId"))
    },
    "conversations": _resource(
        "conversations",
        "conversationId",
        "members",
        "projects=source.sourceId",
        {"id": "sourceId=source.sourceId", "texts": "conversationName", "flag": "isPrivate=private"},
        stamps=("createdAt",),
    ),
    "comments": _resource(
        "comments",
        "commentId",
        "attachments",
        "tasks=source.sourceId conversations=source.sourceId",
        {
            "moments": "createdAt",
            "text": "sourceType=source.sourceType",
            "id": "createdBy=createdBy.userId",
            "flag": "isPrivate=private",
        },
        stamps=("createdAt",),
    ),
    "companies": _resource("companies", "companyId"),
}


def values_at(row: Row, path: str) -> list[Any]:
    """What stands at a dotted path of a row: several values where it leads through a list, none where it breaks off."""
    values: list[Any] = [row]
    for name in path.split("."):
        values = [value[name] for value in values if isinstance(value, dict) and name in value]
        values = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return values


@dataclass
class World:
    """The rows of a sample Rocketlane by resource and key, each as a complete record of the API.

    `now` is the time of the edits to come. Whoever reads or changes rows beside a running server holds the `lock`, as
    each method does by itself.
    """

    now: datetime = NOW
    rows: dict[str, dict[int, Row]] = field(default_factory=lambda: {name: {} for name in RESOURCES})
    lock: RLock = field(default_factory=RLock, repr=False, compare=False)
    last_id: int = FIRST_ID

    def now_ms(self) -> int:
        """`now` in milliseconds since 1970."""
        return round(self.now.timestamp() * 1000)

    def create(self, resource: str, **attributes: Any) -> Row:
        """A new row, with a new key and the times of now. Attributes that are None are left out."""
        with self.lock:
            row = self._add(resource, self.now_ms(), self.now_ms(), attributes)
            self._touch_parent(resource, row)
            return row

    def edit(self, resource: str, key: int, **attributes: Any) -> Row:
        """Set attributes, or take those away that are None."""
        with self.lock:
            row = self.rows[resource][key]
            for name, value in attributes.items():
                row[name] = value
                if value is None:
                    del row[name]
            self._touch(resource, row)
            return row

    def delete(self, resource: str, key: int) -> None:
        """Take a row away with all that is part of it; a time entry stays, and says that it is deleted."""
        with self.lock:
            if RESOURCES[resource].hides == "deleted":
                self.edit(resource, key, deleted=True)
                return
            row = self.rows[resource].pop(key)
            self._touch_parent(resource, row)
            for name, kind in RESOURCES.items():
                path = kind.parents.get(resource, "")
                for part in [part for part, other in self.rows[name].items() if path and key in values_at(other, path)]:
                    if part in self.rows[name]:  # It may have gone with another part.
                        self.delete(name, part)

    def archive(self, resource: str, key: int) -> Row:
        """Archive a project or a task."""
        return self.edit(resource, key, archived=True)

    def _add(self, resource: str, created: int, updated: int, attributes: Row) -> Row:
        kind = RESOURCES[resource]
        self.last_id += 1 + self.last_id % 7
        row = {kind.key: self.last_id} if kind.key else {}
        row |= {name: deepcopy(value) for name, value in attributes.items() if value is not None}
        row |= {name: updated if name == "updatedAt" else created for name in kind.stamps}
        if kind.hides:
            row.setdefault(kind.hides, False)
        self.rows[resource][self.last_id] = row
        return row

    def _touch(self, resource: str, row: Row) -> None:
        if "updatedAt" in RESOURCES[resource].stamps:
            row["updatedAt"] = self.now_ms()

    def _touch_parent(self, resource: str, row: Row) -> None:
        if resource == "tasks":
            for key in values_at(row, "parent.taskId"):
                if key in self.rows["tasks"]:
                    self._touch("tasks", self.rows["tasks"][key])


# A first name, a last name or none, a type and a status.
PEOPLE = (
    ("Ada", "Martínez", "TEAM_MEMBER", "ACTIVE"),
    ("Bjørn", "Åkesson", "TEAM_MEMBER", "ACTIVE"),
    ("陈晓明", None, "TEAM_MEMBER", "ACTIVE"),
    ('Grace "Gigi"', "O'Neill", "TEAM_MEMBER", "PASSIVE"),
    ("Tomáš", "Dvořák", "TEAM_MEMBER", "INACTIVE"),
    ("Priya", "Raghunathan", "PARTNER", "ACTIVE"),
    ("Jürgen", "Groß", "CUSTOMER", "ACTIVE"),
    ("فاطمة", None, "CUSTOMER", "INVITED"),
    ("Nils", None, "EXTERNAL_PARTNER", "ACTIVE"),
)
COMPANIES = ("Fähren & Söhne GmbH", "Harbour <Web> Shop", "Łódź Freight", 'The "Best" Billing Co.', "株式会社サンプル")
TEXTS = (
    "Kick-off with the customer",
    "Übergabe prüfen – Größe & Maße",
    "Migrate 1,000 records 🚀👩‍👩‍👧",
    'Sign "statement of work", it\'s due',
    "Write <b>runbook</b> & tests",
    "検証環境を用意する",
    "NULL",
    "Configure single sign-on; SAML=on",
)
NOTES = (
    "<p>Please <b>check</b> the list &amp; reply.</p>",
    '<ul><li class="x">Größe</li><li>Prüfung ✅</li></ul>',
    "<p>Two\nlines, a\ttab and a \\ backslash</p>",
    "<p>Said: “done” — isn't it?</p>",
)
CHOICES = ("EMEA", "Américas", "APAC 🌏")
STATUSES = ("To do", "In progress", "Completed", "Blocked")
CURRENCIES = (("EUR", "Euro", "€"), ("USD", "US Dollar", "$"), ("JPY", "Japanese Yen", "¥"))
FIELD_TYPES = {
    "TEXT": "text",
    "MULTI_LINE_TEXT": "note",
    "YES_OR_NO": "flag",
    "DATE": "day",
    "SINGLE_CHOICE": "choice",
    "MULTIPLE_CHOICE": "choices",
    "SINGLE_USER": "user",
    "MULTIPLE_USER": "users",
    "NUMBER": "number",
    "NOTE": "note",
    "RATING": "int",
}
"""The types of custom fields, and the kind of their values."""

FIELDS_OF = {"PROJECT": tuple(FIELD_TYPES), "TASK": ("TEXT", "NUMBER", "SINGLE_CHOICE", "DATE"), "USER": ("YES_OR_NO",)}
ATTACHMENT = "attachmentId:int attachmentName:text createdAt:ms location,thumbLocation:url visibility:flag"
SUBMITTED = "submittedBy:user submittedAt?:ms"
APPROVALS = {
    "NOT_SUBMITTED": "",
    "SUBMITTED": SUBMITTED,
    "APPROVED": f"{SUBMITTED} approvedBy:user approvedAt:ms",
    "REJECTED": f"{SUBMITTED} rejectedBy:user rejectedAt:ms",
}


def _date(ms: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).date().isoformat()


def _ref(row: Row, name: str) -> Row:
    """What other rows say of a row, by the name of its kind."""
    return {key: row[key] for key in (f"{name}Id", f"{name}Name")}


class _Maker:
    """Fills a world, by chance that is the same for the same seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)  # noqa: S311
        self.now = world.now_ms()
        robot = {"emailId": str(UUID(int=self.chance.getrandbits(128), version=4)), "userId": FIRST_ID - 1}
        self.actors: list[Row] = [robot | {"firstName": "API"}]
        self.team: list[Row] = []
        self.customers: list[Row] = []

    def some(self, things: Iterable[Any], share: float = 0.4) -> list[Any]:
        return [thing for thing in things if self.chance.random() < share]

    def maybe(self, thing: Any, share: float = 0.6) -> Any:
        return thing if self.chance.random() < share else None

    def past(self, since: int = 0) -> int:
        return self.chance.randint(max(since, self.now - HISTORY), self.now)

    def filled(self, spec: str, since: int) -> Row:
        """Made-up attributes: `a,b?:int` are two numbers or, for the question mark, sometimes none."""
        row: Row = {}
        for names, _, kind in (word.partition(":") for word in spec.split()):
            attributes = names.rstrip("?").split(",")
            values = [self.value(kind, since, name) for name in attributes]
            if not names.endswith("?") or self.chance.random() < 0.6:
                row |= zip(attributes, sorted(values) if kind == "day" else values, strict=True)
        return row

    def value(self, kind: str, since: int, name: str) -> Any:
        pick, number = self.chance.choice, self.chance.randint
        makers: dict[str, Callable[[], Any]] = {
            "text": lambda: pick(TEXTS),
            "note": lambda: pick(NOTES),
            "flag": lambda: number(0, 1) == 1,
            "int": lambda: number(1, 100),
            "number": lambda: pick((0, 0.1, 12.5, 99.99, number(1, 10_000))),
            "ms": lambda: self.past(since),
            "day": lambda: _date(since + number(0, 90) * DAY),
            "url": lambda: f"https://example.org/{number(1, 999)}?a=1&b=ü",
            "user": lambda: pick(self.team),
            "users": lambda: self.some(self.team, 0.3),
            "ref": lambda: {f"{name}Id": FIRST_ID - number(2, 9), f"{name}Name": pick(TEXTS)},
            "choice": lambda: number(1, 3),
            "choices": lambda: self.some((1, 2, 3)),
            "rate": lambda: {"rate": number(50, 300) / 2, "currency": "EUR"},
            "files": lambda: [self.filled(ATTACHMENT, since)],
        }
        return makers[kind]() if kind in makers else pick(kind.split("|"))

    def add(self, resource: str, created: int, spec: str = "", **attributes: Any) -> Row:
        updated = self.maybe(self.past(created), 0.7) or created
        stamps = RESOURCES[resource].stamps
        authors = {stamp.replace("At", "By"): self.maybe(self.chance.choice(self.actors), 0.9) for stamp in stamps}
        return self.world._add(resource, created, updated, attributes | self.filled(spec, created) | authors)

    def custom(self, kind: str) -> list[Row]:
        values = []
        for row in self.some(self.world.rows["fields"].values(), 0.7):
            if row["objectType"] == kind:
                value = self.value(FIELD_TYPES[row["fieldType"]], self.now - HISTORY, "")
                values.append({"fieldId": row["fieldId"], "fieldLabel": row["fieldLabel"], "fieldValue": value})
                if "fieldOptions" in row:
                    chosen = value if isinstance(value, list) else [value]
                    values[-1]["fieldValueLabel"] = ", ".join(CHOICES[choice - 1] for choice in chosen)
        return values

    def workspace(self, projects: int) -> None:
        for index in range(1 + projects):
            name = COMPANIES[index % len(COMPANIES)] + (f" {index}" if index >= len(COMPANIES) else "")
            kind = "CUSTOMER" if index else "VENDOR"
            self.add("companies", self.now - HISTORY, companyName=name, companyType=kind)
        vendor = _ref(next(iter(self.world.rows["companies"].values())), "company")
        for index, (first, last, kind, status) in enumerate(PEOPLE):
            row = self.add(
                "users",
                self.past(),
                "role?:ref permission:ref capacityInMinutes?:int profilePictureUrl?:url",
                email=f"user{index}@example.org",
                firstName=first,
                lastName=last,
                type=kind,
                status=status,
                company=vendor if kind == "TEAM_MEMBER" else None,
                holidayCalendar=self.maybe({"calenderId": 31, "calenderName": "Österreich"}),
            )
            person = {"emailId": row["email"], "userId": row["userId"], "firstName": first}
            (self.team if index < 6 else self.customers).append(person | ({"lastName": last} if last else {}))
        self.actors += self.team
        options = [{"optionValue": 1 + at, "optionLabel": CHOICES[at], "optionColor": "#00AA88"} for at in range(3)]
        for kind, types in FIELDS_OF.items():
            for field_type in types:
                row = self.add(
                    "fields",
                    self.past(),
                    "fieldDescription?:note enabled,private:flag",
                    fieldLabel=f"{field_type.title()} – Größe ✨",
                    fieldType=field_type,
                    objectType=kind,
                    fieldOptions=options if "CHOICE" in field_type else None,
                    ratingScale="FIVE" if field_type == "RATING" else None,
                )
                if field_type == "DATE":  # Some fields do not know when they were created.
                    del row["createdAt"]
        for row in self.world.rows["users"].values():
            row["fields"] = self.custom("USER")
        for name in ("Beratung", "Travel ✈", "Internal <admin>", "Support"):
            self.add("time_entry_categories", 0, categoryName=name)
        for person in self.team * 2:
            spec = "startDate,endDate:day durationInMinutes:int type:FULL_DAY|HALF_DAY|CUSTOM note?:text"
            notified = self.maybe({"projectOwners": True, "others": self.some(self.team)})
            self.add("time_offs", self.past(), spec, user=person, notifyUsers=notified)

    def project(self, index: int, tasks: int) -> None:
        company = list(self.world.rows["companies"].values())[1 + index]
        customer = _ref(company, "company")
        created = self.chance.randint(self.now - HISTORY, self.now - 30 * DAY)
        row = self.add(
            "projects",
            created,
            "startDate,dueDate?:day owner:user visibility:EVERYONE|MEMBERS|GROUP startDateActual,dueDateActual?:day"
            " annualizedRecurringRevenue,projectFee,budgetedHours?:int allocatedHours,billableHours,nonBillableHours,"
            "trackedHours,remainingHours:int allocatedMinutes,billableMinutes,nonBillableMinutes,trackedMinutes,"
            "remainingMinutes,percentageBudgetedHoursConsumed,percentageBudgetConsumed,progressPercentage:number"
            " autoAllocation:flag inferredProgress:ON_TRACK|AHEAD_OF_TIME|RUNNING_LATE|NONE externalReferenceId?:text"
            " plannedDurationInDays,projectAgeInDays,customersInvited,customersJoined:int",
            projectName=f"{self.chance.choice(TEXTS)} #{index + 1}",
            teamMembers={"members": self.some(self.team), "customers": self.some(self.customers)}
            | ({"customerChampion": self.customers[0]} if index % 2 else {}),
            status=self.status(),
            fields=self.custom("PROJECT"),
            customer=customer | {"companyUrl": "https://example.org/?a=1&b=ü"},
            partnerCompanies=[customer] if index % 3 == 2 else [],
            archived=index % 5 == 2,
            currency=dict(zip(("currencyCode", "currencyName", "currencySymbol"), CURRENCIES[index % 3], strict=True)),
            sources=[self.filled("prefix:text startDate:day", created) | self.value("ref", 0, "template")],
            financials=self.filled(
                "contractType:FIXED_FEE|TIME_AND_MATERIAL|SUBSCRIPTION|NON_BILLABLE revenueRecognitionType:text",
                created,
            )
            | {
                "timeAndMaterialContract": self.filled("projectBudget:number", created)
                | {"rateCard": {"rateCardId": 41, "rateCardName": "Tarif"}}
            }
            | {"metrics": self.filled("actualRevenue,actualCost,actualProfit,estimatedProfitMargin:number", created)},
        )
        project = _ref(row, "project")
        phases = [self.phase(project, created) for _ in range(0 if index == 1 else 4)]
        row["currentPhases"] = [_ref(phase, "phase") for phase in phases[:1]]
        done: list[Row] = []
        for number in range(tasks):
            done.append(self.task(number, project, phases, done, created))
            self.time_entry(2 * number, project, done[-1])
            self.time_entry(2 * number + 1, project, done[-1])
            if number % 2 == 0:
                self.comment(done[-1]["taskId"], "TASK", done[-1]["createdAt"])
        for number in range(2):
            self.space(project, created)
            self.conversation(number, project, created)
            self.invoice(2 * index + number, project, customer, created)
        for number in range(5):
            self.allocation(number, project, done, created)

    def status(self) -> Row:
        number = self.chance.randrange(len(STATUSES))
        return {"value": number + 1, "label": STATUSES[number]}

    def phase(self, project: Row, created: int) -> Row:
        spec = "phaseName:text startDate,dueDate:day startDateActual,dueDateActual?:day private:flag"
        return self.add("phases", created, spec, project=project, status=self.status())

    def task(self, number: int, project: Row, phases: list[Row], others: list[Row], since: int) -> Row:
        placeholder = self.value("ref", 0, "placeholder") | {"role": self.value("ref", 0, "role")}
        category = self.chance.choice(list(self.world.rows["time_entry_categories"].values()))
        return self.add(
            "tasks",
            since if number % 3 == 0 else self.past(since),  # A third came with a template, in the same millisecond.
            "taskDescription?:note startDate,dueDate?:day effortInMinutes?:int progress?:int atRisk?:flag private:flag"
            " startDateActual,dueDateActual?:day billable:flag csatEnabled?:flag taskPrivateNote?:note"
            " externalReferenceId?:text",
            taskName=f"{self.chance.choice(TEXTS)} ({number + 1})",
            archived=number % 12 == 5,
            project=project,
            status=self.status(),
            fields=self.custom("TASK"),
            type="MILESTONE" if number % 9 == 8 else "TASK",
            phase=_ref(self.chance.choice(phases), "phase") if phases and number % 5 else None,
            assignees={"members": self.some(self.team, 0.2), "placeholders": self.some([placeholder])},
            followers={"members": self.some(self.team, 0.2)},
            dependencies=[_ref(row, "task") for row in self.some(others[-2:])],
            priority=self.maybe({"value": 2, "label": "Medium"}),
            timeEntryCategory=self.maybe(category),
            financialsBudgets=self.maybe([self.value("ref", 0, "budget")]),
            parent=_ref(self.chance.choice(others), "task") if number % 7 == 6 else None,
        )

    def time_entry(self, number: int, project: Row, task: Row) -> None:
        on_task = number % 4 != 3
        approval = self.chance.choice(list(APPROVALS))
        created = self.past(task["createdAt"])
        self.add(
            "time_entries",
            created,
            "minutes:int user:user billable:flag notes?:note costRate:rate billRate?:rate " + APPROVALS[approval],
            date=_date(created),
            activityName=None if on_task else self.chance.choice(TEXTS),
            project=project,
            task=_ref(task, "task") if on_task else None,
            projectPhase=task.get("phase"),
            category=self.maybe(self.chance.choice(list(self.world.rows["time_entry_categories"].values()))),
            fields=[],
            sourceType="TASK" if on_task else self.chance.choice(("PROJECT", "ADHOC", "GOOGLE_CALENDAR")),
            status=approval,
            deleted=number % 10 == 3,
        )

    def comment(self, source: int, kind: str, since: int) -> None:
        place = {"sourceId": source, "sourceType": kind}
        self.add("comments", self.past(since), "content:note attachments?:files private:flag", source=place)

    def space(self, project: Row, since: int) -> None:
        row = self.add("spaces", self.past(since), "spaceName:text private:flag", project=project)
        for number in range(3):
            self.add(
                "space_documents",
                self.past(row["createdAt"]),
                "spaceDocumentName:text private:flag spaceDocumentType:"
                + ("EMBEDDED_DOCUMENT url:url" if number == 2 else "ROCKETLANE_DOCUMENT"),
                projectId=project["projectId"],
                space=_ref(row, "space"),
                source=self.value("ref", 0, "template") if number == 1 else None,
            )

    def conversation(self, number: int, project: Row, since: int) -> None:
        row = self.add(
            "conversations",
            self.past(since),
            "description?:note",
            conversationName=("General", "Intern – nur „wir“")[number],
            allMembers=number == 0,
            members=self.some(self.team) if number else None,
            source={"sourceId": project["projectId"], "sourceType": "PROJECT"},
            private=number == 1,
        )
        row.pop("createdBy", None)
        for _ in range(4):
            self.comment(row["conversationId"], "PROJECT_CONVERSATIONS", row["createdAt"])

    def allocation(self, number: int, project: Row, tasks: Sequence[Row], since: int) -> None:
        hours = self.chance.randint(1, 8)
        placeholder = self.value("ref", 0, "placeholder") if number == 3 else None
        self.add(
            "resource_allocations",
            self.past(since),
            "startDate,endDate:day allocationType:SOFT|HARD",
            secondsPerDay=3600 * hours,
            minutesPerDay=60 * hours,
            hoursPerDay=hours,
            allocationFor="PLACEHOLDER" if placeholder else "TEAM_MEMBER",
            project=project,
            tasks=[_ref(row, "task") for row in self.some(tasks[:5])],
            member=None if placeholder else self.chance.choice(self.team) | {"role": self.value("ref", 0, "role")},
            placeholder=placeholder,
            duration=self.filled("daysConsider,seconds,minutes,hours:int", 0),
        )

    def invoice(self, number: int, project: Row, company: Row, since: int) -> None:
        lines = self.chance.randint(1, 5) if number else 0
        row = self.add(
            "invoices",
            self.past(since),
            "dateOfIssue,dueDate:day status:DRAFT|SENT|PAID amount,tax,subTotal,amountOutstanding,amountPaid,"
            "amountWrittenOff:number notes?:text attachments?:files",
            invoiceNumber=f"INV-{number + 1:05}",
            currency="EUR",
            company=company,
            projects=[project],
            fields=[],
        )
        place = {"invoiceId": row["invoiceId"]}
        for _ in range(lines):
            spec = "description:text quantity:int unitPrice,amount:number taxCode?:ref"
            source = {"sourceId": project["projectId"], "sourceType": "PROJECT"}
            self.add("invoice_lines", 0, spec, **place, **source, taxComponents=[])
        for _ in range(self.chance.randint(0, 2) if lines else 0):
            spec = "paymentRecordType:PAID|WRITE_OFF currency:EUR paymentDate:day amount:number notes?:text"
            self.add("invoice_payments", since, spec, **place)


def make_world(projects: int = 4, tasks: int = 60, seed: int = 7) -> World:
    """A world of sample data, with so many tasks in each project, from the two years before NOW."""
    world = World()
    maker = _Maker(world, seed)
    maker.workspace(projects)
    for index in range(projects):
        maker.project(index, tasks)
    return world
