"""Which project a file's name says it is an export of, and when that was made."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from tracker_server.exports.names import Named, named, named_inside

APRIL_1 = datetime(2025, 4, 1, 12, 12, tzinfo=timezone.utc)


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
        (".csv", ".csv", None),
        ("(1).csv", "(1)", None),
    ],
)
def test_the_name_of_a_file(file: str, project: str, at: datetime | None) -> None:
    assert named(file) == Named(project, at)


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
        ("other_20250401_1212.csv", "other"),
        ("my_project_mobile.csv", "my_project_mobile"),
    ],
)
def test_the_name_of_a_csv_in_a_zip(member: str, project: str) -> None:
    assert named_inside(member, Named("my_project", APRIL_1)) == Named(project, APRIL_1)
