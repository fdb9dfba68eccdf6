"""The generated parts of the documentation are fresh, staleness is noticed, and its links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import yaml

from source_pivotal_tracker.source import SourcePivotalTracker
from tools.docs import (
    FILES,
    PAGES,
    ROOT,
    SECTIONS,
    config_table,
    cost_table,
    first_sentence,
    main,
    regenerated,
    release_table,
    releases,
    stream_table,
    streams,
)
from tools.replica import create
from unit_tests.test_floors import FLOORS

STALE_PAGE = "docs/pivotal-tracker.md"
STALE = """# A page

<!-- BEGIN GENERATED: config -->
old words
<!-- END GENERATED: config -->

Words of a person.

<!-- BEGIN GENERATED: streams -->
<!-- END GENERATED: streams -->
<!-- BEGIN GENERATED: costs -->
<!-- END GENERATED: costs -->
<!-- BEGIN GENERATED: releases -->
<!-- END GENERATED: releases -->
"""
ALL_PAGES = [*PAGES, "README.md", "docs/how-it-works.md", "docs/exports.md", "docs/scale.md", "examples/README.md"]
MOST_WORDS = 2000
"""Of the README: what a newcomer reads in ten minutes."""
NAMES = [stream.name for stream in SourcePivotalTracker().streams({"api_token": "docs"})]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the pages of the documentation as they are, but for one that is stale."""
    for name in (*PAGES, *FILES):
        page = tmp_path / name
        page.parent.mkdir(exist_ok=True)
        page.write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / STALE_PAGE).write_text(STALE, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", PAGES)
def test_the_generated_parts_of_a_page_are_fresh(name: str) -> None:
    page = (ROOT / name).read_text(encoding="utf-8")

    assert page == regenerated(name, page, PAGES[name]), "run `make docs`"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_generated_as_a_whole_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name](streams()), "run `make docs`"


def test_every_section_is_in_a_page() -> None:
    assert {section for sections in PAGES.values() for section in sections} == SECTIONS.keys()


def test_the_readme_can_be_read_in_ten_minutes() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < MOST_WORDS


def test_every_module_of_the_packages_is_in_the_map_exactly_once_and_nothing_else_is() -> None:
    every_module = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## Every module\n")[1]
    rows = re.findall(r"^\| \[?`([^`]+\.py)`", every_module, flags=re.MULTILINE)
    packages = (ROOT / "source_pivotal_tracker", ROOT / "tracker_server", ROOT / "tracker_report")

    assert sorted(rows) == sorted(str(path.relative_to(ROOT)) for package in packages for path in package.rglob("*.py"))


def test_the_map_in_the_readme_has_everything_of_the_connector_on_its_floor() -> None:
    rows = re.findall(r"^\| (\d) \| (.+?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    floors = {Path(name).stem: int(number) for number, names in rows for name in re.findall(r"`([\w/.]+)`", names)}

    assert floors == FLOORS


def test_check_names_the_stale_page_and_the_command_and_writes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], root=root) == 1
    assert capsys.readouterr().err == f"{STALE_PAGE} is stale: run `make docs`.\n"
    assert (root / STALE_PAGE).read_text(encoding="utf-8") == STALE


def test_pages_that_were_written_anew_pass_the_check(root: Path) -> None:
    assert main([], root=root) == 0
    assert main(["--check"], root=root) == 0


def test_writing_replaces_what_is_between_the_markers_and_nothing_else(root: Path) -> None:
    main([], root=root)

    page = (root / STALE_PAGE).read_text(encoding="utf-8")
    assert "old words" not in page
    for generated in (stream_table, cost_table, release_table):
        page = page.replace(generated(STALE_PAGE), "")
    assert page.replace(config_table(STALE_PAGE), "old words\n") == STALE


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
        regenerated("README.md", page, ["config"])


def test_a_key_of_the_config_table_has_its_type_default_and_meaning() -> None:
    rows = config_table("README.md")

    assert "| `api_token` | string, none, secret | The API token " in rows
    assert "| `allow_http` | boolean, `false` | " in rows
    assert "| `start_date` | date-time, none | " in rows
    assert "| `project_ids` | array of integers, `[]` | " in rows
    assert "| `num_workers` | integer 1–20, `8` | " in rows


@pytest.mark.parametrize("table", [stream_table, cost_table], ids=lambda table: str(table.__name__))
def test_a_table_has_one_row_for_each_stream_in_the_order_of_the_connector(table: object) -> None:
    assert callable(table)
    assert [row.split("`")[1] for row in table("README.md").splitlines()[2:]] == NAMES


@pytest.mark.parametrize("name", ALL_PAGES)
def test_every_link_within_the_repository_leads_to_a_file_and_a_heading(name: str) -> None:
    links = re.findall(r"\]\((?!\w+://)([^)#]*)(?:#([^)]*))?\)", (ROOT / name).read_text(encoding="utf-8"))

    assert links
    for path, anchor in links:
        target = ROOT / name if not path else (ROOT / name).parent / path
        assert target.exists(), f"{name} leads to {path}, which is not there"
        assert not anchor or anchor in anchors(target), f"{name} leads to {path}#{anchor}, which is no heading"


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_a_release_is_summed_up_by_the_paragraph_under_its_heading() -> None:
    changelog = "# Changelog\n\n## [2.0.0] – 2027-01-31\n\nNew,\nand better.\n\n### Added\n\n- This.\n"

    assert releases(changelog) == [("2.0.0", "2027-01-31", "New, and better.")]


def test_a_release_that_nothing_sums_up_is_an_error() -> None:
    with pytest.raises(ValueError, match="sums it up"):
        releases("# Changelog\n\n## [2.0.0] – 2027-01-31\n\n### Added\n\n- This.\n")


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


def test_the_queries_of_the_connectors_page_run_on_the_tables_that_discover_tells_of(tmp_path: Path) -> None:
    page = (ROOT / "docs/pivotal-tracker.md").read_text(encoding="utf-8")
    queries = re.findall(r"^ *```sql\n(.*?)```", page, flags=re.DOTALL | re.MULTILINE)
    tables = [
        {"name": stream.name, "json_schema": stream.as_airbyte_stream().json_schema}
        for stream in SourcePivotalTracker().streams({"api_token": "docs"})
    ]
    create({"streams": tables}, tmp_path / "empty.duckdb")

    assert len(queries) > 1
    with duckdb.connect(str(tmp_path / "empty.duckdb")) as database:
        for query in queries:
            assert database.sql(query).fetchall() == []


def test_the_example_for_terraform_sets_keys_that_the_configuration_has() -> None:
    example = (ROOT / "docs/terraform/main.tf").read_text(encoding="utf-8")
    spec = yaml.safe_load((ROOT / "source_pivotal_tracker/spec.yaml").read_text(encoding="utf-8"))
    configuration = re.search(r"jsonencode\(\{(.*?)\}\)", example, flags=re.DOTALL)

    assert configuration
    keys = set(re.findall(r"^ +(\w+) +=", configuration[1], flags=re.MULTILINE))
    assert {"api_token", "project_ids"} <= keys <= spec["connectionSpecification"]["properties"].keys()


def test_the_example_for_terraform_asks_each_stream_for_a_mode_that_it_has() -> None:
    example = (ROOT / "docs/terraform/main.tf").read_text(encoding="utf-8")
    with_cursor = {
        stream.name for stream in SourcePivotalTracker().streams({"api_token": "docs"}) if stream.cursor_field
    }
    lists = dict(re.findall(r"^  (incremental|full_refresh) = \[(.*?)\]", example, flags=re.DOTALL | re.MULTILINE))

    assert set(re.findall(r'"(\w+)"', lists["incremental"])) <= with_cursor
    assert set(re.findall(r'"(\w+)"', lists["full_refresh"])) <= set(NAMES) - with_cursor
