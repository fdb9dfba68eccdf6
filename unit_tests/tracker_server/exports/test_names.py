"""Which project a file's name says it is an export of, and when that was made."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest

from tracker_server.exports.names import ParsedName, parse_inner_name, parse_name, slug

APRIL_1 = datetime(2025, 4, 1, 12, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("file", "project", "at"),
    [
        ("my_project_20250401_1212.csv", "my_project", APRIL_1),
        ("my_project_20250401_1212.zip", "my_project", APRIL_1),
        ("my_project_20250401_1212-export.zip", "my_project", APRIL_1),
        ("my_project_20250401_1212-export (1).zip", "my_project", APRIL_1),
        ("my_project_20250401_1212 (2).csv", "my_project", APRIL_1),
        ("my_project_20250401_121259.ZIP", "my_project", APRIL_1),
        ("my_project_20250401_1212_2.csv", "my_project", APRIL_1),
        ("my_project_20250401_1212_part 2.csv", "my_project", APRIL_1),
        ("my project 20250401 1212 - Copy.csv", "my project", APRIL_1),
        ("a_20240101_0000_20250401_1212.csv", "a_20240101_0000", APRIL_1),
        ("my_project_20259901_1212.csv", "my_project_20259901_1212", None),
        ("my_project.csv", "my_project", None),
        ("My Project (3).zip", "My Project", None),
        ("Größe & Co. 2024.csv", "Größe & Co. 2024", None),
        ("/home/ann/exports/my_project.csv", "my_project", None),
        ("C:\\exports\\my_project.csv", "my_project", None),
        ("https://files.example.com/a/my%20project_20250401_1212.zip?sig=a/b", "my project", APRIL_1),
        ("s3://bucket/my_project_20250401_1212.zip", "my_project", APRIL_1),
        ("my_project_20250401.csv", "my_project", datetime(2025, 4, 1, tzinfo=UTC)),
        ("my_project_2025-04-01.zip", "my_project", datetime(2025, 4, 1, tzinfo=UTC)),
        ("2025-04-01 my_project.csv", "my_project", datetime(2025, 4, 1, tzinfo=UTC)),
        ("_20250401_1212.csv", "project", APRIL_1),
        ("20250401_1212-export.zip", "project", APRIL_1),
        ("shop20250401.csv", "shop20250401", None),
        ("shop_18000101.csv", "shop_18000101", None),
        ("1027488.csv", "1027488", None),
        (".csv", ".csv", None),
        ("(1).csv", "(1)", None),
    ],
)
def test_the_name_of_a_file(file: str, project: str, at: datetime | None) -> None:
    assert parse_name(file) == ParsedName(project, at)


@pytest.mark.parametrize(
    ("member", "project"),
    [
        ("my_project_20250401_1212.csv", "my_project"),
        ("my_project_20250401_1212_2.csv", "my_project"),
        ("my_project_2.csv", "my_project"),
        ("stories.csv", "my_project"),
        ("stories-1.csv", "my_project"),
        ("done.csv", "my_project"),
        ("export.csv", "my_project"),
        ("_20250401_1212.csv", "my_project"),
        ("other_20250401_1212.csv", "other"),
        ("my_project_mobile.csv", "my_project_mobile"),
        ("1027488.csv", "1027488"),
    ],
)
@pytest.mark.parametrize("around", ["my_project_20250401_1212.zip", "my_project_20250401_1212"])
def test_the_name_of_a_csv_in_a_zip_or_a_folder(member: str, project: str, around: str) -> None:
    assert parse_inner_name(member, [around, "exports"]) == ParsedName(project, APRIL_1)


@pytest.mark.parametrize(
    ("around", "project"),
    [
        (["2024", "my_project"], "my_project"),
        (["backups", "2024", "shop"], "shop"),
        (["exports"], "stories"),
        (["2024", "exports"], "stories"),
        (["1027488", "exports"], "1027488"),
        ([], "stories"),
    ],
)
def test_a_csv_called_after_a_part_belongs_to_the_folder_that_names_a_project(around: list[str], project: str) -> None:
    assert parse_inner_name("stories.csv", around) == ParsedName(project, None)


@pytest.mark.parametrize(
    "names",
    [
        ("my_project", "My Project", "my-project"),
        (unicodedata.normalize("NFC", "grün"), unicodedata.normalize("NFD", "grün"), "GRÜN"),
    ],
)
def test_spellings_of_one_name_are_one_project(names: tuple[str, ...]) -> None:
    assert len({slug(name) for name in names}) == 1


@pytest.mark.parametrize(("one", "other"), [("shop", "shop2"), ("日本", "日本語"), ("!", "?")])
def test_other_names_are_other_projects(one: str, other: str) -> None:
    assert slug(one) != slug(other)
