"""The connector's configuration: what a user may write in it, parsed once into a frozen model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    SecretStr,
    Strict,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from source_pivotal_tracker.places import VISIBLE_ASCII, require_address, require_archive, require_folder

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

HOSTED_URL = "https://www.pivotaltracker.com/services/v5"
LONGEST_LOOKBACK = timedelta(days=30)
LONGEST_KEY = 40
NO_TOKEN = "no-token-for-exports"  # noqa: S105
"""What stands for the token where nobody asks for one; messages hide it, so no word that they might have."""

_DIGITS = re.compile(r"[0-9]{1,40}")
_DIGITS_IN_THE_FORM = r"^\s*0*[1-9][0-9]{0,15}\s*$"
_TIME = re.compile(
    r"(19|[2-9][0-9])[0-9]{2}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
# No years and months: they have no fixed length.
_DURATION = re.compile(r"P(?=.)([0-9]+W)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?")

# What is wrong, by pydantic's type of error. What to give instead is the description of the field.
_WRONG = {
    "missing": "is missing",
    "model_type": "is not a JSON object",
    "string_type": "is not a string",
    "bool_type": "is not a boolean",
    "int_type": "is not a whole number",
    "tuple_type": "is not a list",
    "dict_type": "is not a JSON object",
    "greater_than_equal": "is less than {ge}",
    "less_than_equal": "is more than {le}",
    "string_pattern_mismatch": "has the wrong format",
    "datetime_parsing": "is not a valid time",
    "datetime_from_date_parsing": "is not a valid time",
    "time_delta_parsing": "is too long",
    "value_error": "{error}",
}


class ConfigError(ValueError):
    """A configuration that cannot be used. Its text is for the user and repeats no value that they wrote.

    `wrong` has a sentence for each key that is wrong, without what to give instead.
    """

    def __init__(self, text: str, wrong: Sequence[str]) -> None:
        super().__init__(text)
        self.wrong = wrong


def _in_form(form: re.Pattern[str]) -> Callable[[object], str]:
    """Let only strings of this form through to pydantic: its parser takes `"1706659200"` for a time."""

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        if not form.fullmatch(value):
            raise PydanticKnownError("string_pattern_mismatch", {"pattern": form.pattern})
        return value

    return check


def _one_word(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not text.strip():
        raise ValueError("is empty")
    if not VISIBLE_ASCII.fullmatch(text):
        raise ValueError("contains a space, a line break or another character that tokens cannot have")
    return token


def _past_in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment > datetime.now(UTC):
        raise ValueError("is in the future")
    return moment.astimezone(UTC)


def _not_too_long(window: timedelta) -> timedelta:
    if window > LONGEST_LOOKBACK:
        raise ValueError(f"is longer than {LONGEST_LOOKBACK.days} days")
    return window


def _id_as_number(value: object) -> object:
    """The number that a text of digits, perhaps with spaces around it, can only mean."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not _DIGITS.fullmatch(text):
        raise ValueError("is not a project id")
    return int(text)


def _list_as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _without_repeats(ids: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(ids))


Token = Annotated[SecretStr, AfterValidator(_one_word)]
StartDate = Annotated[datetime, Strict(False), BeforeValidator(_in_form(_TIME)), AfterValidator(_past_in_utc)]
ProjectId = Annotated[
    int,
    Field(ge=1, le=2**53),
    BeforeValidator(_id_as_number),
    # In draft-07, each bound is for the values of its own type.
    WithJsonSchema({"type": ["integer", "string"], "minimum": 1, "maximum": 2**53, "pattern": _DIGITS_IN_THE_FORM}),
]
ProjectIds = Annotated[
    tuple[ProjectId, ...], FailFast(), BeforeValidator(_list_as_tuple), AfterValidator(_without_repeats)
]
Lookback = Annotated[timedelta, Strict(False), BeforeValidator(_in_form(_DURATION)), AfterValidator(_not_too_long)]


class Config(BaseModel):
    """What the user chose. A field's description is what the sentence about a bad value asks for."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    api_token: Token = Field(description="the API token from your Profile page in Tracker, as one word")
    allow_http: bool = Field(False, description="true or false, without quotes")
    api_url: str = Field(
        HOSTED_URL,
        description=(
            f"the https:// address of a v5 API, without credentials, query or fragment, such as {HOSTED_URL} "
            "(http:// is for this machine, or with allow_http for a server in the same private network)"
        ),
    )
    export_archive: str | None = Field(
        None,
        description=(
            "the path, https:// address or object store URL (such as s3://bucket/exports/) of a Pivotal Tracker export "
            "or of a folder of exports, without api_url"
        ),
    )
    export_project_ids: dict[str, ProjectId] = Field(
        {},
        description=(
            'a JSON object with the ids of projects by their names, such as {"my_project": 1027488}, beside '
            "export_archive; the check prints the names"
        ),
    )
    attachments_to: str | None = Field(
        None,
        description=(
            "the path of a folder for attached files, or the URL of one in an object store, such as s3://bucket/files/"
        ),
    )
    attachments_max_mb: int = Field(
        100, ge=1, le=100_000, description="a whole number of megabytes from 1 to 100000, without quotes"
    )
    start_date: StartDate | None = Field(
        None, description="a time in the past such as 2024-01-31T00:00:00Z, or a date such as 2024-01-31"
    )
    project_ids: ProjectIds = Field(
        (),
        description=(
            "a list of project ids, which are whole numbers such as 1027488; to see them, leave project_ids out and "
            "run the check; the code in a web address, such as 59f921, is not an id"
        ),
    )
    lookback_window: Lookback = Field(
        timedelta(minutes=1),
        description=(
            f"an ISO 8601 duration from PT0S to P{LONGEST_LOOKBACK.days}D, without years and months, "
            "such as PT1M for one minute"
        ),
    )
    full_sweep_days: int = Field(
        7, ge=0, le=365, description="a whole number of days from 0 (for never) to 365, without quotes"
    )
    requests_per_minute: int = Field(200, ge=1, le=1000, description="a whole number from 1 to 1000, without quotes")
    num_workers: int = Field(8, ge=1, le=20, description="a whole number from 1 to 20, without quotes")

    @model_validator(mode="before")
    @classmethod
    def _null_means_default(cls, raw: object) -> object:
        if not isinstance(raw, Mapping):
            return raw
        given = {key: value for key, value in raw.items() if value is not None}
        return {"api_token": NO_TOKEN, **given} if "export_archive" in given else given

    @field_validator("api_url")
    @classmethod
    def _safe_for_the_token(cls, url: str, info: ValidationInfo) -> str:
        # A bad allow_http is absent from info.data: its own sentence is enough.
        require_address(url, allow_http=info.data.get("allow_http", True))
        return url.rstrip("/")

    @field_validator("export_archive")
    @classmethod
    def _alone_and_safe(cls, place: str | None, info: ValidationInfo) -> str | None:
        if place is not None:
            # A form fills in the default of the address.
            if info.data.get("api_url", HOSTED_URL) != HOSTED_URL:
                raise ValueError("cannot be combined with api_url")
            require_archive(place, allow_http=info.data.get("allow_http", True))
        return place

    @field_validator("attachments_to")
    @classmethod
    def _folder_or_store(cls, place: str | None) -> str | None:
        if place is not None:
            require_folder(place)
        return place

    @field_validator("export_project_ids")
    @classmethod
    def _beside_exports(cls, ids: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        # A bad export_archive is absent from info.data: its own sentence is enough.
        if ids and info.data.get("export_archive", "") is None:
            raise ValueError("is for export_archive only")
        return ids


def parse_config(raw: object) -> Config:
    """Parse the JSON value that the user gave as configuration; a key that is null counts as left out.

    Raises ConfigError with one sentence for each problem: which key, what is wrong, what to give instead.
    """
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        found = error.errors()
        wrong = [f"{_place(problem)} {_wrong(problem)}." for problem in found if problem["loc"]]
        raise ConfigError(" ".join(map(_sentence, found)), wrong) from None


def unknown_keys(raw: object) -> list[str]:
    """The keys that are no settings; those that a platform adds for itself begin with an underscore."""
    keys = raw.keys() if isinstance(raw, Mapping) else ()
    return [repr(key)[:LONGEST_KEY] for key in keys if key not in Config.model_fields and not str(key).startswith("_")]


def _sentence(error: ErrorDetails) -> str:
    if not error["loc"]:
        return f"The configuration {_wrong(error)}: give a JSON object with at least api_token."
    return f"{_place(error)} {_wrong(error)}: give {Config.model_fields[str(error['loc'][0])].description}."


def _place(error: ErrorDetails) -> str:
    key, *position = error["loc"]
    return f"{key}{''.join(f'[{index}]' for index in position)}"


def _wrong(error: ErrorDetails) -> str:
    return _WRONG.get(error["type"], "cannot be used").format(**error.get("ctx", {}))
