"""The schema of the protocol knows what is a message, and refuses whatever else is in one."""

from __future__ import annotations

from typing import Any

import pytest

from unit_tests.protocol_schema import violations

MESSAGES: dict[str, dict[str, Any]] = {
    "log": {"type": "LOG", "log": {"level": "INFO", "message": "Hello"}},
    "record": {"type": "RECORD", "record": {"stream": "labels", "data": {"id": 1, "any": None}, "emitted_at": 1}},
    "state": {
        "type": "STATE",
        "state": {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "labels"}, "stream_state": {"any": {"thing": 1}}},
            "sourceStats": {"recordCount": 1.0},
        },
    },
    "error": {
        "type": "TRACE",
        "trace": {"type": "ERROR", "emitted_at": 1.5, "error": {"message": "No", "failure_type": "config_error"}},
    },
    "catalog": {
        "type": "CATALOG",
        "catalog": {"streams": [{"name": "a", "json_schema": {"any": []}, "supported_sync_modes": ["full_refresh"]}]},
    },
    "status": {
        "type": "TRACE",
        "trace": {
            "type": "STREAM_STATUS",
            "emitted_at": 1.5,
            "stream_status": {
                "stream_descriptor": {"name": "labels"},
                "status": "RUNNING",
                "reasons": [{"type": "RATE_LIMITED", "rate_limited": {"quota_reset": 1}}],
            },
        },
    },
}
WRONG: dict[str, tuple[object, str]] = {
    "no object": ([], "$: [] is not of type 'object'"),
    "a type of none": ({"type": "ROW"}, "$.type: 'ROW' is not one of "),
    "nothing said": ({"type": "LOG"}, "$: LOG with []"),
    "something else said": ({**MESSAGES["log"], "type": "RECORD"}, "$: RECORD with ['log']"),
    "two things said": ({**MESSAGES["record"], **MESSAGES["log"]}, "$: LOG with ['log', 'record']"),
    "an unknown field": (
        {**MESSAGES["log"], "at": 1},
        "$: Additional properties are not allowed ('at' was unexpected)",
    ),
    "an unknown field further down": (
        {"type": "LOG", "log": {"level": "INFO", "message": "", "at": 1}},
        "$.log: Additional properties are not allowed ('at' was unexpected)",
    ),
    "an unknown field in a list": (
        {"type": "CATALOG", "catalog": {"streams": [{**MESSAGES["catalog"]["catalog"]["streams"][0], "size": 1}]}},
        "$.catalog.streams[0]: Additional properties are not allowed ('size' was unexpected)",
    ),
    "a level of none": ({"type": "LOG", "log": {"level": "WARNING", "message": ""}}, "$.log.level: 'WARNING' is not"),
    "null in place of nothing": (
        {"type": "LOG", "log": {"level": "INFO", "message": "", "stack_trace": None}},
        "$.log.stack_trace: None is not",
    ),
    "a record without a time": (
        {"type": "RECORD", "record": {"stream": "labels", "data": {}}},
        "$.record: 'emitted_at' is a required property",
    ),
    "a record with a time in words": (
        {"type": "RECORD", "record": {"stream": "labels", "data": {}, "emitted_at": "now"}},
        "$.record.emitted_at: 'now' is not of type 'integer'",
    ),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())
def test_a_message_of_the_protocol_is_valid(message: dict[str, Any]) -> None:
    assert list(violations(message)) == []


@pytest.mark.parametrize(("message", "expected"), WRONG.values(), ids=WRONG.keys())
def test_what_the_protocol_does_not_know_is_told_with_its_path(message: object, expected: str) -> None:
    assert [found for found in violations(message) if found.startswith(expected)]
