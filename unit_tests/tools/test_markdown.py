"""Tables are written and read as Markdown has them."""

from __future__ import annotations

import pytest

from tools.markdown import code_in, first_cells, table


def test_a_pipe_in_a_cell_is_escaped() -> None:
    assert table(("This",), [("either | or",)]) == "| This |\n| --- |\n| either \\| or |\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("no code", []),
        ("`one`, and `another one`", ["one", "another one"]),
        ("``a `tick` inside``", ["a `tick` inside"]),
        ("`` `tick` first``", [" `tick` first"]),
        ("`` `ticks` ``", ["`ticks`"]),
    ],
)
def test_code_is_what_stands_between_as_many_ticks(text: str, codes: list[str]) -> None:
    assert list(code_in(text)) == codes


def test_the_first_cells_are_those_of_the_rows_of_all_tables_without_their_heads() -> None:
    page = f"Words.\n\n{table(('A', 'B'), [('1', '2'), ('3', '4')])}\n{table(('C',), [('5',)])}"

    assert list(first_cells(page)) == ["1", "3", "5 |"]
