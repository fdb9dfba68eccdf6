"""What a cell says, without a file around it."""

from __future__ import annotations

import pytest

from tracker_server.exports.cells import (
    format_points,
    id_in_url,
    parse_branch,
    parse_day,
    parse_id,
    parse_points,
    parse_pull_request,
    parse_signature,
    unescape_formula,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Nov 22, 2014", "2014-11-22T00:00:00Z"),
        ("Jan 1, 2009", "2009-01-01T00:00:00Z"),
        (" Feb 29, 2012 ", "2012-02-29T00:00:00Z"),
        ("Feb 29, 2013", None),
        ("Nov 31, 2014", None),
        ("22 Nov 2014", None),
        ("11/22/2014", None),
        ("2014-11-22", None),
        ("Nov 22, 14", None),
        ("Nov 22, 0014", None),
        ("Nov 22, 9999", None),
        ("Abc 22, 2014", None),
        ("November 22, 2014", None),
        ("", None),
    ],
)
def test_a_day(text: str, moment: str | None) -> None:
    assert parse_day(text) == moment


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("2.0", 2),
        ("-1", None),
        ("0", 0),
        ("12345678.123456", 12345678.123456),
        ("0.0000001", 1e-07),
    ],
)
def test_points(text: str, number: float | None) -> None:
    assert parse_points(text) == number
    assert type(parse_points(text)) is type(number)


@pytest.mark.parametrize("number", [0, 3, 0.5, 2.0, 1e-07, 12345678.123456, 100_000_000_000_000])
def test_points_come_back_as_they_were(number: float) -> None:
    assert parse_points(format_points(number)) == number


@pytest.mark.parametrize("text", ["five", "-2", "nan", "inf", "1e999"])
def test_what_is_no_number_of_points(text: str) -> None:
    with pytest.raises(ValueError, match=r"no estimate|could not convert"):
        parse_points(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("186456829", 186456829), (" 7 ", 7), ("0", None), ("-7", None), ("7.0", None), ("٧", None), ("9" * 17, None)],
)
def test_an_id(text: str, number: int | None) -> None:
    assert parse_id(text) == number


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("https://www.pivotaltracker.com/story/show/123", 123),
        ("http://tracker.example.com/epic/show/5", 5),
        ("https://www.pivotaltracker.com/story/show/123/comments", 123),
        ("https://www.pivotaltracker.com/projects/123", None),
        ("", None),
    ],
)
def test_an_id_in_an_address(url: str, number: int | None) -> None:
    assert id_in_url(url) == number


NOVEMBER_22 = "2014-11-22T00:00:00Z"


@pytest.mark.parametrize(
    ("cell", "signature"),
    [
        ("Fine (Ann - Nov 22, 2014)", ("Fine", "Ann", NOVEMBER_22)),
        ("Fine (as I said) (Ann - Nov 22, 2014)", ("Fine (as I said)", "Ann", NOVEMBER_22)),
        ("Was (Bob - Nov 1, 2014) (Ann - Nov 22, 2014)", ("Was (Bob - Nov 1, 2014)", "Ann", NOVEMBER_22)),
        ("Fine (Ann (QA) - Nov 22, 2014)", ("Fine", "Ann (QA)", NOVEMBER_22)),
        ("(a) (Ann (a) (b) - Nov 22, 2014)", ("(a)", "Ann (a) (b)", NOVEMBER_22)),
        ("Fine (Ann - Marie - Nov 22, 2014)", ("Fine", "Ann - Marie", NOVEMBER_22)),
        ("One\n\ntwo (Ann - Nov 22, 2014)", ("One\n\ntwo", "Ann", NOVEMBER_22)),
        ("Spaces at the end   (Ann - Nov 22, 2014)", ("Spaces at the end  ", "Ann", NOVEMBER_22)),
        ("Fine (Ann - Nov 22, 2014)\n", ("Fine", "Ann", NOVEMBER_22)),
        (" (Ann - Nov 22, 2014)", ("", "Ann", NOVEMBER_22)),
        ("(Ann - Nov 22, 2014)", ("", "Ann", NOVEMBER_22)),
        ("Gone ( - Nov 22, 2014)", ("Gone", "", NOVEMBER_22)),
        ("Odd (:) - Nov 22, 2014)", ("Odd", ":)", NOVEMBER_22)),
        ("No date (Ann - today)", None),
        ("No signature", None),
        ("Ann - Nov 22, 2014)", None),
        ("(in parentheses)", None),
        ("", None),
    ],
)
def test_the_last_parentheses_of_a_comment_are_its_signature(cell: str, signature: tuple[str, str, str] | None) -> None:
    assert parse_signature(cell) == signature


@pytest.mark.parametrize(
    ("text", "bare"), [("'=1+1", "=1+1"), ("'a'", "'a'"), ("=1", "=1"), ("''=1", "''=1"), ("'", "'"), ("", "")]
)
def test_the_apostrophe_before_an_equals_sign_is_not_of_the_text(text: str, bare: str) -> None:
    assert unescape_formula(text) == bare


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://github.com/Plan/tracker_api/pull/148", ("https://github.com/", "Plan", "tracker_api", 148)),
        ("https://github.com/o/r/pull/7/files?w=1#diff", ("https://github.com/", "o", "r", 7)),
        ("https://git.example.com/a/b/r/-/merge_requests/9", ("https://git.example.com/", "a/b", "r", 9)),
        ("https://bitbucket.org/o/r/pull-requests/3", ("https://bitbucket.org/", "o", "r", 3)),
        ("https://example.com/elsewhere", (None, None, None, None)),
        ("in words", (None, None, None, None)),
    ],
)  # fmt: skip
def test_a_pull_request_is_what_its_address_tells(address: str, expected: tuple[object, ...]) -> None:
    row = parse_pull_request(address)
    assert tuple(row.get(name) for name in ("host_url", "owner", "repo", "number")) == expected
    assert row["original_url"] == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/o/r/tree/123-a/b", ("https://github.com/", "o", "r", "123-a/b")),
        ("https://git.example.com/a/b/r/-/tree/main", ("https://git.example.com/", "a/b", "r", "main")),
        ("reset-password", (None, None, None, "reset-password")),
    ],
)
def test_a_branch_is_what_its_address_tells_or_a_name(text: str, expected: tuple[object, ...]) -> None:
    row = parse_branch(text)
    assert tuple(row.get(name) for name in ("host_url", "owner", "repo", "name")) == expected
