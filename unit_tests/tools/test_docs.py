"""The generated parts of the documentation are fresh, and staleness is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.docs import PAGES, ROOT, SECTIONS, config_table, first_sentence, main, regenerated, stream_table

STALE = """# A page

<!-- BEGIN GENERATED: config -->
old words
<!-- END GENERATED: config -->

Words of a person.

<!-- BEGIN GENERATED: streams -->
<!-- END GENERATED: streams -->
"""


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    path = tmp_path / "README.md"
    path.write_text(STALE, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_parts_of_a_page_are_fresh(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")

    assert page == regenerated(page, PAGES[name]), "run `make docs`"


def test_every_section_is_in_a_page() -> None:
    assert {section for sections in PAGES.values() for section in sections} == SECTIONS.keys()


def test_check_names_the_stale_page_and_the_command_and_writes_nothing(
    readme: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], root=readme.parent) == 1
    assert capsys.readouterr().err == "README.md is stale: run `make docs`.\n"
    assert readme.read_text(encoding="utf-8") == STALE


def test_a_page_that_was_written_anew_passes_the_check(readme: Path) -> None:
    assert main([], root=readme.parent) == 0
    assert main(["--check"], root=readme.parent) == 0


def test_writing_replaces_what_is_between_the_markers_and_nothing_else(readme: Path) -> None:
    main([], root=readme.parent)

    page = readme.read_text(encoding="utf-8")
    assert "old words" not in page
    assert page.replace(config_table(), "old words\n").replace(stream_table(), "") == STALE


@pytest.mark.parametrize(
    "page",
    [
        "no markers",
        "<!-- BEGIN GENERATED: config -->\nwithout an end",
        "<!-- BEGIN GENERATED: config -->\n<!-- END GENERATED: config -->\n" * 2,
    ],
)
def test_a_page_without_exactly_one_pair_of_markers_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="markers of config"):
        regenerated(page, ["config"])


def test_a_key_of_the_config_table_has_its_type_default_and_meaning() -> None:
    rows = config_table()

    assert "| `api_token` | string, required, secret | The API token " in rows
    assert "| `allow_http` | boolean, `false` | " in rows
    assert "| `start_date` | date-time, none | " in rows
    assert "| `project_ids` | array of integers, `[]` | " in rows
    assert "| `num_workers` | integer 1–20, `8` | " in rows


def test_the_stream_table_has_one_row_for_each_stream_in_the_order_of_the_connector() -> None:
    names = [row.split("`")[1] for row in stream_table().splitlines()[2:]]

    assert names == [stream.name for stream in SourcePivotalTracker().streams({"api_token": "docs"})]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("A project's labels. https://example.com/v5#Labels", "A project's labels."),
        ("A label,\n    or v5.1 of one.\n\n    More on it.", "A label, or v5.1 of one."),
        ("Me.", "Me."),
    ],
)
def test_the_first_sentence_ends_at_a_full_stop_that_nothing_or_a_space_follows(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


def test_a_stream_that_does_not_say_what_a_record_is_is_an_error() -> None:
    with pytest.raises(ValueError, match="no sentence"):
        first_sentence("")
