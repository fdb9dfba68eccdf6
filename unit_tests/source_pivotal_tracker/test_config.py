"""What parse_config accepts, and what it says about everything else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_pivotal_tracker.config import HOSTED_URL, Config, ConfigError, parse_config

TOKEN = "5c054d0de3440452190fdc5d5a04d871"


def parse(**chosen: object) -> Config:
    return parse_config({"api_token": TOKEN, **chosen})


def complaint(raw: object) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(raw)
    return str(caught.value)


BAD_VALUES = [
    ("api_token", "", "is empty"),
    ("api_token", " \t ", "is empty"),
    ("api_token", None, "is missing"),
    ("api_token", f"{TOKEN}\n", "line break"),
    ("api_token", f"{TOKEN}\r\nX-Other: 1", "line break"),
    ("api_token", f"{TOKEN} {TOKEN}", "space"),
    ("api_token", f"{TOKEN}\x00", "another character"),
    ("api_token", f"{TOKEN}é", "another character"),
    ("api_token", f"{TOKEN}\ud800", "another character"),
    ("api_token", 1706659200, "is not a string"),
    ("api_token", [TOKEN], "is not a string"),
    ("api_url", 80, "is not a string"),
    ("api_url", "", "is empty"),
    ("api_url", "tracker.example.com", "does not start with https://"),
    ("api_url", "/services/v5", "does not start with https://"),
    ("api_url", "ftp://tracker.example.com", "does not start with https://"),
    ("api_url", "javascript:alert(1)", "does not start with https://"),
    ("api_url", "https://", "has no valid host"),
    ("api_url", "https:///services/v5", "has no valid host"),
    ("api_url", "https://tracker..example.com", "has no valid host"),
    ("api_url", "https://*.example.com", "has no valid host"),
    ("api_url", f"https://{'a' * 64}.example.com", "has no valid host"),
    ("api_url", "https://[::1", "has an invalid host or port"),
    ("api_url", "https://tracker.example.com:eighty", "has an invalid host or port"),
    ("api_url", "https://tracker.example.com:65536", "has an invalid host or port"),
    ("api_url", "https://tracker.example.com:0", "has no valid host and port"),
    ("api_url", f"https://me:{TOKEN}@tracker.example.com", "contains credentials"),
    ("api_url", "https://@tracker.example.com", "contains credentials"),
    ("api_url", "http://localhost@tracker.example.com", "contains credentials"),
    ("api_url", f"https://tracker.example.com?token={TOKEN}", "contains a query"),
    ("api_url", "https://tracker.example.com?", "contains a query"),
    ("api_url", "https://tracker.example.com#top", "fragment"),
    ("api_url", " https://tracker.example.com", "URLs cannot have"),
    ("api_url", "https://tracker.example.com\n", "URLs cannot have"),
    ("api_url", "http://tracker.example.com\\@localhost", "URLs cannot have"),
    ("api_url", "https://träcker.example.com", "URLs cannot have"),
    ("api_url", "http://tracker.example.com", "allow_http"),
    ("api_url", "http://10.0.0.7:8080", "allow_http"),
    ("api_url", "http://128.0.0.1", "allow_http"),
    ("api_url", "http://localhost.example.com", "allow_http"),
    ("api_url", "http://127.0.0.1.example.com", "allow_http"),
    ("api_url", "http://[::2]", "allow_http"),
    ("allow_http", "true", "is not a boolean"),
    ("allow_http", 1, "is not a boolean"),
    ("export_archive", "", "is empty"),
    ("export_archive", " ", "is empty"),
    ("export_archive", "/exports/a\nb.zip", "line break"),
    ("export_archive", "/exports/a\u2028b.zip", "line break"),
    ("export_archive", "/exports/\x00", "control character"),
    ("export_archive", "/exports/a\x1b[2J.zip", "control character"),
    ("export_archive", "/exports/\ud800.zip", "control character"),
    ("export_archive", 7, "is not a string"),
    ("export_archive", "ftp://example.com/a.zip", "does not start with https://"),
    ("export_archive", "file:///exports/a.zip", "does not start with https://"),
    ("export_archive", "https://[::1/a.zip", "has an invalid host"),
    ("export_archive", f"https://me:{TOKEN}@example.com/a.zip", "contains credentials"),
    ("export_archive", f"s3://me:{TOKEN}@bucket/a.zip", "contains credentials"),
    ("export_archive", f"abfs://container:{TOKEN}@account.dfs.core.windows.net/a.zip", "contains credentials"),
    ("export_archive", f"s3://bucket/a.zip?access_key_id={TOKEN}", "contains a query"),
    ("export_archive", "http://example.com/a.zip", "allow_http"),
    ("start_date", "", "has the wrong format"),
    ("start_date", "yesterday", "has the wrong format"),
    ("start_date", "31.01.2024", "has the wrong format"),
    ("start_date", "1706659200", "has the wrong format"),
    ("start_date", "2024-01-31T00:00:00Z\n", "has the wrong format"),
    ("start_date", "0001-01-01T00:00:00+14:00", "has the wrong format"),
    ("start_date", "2024-02-30", "is not a valid time"),
    ("start_date", "2024-01-31T25:00:00Z", "is not a valid time"),
    ("start_date", 1706659200, "is not a string"),
    ("start_date", True, "is not a string"),
    ("start_date", "2999-01-01T00:00:00Z", "is in the future"),
    ("start_date", "9999-12-31T23:59:59-14:00", "is in the future"),
    ("project_ids", 99, "is not a list"),
    ("project_ids", "99, 100", "is not a list"),
    ("project_ids", {"99": True}, "is not a list"),
    ("project_ids", [99, 0], "project_ids[1] is less than 1"),
    ("project_ids", [-99], "project_ids[0] is less than 1"),
    ("project_ids", [1, True], "project_ids[1] is not a whole number"),
    ("project_ids", ["59f921"], "project_ids[0] is not a project id"),
    ("project_ids", [99, "59f921"], "project_ids[1] is not a project id"),
    ("project_ids", ["https://app.litetracker.com/n/projects/59f921"], "project_ids[0] is not a project id"),
    ("project_ids", ["https://www.pivotaltracker.com/n/projects/99"], "project_ids[0] is not a project id"),
    ("project_ids", ["99, 100"], "project_ids[0] is not a project id"),
    ("project_ids", [""], "project_ids[0] is not a project id"),
    ("project_ids", ["-99"], "project_ids[0] is not a project id"),
    ("project_ids", ["1e5"], "project_ids[0] is not a project id"),
    ("project_ids", ["99.0"], "project_ids[0] is not a project id"),
    ("project_ids", ["#99"], "project_ids[0] is not a project id"),
    ("project_ids", ["٩٩"], "project_ids[0] is not a project id"),
    ("project_ids", ["0"], "project_ids[0] is less than 1"),
    ("project_ids", ["9007199254740993"], "project_ids[0] is more than"),
    ("project_ids", [99.0], "project_ids[0] is not a whole number"),
    ("project_ids", [None], "project_ids[0] is not a whole number"),
    ("project_ids", [[99]], "project_ids[0] is not a whole number"),
    ("project_ids", [2**53 + 1], "project_ids[0] is more than"),
    ("project_ids", [10**40], "project_ids[0] is more than"),
    ("export_project_ids", [1027488], "is not a JSON object"),
    ("export_project_ids", '{"my_project": 1027488}', "is not a JSON object"),
    ("export_project_ids", {"my_project": "59f921"}, "export_project_ids[my_project] is not a project id"),
    ("export_project_ids", {"my_project": 0}, "export_project_ids[my_project] is less than 1"),
    ("export_project_ids", {"my_project": 1027488}, "is for export_archive only"),
    ("attachments_to", "", "is empty or contains a line break"),
    ("attachments_to", "a\nb", "is empty or contains a line break"),
    ("attachments_to", 5, "is not a string"),
    ("attachments_to", "https://host/files", "is neither a path nor a URL with an object store's scheme"),
    ("attachments_to", "s3:///files", "is neither a path nor a URL with an object store's scheme"),
    ("attachments_to", "s3://me:secret@bucket/files", "contains credentials"),
    ("attachments_to", "s3://bucket/files?key=5", "contains a query"),
    ("attachments_max_mb", 0, "is less than 1"),
    ("attachments_max_mb", "5", "is not a whole number"),
    ("lookback_window", 60, "is not a string"),
    ("lookback_window", True, "is not a string"),
    ("lookback_window", "", "has the wrong format"),
    ("lookback_window", "60", "has the wrong format"),
    ("lookback_window", "00:01:00", "has the wrong format"),
    ("lookback_window", "P", "has the wrong format"),
    ("lookback_window", "PT", "has the wrong format"),
    ("lookback_window", "P1DT", "has the wrong format"),
    ("lookback_window", "pt1m", "has the wrong format"),
    ("lookback_window", "-PT1M", "has the wrong format"),
    ("lookback_window", "PT-1M", "has the wrong format"),
    ("lookback_window", "P1Y", "without years and months"),
    ("lookback_window", "P1M", "without years and months"),
    ("lookback_window", "P30DT1S", "is longer than 30 days"),
    ("lookback_window", "P999999999D", "is longer than 30 days"),
    ("lookback_window", "P99999999999999999999D", "is too long"),
    ("full_sweep_days", -1, "is less than 0"),
    ("full_sweep_days", 366, "is more than 365"),
    ("full_sweep_days", "7", "is not a whole number"),
    ("requests_per_minute", 0, "is less than 1"),
    ("requests_per_minute", -200, "is less than 1"),
    ("requests_per_minute", 1001, "is more than 1000"),
    ("requests_per_minute", True, "is not a whole number"),
    ("requests_per_minute", 200.0, "is not a whole number"),
    ("requests_per_minute", float("nan"), "is not a whole number"),
    ("requests_per_minute", "200", "is not a whole number"),
    ("num_workers", 0, "is less than 1"),
    ("num_workers", 21, "is more than 20"),
    ("num_workers", False, "is not a whole number"),
    ("num_workers", 8.5, "is not a whole number"),
    ("num_workers", "8", "is not a whole number"),
]


@pytest.mark.parametrize(("key", "value", "wrong"), BAD_VALUES)
def test_a_bad_value_gets_one_sentence_that_names_its_key_and_what_is_wrong_and_what_to_give(
    key: str, value: object, wrong: str
) -> None:
    message = complaint({"api_token": TOKEN, key: value})

    assert message.startswith(key)
    assert wrong in message
    assert message.count(": give ") == 1
    assert message.endswith(".")
    assert TOKEN not in message


@pytest.mark.parametrize("raw", [None, True, 5, "api_token", [], [{"api_token": TOKEN}]])
def test_a_configuration_that_is_no_object_is_refused_as_such(raw: object) -> None:
    assert complaint(raw) == "The configuration is not a JSON object: give a JSON object with at least api_token."


def test_a_configuration_without_a_token_is_told_where_to_find_one() -> None:
    assert complaint({}) == ("api_token is missing: give the API token from your Profile page in Tracker, as one word.")


def test_every_problem_gets_its_sentence() -> None:
    message = complaint({"api_token": "", "project_ids": [0], "num_workers": 99})

    assert [sentence.split()[0] for sentence in message.removesuffix(".").split(". ")] == [
        "api_token",
        "project_ids[0]",
        "num_workers",
    ]


def test_a_list_of_bad_project_ids_gets_one_sentence_on_the_first_of_them() -> None:
    message = complaint({"api_token": TOKEN, "project_ids": [1, 2.5, 3.5, "4"]})

    assert message.startswith("project_ids[1] is not a whole number")
    assert message.count("project_ids[") == 1


def test_a_bad_allow_http_does_not_lead_to_a_second_sentence_on_the_url() -> None:
    message = complaint({"api_token": TOKEN, "allow_http": "yes", "api_url": "http://tracker.example.com"})

    assert message == "allow_http is not a boolean: give true or false, without quotes."


def test_the_sentence_on_http_tells_when_allow_http_is_right() -> None:
    message = complaint({"api_token": TOKEN, "api_url": "http://tracker.example.com"})

    assert "allow_http for a server in the same private network" in message


def test_the_error_carries_no_value_into_a_traceback() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"api_token": f"{TOKEN}\n"})

    assert caught.value.__suppress_context__
    assert TOKEN not in str(caught.value.__context__)


def test_the_token_is_hidden_where_a_config_is_printed() -> None:
    assert TOKEN not in repr(parse())
    assert parse().api_token.get_secret_value() == TOKEN


def test_a_token_alone_gives_the_defaults() -> None:
    assert parse().model_dump(exclude={"api_token"}) == {
        "api_url": HOSTED_URL,
        "allow_http": False,
        "export_archive": None,
        "export_project_ids": {},
        "attachments_to": None,
        "attachments_max_mb": 100,
        "start_date": None,
        "project_ids": (),
        "lookback_window": timedelta(minutes=1),
        "full_sweep_days": 7,
        "requests_per_minute": 200,
        "num_workers": 8,
    }


@pytest.mark.parametrize("key", sorted(Config.model_fields.keys() - {"api_token"}))
def test_null_means_the_default(key: str) -> None:
    assert parse(**{key: None}) == parse()


def test_keys_that_are_not_known_are_passed_over() -> None:
    assert parse(__injected_declarative_manifest=None, something=[1]) == parse()


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://app.litetracker.com/services/v5", "https://app.litetracker.com/services/v5"),
        ("https://app.litetracker.com/services/v5/", "https://app.litetracker.com/services/v5"),
        ("https://tracker.example.com", "https://tracker.example.com"),
        ("https://tracker.example.com:8443//", "https://tracker.example.com:8443"),
        ("http://localhost:8080/services/v5", "http://localhost:8080/services/v5"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        ("https://10.0.0.7", "https://10.0.0.7"),
    ],
)
def test_a_url_is_taken_as_given_but_for_its_trailing_slashes(url: str, normal: str) -> None:
    assert parse(api_url=url).api_url == normal


@pytest.mark.parametrize("url", ["http://tracker.internal:8080/services/v5", "http://10.0.0.7"])
def test_allow_http_permits_http_to_another_machine(url: str) -> None:
    assert parse(api_url=url, allow_http=True).api_url == url


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2024-01-31", datetime(2024, 1, 31, tzinfo=UTC)),
        ("2024-01-31T10:20", datetime(2024, 1, 31, 10, 20, tzinfo=UTC)),
        ("2024-01-31T10:20:30", datetime(2024, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2024-01-31 10:20:30", datetime(2024, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2024-01-31T10:20:30Z", datetime(2024, 1, 31, 10, 20, 30, tzinfo=UTC)),
        ("2024-01-31T10:20:30.5Z", datetime(2024, 1, 31, 10, 20, 30, 500_000, tzinfo=UTC)),
        ("2024-01-31T00:20:30+02:00", datetime(2024, 1, 30, 22, 20, 30, tzinfo=UTC)),
    ],
)
def test_a_start_date_is_a_moment_in_utc(written: str, meant: datetime) -> None:
    start_date = parse(start_date=written).start_date

    assert start_date == meant
    assert start_date is not None
    assert start_date.tzinfo is UTC


def test_project_ids_keep_their_order_and_lose_their_repeats() -> None:
    assert parse(project_ids=[7, 3, 7, 2**53, 3]).project_ids == (7, 3, 2**53)


@pytest.mark.parametrize("written", ["1027488", " 1027488 ", "1027488\n", "\t1027488", "01027488"])
def test_a_project_id_may_be_a_text_of_digits(written: str) -> None:
    assert parse(project_ids=[written, 1027488, 7]).project_ids == (1027488, 7)


@pytest.mark.parametrize(
    "given", ["59f921", "https://app.litetracker.com/n/projects/59f921", 1.5, True, None, "99, 100"]
)
def test_what_is_no_project_id_is_told_where_the_ids_stand(given: object) -> None:
    message = complaint({"api_token": TOKEN, "project_ids": [given]})
    assert "to see them, leave project_ids out and run the check" in message
    assert "the code in a web address, such as 59f921, is not an id" in message


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("PT0S", timedelta()),
        ("PT0.5S", timedelta(seconds=0.5)),
        ("PT1M", timedelta(minutes=1)),
        ("PT36H", timedelta(hours=36)),
        ("P30D", timedelta(days=30)),
        ("P1W2DT3H4M5S", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
    ],
)
def test_a_lookback_window_is_an_iso_8601_duration(written: str, meant: timedelta) -> None:
    assert parse(lookback_window=written).lookback_window == meant


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse().num_workers = 3


texts = st.text() | st.sampled_from(["PT1M", "P1Y", "2024-01-31", "https://[", "http://x:y@z", "{ge}", "\ud800"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
objects_with_known_keys = st.dictionaries(st.sampled_from(sorted(Config.model_fields)), json_values)


@given(json_values | objects_with_known_keys)
def test_any_json_gives_a_config_or_a_config_error_with_a_text(raw: Any) -> None:
    try:
        answer = parse_config(json.loads(json.dumps(raw))).api_token.get_secret_value()
    except ConfigError as error:
        answer = str(error)

    assert answer


def test_an_export_needs_no_token() -> None:
    assert parse_config({"export_archive": "/exports"}).export_archive == "/exports"


def test_an_export_and_an_api_url_exclude_each_other() -> None:
    message = complaint({"export_archive": "/exports", "api_url": "https://tracker.example.com"})
    assert message.startswith("export_archive cannot be combined with api_url")


def test_the_address_that_a_form_fills_in_does_not_exclude_an_export() -> None:
    assert parse(export_archive="/exports", api_url=HOSTED_URL).export_archive == "/exports"


@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:8000/a.zip?signature=1",
        "s3://bucket/exports/",
        "gs://b",
        "C:\\a.zip",
        "/exports/at 9\u202fAM.zip",
        "/exports/no\u00a0break.zip",
    ],
)
def test_an_export_may_lie_anywhere(place: str) -> None:
    assert parse(export_archive=place).export_archive == place
