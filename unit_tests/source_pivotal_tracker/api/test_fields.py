"""A `fields` tree is written as Tracker reads it, and two trees merge into what both want."""

from __future__ import annotations

import pytest

from source_pivotal_tracker.api.fields import Fields, merge, render, select


def test_a_tree_is_written_as_in_the_recording() -> None:
    tree = select(":default", "account", epics=select(":default", label=select("name")))
    assert render(tree) == ":default,account,epics(:default,label(name))"


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        (select("id"), select("name"), "id,name"),
        (select("id", "name"), select("name"), "id,name"),
        (select(comments=select("id")), select(comments=select("text")), "comments(id,text)"),
        (select("comments"), select(comments=select("text")), "comments(:default,text)"),
        (select(comments=select("text")), select("comments"), "comments(text,:default)"),
        (
            select("id", tasks=select(":default"), comments=select(":default")),
            select(comments=select("id", file_attachments=select(":default"))),
            "id,tasks(:default),comments(:default,id,file_attachments(:default))",
        ),
    ],
)
def test_a_merged_tree_asks_for_what_both_want(left: Fields, right: Fields, both: str) -> None:
    assert render(merge(left, right)) == both
