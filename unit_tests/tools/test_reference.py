"""The reference of the streams says all that discover does."""

from __future__ import annotations

import pytest

from tools.docs import streams
from tools.reference import columns, kind_of, reference, section, sense

STREAMS = {stream.name: stream for stream in streams()}


def test_every_stream_has_a_heading_that_its_link_leads_to() -> None:
    lines = reference(STREAMS.values()).splitlines()

    assert [line for line in lines if line.startswith("## ")] == [f"## {name}" for name in STREAMS]
    assert [line for line in lines if line.startswith("- [")] == [f"- [`{name}`](#{name})" for name in STREAMS]


def test_a_section_has_the_sense_of_the_docstring_and_how_the_stream_is_read() -> None:
    text = section(STREAMS["stories"])

    assert "A story of a project, wherever it stands: done, current, backlog or icebox.\n\n" in text
    assert "- Key: `id`\n- Cursor: `updated_at`\n- Sync modes: full refresh, incremental\n" in text
    assert "- Deletions: tombstones\n- Read from: `projects/{project_id}/stories`\n" in text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("labels", "no request while the version of the project stands still"),
        ("project_memberships", "asked for in each"),
        ("story_cycle_times", "asked for in each"),
        ("notifications", "asked for in each, from the cursor on"),
    ],
)
def test_what_a_later_sync_asks_for_is_read_off_the_plan(name: str, words: str) -> None:
    assert f"- Later syncs: {words}\n" in section(STREAMS[name])


@pytest.mark.parametrize("name", STREAMS)
def test_every_field_of_a_stream_has_a_row(name: str) -> None:
    text = section(STREAMS[name])

    for field in STREAMS[name].as_airbyte_stream().json_schema["properties"]:
        assert f"\n| `{field}` | " in text


def test_a_field_inside_another_is_named_with_the_way_to_it() -> None:
    assert "\n| `labels[].name` | string or null | Text of the label, in lower case. |\n" in section(STREAMS["stories"])
    assert "\n| `personal_settings.kind` | string | Always `personal_settings`. |\n" in section(STREAMS["me"])
    assert "\n| `projects[].role` | string | owner, member or viewer. |\n" in section(STREAMS["me"])


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": ["null", "string"], "format": "date-time"}, "date-time or null"),
        ({"type": ["null", "integer", "string"]}, "integer or string or null"),
        ({"type": ["null", "array"], "items": {"type": "integer"}}, "array of integers or null"),
        ({"type": "array", "items": {"type": ["null", "object"]}}, "array of objects"),
    ],
)
def test_a_type_is_told_in_words(schema: dict[str, object], words: str) -> None:
    assert kind_of(schema) == words


@pytest.mark.parametrize(
    ("docstring", "paragraphs"),
    [
        ("A thing. https://example.com/v5#Things\n\n    More\n    of it.\n    ", ["A thing.", "More of it."]),
        ("A thing.\n\n    https://example.com/v5#Things, recording get_things.json\n    ", ["A thing."]),
        ("A thing. Recording get_things.json.", ["A thing."]),
        ("In columns. https://example.com/v5#A_B,\n    recording get_days.json", ["In columns."]),
    ],
)
def test_the_sense_of_a_docstring_is_without_links_and_recordings(docstring: str, paragraphs: list[str]) -> None:
    assert sense(docstring) == paragraphs


def test_a_key_is_a_column_a_list_of_columns_or_a_list_of_paths() -> None:
    assert columns("id") == "`id`"
    assert columns(["project_id", "number"]) == "`project_id`, `number`"
    assert columns([["person", "id"]]) == "`person.id`"
    assert columns([]) == "–"
