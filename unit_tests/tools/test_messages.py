"""The page's troubleshooting has every message of the connector, and none that it does not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.docs import ROOT
from tools.markdown import code_in, first_cells
from tools.messages import messages

PAGE = "docs/pivotal-tracker.md"
MODULE = '''"""A docstring of words."""

raise InvalidResponse(f"the page at offset {offset} is the {nth} one")
logger.warning("Project %d of %s is skipped: %.0f s", 1, "all", 2.0)
logger.info("nothing to look up")
WRONG = {"too_much": "is more than {le}"}
path = f"projects/{project}/stories"
words = f"{words}, as {said or 'nobody said so'}"


def found():
    """More words in a docstring."""
    return "none"
'''


def test_the_page_quotes_what_the_connector_says_and_nothing_else() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")
    troubleshooting = page.split("\n## Limitations & Troubleshooting\n")[1].split("\n## ")[0]
    quoted = {code for cell in first_cells(troubleshooting) if cell.startswith("`") for code in code_in(cell)}
    by_text = messages(ROOT / "source_pivotal_tracker")

    missing = [f"{module}: {text}" for text, module in by_text.items() if text not in quoted]
    assert not missing, f"{PAGE} does not say what to do about these messages"
    assert quoted <= by_text.keys(), f"{PAGE} quotes what nobody says any more"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "module.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "http_stream.py").write_text('raise InvalidResponse("said by the cdk alone")', encoding="utf-8")
    return tmp_path


def test_a_message_is_a_text_of_some_words_with_dots_for_what_is_filled_in(package: Path) -> None:
    assert list(messages(package)) == [
        "the page at offset … is the … one",
        "Project … of … is skipped: … s",
        "is more than …",
    ]


def test_a_message_has_the_module_that_it_is_in(package: Path) -> None:
    assert set(messages(package).values()) == {"module.py"}
