"""The connector asks for attributes in forms that a recording or another client shows, and for none that it drops."""

from __future__ import annotations

import pytest

from source_pivotal_tracker.api.fields import DEFAULT, Fields
from source_pivotal_tracker.streams.base import PartStream, TrackerStream
from source_pivotal_tracker.wiring import client_of, configured, parents_of, streams_of

SETTINGS = configured({"api_url": "https://tracker.example.org/services/v5", "api_token": "a" * 32})
CLIENT = client_of(SETTINGS)
STREAMS = streams_of(SETTINGS, CLIENT, parents_of(SETTINGS, CLIENT))

BARE = {
    "pull_requests": "recording get_story_with_pull_requests.json",
    "branches": "as pull_requests: a client names both so",
    "cycle_time_details": "a client names it so",
    "review_types": "as review_type in recording get_story_reviews.json",
    "file_attachments": "recording delete_an_attachment.json",
    "google_attachments": "an exporter of 2024 names it so, beside file_attachments",
}
"""What stands without parentheses, and who shows that."""
WITH_PARENTHESES = {
    "comments": "an exporter of 2024: comments(:default,file_attachments,google_attachments,attachment_ids)",
    "tasks": "the same: tasks(:default)",
    "blockers": "the same: blockers(:default)",
    "reviews": "the same: reviews(:default)",
}

each_stream = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)


def forms(fields: Fields) -> set[tuple[str, bool]]:
    """Each attribute that holds objects, and whether it stands with parentheses, at any level."""
    found = {(name, bool(inside)) for name, inside in fields.items() if inside is not None or name in BARE}
    return found.union(*(forms(inside) for inside in fields.values() if inside))


@each_stream
def test_what_holds_objects_is_asked_for_in_a_form_that_was_seen(stream: TrackerStream) -> None:
    seen = {(name, False) for name in BARE} | {(name, True) for name in WITH_PARENTHESES}
    assert forms(stream.wanted_fields()) <= seen


@each_stream
def test_nothing_is_asked_for_that_no_record_has(stream: TrackerStream) -> None:
    has = stream.get_json_schema()["properties"].keys() | {DEFAULT}
    asked = stream.wanted_fields()
    assert (asked.keys() - {"id", "updated_at", stream.part} if isinstance(stream, PartStream) else asked.keys()) <= has
