"""The last state of each stream is kept, and every message is passed on."""

from __future__ import annotations

import io
import json
from pathlib import Path

from tools.states import main


def state(stream: str, version: int) -> dict[str, object]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": {"version": version}}}


def line(message: dict[str, object]) -> bytes:
    return json.dumps(message).encode() + b"\n"


MESSAGES = [
    line({"type": "RECORD", "record": {"stream": "labels", "data": {"id": 1}}}),
    line({"type": "STATE", "state": state("labels", 1)}),
    line({"type": "STATE", "state": state("stories", 1)}),
    line({"type": "STATE", "state": state("labels", 2)}),
]


def test_the_file_has_the_last_state_of_each_stream(tmp_path: Path) -> None:
    assert main([str(tmp_path / "state.json")], MESSAGES, io.BytesIO()) == 0
    assert json.loads((tmp_path / "state.json").read_bytes()) == [state("labels", 2), state("stories", 1)]


def test_every_message_is_passed_on_as_it_came(tmp_path: Path) -> None:
    out = io.BytesIO()
    main([str(tmp_path / "state.json")], MESSAGES, out)

    assert out.getvalue() == b"".join(MESSAGES)


def test_a_read_that_printed_no_state_leaves_the_file_of_the_last_one_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("before")
    main([str(file)], MESSAGES[:1], io.BytesIO())

    assert file.read_text() == "before"
