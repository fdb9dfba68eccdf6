"""How a query is read, and what is said of one that is not understood."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker_server.search.keywords import KEYWORDS
from tracker_server.search.parsing import LONGEST, QueryError, parse, quoted
from tracker_server.search.query import Attribute, Between, Both, Either, Everything, Ids, Node, Not, Words

TODAY = date(2024, 3, 15)

UNDERSTOOD: dict[str, Node] = {
    "": Everything(),
    "login": Words("login"),
    "login page": Both(Words("login"), Words("page")),
    '"login page"': Words("login page"),
    "re-login": Words("re-login"),
    "-login": Not(Words("login")),
    "--login": Words("login"),
    "NOT login": Not(Words("login")),
    "login AND page": Both(Words("login"), Words("page")),
    "a OR b c": Either(Words("a"), Both(Words("b"), Words("c"))),
    "(a OR b) c": Both(Either(Words("a"), Words("b")), Words("c")),
    "-(a b)": Not(Both(Words("a"), Words("b"))),
    "or": Words("or"),
    "http://example.com/a": Words("http://example.com/a"),
    "at 10:30": Both(Words("at"), Words("10:30")),
    "123": Either(Words("123"), Ids((123,))),
    "#123": Ids((123,)),
    "id:1,2": Ids((1, 2)),
    "type:bug": Attribute("type", ("bug",)),
    "TYPE:Bugs": Attribute("type", ("bug",)),
    "state:started,finished": Attribute("state", ("started", "finished")),
    'label:"needs review"': Attribute("label", ("needs review",)),
    'label:"a, b"': Attribute("label", ("a, b",)),
    'label:"a b",c': Attribute("label", ("a b", "c")),
    "owner:AL": Attribute("owner", ("al",)),
    "mywork:AL": Both(Attribute("owner", ("al",)), Not(Attribute("state", ("accepted",)))),
    "has:comments": Attribute("has", ("comment",)),
    "no:estimate": Not(Attribute("has", ("estimate",))),
    "is:blocked": Attribute("is", ("blocked",)),
    "estimate:-1": Attribute("is", ("unestimated",)),
    "name:login": Words("login", "name"),
    "created:2024-01-01..2024-03-31": Between("created", "2024-01-01T00:00:00Z", "2024-04-01T00:00:00Z"),
    "created:2024-01-31": Between("created", "2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"),
    "created:01/31/2024": Between("created", "2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"),
    "created:2024-12": Between("created", "2024-12-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    "created:2024": Between("created", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
    "created:today": Between("created", "2024-03-15T00:00:00Z", "2024-03-16T00:00:00Z"),
    "updated:-2d..": Between("updated", "2024-03-13T00:00:00Z", None),
    "accepted:..yesterday": Between("accepted", None, "2024-03-15T00:00:00Z"),
    "updated_since:2024-03-01": Between("updated", "2024-03-01T00:00:00Z", None),
    "includedone:false": Everything(),
    "includedone:false login": Words("login"),
    r'label:"say \"hi\"",b': Attribute("label", ('say "hi"', "b")),
    r'"C:\temp\\"': Words("C:\\temp\\"),
    "login - page …": Both(Words("login"), Words("page")),
    "… OR login": Words("login"),
    "login -…": Words("login"),
    "login (… OR *)": Words("login"),
}


@pytest.mark.parametrize(("text", "node"), UNDERSTOOD.items(), ids=UNDERSTOOD.keys())
def test_a_query_is_read_as_this(text: str, node: Node) -> None:
    assert parse(text, TODAY).node == node


@pytest.mark.parametrize(
    ("text", "includes_done"), [("a includedone:true", True), ("includedone:FALSE", False), ("a", None)]
)
def test_whether_done_stories_count_is_told_apart_from_not_said(text: str, includes_done: bool | None) -> None:
    assert parse(text, TODAY).includes_done is includes_done


@pytest.mark.parametrize("text", ["42", "#42", "id:42", " 42 "])
def test_a_number_alone_is_an_id(text: str) -> None:
    assert parse(text, TODAY).only_id == 42


@pytest.mark.parametrize("text", ["42 a", '"42"', "-42", "id:1,2", "a", "4.2"])
def test_all_else_is_more_than_an_id(text: str) -> None:
    assert parse(text, TODAY).only_id is None


NOT_UNDERSTOOD = {
    'a "b c': ('"b c', "the quotation mark is not closed"),
    "(a b": ("(", "there is no ) after it"),
    "a (": ("(", "there is no ) after it"),
    "a)": (")", "there is no ( before it"),
    "()": ("(", "there is nothing between the parentheses"),
    "OR a": ("OR", "there is nothing before it"),
    "a OR": ("OR", "there is nothing after it"),
    "a OR OR b": ("OR", "there is nothing after it"),
    "a AND": ("AND", "there is nothing after it"),
    "a AND OR b": ("AND", "there is nothing after it"),
    "(OR a)": ("OR", "there is nothing before it"),
    "colour:red": ("colour:red", "colour is no keyword"),
    "type:": ("type:", "there is no value after type:"),
    'label:""': ('label:""', "there is no value after label:"),
    "type:story": ("type:story", "story is none of feature, bug, chore, release, epic"),
    "state:done": ("state:done", "done is none of unscheduled, unstarted"),
    "has:money": ("has:money", "money is none of description, comment"),
    "id:abc": ("id:abc", "abc is not the number of a story or an epic"),
    "estimate:many": ("estimate:many", "many is no number of points"),
    "created:soon": ("created:soon", "soon is no day"),
    "created:2024-02-30": ("created:2024-02-30", "2024-02-30 is no day"),
    "created:2024-03-31..2024-01-01": ("created:2024-03-31..2024-01-01", "2024-03-31 is after 2024-01-01"),
    "created:..": ("created:..", "a range needs a day"),
    "created:-99999y": ("created:-99999y", "-99999y is no day"),
    "…": ("…", "there is neither a letter nor a digit to search for"),
    "-🚀": ("-", "there is neither a letter nor a digit to search for"),
    "* OR ...": ("*", "there is neither a letter nor a digit to search for"),
    '"#"': ('"#"', "there is neither a letter nor a digit to search for"),
    "name:🚀": ("name:🚀", "there is neither a letter nor a digit to search for"),
    "includedone:maybe": ("includedone:maybe", "maybe is neither true nor false"),
}


@pytest.mark.parametrize(("text", "expected"), NOT_UNDERSTOOD.items(), ids=NOT_UNDERSTOOD.keys())
def test_a_query_that_is_not_understood_says_which_part(text: str, expected: tuple[str, str]) -> None:
    with pytest.raises(QueryError) as raised:
        parse(text, TODAY)
    assert (raised.value.part, raised.value.problem[: len(expected[1])]) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a" * (LONGEST + 1), "a search has at most 2,000 characters"),
        ("a " * 101, "a search has at most 100 parts"),
        ("(" * 31 + "a" + ")" * 31, "at most 30 parentheses can stand in each other"),
    ],
    ids=["characters", "parts", "parentheses"],
)
def test_a_query_that_costs_too_much_is_refused(text: str, problem: str) -> None:
    with pytest.raises(QueryError, match=problem):
        parse(text, TODAY)


@given(st.text(min_size=1).filter(lambda text: text == text.strip()))
def test_any_text_in_quotation_marks_is_one_value(text: str) -> None:
    assert parse(f"label:{quoted(text)}", TODAY).node == Attribute("label", (text.casefold(),))


PIECES = [*'ab-"():#OR ,.<>12', "type:", "created:", "NOT ", "\0", "é", "中", "bug", "2024"]


@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_any_text_is_read_or_refused_in_words(pieces: list[str]) -> None:
    problem: QueryError | None = None
    try:
        parse("".join(pieces), TODAY)
    except QueryError as error:
        problem = error
    assert problem is None or (problem.part and problem.problem)


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_without_a_value_is_refused(keyword: str) -> None:
    with pytest.raises(QueryError, match="there is no value after"):
        parse(f"{keyword}:", TODAY)
